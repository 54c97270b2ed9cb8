//! The file that comes in, written by a thread that may block.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use blake2b_simd::{Params, State};
use bytes::Bytes;
use tempfile::{Builder, NamedTempFile};
use tokio::{
    sync::mpsc,
    task::{JoinHandle, spawn_blocking},
};

use super::{
    message::Digest,
    name::{candidates, plain_name},
};
use crate::failure::Failure;

/// How many messages may wait for the disk, beyond what the connection itself queues: 2 MiB.
const WAITING_MESSAGES: usize = 16;

/// A file that is being received. Until it is finished it has a temporary name; dropped before, it is removed.
#[derive(Debug)]
pub(super) struct IncomingFile {
    steps: mpsc::Sender<Step>,
    /// Taken when its result is.
    writer: Option<JoinHandle<Result<Option<PathBuf>, FileError>>>,
    size: u64,
    received: u64,
}

enum Step {
    Data(Bytes),
    End(Digest),
}

impl IncomingFile {
    /// Begins a file of `size` bytes in `directory`.
    pub(super) fn create(directory: &Path, offered_name: &str, size: u64) -> Self {
        let (steps, coming) = mpsc::channel(WAITING_MESSAGES);
        let (directory, name) = (directory.to_owned(), plain_name(offered_name));
        Self {
            steps,
            writer: Some(spawn_blocking(move || write(&directory, &name, coming))),
            size,
            received: 0,
        }
    }

    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Takes the next bytes; waits while the disk is busy.
    pub(super) async fn write(&mut self, data: Bytes) -> Result<(), FileError> {
        self.received = self.received.saturating_add(data.len() as u64);
        if self.received > self.size {
            return Err(FileError::WrongSize { declared: self.size });
        }
        if self.steps.send(Step::Data(data)).await.is_ok() {
            return Ok(());
        }
        // The writer has ended, which it only does after an error.
        Err(self.ended().await.err().unwrap_or(FileError::Writer))
    }

    /// Gives the file its name, if its contents have this digest.
    pub(super) async fn finish(&mut self, digest: Digest) -> Result<PathBuf, FileError> {
        if self.received != self.size {
            return Err(FileError::WrongSize { declared: self.size });
        }
        // If the writer has ended already, it tells why.
        let _ = self.steps.send(Step::End(digest)).await;
        self.ended().await?.ok_or(FileError::Writer)
    }

    /// Gives up, and waits until the temporary file is gone: a process that ends earlier would leave it.
    pub(super) async fn abandon(mut self) {
        let writer = self.writer.take();
        drop(self.steps);
        if let Some(writer) = writer {
            // Whatever it says, the file is not wanted any more.
            let _ = writer.await;
        }
    }

    async fn ended(&mut self) -> Result<Option<PathBuf>, FileError> {
        match self.writer.take() {
            Some(writer) => writer.await.unwrap_or(Err(FileError::Writer)),
            None => Err(FileError::Writer),
        }
    }
}

/// Writes what comes. Gives no path if the end does not come.
fn write(directory: &Path, name: &str, mut coming: mpsc::Receiver<Step>) -> Result<Option<PathBuf>, FileError> {
    let failed = |source| FileError::Disk {
        path: directory.join(name),
        source,
    };
    let mut file = create(directory, name).map_err(failed)?;
    let mut hash: State = Params::new().hash_length(size_of::<Digest>()).to_state();
    while let Some(step) = coming.blocking_recv() {
        match step {
            Step::Data(data) => {
                hash.update(&data);
                file.write_all(&data).map_err(failed)?;
            }
            Step::End(digest) if hash.finalize().as_bytes() == digest => {
                return persist(file, directory, name).map(Some);
            }
            Step::End(_) => return Err(FileError::WrongDigest),
        }
    }
    Ok(None)
}

fn create(directory: &Path, name: &str) -> io::Result<NamedTempFile> {
    let prefix = format!(".{name}.");
    let mut builder = Builder::new();
    builder.prefix(&prefix).suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As for any new file: less what the user's mask takes away.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(directory)
}

/// Renames the file to the first free name; never over an existing one.
fn persist(mut file: NamedTempFile, directory: &Path, name: &str) -> Result<PathBuf, FileError> {
    for candidate in candidates(name) {
        let path = directory.join(candidate);
        match file.persist_noclobber(&path) {
            Ok(_) => return Ok(path),
            Err(refused) if refused.error.kind() == io::ErrorKind::AlreadyExists => file = refused.file,
            Err(refused) => {
                return Err(FileError::Disk {
                    path,
                    source: refused.error,
                });
            }
        }
    }
    Err(FileError::NoFreeName {
        path: directory.join(name),
    })
}

/// Why a file was not received although the connection was good.
#[derive(Debug)]
pub(super) enum FileError {
    Disk { path: PathBuf, source: io::Error },
    NoFreeName { path: PathBuf },
    WrongSize { declared: u64 },
    WrongDigest,
    Writer,
}

impl FileError {
    /// What the sender is told: nothing of our file system.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Disk { source, .. } => format!("it can not write the file: {}", source.kind()),
            Self::NoFreeName { .. } => "it has too many files of this name".to_owned(),
            Self::WrongSize { declared } => format!("the contents do not have the offered size of {declared} bytes"),
            Self::WrongDigest => "the contents do not have the digest of the sender".to_owned(),
            Self::Writer => "it can not write the file".to_owned(),
        }
    }
}

impl From<&FileError> for Failure {
    fn from(error: &FileError) -> Self {
        let (name, message) = match error {
            FileError::Disk { path, source } => ("disk_failed", format!("can not write {}: {source}", path.display())),
            FileError::NoFreeName { path } => (
                "no_free_name",
                format!("{} and all names like it are taken", path.display()),
            ),
            FileError::WrongSize { .. } => ("wrong_size", format!("the transfer failed: {}", error.reason())),
            FileError::WrongDigest => ("wrong_digest", format!("the transfer failed: {}", error.reason())),
            FileError::Writer => ("disk_failed", "the file could not be written".to_owned()),
        };
        Self::new("transfer", name, message)
    }
}
