use std::fmt;

use serde::Serialize;

use crate::{report::Event, units::counted};

/// Both sides agree on a file to be sent, and from where on.
#[derive(Serialize)]
pub(super) struct TransferStarted {
    pub(super) name: String,
    pub(super) size: u64,
    /// How many bytes the receiver has of an earlier transfer.
    pub(super) resumed_from: u64,
}

impl Event for TransferStarted {
    const NAME: &'static str = "transfer_started";
}

impl fmt::Display for TransferStarted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = counted(self.size, "byte");
        write!(f, "transfer of {} of {size}", self.name.escape_debug())?;
        match self.resumed_from {
            0 => Ok(()),
            held => write!(f, ", of which {held} came earlier"),
        }
    }
}

/// The remote has the file, with the same digest.
#[derive(Serialize)]
pub(super) struct FileSent {
    pub(super) file: String,
    /// What the receiver calls it.
    pub(super) remote_name: String,
    pub(super) size: u64,
    /// How many bytes of it an earlier transfer had brought.
    pub(super) resumed_from: u64,
    pub(super) blake2b: String,
    pub(super) seconds: f64,
}

impl Event for FileSent {
    const NAME: &'static str = "file_sent";
}

impl fmt::Display for FileSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            remote_name,
            size,
            resumed_from,
            blake2b,
            seconds,
        } = self;
        let now = size.saturating_sub(*resumed_from);
        write!(
            f,
            "sent {file} as {}: {now} of {} in {seconds:.2} s, blake2b {blake2b}",
            remote_name.escape_debug(),
            counted(*size, "byte")
        )
    }
}

/// The file is here, with the same digest.
#[derive(Serialize)]
pub(super) struct FileReceived {
    pub(super) file: String,
    pub(super) size: u64,
    /// How many bytes of it an earlier transfer had brought.
    pub(super) resumed_from: u64,
    pub(super) blake2b: String,
    pub(super) seconds: f64,
}

impl Event for FileReceived {
    const NAME: &'static str = "file_received";
}

impl fmt::Display for FileReceived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            size,
            resumed_from,
            blake2b,
            seconds,
        } = self;
        let now = size.saturating_sub(*resumed_from);
        write!(
            f,
            "received {file}: {now} of {} in {seconds:.2} s, blake2b {blake2b}",
            counted(*size, "byte")
        )
    }
}
