//! How much a receiver takes.

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use clap::Args;
use p2p_io_scheduler::ByteSize;

/// What to take, and no more.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Options of --receive")]
pub(crate) struct QuotaOptions {
    /// The largest file to take: 700MB, 4GiB or a number of bytes.
    #[arg(long, value_name = "SIZE")]
    max_file: Option<ByteSize>,
    /// The most to take in this run, all files together, and what has come of those that are not complete.
    #[arg(long, value_name = "SIZE")]
    max_received: Option<ByteSize>,
    /// How much of the disk must stay free: a file that would leave less is refused.
    #[arg(long, value_name = "SIZE", default_value = "1GB")]
    keep_free: ByteSize,
}

/// What may still be taken. Clones share it.
///
/// # Security
///
/// Whoever is accepted may send. Without a bound it could fill the disk, and stop everything else on the machine that needs
/// some of it. Only bytes that have come count, and no sizes that are only declared: nobody is kept out by someone who
/// announces much and sends nothing.
#[derive(Clone, Debug)]
pub(super) struct Quota {
    options: QuotaOptions,
    /// How many bytes have been taken in this run.
    taken: Arc<Mutex<u64>>,
}

/// Why no more is taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Excess {
    /// The file is too large for us.
    #[error("files of more than {limit} are not taken (--max-file), and it has {size} bytes")]
    File { size: u64, limit: ByteSize },
    /// All files together are.
    #[error("no more than {limit} are taken in this run (--max-received), of which {left} bytes are left")]
    Run { limit: ByteSize, left: u64 },
    /// The disk would be too full.
    #[error("{limit} of the disk are to stay free (--keep-free), and {free} bytes are")]
    Disk { limit: ByteSize, free: u64 },
    /// It would have too many files, however small they are.
    #[error("the disk has room for {free} more files, and a twentieth of all that it can have is to stay free")]
    Entries { free: u64 },
}

impl Excess {
    /// Its stable name.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::File { .. } => "file_too_large",
            Self::Run { .. } => "received_enough",
            Self::Disk { .. } | Self::Entries { .. } => "disk_too_full",
        }
    }

    /// What the sender is told: nothing of our disk, or of what others send.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::File { limit, .. } => format!("it takes no files of more than {limit}"),
            Self::Run { .. } => "it has taken as much as it wants".to_owned(),
            Self::Disk { .. } | Self::Entries { .. } => "it has no room for the file".to_owned(),
        }
    }
}

impl Quota {
    pub(super) fn new(options: QuotaOptions) -> Self {
        Self {
            options,
            taken: Arc::default(),
        }
    }

    /// Fails if a file of so many bytes, of which `held` are there already, is too much for `directory` as things are.
    pub(super) fn check(&self, directory: &Path, size: u64, held: u64) -> Result<(), Excess> {
        match self.options.max_file {
            Some(limit) if size > limit.get() => return Err(Excess::File { size, limit }),
            _ => {}
        }
        let more = size.saturating_sub(held);
        self.fits(*self.lock(), more)?;
        let disk = Disk::of(directory);
        disk.as_ref().map_or(Ok(()), Disk::takes_a_file)?;
        let entry = disk.as_ref().map_or(0, Disk::entry_size);
        self.leaves_enough(disk.as_ref(), more.max(entry))
    }

    fn fits(&self, taken: u64, more: u64) -> Result<(), Excess> {
        let Some(limit) = self.options.max_received else {
            return Ok(());
        };
        let left = limit.get().saturating_sub(taken);
        if more > left {
            return Err(Excess::Run { limit, left });
        }
        Ok(())
    }

    fn leaves_enough(&self, disk: Option<&Disk>, more: u64) -> Result<(), Excess> {
        let limit = self.options.keep_free;
        match disk {
            Some(Disk { free, .. }) if more > free.saturating_sub(limit.get()) => {
                Err(Excess::Disk { limit, free: *free })
            }
            _ => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one transfer has taken of a quota. It is given back when this is dropped, unless it is kept.
#[derive(Debug)]
pub(super) struct Share {
    quota: Quota,
    taken: u64,
}

impl Share {
    /// Nothing yet.
    pub(super) fn of(quota: &Quota) -> Self {
        Self {
            quota: quota.clone(),
            taken: 0,
        }
    }

    /// Takes so many bytes, which are about to be written into `directory`.
    pub(super) fn take(&mut self, directory: &Path, bytes: u64) -> Result<(), Excess> {
        self.quota.leaves_enough(Disk::of(directory).as_ref(), bytes)?;
        let mut taken = self.quota.lock();
        self.quota.fits(*taken, bytes)?;
        *taken = taken.saturating_add(bytes);
        self.taken = self.taken.saturating_add(bytes);
        Ok(())
    }

    /// What was taken stays on the disk.
    pub(super) fn keep(mut self) {
        self.taken = 0;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.quota.lock();
        *taken = taken.saturating_sub(self.taken);
    }
}

/// What is left of a disk for everyone.
#[derive(Clone, Copy, Debug)]
struct Disk {
    /// In bytes.
    free: u64,
    /// How many files there can be, and how many more of them; 0 if there is no such number.
    entries: u64,
    free_entries: u64,
}

impl Disk {
    /// Of what a disk can have, one part of files must stay free.
    ///
    /// # Security
    ///
    /// Empty files take no bytes, but a sender can send very many of them.
    const ENTRIES_KEPT_FREE: u64 = 20;

    /// That of a directory, if the system tells.
    #[cfg(unix)]
    fn of(directory: &Path) -> Option<Self> {
        let disk = rustix::fs::statvfs(directory).ok()?;
        Some(Self {
            free: disk.f_bavail.saturating_mul(disk.f_frsize),
            entries: disk.f_files,
            free_entries: disk.f_favail,
        })
    }

    #[cfg(not(unix))]
    fn of(_: &Path) -> Option<Self> {
        None
    }

    fn takes_a_file(&self) -> Result<(), Excess> {
        let free = self.free_entries;
        if free < self.entries / Self::ENTRIES_KEPT_FREE {
            return Err(Excess::Entries { free });
        }
        Ok(())
    }

    /// What a file takes at least, in bytes: where files are not counted, as on Btrfs, even an empty one takes some of those
    /// that are to stay free.
    fn entry_size(&self) -> u64 {
        const BLOCK: u64 = 4096;
        if self.entries == 0 { BLOCK } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(max_file: Option<u64>, max_received: Option<u64>, keep_free: u64) -> Quota {
        Quota::new(QuotaOptions {
            max_file: max_file.map(ByteSize::new),
            max_received: max_received.map(ByteSize::new),
            keep_free: ByteSize::new(keep_free),
        })
    }

    #[test]
    fn files_up_to_the_limit_are_taken_and_larger_ones_are_not() {
        let directory = std::env::temp_dir();
        let quota = quota(Some(1000), None, 0);
        for (size, held, is_taken) in [(0, 0, true), (1000, 0, true), (1001, 0, false), (1001, 1000, false)] {
            assert_eq!(quota.check(&directory, size, held).is_ok(), is_taken, "{size}");
        }
    }

    #[test]
    fn what_was_taken_counts_unless_it_is_given_back() {
        let directory = std::env::temp_dir();
        let quota = quota(None, Some(100), 0);
        let left = |size| quota.check(&directory, size, 0);
        let mut one = Share::of(&quota);
        one.take(&directory, 60).unwrap();
        let mut other = Share::of(&quota);
        other.take(&directory, 40).unwrap();
        let limit = ByteSize::new(100);
        assert_eq!(other.take(&directory, 1), Err(Excess::Run { limit, left: 0 }));
        drop(other);
        assert_eq!((left(40), left(41).is_err()), (Ok(()), true));
        // What is there already is not taken again.
        assert_eq!(quota.check(&directory, 1000, 960), Ok(()));
        one.keep();
        assert_eq!(left(41), Err(Excess::Run { limit, left: 40 }));
    }

    #[cfg(unix)]
    #[test]
    fn the_disk_keeps_what_is_to_stay_free() {
        let directory = std::env::temp_dir();
        let all = quota(None, None, u64::MAX);
        assert!(matches!(all.check(&directory, 1, 0), Err(Excess::Disk { .. })));
        assert!(matches!(Share::of(&all).take(&directory, 1), Err(Excess::Disk { .. })));
        let Disk { free, entries, .. } = Disk::of(&directory).unwrap();
        // What takes nothing is no matter, where it is counted.
        assert_eq!(all.check(&directory, 0, 0).is_ok(), entries > 0);
        assert!(quota(None, None, 0).check(&directory, free * 2, 0).is_err());
    }

    #[test]
    fn a_twentieth_of_the_files_that_there_can_be_stays_free() {
        for (entries, free_entries, is_taken) in [(1000, 50, true), (1000, 49, false), (0, 0, true), (1000, 1000, true)]
        {
            let disk = Disk {
                free: 0,
                entries,
                free_entries,
            };
            assert_eq!(disk.takes_a_file().is_ok(), is_taken, "{disk:?}");
            assert_eq!(disk.entry_size() > 0, entries == 0, "{disk:?}");
        }
    }
}
