//! `p2p replay`: does everything again that a recorded session did, and compares.

mod differences;
mod dissect;
mod examine;
mod names;
mod observation;
mod perform;
mod record;
mod recorded_message;
mod recorded_remote;
mod session_files;

use std::{
    fmt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use p2p_crypto::Role;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use self::{differences::Differences, record::Record, recorded_remote::Delivery};
use crate::{
    failure::Failure,
    report::{Event, Report},
    units::{counted, doing},
};

/// Replay recorded sessions: read them, and send every byte of both sides again.
///
/// Each file holds one session between two peers. Both directions are opened and compared with what the file says
/// about them; then each side is played by the real handshake and connection against the recorded other one, and every
/// byte that it sends is compared. The exit status is 1 if any session differs or can not be read.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// Recorded sessions; a directory stands for its *.json files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl Replay {
    pub(crate) async fn run(self, report: &Report, interrupt: &CancellationToken) -> Result<ExitCode, Failure> {
        let mut summary = Summary::default();
        for path in session_files::expand(&self.files) {
            if interrupt.is_cancelled() {
                return Err(Failure::interrupted("replay"));
            }
            let replayed = match path {
                Ok(path) => {
                    let text = session_files::read(&path).await;
                    let file = path.display().to_string();
                    match text.and_then(|text| parse(&text)) {
                        Ok(record) => Replayed::of(file, record).await,
                        Err(sentence) => Replayed::unreadable(file, sentence),
                    }
                }
                Err((path, sentence)) => Replayed::unreadable(path.display().to_string(), sentence),
            };
            summary.count(replayed.result);
            report.event(&replayed);
        }
        report.event(&summary);
        summary.verdict()
    }
}

fn parse(text: &str) -> Result<Record, String> {
    serde_json::from_str(text).map_err(|error| format!("not a recorded session: {error}"))
}

/// Everything in which a record and our own work differ, each sentence once.
async fn differences(record: &Record) -> Vec<String> {
    let mut differences = Differences::default();
    examine::examine(record, &mut differences);
    for role in [Role::Initiator, Role::Responder] {
        for delivery in Delivery::ALL {
            perform::perform(record, role, delivery, &mut differences).await;
        }
    }
    let mut sentences: Vec<String> = Vec::new();
    for sentence in differences.into_sentences() {
        if !sentences.contains(&sentence) {
            sentences.push(sentence);
        }
    }
    sentences
}

/// One line: how a file fared.
#[derive(Debug, Serialize)]
struct Replayed {
    file: String,
    /// The name that the session has, by its own account.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    result: Outcome,
    /// What differs, or why the file can not be read.
    differences: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Equal,
    Differs,
    Unreadable,
}

impl Replayed {
    async fn of(file: String, record: Record) -> Self {
        let differences = differences(&record).await;
        Self {
            file,
            name: Some(record.name),
            note: Some(record.note),
            result: if differences.is_empty() {
                Outcome::Equal
            } else {
                Outcome::Differs
            },
            differences,
        }
    }

    fn unreadable(file: String, sentence: String) -> Self {
        Self {
            file,
            name: None,
            note: None,
            result: Outcome::Unreadable,
            differences: vec![sentence],
        }
    }
}

impl Replayed {
    /// The name of the session, and its file unless that is called the same.
    fn title(&self) -> String {
        let stem = Path::new(&self.file).file_stem().unwrap_or_default();
        match &self.name {
            Some(name) if stem == name.as_str() => name.clone(),
            Some(name) if !name.is_empty() => format!("{name} ({})", self.file),
            _ => self.file.clone(),
        }
    }
}

impl Event for Replayed {
    const NAME: &'static str = "replayed";
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = printable(&self.title());
        let first = printable(self.differences.first().map_or("", String::as_str));
        match self.result {
            Outcome::Equal => write!(f, "ok  {name}  {}", printable(self.note.as_deref().unwrap_or_default()))?,
            Outcome::Differs => write!(f, "DIFFERS {name}: {first}")?,
            Outcome::Unreadable => write!(f, "UNREADABLE {name}: {first}")?,
        }
        match self.differences.len() {
            0 | 1 => Ok(()),
            several => write!(f, " (and {} more)", several - 1),
        }
    }
}

/// A text from a file, without anything that would move the cursor.
fn printable(text: &str) -> String {
    text.chars()
        .map(|char| {
            if char.is_control() {
                char::REPLACEMENT_CHARACTER
            } else {
                char
            }
        })
        .collect()
}

/// The last line: how all files fared.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Summary {
    equal: usize,
    different: usize,
    unreadable: usize,
}

impl Summary {
    fn count(&mut self, result: Outcome) {
        let count = match result {
            Outcome::Equal => &mut self.equal,
            Outcome::Differs => &mut self.different,
            Outcome::Unreadable => &mut self.unreadable,
        };
        *count += 1;
    }

    fn verdict(self) -> Result<ExitCode, Failure> {
        let Self {
            equal,
            different,
            unreadable,
        } = self;
        let total = equal + different + unreadable;
        if different == 0 && unreadable == 0 {
            return Ok(ExitCode::SUCCESS);
        }
        let (total, different) = (counted(total, "session"), doing(different, "differ"));
        let message = format!("of {total}, {different} and {unreadable} can not be read");
        Err(Failure::new("replay", "sessions_differ", message))
    }
}

impl Event for Summary {
    const NAME: &'static str = "summary";
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            equal,
            different,
            unreadable,
        } = self;
        write!(f, "{equal} equal, {different} different, {unreadable} unreadable")
    }
}
