//! The file that goes out, read by a thread that may block.

use std::{
    fs::{File, Metadata},
    io::{self, Read, Seek, SeekFrom},
    path::Path,
    sync::Arc,
    time::SystemTime,
};

use bytes::Bytes;
use tokio::{
    sync::mpsc,
    task::{JoinHandle, spawn_blocking},
};

use super::{
    digest::{Digest, Hasher},
    message::{DATA_SIZE, TransferMessage},
    part_file::digest_of,
};
use crate::failure::Failure;

/// How many messages are read ahead: 1 MiB.
const MESSAGES_AHEAD: usize = 8;

/// How much of the beginning of a file is in its fingerprint, in bytes: enough that nobody guesses it who does not have the
/// file, and read in no time.
const FINGERPRINT_HEAD: u64 = 64 * 1024;

/// A file that is open, and as it was then.
#[derive(Clone, Debug)]
pub(super) struct Source {
    file: Arc<File>,
    size: u64,
    modified: Option<SystemTime>,
    path: Arc<str>,
    name: Arc<str>,
}

impl Source {
    /// Opens a file.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let shown = path.display().to_string();
        let failed = |error| unreadable(&shown, &error);
        // Opening a pipe would wait for its other end.
        if !path.metadata().map_err(failed)?.is_file() {
            return Err(Failure::new(
                "transfer",
                "not_a_file",
                format!("{shown} is not a regular file"),
            ));
        }
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        Ok(Self {
            size: metadata.len(),
            modified: metadata.modified().ok(),
            file: Arc::new(file),
            path: shown.into(),
            name: path.file_name().unwrap_or_default().to_string_lossy().into(),
        })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// What it is called.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// In bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The same for the same file, and another one as soon as it has changed: the digest of its size, the time of its last
    /// change and its beginning.
    pub(super) async fn fingerprint(&self) -> Result<Digest, Failure> {
        self.blocking(|source| {
            let mut hasher = source.digest_from_start(FINGERPRINT_HEAD.min(source.size))?;
            hasher.update(&source.size.to_be_bytes());
            let modified = source
                .modified
                .and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
            hasher.update(&modified.map_or(0, |time| time.as_nanos()).to_be_bytes());
            Ok(hasher.digest())
        })
        .await
    }

    /// Digests the first `length` bytes.
    pub(super) async fn prefix(&self, length: u64) -> Result<Hasher, Failure> {
        self.blocking(move |source| source.digest_from_start(length)).await
    }

    /// Begins to read at `offset`; `prefix` has digested what is before.
    pub(super) fn read(&self, offset: u64, prefix: Hasher) -> OutgoingFile {
        let (sender, messages) = mpsc::channel(MESSAGES_AHEAD);
        let source = self.clone();
        OutgoingFile {
            messages,
            reader: spawn_blocking(move || source.read_all(offset, prefix, &sender)),
            source: self.clone(),
        }
    }

    fn digest_from_start(&self, length: u64) -> io::Result<Hasher> {
        let mut file = &*self.file;
        file.seek(SeekFrom::Start(0))?;
        let (hasher, digested) = digest_of(file, length)?;
        if digested < length { Err(changed()) } else { Ok(hasher) }
    }

    fn read_all(&self, offset: u64, mut hasher: Hasher, messages: &mpsc::Sender<Bytes>) -> io::Result<Digest> {
        let mut file = &*self.file;
        file.seek(SeekFrom::Start(offset))?;
        let mut left = self.size.saturating_sub(offset);
        while left > 0 {
            let mut message = Vec::with_capacity(DATA_SIZE + 1);
            message.push(TransferMessage::DATA_TAG);
            let wanted = left.min(DATA_SIZE as u64);
            let read = file.take(wanted).read_to_end(&mut message)? as u64;
            if read < wanted {
                return Err(changed());
            }
            hasher.update(&message[1..]);
            left -= read;
            if messages.blocking_send(message.into()).is_err() {
                return Err(io::Error::new(io::ErrorKind::Interrupted, "the transfer has ended"));
            }
        }
        // Otherwise the beginning may be that of one version and the end that of another.
        if self.is_unchanged(&self.file.metadata()?) {
            Ok(hasher.digest())
        } else {
            Err(changed())
        }
    }

    fn is_unchanged(&self, now: &Metadata) -> bool {
        now.len() == self.size && now.modified().ok() == self.modified
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let source = self.clone();
        self.result(spawn_blocking(move || work(&source)).await)
    }

    fn result<T>(&self, result: Result<io::Result<T>, tokio::task::JoinError>) -> Result<T, Failure> {
        match result {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Failure::new(
                "transfer",
                "file_changed",
                format!("{} has changed while it was sent; send it again", self.path),
            )),
            Ok(Err(error)) => Err(unreadable(&self.path, &error)),
            Err(error) => Err(Failure::caused_by("transfer", "unreadable_file", &error)),
        }
    }
}

/// A file that is being sent.
#[derive(Debug)]
pub(super) struct OutgoingFile {
    messages: mpsc::Receiver<Bytes>,
    reader: JoinHandle<io::Result<Digest>>,
    source: Source,
}

impl OutgoingFile {
    /// The next message of data, or `None` at the end.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        self.messages.recv().await
    }

    /// The digest of everything, after the end.
    pub(super) async fn digest(self) -> Result<Digest, Failure> {
        drop(self.messages);
        self.source.result(self.reader.await)
    }
}

fn changed() -> io::Error {
    io::Error::from(io::ErrorKind::UnexpectedEof)
}

fn unreadable(path: &str, error: &io::Error) -> Failure {
    Failure::new("transfer", "unreadable_file", format!("can not read {path}: {error}"))
}
