//! Where files go.

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    quota::{Quota, QuotaOptions},
    waiting_parts::{MOST_KEPT, tidy},
};
use crate::{failure::Failure, whole_file::try_directory};

/// Where files go, and how much of them is taken. Clones share the quota.
#[derive(Clone, Debug)]
pub(crate) struct Reception {
    pub(super) directory: PathBuf,
    pub(super) quota: Quota,
    _lock: Option<Arc<File>>,
}

impl Reception {
    /// Takes `directory` for this process alone, and removes what waits there for the rest of files that nobody has sent for
    /// long.
    pub(crate) fn prepare(directory: PathBuf, quota: QuotaOptions) -> Result<Self, Failure> {
        let shown = directory.display();
        if !directory.is_dir() {
            let message = format!("{shown} is not a directory");
            return Err(Failure::new("start", "not_a_directory", message));
        }
        // Better told now than when the first file comes.
        try_directory(&directory).map_err(|error| {
            let message = format!("can not write into {shown}: {error}");
            Failure::new("start", "unwritable_directory", message)
        })?;
        let lock = lock(&directory).map_err(|AnotherReceives| {
            let message = format!("another p2p receives files into {shown}; give each a directory of its own");
            Failure::new("start", "directory_in_use", message)
        })?;
        tidy(&directory, MOST_KEPT);
        Ok(Self {
            directory,
            quota: Quota::new(quota),
            _lock: lock.map(Arc::new),
        })
    }
}

struct AnotherReceives;

/// Locks a directory against other processes, until the end of this one, however that comes. Two of them would take the parts
/// that the other one looks at for ones that are being sent, and each would count only its own files for its quota. The lock is
/// on the directory itself, so that no file has to be left in it. `None` where there are no such locks.
fn lock(directory: &Path) -> Result<Option<File>, AnotherReceives> {
    let Ok(opened) = File::open(directory) else {
        return Ok(None);
    };
    match opened.try_lock() {
        Ok(()) => Ok(Some(opened)),
        Err(TryLockError::WouldBlock) => Err(AnotherReceives),
        Err(TryLockError::Error(_)) => Ok(None),
    }
}
