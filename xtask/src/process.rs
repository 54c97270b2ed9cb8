//! Starting cargo and other programs.

use std::ffi::OsString;
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Outcome;

/// How often a running child is asked whether it has ended.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The cargo that started us, so that every step uses the same toolchain.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")))
}

/// Shows the command, runs it with our own standard output and error, and fails if it fails.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let line = describe(command);
    println!("$ {line}");
    let status = command
        .status()
        .map_err(|error| format!("`{line}` could not be started: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("`{line}` failed ({status})"))
    }
}

/// As [`run`]; a command that has not ended after `limit` is killed and counts as failed.
pub(crate) fn run_within(limit: Duration, command: &mut Command) -> Outcome {
    let line = describe(command);
    println!("$ {line}");
    let mut child = command
        .spawn()
        .map_err(|error| format!("`{line}` could not be started: {error}"))?;
    match wait_within(limit, &mut child).map_err(|error| format!("`{line}` could not be awaited: {error}"))? {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(format!("`{line}` failed ({status})")),
        None => Err(format!(
            "`{line}` had not ended after {} s and was killed",
            limit.as_secs()
        )),
    }
}

/// Runs the command quietly and returns its standard output; its standard error is passed through.
pub(crate) fn capture(command: &mut Command) -> Result<String, String> {
    let line = describe(command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("`{line}` could not be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("`{line}` failed ({})", output.status));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("`{line}` printed something other than UTF-8"))
}

/// Runs the command quietly and returns all that it printed, which becomes part of the error if it fails.
pub(crate) fn capture_both(command: &mut Command) -> Result<String, String> {
    let line = describe(command);
    let output = command
        .output()
        .map_err(|error| format!("`{line}` could not be started: {error}"))?;
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed);
    if !output.status.success() {
        return Err(format!("`{line}` failed ({})\n{}", output.status, printed.trim_end()));
    }
    Ok(printed.into_owned())
}

/// Whether the command can be run and succeeds; what it prints is dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Runs the command with no input and holds back its output, which becomes part of the error if the
/// command fails. A command that has not ended after `limit` is killed and counts as failed.
pub(crate) fn run_quietly_within(limit: Duration, command: &mut Command) -> Outcome {
    let line = describe(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("`{line}` could not be started: {error}"))?;
    let output = collect(child.stdout.take());
    let errors = collect(child.stderr.take());

    let ended = wait_within(limit, &mut child).map_err(|error| format!("`{line}` could not be awaited: {error}"))?;
    let complaint = match ended {
        Some(status) if status.success() => return Ok(()),
        Some(status) => format!("failed ({status})"),
        None => format!("had not ended after {} s and was killed", limit.as_secs()),
    };
    let printed = [output, errors].map(|reader| reader.join().unwrap_or_default());
    Err(format!("`{line}` {complaint}\n{}", printed.concat())
        .trim_end()
        .to_owned())
}

/// `None` if the child had to be killed.
fn wait_within(limit: Duration, child: &mut Child) -> std::io::Result<Option<ExitStatus>> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if started.elapsed() >= limit {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(POLL_INTERVAL);
    }
}

/// Reads a pipe on a thread of its own, so that a full pipe never blocks the child.
fn collect(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What was read before an error is still worth showing.
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn describe(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let mut words = vec![program.file_name().unwrap_or(command.get_program()).to_string_lossy()];
    words.extend(command.get_args().map(|argument| argument.to_string_lossy()));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_names_the_command_and_shows_what_it_printed() {
        let error = run_quietly_within(Duration::MAX, cargo().arg("no-such-subcommand")).unwrap_err();
        assert!(error.contains("cargo no-such-subcommand` failed"), "{error}");
        assert!(error.contains("no such command"), "{error}");
    }

    #[test]
    fn success_is_silent() {
        assert_eq!(run_quietly_within(Duration::MAX, cargo().arg("--version")), Ok(()));
    }

    #[cfg(unix)]
    #[test]
    fn a_command_that_does_not_end_is_killed() {
        for run in [run_within, run_quietly_within] {
            let error = run(Duration::ZERO, Command::new("sleep").arg("600")).unwrap_err();
            assert!(error.contains("was killed"), "{error}");
        }
    }

    #[test]
    fn a_program_that_does_not_exist_is_one_clear_error() {
        let error = run(&mut Command::new("there-is-no-such-program")).unwrap_err();
        assert!(
            error.starts_with("`there-is-no-such-program` could not be started"),
            "{error}"
        );
        assert!(!succeeds(&mut Command::new("there-is-no-such-program")));
    }
}
