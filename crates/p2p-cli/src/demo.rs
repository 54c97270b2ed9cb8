//! `p2p demo`
use std::process::ExitCode;

use crate::{failure::Failure, report::Report};

pub(crate) async fn run(_: &Report) -> Result<ExitCode, Failure> {
    Ok(ExitCode::SUCCESS)
}
