//! Where a file is until it is complete, and what is left of it when the transfer is cut.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use tempfile::{Builder, NamedTempFile, TempPath};

use super::{
    digest::{Digest, Hasher},
    message::Offer,
    name::{candidates, plain_name},
};

/// How many bytes must have arrived for a cut transfer to leave them: sending fewer again costs nothing.
const LEAST_KEPT: u64 = 64 * 1024;

/// How many unfinished files may wait in a directory, beside those that are being sent.
///
/// # Security
///
/// A sender can begin files and leave them for as long as it likes. Beyond this, the shortest goes: it costs least to send
/// again, and whoever wants one of another sender to go has to send more than that is long, many times.
pub(super) const MOST_KEPT: usize = 16;

/// How long an unfinished file waits for the rest of it.
const KEPT_FOR: Duration = Duration::from_secs(7 * 86_400);

/// How many digits of a digest are in the name of an unfinished file: too many to meet by chance.
const KEY_DIGITS: usize = 32;

const SUFFIX: &str = ".part";

/// Held while files are looked for: looking at one locks it for a moment, and that must not look like a transfer.
static LOOKING: Mutex<()> = Mutex::new(());

/// A file that is not complete. Its name is `.NAME.KEY.part`, and the key comes from everything that its sender offers, so
/// that only the offer of the same file finds it again.
///
/// Dropped, it stays if there is enough of it to go on from, locked until then against a second transfer.
#[derive(Debug)]
pub(super) struct PartFile {
    file: NamedTempFile,
    /// Whether the same offer finds it.
    resumable: bool,
    /// In bytes.
    length: u64,
    hasher: Hasher,
    directory: PathBuf,
    name: String,
}

impl PartFile {
    /// Finds what is left of an earlier transfer of the same file, or begins an empty file.
    pub(super) fn open(directory: &Path, offer: &Offer) -> io::Result<Self> {
        let found = {
            let _looking = LOOKING.lock().unwrap_or_else(PoisonError::into_inner);
            Self::find(directory, offer)
        };
        // Not before, or what this offer goes on with might be what goes.
        tidy(directory, MOST_KEPT - 1);
        found
    }

    fn find(directory: &Path, offer: &Offer) -> io::Result<Self> {
        let name = plain_name(&offer.name);
        let path = directory.join(part_name(&name, &key(&name, offer)));
        // What is found may go before it is locked: once it was finished, or too old. Twice hardly ever happens.
        for _ in 0..2 {
            let (file, found) = match new_file().create_new(true).open(&path) {
                Ok(file) => (file, false),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_regular(&path) => {
                    match new_file().open(&path) {
                        Ok(file) => (file, true),
                        Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                        Err(error) => return Err(error),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => break,
                Err(error) => return Err(error),
            };
            if file.try_lock().is_err() {
                // Someone is sending the same file.
                break;
            }
            if !is_at(&file, &path) {
                continue;
            }
            let length = if found { file.metadata()?.len() } else { 0 };
            let mut part = Self {
                file: NamedTempFile::from_parts(file, TempPath::try_from_path(&path)?),
                resumable: true,
                length,
                hasher: Hasher::new(),
                directory: directory.to_owned(),
                name,
            };
            part.keep();
            if !(LEAST_KEPT..=offer.size).contains(&length) {
                part.truncate()?;
            }
            return Ok(part);
        }
        Self::unrelated(directory, name)
    }

    /// Begins an empty file that has nothing to do with what was left of others, and that no offer finds again.
    fn unrelated(directory: &Path, name: String) -> io::Result<Self> {
        let prefix = format!(".{name}.");
        let mut builder = Builder::new();
        builder.prefix(&prefix).suffix(SUFFIX).rand_bytes(KEY_DIGITS);
        // Not as temporary files are made by default, which tells their names in errors.
        let file = builder.make_in(directory, |path| new_file().create_new(true).open(path))?;
        file.as_file().try_lock()?;
        Ok(Self {
            file,
            resumable: false,
            length: 0,
            hasher: Hasher::new(),
            directory: directory.to_owned(),
            name,
        })
    }

    /// How many bytes there are.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Goes on from what there is if that has this digest, which only who has the same bytes can know. What belongs to
    /// another file stays for that one, and an empty file is begun.
    pub(super) fn resume(mut self, prefix: &Digest) -> io::Result<Self> {
        let mut reader = BufReader::with_capacity(1 << 20, self.file.as_file());
        reader.seek(SeekFrom::Start(0))?;
        let (hasher, length) = digest_of(reader, self.length)?;
        if length == self.length && hasher.digest() == *prefix {
            self.hasher = hasher;
            self.file.seek(SeekFrom::Start(length))?;
            Ok(self)
        } else {
            Self::unrelated(&self.directory, self.name.clone())
        }
    }

    /// Adds the next bytes.
    pub(super) fn write(&mut self, data: &[u8]) -> io::Result<()> {
        // Past `NamedTempFile`, whose errors tell the temporary name.
        self.file.as_file_mut().write_all(data)?;
        self.hasher.update(data);
        self.length = self.length.saturating_add(data.len() as u64);
        self.keep();
        Ok(())
    }

    /// The digest of everything.
    pub(super) fn digest(&self) -> Digest {
        self.hasher.digest()
    }

    /// Gives the file the first free name; never that of an existing one. `None` if too many are taken.
    pub(super) fn finish(self) -> io::Result<Option<PathBuf>> {
        let mut file = self.file;
        for candidate in candidates(&self.name) {
            let path = self.directory.join(candidate);
            match file.persist_noclobber(&path) {
                Ok(_) => return Ok(Some(path)),
                Err(refused) if refused.error.kind() == io::ErrorKind::AlreadyExists => file = refused.file,
                Err(refused) => return Err(refused.error),
            }
        }
        file.disable_cleanup(false);
        Ok(None)
    }

    /// Removes it.
    pub(super) fn discard(mut self) {
        self.file.disable_cleanup(false);
    }

    fn truncate(&mut self) -> io::Result<()> {
        self.length = 0;
        self.keep();
        self.file.as_file().set_len(0)
    }

    /// Decides whether it stays when it is dropped.
    fn keep(&mut self) {
        self.file.disable_cleanup(self.resumable && self.length >= LEAST_KEPT);
    }
}

/// How a part is opened.
fn new_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    options
}

/// Digests so many bytes at most, and tells how many there were.
pub(super) fn digest_of(reader: impl Read, most: u64) -> io::Result<(Hasher, u64)> {
    let mut reader = reader.take(most);
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut length = 0_u64;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok((hasher, length)),
            Ok(size) => {
                hasher.update(buffer.get(..size).unwrap_or_default());
                length = length.saturating_add(size as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Removes unfinished files that wait no longer, and the shortest of more than `most` that wait. What someone is sending
/// stays, and so does what can not be removed: receiving does not depend on it.
pub(super) fn tidy(directory: &Path, most: usize) {
    let _looking = LOOKING.lock().unwrap_or_else(PoisonError::into_inner);
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    let mut waiting: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(is_part_name))
        .filter_map(|entry| {
            let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
            locked(&entry.path())?;
            Some((metadata.len(), metadata.modified().ok()?, entry.path()))
        })
        .collect();
    waiting.sort();
    let excess = waiting.len().saturating_sub(most);
    let now = SystemTime::now();
    for (index, (_, modified, path)) in waiting.iter().enumerate() {
        let age = now.duration_since(*modified).unwrap_or_default();
        if (index < excess || age > KEPT_FOR)
            && let Some(_lock) = locked(path)
        {
            let _ = fs::remove_file(path);
        }
    }
}

/// The file of this name, locked, unless someone is sending it.
fn locked(path: &Path) -> Option<File> {
    let file = File::open(path).ok()?;
    file.try_lock().ok()?;
    is_at(&file, path).then_some(file)
}

fn key(name: &str, offer: &Offer) -> String {
    let mut hasher = Hasher::new();
    hasher.update(&offer.fingerprint);
    hasher.update(&offer.size.to_be_bytes());
    hasher.update(name.as_bytes());
    let mut digits = hex::encode(hasher.digest());
    digits.truncate(KEY_DIGITS);
    digits
}

fn part_name(name: &str, key: &str) -> String {
    format!(".{name}.{key}{SUFFIX}")
}

/// Whether a name is one that only this module gives.
fn is_part_name(name: &str) -> bool {
    let key = name
        .strip_prefix('.')
        .and_then(|name| name.strip_suffix(SUFFIX))
        .and_then(|name| name.rsplit_once('.'));
    key.is_some_and(|(_, key)| key.len() == KEY_DIGITS && key.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

fn is_regular(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_file())
}

/// Whether the open file is still the one of this name. Otherwise it was finished, and is not to be touched.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), path.symlink_metadata()) {
        (Ok(file), Ok(path)) => (file.dev(), file.ino()) == (path.dev(), path.ino()),
        _ => false,
    }
}

/// Open files keep their names.
#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(size: u64) -> Offer {
        Offer {
            size,
            fingerprint: [1; 32],
            name: "../a.bin".into(),
        }
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    fn digest(bytes: &[u8]) -> Digest {
        digest_of(bytes, u64::MAX).unwrap().0.digest()
    }

    #[test]
    fn what_is_left_is_found_by_the_same_offer_alone() {
        let directory = tempfile::tempdir().unwrap();
        let bytes = vec![7; LEAST_KEPT as usize];
        PartFile::open(directory.path(), &offer(100_000))
            .unwrap()
            .write(&bytes)
            .unwrap();
        let again = PartFile::open(directory.path(), &offer(100_000)).unwrap();
        assert_eq!(again.length(), LEAST_KEPT);
        let mut again = again.resume(&digest(&bytes)).unwrap();
        again.write(b"end").unwrap();
        assert_eq!(again.digest(), digest(&[&bytes[..], b"end"].concat()));
        drop(again);
        let other = Offer {
            fingerprint: [2; 32],
            ..offer(100_000)
        };
        for other in [other, offer(100_001)] {
            assert_eq!(PartFile::open(directory.path(), &other).unwrap().length(), 0);
        }
        assert_eq!(names(directory.path()).len(), 1);
    }

    #[test]
    fn who_does_not_know_what_is_there_begins_anew_and_leaves_it_alone() {
        let directory = tempfile::tempdir().unwrap();
        let bytes = vec![7; 70_000];
        PartFile::open(directory.path(), &offer(100_000))
            .unwrap()
            .write(&bytes)
            .unwrap();
        let mut stranger = PartFile::open(directory.path(), &offer(100_000))
            .unwrap()
            .resume(&[0; 32])
            .unwrap();
        assert_eq!(stranger.length(), 0);
        stranger.write(&[8; 90_000]).unwrap();
        drop(stranger);
        let owner = PartFile::open(directory.path(), &offer(100_000)).unwrap();
        assert_eq!(owner.resume(&digest(&bytes)).unwrap().length(), 70_000);
    }

    #[test]
    fn little_and_what_is_too_long_do_not_stay() {
        let directory = tempfile::tempdir().unwrap();
        let mut part = PartFile::open(directory.path(), &offer(1 << 20)).unwrap();
        part.write(&vec![1; LEAST_KEPT as usize - 1]).unwrap();
        let path = part.file.path().to_owned();
        drop(part);
        assert_eq!(names(directory.path()), [""; 0]);
        fs::write(&path, vec![1; (1 << 20) + 1]).unwrap();
        assert_eq!(PartFile::open(directory.path(), &offer(1 << 20)).unwrap().length(), 0);
        assert_eq!(names(directory.path()), [""; 0]);
    }

    #[test]
    fn two_transfers_of_the_same_file_do_not_share_what_they_write() {
        let directory = tempfile::tempdir().unwrap();
        let mut one = PartFile::open(directory.path(), &offer(100_000)).unwrap();
        let mut other = PartFile::open(directory.path(), &offer(100_000)).unwrap();
        one.write(b"one").unwrap();
        other.write(b"other").unwrap();
        let read = |path: Option<PathBuf>| fs::read(path.unwrap()).unwrap();
        assert_eq!(read(one.finish().unwrap()), b"one");
        assert_eq!(read(other.finish().unwrap()), b"other");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_its_place_is_not_followed() {
        let (directory, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::NamedTempFile::new().unwrap());
        let path = directory
            .path()
            .join(part_name("a.bin", &key("a.bin", &offer(100_000))));
        std::os::unix::fs::symlink(elsewhere.path(), path).unwrap();
        let mut part = PartFile::open(directory.path(), &offer(100_000)).unwrap();
        part.write(b"x").unwrap();
        assert_eq!(fs::read(elsewhere.path()).unwrap(), b"");
    }

    #[test]
    fn many_short_ones_push_out_no_longer_one_nor_the_one_that_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let begin = |number: usize, size: usize| {
            let other = Offer {
                fingerprint: [number as u8; 32],
                ..offer(1 << 20)
            };
            let mut part = PartFile::open(directory.path(), &other).unwrap();
            let held = part.length();
            part.write(&vec![7; size]).unwrap();
            (part, held)
        };
        let (long, short) = (100_000, LEAST_KEPT as usize);
        drop(begin(0, long));
        for number in 1..2 * MOST_KEPT {
            drop(begin(number, short));
        }
        assert_eq!(names(directory.path()).len(), MOST_KEPT);
        assert_eq!(begin(0, 0).1, long as u64);
        // The oldest of the shortest would go next, but it is this one that goes on.
        let oldest = MOST_KEPT + 1;
        assert_eq!(begin(oldest, 0).1, LEAST_KEPT);
        // Those that are being sent are not in the way of those that wait.
        let sending: Vec<_> = (100..100 + 2 * MOST_KEPT).map(|number| begin(number, 0)).collect();
        assert_eq!(begin(0, 0).1, long as u64);
        assert_eq!(begin(2 * MOST_KEPT - 1, 0).1, LEAST_KEPT);
        drop(sending);
        assert!(names(directory.path()).len() <= MOST_KEPT);
    }

    #[test]
    fn old_ones_and_too_many_go_and_nothing_else_does() {
        let directory = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let make = |name: &str, age: Duration| {
            let file = File::create(directory.path().join(name)).unwrap();
            file.set_modified(now - age).unwrap();
            file
        };
        let minute = Duration::from_secs(60);
        for number in 0..5_u32 {
            make(&part_name("a", &format!("{number:032}")), minute * number);
        }
        make(&part_name("old", &"e".repeat(32)), KEPT_FOR + minute);
        let busy = make(&part_name("busy", &"f".repeat(32)), KEPT_FOR + minute);
        busy.lock().unwrap();
        let others = ["mine.part", ".a.part", ".b.0123.part", "old"];
        for other in others {
            make(other, KEPT_FOR * 2);
        }
        tidy(directory.path(), 4);
        let left = names(directory.path());
        for name in others {
            assert!(left.iter().any(|left| left == name), "{name}");
        }
        assert!(!left.iter().any(|name| name.starts_with(".old")));
        assert!(left.iter().any(|name| name.starts_with(".busy")));
        assert!(left.contains(&part_name("a", &format!("{:032}", 0))));
        assert_eq!(left.iter().filter(|name| name.starts_with(".a.0")).count(), 4);
    }
}
