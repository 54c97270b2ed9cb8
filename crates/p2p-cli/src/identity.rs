//! `p2p identity`: make, show and check identity files.

use std::{
    fmt,
    num::NonZeroUsize,
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
};

use clap::{Args, Subcommand};
use p2p_crypto::{
    Difficulty, Identity, InvalidIdentity, PublicKey, ReadIdentityError, SearchProgress, SecretKey, WriteIdentityError,
    search_in_parallel,
};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::{
    failure::Failure,
    help,
    report::{Event, Report},
    search_progress::SearchBar,
};

const GENERATE_STATUSES: &str = "Exit status: 0 if all is well, 2 for a wrong usage, 7 if the file exists already, 8 if it \
    can not be written, 130 if interrupted.";

const SHOW_STATUSES: &str = "Exit status: 0 if all is well, 2 for a wrong usage, 3 if the file can not be read, 4 if it \
    holds no identity, 5 if its keys and its peer id do not belong together.";

const CHECK_STATUSES: &str = "Exit status: 0 if all is well, 2 for a wrong usage, 3 if the file can not be read, 4 if it \
    holds no identity, 5 if its keys and its peer id do not belong together, 6 if its proof of work is not enough.";

const UNREADABLE: u8 = 3;
const INVALID: u8 = 4;
const MISMATCH: u8 = 5;
const NOT_ENOUGH_PROOF_OF_WORK: u8 = 6;
const EXISTS: u8 = 7;
const UNWRITABLE: u8 = 8;

#[derive(Debug, Subcommand)]
pub(crate) enum IdentityCommand {
    /// Make a new identity and write it to a file, which must not exist yet.
    #[command(after_help = format!("{}\n\n{GENERATE_STATUSES}", help::GENERATE))]
    Generate(Generate),
    /// Show who an identity file is, without its secret.
    #[command(after_help = format!("{}\n\n{SHOW_STATUSES}", help::SHOW))]
    Show {
        /// The identity file.
        file: PathBuf,
    },
    /// Check that an identity file is sound and has its proof of work.
    #[command(after_help = format!("{}\n\n{CHECK_STATUSES}", help::CHECK))]
    Check {
        /// The identity file.
        file: PathBuf,
        /// The difficulty that its proof of work must reach.
        #[arg(long, value_name = "D", default_value_t = Difficulty::MAINNET)]
        difficulty: Difficulty,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// The difficulty of the proof of work: each more doubles the time. The public networks demand 26.
    #[arg(long, value_name = "D", default_value_t = Difficulty::MAINNET)]
    difficulty: Difficulty,
    /// The file to write, readable by its owner only. A file that exists is left alone.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

impl IdentityCommand {
    pub(crate) async fn run(self, report: &Report, interrupt: &CancellationToken) -> Result<ExitCode, Failure> {
        match self {
            Self::Generate(command) => command.run(report, interrupt).await?,
            Self::Show { file } => report.event(&Shown::of(&read(&file)?)),
            Self::Check { file, difficulty } => check(&file, difficulty, report)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Generate {
    async fn run(self, report: &Report, interrupt: &CancellationToken) -> Result<(), Failure> {
        let Self { difficulty, output } = self;
        // Better now than after a minute of work. Writing looks again.
        if output.symlink_metadata().is_ok() {
            return Err(unwritten(&WriteIdentityError::AlreadyExists { path: output }));
        }
        let identity = generate(difficulty, interrupt).await?;
        identity.write_new_file(&output).map_err(|error| unwritten(&error))?;
        report.event(&Generated {
            file: output.display().to_string(),
            peer_id: identity.peer_id().to_string(),
            public_key: identity.public_key().to_string(),
            difficulty: difficulty.value(),
            difficulty_reached: identity.stamp().difficulty_reached(&identity.public_key()),
        });
        Ok(())
    }
}

/// Makes an identity with all cores, shows the progress on a terminal, and stops when interrupted.
pub(crate) async fn generate(difficulty: Difficulty, interrupt: &CancellationToken) -> Result<Identity, Failure> {
    let interrupt = interrupt.clone();
    let search = tokio::task::spawn_blocking(move || {
        let secret_key = SecretKey::generate();
        let progress = SearchBar::start(difficulty);
        let stamp = search(&secret_key.public_key(), difficulty, |so_far| {
            progress.show(so_far.attempts);
            if interrupt.is_cancelled() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        progress.finish();
        stamp.map(|stamp| Identity::new(secret_key, stamp))
    });
    match search.await {
        Ok(Some(identity)) => Ok(identity),
        Ok(None) => Err(Failure::interrupted("identity")),
        Err(error) => Err(Failure::caused_by("identity", "search_failed", &error)),
    }
}

fn search(
    public_key: &PublicKey,
    difficulty: Difficulty,
    progress: impl FnMut(&SearchProgress) -> ControlFlow<()>,
) -> Option<p2p_crypto::Stamp> {
    let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    search_in_parallel(public_key, difficulty.target(), threads, progress)
}

fn check(file: &Path, difficulty: Difficulty, report: &Report) -> Result<(), Failure> {
    let identity = read(file)?;
    identity.check_difficulty(difficulty).map_err(|error| {
        Failure::caused_by("identity", "not_enough_proof_of_work", &error).with_exit_status(NOT_ENOUGH_PROOF_OF_WORK)
    })?;
    report.event(&Checked {
        peer_id: identity.peer_id().to_string(),
        difficulty: difficulty.value(),
        difficulty_reached: identity.stamp().difficulty_reached(&identity.public_key()),
    });
    Ok(())
}

/// Reads an identity file.
pub(crate) fn read(file: &Path) -> Result<Identity, Failure> {
    Identity::read_file(file).map_err(|error| {
        let (name, exit_status) = match &error {
            ReadIdentityError::Invalid {
                source: InvalidIdentity::PeerIdMismatch { .. } | InvalidIdentity::PublicKeyMismatch { .. },
                ..
            } => ("identity_mismatch", MISMATCH),
            ReadIdentityError::Invalid { .. } | ReadIdentityError::TooLarge { .. } => ("invalid_identity", INVALID),
            _ => ("unreadable_identity", UNREADABLE),
        };
        Failure::caused_by("identity", name, &error).with_exit_status(exit_status)
    })
}

fn unwritten(error: &WriteIdentityError) -> Failure {
    let (name, exit_status) = match error {
        WriteIdentityError::AlreadyExists { .. } => ("identity_exists", EXISTS),
        _ => ("unwritable_identity", UNWRITABLE),
    };
    Failure::caused_by("identity", name, error).with_exit_status(exit_status)
}

#[derive(Serialize)]
struct Generated {
    file: String,
    peer_id: String,
    public_key: String,
    difficulty: f64,
    difficulty_reached: f64,
}

impl Event for Generated {
    const NAME: &'static str = "identity_generated";
}

impl fmt::Display for Generated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, peer_id, .. } = self;
        write!(
            f,
            "{peer_id} with a proof of work of difficulty {:.1} is in {file}",
            self.difficulty_reached
        )
    }
}

#[derive(Serialize)]
struct Shown {
    peer_id: String,
    public_key: String,
    proof_of_work_stamp: String,
    difficulty_reached: f64,
}

impl Shown {
    fn of(identity: &Identity) -> Self {
        Self {
            peer_id: identity.peer_id().to_string(),
            public_key: identity.public_key().to_string(),
            proof_of_work_stamp: identity.stamp().to_string(),
            difficulty_reached: identity.stamp().difficulty_reached(&identity.public_key()),
        }
    }
}

impl Event for Shown {
    const NAME: &'static str = "identity";
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "peer id              {}", self.peer_id)?;
        writeln!(f, "public key           {}", self.public_key)?;
        writeln!(f, "proof of work stamp  {}", self.proof_of_work_stamp)?;
        write!(f, "difficulty reached   {:.2}", self.difficulty_reached)
    }
}

#[derive(Serialize)]
struct Checked {
    peer_id: String,
    difficulty: f64,
    difficulty_reached: f64,
}

impl Event for Checked {
    const NAME: &'static str = "identity_checked";
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            peer_id,
            difficulty,
            difficulty_reached,
        } = self;
        write!(
            f,
            "{peer_id} is sound: its proof of work reaches {difficulty_reached:.2}, {difficulty} are required"
        )
    }
}
