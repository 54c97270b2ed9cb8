//! What is left of a disk for everyone.

use std::path::Path;

/// The disk of a directory, as it was a moment ago.
#[derive(Clone, Copy, Debug)]
pub(super) struct Disk {
    /// In bytes.
    pub(super) free: u64,
    /// How many files there can be, and how many more of them; 0 if there is no such number.
    pub(super) entries: u64,
    pub(super) free_entries: u64,
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
    pub(super) fn of(directory: &Path) -> Option<Self> {
        let disk = rustix::fs::statvfs(directory).ok()?;
        Some(Self {
            free: disk.f_bavail.saturating_mul(disk.f_frsize),
            entries: disk.f_files,
            free_entries: disk.f_favail,
        })
    }

    #[cfg(not(unix))]
    pub(super) fn of(_: &Path) -> Option<Self> {
        None
    }

    /// Whether it may have one more file.
    pub(super) fn takes_a_file(&self) -> bool {
        self.free_entries >= self.entries / Self::ENTRIES_KEPT_FREE
    }

    /// What a file takes at least, in bytes: where files are not counted, as on Btrfs, even an empty one takes some of those
    /// that are to stay free.
    pub(super) fn entry_size(&self) -> u64 {
        const BLOCK: u64 = 4096;
        if self.entries == 0 { BLOCK } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_twentieth_of_the_files_that_there_can_be_stays_free() {
        for (entries, free_entries, is_taken) in [(1000, 50, true), (1000, 49, false), (0, 0, true), (1000, 1000, true)]
        {
            let disk = Disk {
                free: 0,
                entries,
                free_entries,
            };
            assert_eq!(disk.takes_a_file(), is_taken, "{disk:?}");
            assert_eq!(disk.entry_size() > 0, entries == 0, "{disk:?}");
        }
    }
}
