//! How much a receiver takes.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use clap::Args;
use p2p_io_scheduler::ByteSize;
use tokio_util::sync::CancellationToken;

use super::disk::Disk;
use crate::units::counted;

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
///
/// Files that come at the same time may so prove to be too much together. Then the one goes of which least has come: if that
/// one went of which most has come, little would be enough to have a large file thrown away, again and again. Of those that
/// are offered later, none gets what a file still lacks of which half has come.
#[derive(Clone, Debug)]
pub(super) struct Quota {
    options: QuotaOptions,
    ledger: Arc<Ledger>,
}

#[derive(Debug, Default)]
struct Ledger {
    entries: Mutex<Entries>,
    /// Told whenever something was given back, or is to be.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Entries {
    /// How many bytes have been taken in this run.
    taken: u64,
    /// The files that are coming, by the numbers of their shares.
    coming: BTreeMap<u64, Coming>,
    next: u64,
}

#[derive(Debug)]
struct Coming {
    /// In bytes: what there is of it, and would be lost.
    length: u64,
    /// In bytes: all of it.
    size: u64,
    /// Cancelled when it has to go.
    gives_way: CancellationToken,
}

/// Why no more is taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Excess {
    /// The file is too large for us.
    #[error("files of more than {limit} are not taken (--max-file), and it has {}", counted(*size, "byte"))]
    File { size: u64, limit: ByteSize },
    /// All files together are.
    #[error("no more than {limit} are taken in this run (--max-received), with {} left", counted(*left, "byte"))]
    Run { limit: ByteSize, left: u64 },
    /// The disk would be too full.
    #[error("{limit} of the disk are to stay free (--keep-free), and it has {} left", counted(*free, "byte"))]
    Disk { limit: ByteSize, free: u64 },
    /// It would have too many files, however small they are.
    #[error("the disk has room for {}, and a twentieth of all that it can have is to stay free", counted(*free, "more file"))]
    Entries { free: u64 },
    /// It had to go for another one.
    #[error("its room was needed for a file of which more has come")]
    GaveWay,
}

impl Excess {
    /// Its stable name.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::File { .. } => "file_too_large",
            Self::Run { .. } => "received_enough",
            Self::Disk { .. } | Self::Entries { .. } => "disk_too_full",
            Self::GaveWay => "gave_way",
        }
    }

    /// What the sender is told: nothing of our disk, or of what others send.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::File { limit, .. } => format!("it takes no files of more than {limit}"),
            Self::Run { .. } => "it has taken as much as it wants".to_owned(),
            Self::Disk { .. } | Self::Entries { .. } => "it has no room for the file".to_owned(),
            Self::GaveWay => "it needs the room for a file of which more has come".to_owned(),
        }
    }
}

impl Quota {
    pub(super) fn new(options: QuotaOptions) -> Self {
        Self {
            options,
            ledger: Arc::default(),
        }
    }

    /// Fails if a file of so many bytes, of which `held` are there already, is too much for `directory` as things are.
    pub(super) fn check(&self, directory: &Path, size: u64, held: u64) -> Result<(), Excess> {
        match self.options.max_file {
            Some(limit) if size > limit.get() => return Err(Excess::File { size, limit }),
            _ => {}
        }
        let more = size.saturating_sub(held);
        let entries = self.lock();
        let (taken, reserved) = (entries.taken, entries.reserved());
        drop(entries);
        self.fits(taken.saturating_add(reserved), more)?;
        let disk = Disk::of(directory);
        if let Some(Disk { free_entries: free, .. }) = disk.filter(|disk| !disk.takes_a_file()) {
            return Err(Excess::Entries { free });
        }
        let entry = disk.as_ref().map_or(0, Disk::entry_size);
        let left = disk.map(|disk| Disk {
            free: disk.free.saturating_sub(reserved),
            ..disk
        });
        self.leaves_enough(left.as_ref(), more.max(entry))
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

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.ledger.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    /// What is kept from files that are offered now, in bytes: the rest of those that are coming, but of each no more than has
    /// come of it.
    fn reserved(&self) -> u64 {
        let rest = |coming: &Coming| coming.size.saturating_sub(coming.length).min(coming.length);
        self.coming.values().map(rest).fold(0, u64::saturating_add)
    }

    /// Has a file go of which less has come than of the one with this number, unless one is going already. `false` if there
    /// is none.
    fn make_room_for(&self, number: u64) -> bool {
        let others = || self.coming.iter().filter(|(other, _)| **other != number);
        if others().any(|(_, other)| other.gives_way.is_cancelled()) {
            return true;
        }
        let length = self.coming.get(&number).map_or(0, |coming| coming.length);
        let least = others().map(|(_, other)| other).min_by_key(|other| other.length);
        let goes = least.filter(|least| least.length < length);
        goes.inspect(|goes| goes.gives_way.cancel()).is_some()
    }
}

/// What one transfer has taken of a quota. It is given back when this is dropped, unless it is kept.
#[derive(Debug)]
pub(super) struct Share {
    quota: Quota,
    number: u64,
    /// In bytes.
    taken: u64,
    gives_way: CancellationToken,
}

impl Share {
    /// Nothing yet, for a file of `size` bytes, of which `held` are there already.
    pub(super) fn of(quota: &Quota, held: u64, size: u64) -> Self {
        let gives_way = CancellationToken::new();
        let coming = Coming {
            length: held,
            size,
            gives_way: gives_way.clone(),
        };
        let mut entries = quota.lock();
        let number = entries.next;
        entries.next = number.saturating_add(1);
        entries.coming.insert(number, coming);
        drop(entries);
        Self {
            quota: quota.clone(),
            number,
            taken: 0,
            gives_way,
        }
    }

    /// Takes so many bytes, which are about to be written into `directory`. If there is no room, waits for files to go of
    /// which less has come. If there are none, this one has to go.
    pub(super) fn take(&mut self, directory: &Path, bytes: u64) -> Result<(), Excess> {
        let changed = &self.quota.ledger.changed;
        let mut entries = self.quota.lock();
        loop {
            self.check()?;
            let fits = self.quota.fits(entries.taken, bytes);
            match fits.and_then(|()| self.quota.leaves_enough(Disk::of(directory).as_ref(), bytes)) {
                Ok(()) => break,
                Err(_) if entries.make_room_for(self.number) => {
                    // Who has to go may be waiting itself.
                    changed.notify_all();
                    entries = changed.wait(entries).unwrap_or_else(PoisonError::into_inner);
                }
                Err(excess) => {
                    // It is the one that goes: others of which as much has come stay, and wait for its room.
                    self.gives_way.cancel();
                    return Err(excess);
                }
            }
        }
        entries.taken = entries.taken.saturating_add(bytes);
        if let Some(coming) = entries.coming.get_mut(&self.number) {
            coming.length = coming.length.saturating_add(bytes);
        }
        drop(entries);
        self.taken = self.taken.saturating_add(bytes);
        Ok(())
    }

    /// Fails if the file has to go.
    fn check(&self) -> Result<(), Excess> {
        if self.gives_way.is_cancelled() {
            return Err(Excess::GaveWay);
        }
        Ok(())
    }

    /// Waits until the file has to go.
    pub(super) async fn gives_way(&self) {
        self.gives_way.cancelled().await;
    }

    /// From here on the file need not go any more. Fails if it has to already.
    pub(super) fn settle(&self) -> Result<(), Excess> {
        let mut entries = self.quota.lock();
        self.check()?;
        entries.coming.remove(&self.number);
        Ok(())
    }

    /// What was taken stays on the disk.
    pub(super) fn keep(mut self) {
        self.taken = 0;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut entries = self.quota.lock();
        entries.taken = entries.taken.saturating_sub(self.taken);
        entries.coming.remove(&self.number);
        self.quota.ledger.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

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
        let mut one = Share::of(&quota, 0, 60);
        one.take(&directory, 60).unwrap();
        let mut other = Share::of(&quota, 0, 40);
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
        assert!(matches!(
            Share::of(&all, 0, 1).take(&directory, 1),
            Err(Excess::Disk { .. })
        ));
        let Disk { free, entries, .. } = Disk::of(&directory).unwrap();
        // What takes nothing is no matter, where it is counted.
        assert_eq!(all.check(&directory, 0, 0).is_ok(), entries > 0);
        assert!(quota(None, None, 0).check(&directory, free * 2, 0).is_err());
    }

    #[test]
    fn the_file_goes_of_which_least_has_come() {
        let directory = std::env::temp_dir();
        let quota = quota(None, Some(100), 0);
        let [mut small, mut large, mut larger] = [(); 3].map(|()| Share::of(&quota, 0, 100));
        small.take(&directory, 10).unwrap();
        large.take(&directory, 40).unwrap();
        larger.take(&directory, 41).unwrap();
        let limit = ByteSize::new(100);
        // There is nothing of which less has come.
        assert_eq!(small.take(&directory, 10), Err(Excess::Run { limit, left: 9 }));
        thread::scope(|scope| {
            let taking = scope.spawn(|| large.take(&directory, 19));
            while small.check().is_ok() {
                thread::yield_now();
            }
            assert!(!taking.is_finished());
            assert_eq!(small.take(&directory, 0), Err(Excess::GaveWay));
            assert_eq!(small.settle(), Err(Excess::GaveWay));
            drop(small);
            assert_eq!(taking.join().unwrap(), Ok(()));
        });
        // What is complete goes for nobody.
        larger.settle().unwrap();
        assert_eq!(large.take(&directory, 1), Err(Excess::Run { limit, left: 0 }));
        larger.keep();
        drop(large);
        assert_eq!(quota.check(&directory, 59, 0), Ok(()));
    }

    #[test]
    fn of_files_of_which_as_much_has_come_one_alone_goes() {
        let directory = std::env::temp_dir();
        let quota = quota(None, Some(100), 0);
        let [mut first, mut second] = [(); 2].map(|()| Share::of(&quota, 0, 100));
        first.take(&directory, 50).unwrap();
        second.take(&directory, 50).unwrap();
        let limit = ByteSize::new(100);
        assert_eq!(first.take(&directory, 1), Err(Excess::Run { limit, left: 0 }));
        assert_eq!(first.settle(), Err(Excess::GaveWay));
        thread::scope(|scope| {
            // Its room is not there before it has been removed.
            let taking = scope.spawn(|| second.take(&directory, 50));
            drop(first);
            assert_eq!(taking.join().unwrap(), Ok(()));
        });
    }

    #[test]
    fn what_a_file_lacks_of_which_half_has_come_is_kept_for_it() {
        let directory = std::env::temp_dir();
        let quota = quota(None, Some(100), 0);
        let fits = |size| quota.check(&directory, size, 0).is_ok();
        let mut coming = Share::of(&quota, 0, 60);
        // What is only declared keeps nothing from others.
        assert!(fits(100));
        for (more, left) in [(10, 80), (10, 60), (10, 40), (1, 40), (29, 40)] {
            coming.take(&directory, more).unwrap();
            assert_eq!((fits(left), fits(left + 1)), (true, false), "{}", coming.taken);
        }
    }

    #[test]
    fn what_came_before_counts_for_a_file_too() {
        let directory = std::env::temp_dir();
        let quota = quota(None, Some(100), 0);
        let (mut resumed, mut new) = (Share::of(&quota, 1000, 2000), Share::of(&quota, 0, 100));
        resumed.take(&directory, 10).unwrap();
        new.take(&directory, 90).unwrap();
        assert!(matches!(new.take(&directory, 1), Err(Excess::Run { .. })));
        assert_eq!(resumed.check(), Ok(()));
    }

    #[test]
    fn who_waits_for_room_goes_when_it_has_to() {
        let directory = std::env::temp_dir();
        let quota = quota(None, Some(100), 0);
        let [mut least, mut middle, mut most] = [(); 3].map(|()| Share::of(&quota, 0, 100));
        least.take(&directory, 20).unwrap();
        middle.take(&directory, 30).unwrap();
        most.take(&directory, 50).unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(move || middle.take(&std::env::temp_dir(), 50));
            while least.check().is_ok() {
                thread::yield_now();
            }
            let more = scope.spawn(|| most.take(&directory, 50));
            // Not enough for both of them.
            drop(least);
            assert!(matches!(
                waiting.join().unwrap(),
                Err(Excess::GaveWay | Excess::Run { .. })
            ));
            assert_eq!(more.join().unwrap(), Ok(()));
        });
    }
}
