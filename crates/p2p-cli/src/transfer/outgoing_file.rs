//! The file that goes out, read by a thread that may block.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use blake2b_simd::{Params, State};
use bytes::Bytes;
use tokio::{
    sync::mpsc,
    task::{JoinHandle, spawn_blocking},
};

use super::message::{DATA_SIZE, Digest, TransferMessage};
use crate::failure::Failure;

/// How many messages are read ahead: 1 MiB.
const MESSAGES_AHEAD: usize = 8;

/// A file that is being sent.
#[derive(Debug)]
pub(super) struct OutgoingFile {
    messages: mpsc::Receiver<Bytes>,
    reader: JoinHandle<io::Result<Digest>>,
    path: String,
}

impl OutgoingFile {
    /// Opens a file and tells its size.
    pub(super) fn open(path: &Path) -> Result<(File, u64), Failure> {
        let failed = |error| unreadable(&path.display().to_string(), &error);
        let metadata = path.metadata().map_err(failed)?;
        if !metadata.is_file() {
            let message = format!("{} is not a regular file", path.display());
            return Err(Failure::new("transfer", "not_a_file", message));
        }
        Ok((File::open(path).map_err(failed)?, metadata.len()))
    }

    /// Begins to read the `size` bytes of a file.
    pub(super) fn read(file: File, size: u64, path: &Path) -> Self {
        let (sender, messages) = mpsc::channel(MESSAGES_AHEAD);
        Self {
            messages,
            reader: spawn_blocking(move || read(file, size, &sender)),
            path: path.display().to_string(),
        }
    }

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
        match self.reader.await {
            Ok(Ok(digest)) => Ok(digest),
            Ok(Err(error)) => Err(unreadable(&self.path, &error)),
            Err(error) => Err(Failure::caused_by("transfer", "unreadable_file", &error)),
        }
    }
}

fn read(mut file: File, size: u64, messages: &mpsc::Sender<Bytes>) -> io::Result<Digest> {
    let mut hash: State = Params::new().hash_length(size_of::<Digest>()).to_state();
    let mut left = size;
    while left > 0 {
        let mut message = Vec::with_capacity(DATA_SIZE + 1);
        message.push(TransferMessage::DATA_TAG);
        let wanted = left.min(DATA_SIZE as u64);
        let read = (&mut file).take(wanted).read_to_end(&mut message)? as u64;
        if read < wanted {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "it has become shorter while it was sent",
            ));
        }
        hash.update(&message[1..]);
        left -= read;
        if messages.blocking_send(message.into()).is_err() {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "the transfer has ended"));
        }
    }
    let mut digest = Digest::default();
    digest.copy_from_slice(hash.finalize().as_bytes());
    Ok(digest)
}

fn unreadable(path: &str, error: &io::Error) -> Failure {
    Failure::new("transfer", "unreadable_file", format!("can not read {path}: {error}"))
}
