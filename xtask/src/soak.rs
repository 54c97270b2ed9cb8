//! `cargo xtask soak`: many peers on real sockets for minutes. The program is in `soak/`; this only builds and runs it.

use crate::{Outcome, process};

pub(crate) fn run(arguments: &[String]) -> Outcome {
    process::run(
        process::cargo()
            .args(["run", "--quiet", "--release", "--package", "soak", "--"])
            .args(arguments),
    )
}
