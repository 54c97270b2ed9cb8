//! The fuzzer of one target, named by the environment; without libFuzzer it only repeats given inputs.
#![cfg_attr(fuzzing, no_main)]

use fuzz::{TARGETS, Target};

/// The environment variable with the name of the target.
const TARGET: &str = "FUZZ_TARGET";

fn target() -> &'static Target {
    let name = std::env::var(TARGET).unwrap_or_default();
    match TARGETS.iter().find(|target| target.name == name) {
        Some(target) => target,
        None => {
            let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            eprintln!("{TARGET} must be one of: {}", names.join(", "));
            std::process::exit(2);
        }
    }
}

#[cfg(fuzzing)]
mod guided {
    use std::sync::OnceLock;

    static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();

    libfuzzer_sys::fuzz_target!(init: { TARGET.get_or_init(|| super::target().run); }, |data: &[u8]| {
        if let Some(run) = TARGET.get() {
            run(data);
        }
    });
}

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    let target = target();
    for file in std::env::args_os().skip(1) {
        (target.run)(&std::fs::read(file)?);
    }
    Ok(())
}
