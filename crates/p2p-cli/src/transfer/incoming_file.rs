//! The file that comes in, written by a thread that may block.

use std::{
    io,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use tokio::{
    runtime::Handle,
    sync::mpsc,
    task::{JoinHandle, spawn_blocking},
};

use super::{
    digest::Digest,
    message::Offer,
    part_file::{PartFile, PartToCome},
    quota::{Excess, Share},
    reception::Reception,
    waiting_parts::Owner,
};
use crate::{failure::Failure, units::counted};

/// How many messages may wait for the disk, beyond what the connection itself queues: 2 MiB.
const WAITING_MESSAGES: usize = 16;

/// A file that is about to be received, and what there is of it already.
#[derive(Debug)]
pub(super) struct FileToCome {
    part: PartFile,
    size: u64,
    path: PathBuf,
    reception: Reception,
}

impl FileToCome {
    /// Finds what is left of an earlier transfer of the same file, or begins for `owner`. Nothing is written, not even an
    /// empty file, if the quota has no room for it.
    pub(super) async fn open(reception: Reception, offer: Offer, owner: Owner) -> Result<Self, FileError> {
        let path = reception.directory.join(super::name::plain_name(&offer.name));
        blocking(move || {
            let part = PartToCome::find(&reception.directory, &offer, owner);
            let part = part.map_err(|source| FileError::disk(&path, source))?;
            reception.quota.check(&reception.directory, offer.size, part.held())?;
            let part = part.open().map_err(|source| FileError::disk(&path, source))?;
            Ok(Self {
                part,
                size: offer.size,
                path,
                reception,
            })
        })
        .await
    }

    /// How many bytes there are already.
    pub(super) fn held(&self) -> u64 {
        self.part.length()
    }

    /// Goes on from what is held if it has the digest that the sender tells, and begins anew otherwise.
    pub(super) async fn resume(self, prefix: Digest) -> Result<Self, FileError> {
        blocking(move || {
            let Self { part, path, .. } = self;
            let part = part.resume(&prefix).map_err(|source| FileError::disk(&path, source))?;
            let Reception { directory, quota, .. } = &self.reception;
            // There may be less of the file than it seemed.
            quota.check(directory, self.size, part.length())?;
            Ok(Self { part, path, ..self })
        })
        .await
    }

    /// Begins to write.
    pub(super) fn start(self) -> IncomingFile {
        let (steps, coming) = mpsc::channel(WAITING_MESSAGES);
        IncomingFile {
            steps,
            received: self.part.length(),
            size: self.size,
            writer: Some(spawn_blocking(move || self.write(coming))),
        }
    }

    /// Writes what comes. Gives no path if the end does not come.
    fn write(self, mut coming: mpsc::Receiver<Step>) -> Result<Option<PathBuf>, FileError> {
        let Self {
            mut part,
            path,
            size,
            reception: Reception { directory, quota, .. },
        } = self;
        let runtime = Handle::current();
        let mut share = Share::of(&quota, part.length(), size);
        loop {
            let step = runtime.block_on(async {
                tokio::select! {
                    biased;
                    () = share.gives_way() => None,
                    step = coming.recv() => step,
                }
            });
            let Some(step) = step else {
                break;
            };
            match step {
                Step::Data(data) => {
                    let taken = share.take(&directory, data.len() as u64).map_err(FileError::from);
                    let written =
                        taken.and_then(|()| part.write(&data).map_err(|source| FileError::disk(&path, source)));
                    if let Err(error) = written {
                        // A full disk is not to stay full because of it.
                        part.discard();
                        return Err(error);
                    }
                }
                Step::End(digest) if part.digest() == digest => {
                    if let Err(excess) = share.settle() {
                        part.discard();
                        return Err(excess.into());
                    }
                    let finished = part.finish().map_err(|source| FileError::disk(&path, source))?;
                    let Some(finished) = finished else {
                        return Err(FileError::NoFreeName { path });
                    };
                    share.keep();
                    return Ok(Some(finished));
                }
                Step::End(_) => {
                    part.discard();
                    return Err(FileError::WrongDigest);
                }
                Step::Discard => {
                    part.discard();
                    return Ok(None);
                }
            }
        }
        if let Err(excess) = share.settle() {
            part.discard();
            return Err(excess.into());
        }
        if part.stays() {
            share.keep();
        }
        Ok(None)
    }
}

/// A file that is being received. When it is given up, what has arrived may stay for the next attempt.
#[derive(Debug)]
pub(super) struct IncomingFile {
    steps: mpsc::Sender<Step>,
    /// Taken when its result is.
    writer: Option<JoinHandle<Result<Option<PathBuf>, FileError>>>,
    size: u64,
    received: u64,
}

#[derive(Debug)]
enum Step {
    Data(Bytes),
    End(Digest),
    Discard,
}

impl IncomingFile {
    /// How many bytes there are, those of earlier transfers included.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Takes the next bytes; waits while the disk is busy.
    pub(super) async fn write(&mut self, data: Bytes) -> Result<(), FileError> {
        let received = self.received.saturating_add(data.len() as u64);
        if received > self.size {
            return Err(FileError::WrongSize { declared: self.size });
        }
        self.received = received;
        if self.steps.send(Step::Data(data)).await.is_ok() {
            return Ok(());
        }
        Err(self.failed().await)
    }

    /// Waits until nothing more can be written, and tells why.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe until nothing more can be written.
    pub(super) async fn failed(&mut self) -> FileError {
        self.steps.closed().await;
        // The writer has ended, which it only does after an error.
        self.ended().await.err().unwrap_or(FileError::Writer)
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

    /// Gives up, and waits until what has arrived is on the disk for the next attempt, or gone.
    pub(super) async fn give_up(mut self, keep: bool) {
        let writer = self.writer.take();
        if !keep {
            // If the writer has ended already, nothing is left.
            let _ = self.steps.send(Step::Discard).await;
        }
        drop(self.steps);
        if let Some(writer) = writer {
            // Whatever it says, the file is not complete.
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

/// Does something with the disk on a thread that may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FileError> + Send + 'static,
) -> Result<T, FileError> {
    spawn_blocking(work).await.unwrap_or(Err(FileError::Writer))
}

/// Why a file was not received although the connection was good.
#[derive(Debug)]
pub(super) enum FileError {
    Disk { path: PathBuf, source: io::Error },
    Excess(Excess),
    NoFreeName { path: PathBuf },
    WrongSize { declared: u64 },
    WrongDigest,
    Writer,
}

impl FileError {
    fn disk(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        Self::Disk { path, source }
    }

    /// What the sender is told: nothing of our file system.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Disk { source, .. } => format!("it can not write the file: {}", source.kind()),
            Self::Excess(excess) => excess.reason(),
            Self::NoFreeName { .. } => "it has too many files of this name".to_owned(),
            Self::WrongSize { declared } => {
                let declared = counted(*declared, "byte");
                format!("the contents do not have the offered size of {declared}")
            }
            Self::WrongDigest => "the contents do not have the digest of the sender".to_owned(),
            Self::Writer => "it can not write the file".to_owned(),
        }
    }
}

impl From<Excess> for FileError {
    fn from(excess: Excess) -> Self {
        Self::Excess(excess)
    }
}

impl From<&FileError> for Failure {
    fn from(error: &FileError) -> Self {
        let (name, message) = match error {
            FileError::Disk { path, source } => ("disk_failed", format!("can not write {}: {source}", path.display())),
            FileError::Excess(excess) => (excess.name(), format!("the file was refused: {excess}")),
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
