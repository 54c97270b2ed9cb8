//! What is told to the user: readable lines, or with `--json` one object a line.

use std::{
    collections::VecDeque,
    fmt,
    io::{self, Write},
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::{bars, failure::Failure, json};

/// Something worth telling. `Display` is its readable line, its fields are those of the JSON object.
pub(crate) trait Event: Serialize + fmt::Display {
    /// The value of the field `event`.
    const NAME: &'static str;
}

/// Where events and errors go. Clones write to the same place, one line at a time.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    format: Format,
    connection: Option<u64>,
    errors_only: bool,
    output: Arc<Output>,
    bars: MultiProgress,
}

/// How events are written to standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// A line to read.
    Text,
    /// A JSON object a line.
    Json,
}

#[derive(Debug, Default)]
struct Output {
    error: Mutex<Option<io::Error>>,
    failed: CancellationToken,
    /// The last lines, while something else is on the screen.
    aside: Mutex<Option<VecDeque<String>>>,
}

/// While this lives, lines are kept aside and not written, and bars are not shown.
#[derive(Debug)]
pub(crate) struct Aside {
    output: Arc<Output>,
    bars: MultiProgress,
}

impl Aside {
    /// How many lines are kept.
    pub(crate) const LINES: usize = 4;

    /// The last lines, the latest at the end.
    pub(crate) fn lines(&self) -> Vec<String> {
        let aside = lock(&self.output.aside);
        aside.iter().flatten().cloned().collect()
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        *lock(&self.output.aside) = None;
        self.bars.set_draw_target(bars::target());
    }
}

impl Report {
    pub(crate) fn new(format: Format) -> Self {
        Self {
            format,
            connection: None,
            errors_only: false,
            output: Arc::default(),
            bars: MultiProgress::with_draw_target(bars::target()),
        }
    }

    /// The same report for the events of one of many connections.
    pub(crate) fn of_connection(&self, number: u64) -> Self {
        Self {
            connection: Some(number),
            ..self.clone()
        }
    }

    /// The same report for something of which nobody wants to know but that it fails.
    pub(crate) fn errors_only(&self) -> Self {
        Self {
            errors_only: true,
            ..self.clone()
        }
    }

    /// Whether events are JSON objects.
    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Writes an event to standard output.
    pub(crate) fn event<E: Event>(&self, event: &E) {
        if self.errors_only {
            return;
        }
        let line = match (self.format, self.connection) {
            (Format::Json, connection) => self.json(E::NAME, connection, event),
            (Format::Text, Some(connection)) => format!("[{connection}] {event}"),
            (Format::Text, None) => event.to_string(),
        };
        self.write(line);
    }

    /// Writes an event that would only be in the way of a reader, with `--json` alone.
    pub(crate) fn detail<E: Event>(&self, event: &E) {
        if self.format == Format::Json {
            self.event(event);
        }
    }

    /// Writes something for readers that is no event, without `--json` alone.
    pub(crate) fn text(&self, text: &impl fmt::Display) {
        if self.format == Format::Text {
            self.write(text.to_string());
        }
    }

    /// Shows a bar on standard error, if that is a terminal. It makes way for everything that is written here.
    pub(crate) fn show(&self, bar: ProgressBar) -> ProgressBar {
        self.bars.add(bar)
    }

    /// Keeps lines, errors and bars aside from now on: they would destroy what is on the screen.
    pub(crate) fn aside(&self) -> Aside {
        *lock(&self.output.aside) = Some(VecDeque::new());
        self.bars.set_draw_target(ProgressDrawTarget::hidden());
        Aside {
            output: self.output.clone(),
            bars: self.bars.clone(),
        }
    }

    /// Writes bytes that are the same in every format.
    pub(crate) fn raw(&self, bytes: &[u8]) {
        self.write_bytes(bytes);
    }

    /// Writes an error as a sentence to standard error, and with `--json` as an event to standard output, too.
    pub(crate) fn error(&self, failure: &Failure) {
        if self.format == Format::Json {
            self.write(self.json("error", self.connection, failure));
        }
        self.warning(failure);
    }

    /// Writes something that is wrong and does not stop us as a sentence to standard error.
    pub(crate) fn warning(&self, failure: &Failure) {
        let line = match self.connection {
            Some(connection) => format!("p2p: connection {connection}: {failure}"),
            None => format!("p2p: {failure}"),
        };
        if let Some(line) = self.output.keep(line) {
            // There is nobody left to tell if standard error is closed.
            let _ = self.bars.suspend(|| writeln!(io::stderr(), "{line}"));
        }
    }

    /// Resolves when standard output can not be written any more.
    pub(crate) async fn output_failed(&self) {
        self.output.failed.cancelled().await;
    }

    /// The exit status for standard output that could not be written, if that was so.
    pub(crate) fn output_failure(&self) -> Option<ExitCode> {
        if !self.output.failed.is_cancelled() {
            return None;
        }
        let error = lock(&self.output.error).take();
        Some(match error {
            // As quiet as any program that is ended by SIGPIPE.
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                let _ = writeln!(io::stderr(), "p2p: can not write to standard output: {error}");
                ExitCode::FAILURE
            }
            _ => ExitCode::from(Self::EXIT_BROKEN_PIPE),
        })
    }

    /// What shells report of a program that was ended by SIGPIPE: 128 + 13.
    const EXIT_BROKEN_PIPE: u8 = 141;

    fn json(&self, name: &'static str, connection: Option<u64>, fields: &impl Serialize) -> String {
        let object = Tagged {
            event: name,
            connection,
            fields,
        };
        json::to_string(&object).unwrap_or_else(|error| {
            let object =
                serde_json::json!({ "event": "error", "error": "not_serializable", "message": error.to_string() });
            object.to_string()
        })
    }

    fn write(&self, line: String) {
        if let Some(line) = self.output.keep(line) {
            self.write_bytes(format!("{line}\n").as_bytes());
        }
    }

    fn write_bytes(&self, bytes: &[u8]) {
        let written = self.bars.suspend(|| {
            let mut stdout = io::stdout().lock();
            stdout.write_all(bytes).and_then(|()| stdout.flush())
        });
        if let Err(error) = written {
            lock(&self.output.error).get_or_insert(error);
            self.output.failed.cancel();
        }
    }
}

impl Output {
    /// Keeps a line aside, or gives it back if it is to be written.
    fn keep(&self, line: String) -> Option<String> {
        match &mut *lock(&self.aside) {
            None => Some(line),
            Some(lines) => {
                lines.push_back(line);
                while lines.len() > Aside::LINES {
                    lines.pop_front();
                }
                None
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Serialize)]
struct Tagged<'a, F> {
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<u64>,
    #[serde(flatten)]
    fields: &'a F,
}
