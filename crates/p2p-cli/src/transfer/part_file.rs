//! Where a file is until it is complete, and what is left of it when the transfer is cut.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use tempfile::{Builder, NamedTempFile, TempPath};

use super::{
    digest::{Digest, Hasher},
    message::Offer,
    name::{candidates, plain_name},
    waiting_parts::{KEY_DIGITS, Owner, TidyLater, after_key, before_key, is_at, look, of_file},
};

/// How many bytes must have arrived for a cut transfer to leave them: sending fewer again costs nothing.
const LEAST_KEPT: u64 = 64 * 1024;

/// A file that is not complete. Its name is `.NAME.KEY.OWNER.part`, and the key comes from everything that its sender offers,
/// so that only the offer of the same file finds it again. It counts for who began it.
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
    owner: Owner,
    /// Dropped after the file.
    tidy_later: TidyLater,
}

/// What there is of a file that is offered.
#[derive(Debug)]
pub(super) struct PartToCome {
    found: Found,
    directory: PathBuf,
    name: String,
    owner: Owner,
    /// In bytes.
    size: u64,
}

#[derive(Debug)]
enum Found {
    /// A part of an earlier transfer.
    Part(Box<PartFile>),
    /// Someone is sending the same file.
    Busy,
    /// Nothing yet; this is where its part would be.
    Nothing(PathBuf),
}

impl PartToCome {
    /// Looks for what is left of an earlier transfer of the same file, and locks it. Begins nothing.
    pub(super) fn find(directory: &Path, offer: &Offer, owner: Owner) -> io::Result<Self> {
        let name = plain_name(&offer.name);
        let start = start(&name, offer);
        let mut found = Found::Nothing(directory.join(format!("{start}{}", after_key(&owner))));
        let looking = look();
        for (path, length) in of_file(directory, &start) {
            let Ok(file) = options().open(&path) else {
                continue;
            };
            if file.try_lock().is_err() {
                found = Found::Busy;
                break;
            }
            // It may have been finished before it was locked.
            if is_at(&file, &path) {
                let part = PartFile::at(&path, file, length, directory, name.clone(), owner.clone())?;
                found = Found::Part(Box::new(part));
                break;
            }
        }
        drop(looking);
        Ok(Self {
            found,
            directory: directory.to_owned(),
            name,
            owner,
            size: offer.size,
        })
    }

    /// How many bytes there are to go on from.
    pub(super) fn held(&self) -> u64 {
        match &self.found {
            Found::Part(part) if (LEAST_KEPT..=self.size).contains(&part.length) => part.length,
            _ => 0,
        }
    }

    /// Goes on from what is held, or begins an empty file.
    pub(super) fn open(self) -> io::Result<PartFile> {
        let held = self.held();
        let Self {
            found,
            directory,
            name,
            owner,
            ..
        } = self;
        let path = match found {
            Found::Part(mut part) => {
                if held == 0 {
                    part.truncate()?;
                }
                return Ok(*part);
            }
            Found::Busy => None,
            Found::Nothing(path) => Some(path),
        };
        let _looking = look();
        let Some(path) = path else {
            return PartFile::unrelated(&directory, name, owner);
        };
        match options().create_new(true).open(&path) {
            Ok(file) if file.try_lock().is_ok() => PartFile::at(&path, file, 0, &directory, name, owner),
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => PartFile::unrelated(&directory, name, owner),
        }
    }
}

impl PartFile {
    /// A locked file that the same offer finds again.
    fn at(path: &Path, file: File, length: u64, directory: &Path, name: String, owner: Owner) -> io::Result<Self> {
        let file = NamedTempFile::from_parts(file, TempPath::try_from_path(path)?);
        let mut part = Self::new(file, directory, name, owner);
        part.resumable = true;
        part.length = length;
        part.keep();
        Ok(part)
    }

    /// Begins an empty file that has nothing to do with what was left of others, and that no offer finds again.
    fn unrelated(directory: &Path, name: String, owner: Owner) -> io::Result<Self> {
        let (prefix, suffix) = (before_key(&name), after_key(&owner));
        let mut builder = Builder::new();
        builder.prefix(&prefix).suffix(&suffix).rand_bytes(KEY_DIGITS);
        // Not as temporary files are made by default, which tells their names in errors.
        let file = builder.make_in(directory, |path| options().create_new(true).open(path))?;
        file.as_file().try_lock()?;
        Ok(Self::new(file, directory, name, owner))
    }

    fn new(file: NamedTempFile, directory: &Path, name: String, owner: Owner) -> Self {
        Self {
            file,
            resumable: false,
            length: 0,
            hasher: Hasher::new(),
            directory: directory.to_owned(),
            name,
            owner,
            tidy_later: TidyLater {
                directory: directory.to_owned(),
                one_waits: false,
            },
        }
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
            // Whoever looked meanwhile could lock or remove the new file before it is locked here.
            let _looking = look();
            Self::unrelated(&self.directory, self.name.clone(), self.owner.clone())
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
    pub(super) fn finish(mut self) -> io::Result<Option<PathBuf>> {
        let mut file = self.file;
        for candidate in candidates(&self.name) {
            let path = self.directory.join(candidate);
            match file.persist_noclobber(&path) {
                Ok(_) => {
                    self.tidy_later.one_waits = false;
                    return Ok(Some(path));
                }
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
        self.tidy_later.one_waits = false;
    }

    fn truncate(&mut self) -> io::Result<()> {
        self.length = 0;
        self.keep();
        self.file.as_file().set_len(0)
    }

    /// Decides whether it stays when it is dropped.
    fn keep(&mut self) {
        let stays = self.stays();
        self.file.disable_cleanup(stays);
        self.tidy_later.one_waits = stays;
    }

    /// Whether there is enough of it to go on from later.
    pub(super) fn stays(&self) -> bool {
        self.resumable && self.length >= LEAST_KEPT
    }
}

/// How a part is opened.
fn options() -> OpenOptions {
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

/// How the names of the parts of a file begin, whoever has sent them: `.NAME.KEY`
fn start(name: &str, offer: &Offer) -> String {
    let mut hasher = Hasher::new();
    hasher.update(&offer.fingerprint);
    hasher.update(&offer.size.to_be_bytes());
    hasher.update(name.as_bytes());
    let mut key = hex::encode(hasher.digest());
    key.truncate(KEY_DIGITS);
    before_key(name) + &key
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        sync::atomic::{AtomicBool, Ordering::Relaxed},
        thread,
    };

    use p2p_crypto::PeerId;

    use super::{
        super::waiting_parts::{MOST_KEPT, tidy},
        *,
    };

    fn offer(size: u64) -> Offer {
        Offer {
            size,
            fingerprint: [1; 32],
            name: "../a.bin".into(),
        }
    }

    fn owner(number: u8) -> Owner {
        Owner::new([192, 0, number, 1].into(), &PeerId::from_bytes([number; 16]))
    }

    fn open_as(number: u8, directory: &Path, offer: &Offer) -> PartFile {
        let found = PartToCome::find(directory, offer, owner(number)).unwrap();
        found.open().unwrap()
    }

    fn held(directory: &Path, offer: &Offer) -> u64 {
        PartToCome::find(directory, offer, owner(3)).unwrap().held()
    }

    fn open(directory: &Path, offer: &Offer) -> PartFile {
        open_as(1, directory, offer)
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
        open(directory.path(), &offer(100_000)).write(&bytes).unwrap();
        let again = open(directory.path(), &offer(100_000));
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
            assert_eq!(open(directory.path(), &other).length(), 0);
        }
        assert_eq!(names(directory.path()).len(), 1);
    }

    #[test]
    fn who_does_not_know_what_is_there_begins_anew_and_leaves_it_alone() {
        let directory = tempfile::tempdir().unwrap();
        let bytes = vec![7; 70_000];
        open(directory.path(), &offer(100_000)).write(&bytes).unwrap();
        let mut stranger = open(directory.path(), &offer(100_000)).resume(&[0; 32]).unwrap();
        assert_eq!(stranger.length(), 0);
        stranger.write(&[8; 90_000]).unwrap();
        drop(stranger);
        let owner = open(directory.path(), &offer(100_000));
        assert_eq!(owner.resume(&digest(&bytes)).unwrap().length(), 70_000);
    }

    #[test]
    fn little_and_what_is_too_long_do_not_stay() {
        let directory = tempfile::tempdir().unwrap();
        let mut part = open(directory.path(), &offer(1 << 20));
        part.write(&vec![1; LEAST_KEPT as usize - 1]).unwrap();
        let path = part.file.path().to_owned();
        drop(part);
        assert_eq!(names(directory.path()), [""; 0]);
        fs::write(&path, vec![1; (1 << 20) + 1]).unwrap();
        assert_eq!(open(directory.path(), &offer(1 << 20)).length(), 0);
        assert_eq!(names(directory.path()), [""; 0]);
    }

    #[test]
    fn two_transfers_of_the_same_file_do_not_share_what_they_write() {
        let directory = tempfile::tempdir().unwrap();
        let mut one = open(directory.path(), &offer(100_000));
        let mut other = open(directory.path(), &offer(100_000));
        one.write(b"one").unwrap();
        other.write(b"other").unwrap();
        let read = |path: Option<PathBuf>| fs::read(path.unwrap()).unwrap();
        assert_eq!(read(one.finish().unwrap()), b"one");
        assert_eq!(read(other.finish().unwrap()), b"other");
    }

    #[test]
    fn who_looks_for_parts_is_not_in_the_way_of_who_begins_anew() {
        let directory = tempfile::tempdir().unwrap();
        open(directory.path(), &offer(100_000)).write(&[7; 70_000]).unwrap();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !done.load(Relaxed) {
                        tidy(directory.path(), 1);
                    }
                });
            }
            let mut failures = 0;
            for _ in 0..500 {
                let begun = open(directory.path(), &offer(100_000)).resume(&[0; 32]);
                let finished = begun.and_then(PartFile::finish);
                failures +=
                    usize::from(!finished.is_ok_and(|path| path.is_some_and(|path| fs::remove_file(path).is_ok())));
            }
            done.store(true, Relaxed);
            assert_eq!(failures, 0);
        });
        assert_eq!(names(directory.path()).len(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_its_place_is_not_followed() {
        let (directory, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::NamedTempFile::new().unwrap());
        let path = directory
            .path()
            .join(start("a.bin", &offer(100_000)) + &after_key(&owner(1)));
        std::os::unix::fs::symlink(elsewhere.path(), path).unwrap();
        let mut part = open(directory.path(), &offer(100_000));
        part.write(b"x").unwrap();
        assert_eq!(fs::read(elsewhere.path()).unwrap(), b"");
    }

    #[test]
    fn who_goes_on_with_what_someone_else_has_left_finds_it() {
        let directory = tempfile::tempdir().unwrap();
        let bytes = vec![7; 70_000];
        open(directory.path(), &offer(100_000)).write(&bytes).unwrap();
        assert_eq!(held(directory.path(), &offer(100_000)), 70_000);
        // As after a restart of the sender, with another key and from elsewhere.
        let again = open_as(2, directory.path(), &offer(100_000));
        assert_eq!(again.resume(&digest(&bytes)).unwrap().length(), 70_000);
        assert_eq!(names(directory.path()).len(), 1);
        assert_eq!(held(directory.path(), &offer(60_000)), 0);
    }

    #[test]
    fn who_leaves_many_keeps_the_longest_and_the_one_that_goes_on_stays() {
        let directory = tempfile::tempdir().unwrap();
        let begin = |number: usize, size: usize| {
            let other = Offer {
                fingerprint: [number as u8; 32],
                ..offer(1 << 20)
            };
            let mut part = open(directory.path(), &other);
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
        // Those that are being sent are not in the way of those that wait.
        let sending: Vec<_> = (100..100 + 2 * MOST_KEPT).map(|number| begin(number, 0)).collect();
        assert_eq!(begin(0, 0).1, long as u64);
        assert_eq!(begin(2 * MOST_KEPT - 1, 0).1, LEAST_KEPT);
        drop(sending);
        assert_eq!(names(directory.path()).len(), MOST_KEPT);
    }
}
