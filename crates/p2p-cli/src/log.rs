//! What the libraries tell while they work, on standard error.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::{failure::Failure, json::EscapingWriter};

/// The variable with a filter of tracing's, instead of `-v`: `P2P_LOG=p2p_socket=debug`.
pub(crate) const FILTER: &str = "P2P_LOG";

/// Starts telling, if that is wanted: with `-v`, with the variable, or with `json`.
pub(crate) fn start(verbose: u8, json: bool) -> Result<(), Failure> {
    let variable = std::env::var(FILTER).ok().filter(|filter| !filter.is_empty());
    let filter = match (verbose, variable) {
        (0, Some(filter)) => filter,
        (0, None) if !json => return Ok(()),
        (0 | 1, _) => "p2p_socket=debug,p2p_io_scheduler=debug".to_owned(),
        (2, _) => "p2p_socket=trace,p2p_io_scheduler=trace".to_owned(),
        _ => "trace".to_owned(),
    };
    let filter = EnvFilter::try_new(&filter).map_err(|error| {
        let message = format!("{FILTER}={filter} is no filter: {error}");
        Failure::new("usage", "wrong_usage", message).with_exit_status(Failure::EXIT_USAGE)
    })?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(colours(&io::stderr()));
    let started = if json {
        log.json().with_writer(|| EscapingWriter(io::stderr())).try_init()
    } else {
        log.try_init()
    };
    started.map_err(|error| Failure::new("start", "no_log", format!("can not write a log: {error}")))
}

/// Only on a terminal, and not against the wish of <https://no-color.org>.
pub(crate) fn colours(output: &impl IsTerminal) -> bool {
    output.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
