//! The parts of files that wait in a directory for the rest, and which of them go when there are too many.

use std::{
    fmt,
    fs::{self, File},
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use p2p_crypto::PeerId;
use p2p_socket::admission::Network;

use super::digest::Hasher;

/// How many parts may wait in a directory, beside those that are being sent.
///
/// # Security
///
/// A sender can begin files and leave them for as long as it likes. Beyond this, whoever has most has to give one up, its
/// shortest: first the block of addresses, since new keys cost nothing, and in it the peer. Of several with as many it is the
/// one who came last. So nobody loses a part to someone who leaves more of them, and who left one alone keeps it.
pub(super) const MOST_KEPT: usize = 16;

/// How long a part waits for the rest.
const KEPT_FOR: Duration = Duration::from_secs(7 * 86_400);

/// How many digits of a digest are in the name of a part: too many to meet by chance.
pub(super) const KEY_DIGITS: usize = 32;

/// How much of the name of a file is in that of its part, in bytes: the rest of the name has to fit in, too.
const NAME_SIZE: usize = 160;

const SUFFIX: &str = ".part";

/// Held while parts are looked for: looking at one locks it for a moment, and that must not look like a transfer.
static LOOKING: Mutex<()> = Mutex::new(());

pub(super) fn look() -> MutexGuard<'static, ()> {
    LOOKING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// For whom a part counts: the block of addresses and the peer that left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    block: String,
    peer: String,
}

impl Owner {
    /// Enough that nobody finds a key with the digits of someone else.
    const DIGITS: usize = 16;

    pub(super) fn new(address: IpAddr, peer: &PeerId) -> Self {
        let short = |text: String| {
            let mut hasher = Hasher::new();
            hasher.update(text.as_bytes());
            let mut digits = hex::encode(hasher.digest());
            digits.truncate(Self::DIGITS);
            digits
        };
        Self {
            block: short(Network::of(address).block().to_string()),
            peer: short(peer.to_string()),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (block, peer) = text.split_at_checked(Self::DIGITS)?;
        let is_digits = |text: &str| text.len() == Self::DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_digits(block) && is_digits(peer)).then(|| Self {
            block: block.to_owned(),
            peer: peer.to_owned(),
        })
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.block, self.peer)
    }
}

/// The name of a part before its key: `.NAME.`
pub(super) fn before_key(name: &str) -> String {
    let mut start = format!(".{name}");
    while start.len() > NAME_SIZE {
        start.pop();
    }
    start + "."
}

/// The name of a part after its key: `.OWNER.part`
pub(super) fn after_key(owner: &Owner) -> String {
    format!(".{owner}{SUFFIX}")
}

/// For whom a part of this name counts, if it is one that only this program gives.
fn owner_of(name: &str) -> Option<Owner> {
    let (rest, owner) = name.strip_prefix('.')?.strip_suffix(SUFFIX)?.rsplit_once('.')?;
    let (_, key) = rest.rsplit_once('.')?;
    let is_key = key.len() == KEY_DIGITS && key.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_key.then(|| Owner::parse(owner)).flatten()
}

/// A part in a directory.
struct Part {
    path: PathBuf,
    owner: Owner,
    /// In bytes.
    length: u64,
    modified: SystemTime,
}

fn parts(directory: &Path) -> Vec<Part> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let parts = entries.filter_map(|entry| {
        let owner = owner_of(entry.file_name().to_str()?)?;
        // That of a link, not of what it leads to.
        let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
        Some(Part {
            path: entry.path(),
            owner,
            length: metadata.len(),
            modified: metadata.modified().ok()?,
        })
    });
    parts.collect()
}

/// The parts of the file whose parts begin with these names, the longest first, whoever has left them.
pub(super) fn of_file(directory: &Path, start: &str) -> Vec<(PathBuf, u64)> {
    let mut parts = parts(directory);
    parts.retain(|part| {
        let name = part.path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(start))
    });
    parts.sort_by_key(|part| std::cmp::Reverse(part.length));
    parts.into_iter().map(|part| (part.path, part.length)).collect()
}

/// Removes parts that have waited too long, and those that have to go because more than `most` wait. What someone is
/// sending stays, and so does what can not be removed: receiving does not depend on it.
pub(super) fn tidy(directory: &Path, most: usize) {
    let _looking = look();
    let mut waiting = parts(directory);
    waiting.retain(|part| locked(&part.path).is_some());
    let now = SystemTime::now();
    let too_old = |part: &Part| now.duration_since(part.modified).unwrap_or_default() > KEPT_FOR;
    waiting.extract_if(.., |part| too_old(part)).for_each(remove);
    while waiting.len() > most
        && let Some(index) = first_to_go(&waiting)
    {
        remove(waiting.swap_remove(index));
    }
}

fn remove(part: Part) {
    if let Some(_lock) = locked(&part.path) {
        let _ = fs::remove_file(part.path);
    }
}

/// The place of the one that goes if one has to.
fn first_to_go(waiting: &[Part]) -> Option<usize> {
    let load = |part: &Part| {
        let of_block = waiting.iter().filter(|other| other.owner.block == part.owner.block);
        let of_peer = waiting.iter().filter(|other| other.owner == part.owner);
        (of_block.count(), of_peer.count())
    };
    let newest = waiting.iter().max_by_key(|part| (load(part), part.modified))?;
    let theirs = waiting
        .iter()
        .enumerate()
        .filter(|(_, part)| part.owner == newest.owner);
    let shortest = theirs.min_by_key(|(_, part)| (part.length, part.modified));
    shortest.map(|(index, _)| index)
}

/// The file of this name, locked, unless someone is sending it.
fn locked(path: &Path) -> Option<File> {
    let file = File::open(path).ok()?;
    file.try_lock().ok()?;
    is_at(&file, path).then_some(file)
}

/// Whether the open file is still the one of this name. Otherwise it was finished, and is not to be touched.
#[cfg(unix)]
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), path.symlink_metadata()) {
        (Ok(file), Ok(path)) => (file.dev(), file.ino()) == (path.dev(), path.ino()),
        _ => false,
    }
}

/// Open files keep their names.
#[cfg(not(unix))]
pub(super) fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

/// Tidies when it is dropped, after whatever waits from then on, if something does.
#[derive(Debug)]
pub(super) struct TidyLater {
    pub(super) directory: PathBuf,
    pub(super) one_waits: bool,
}

impl Drop for TidyLater {
    fn drop(&mut self) {
        if self.one_waits {
            tidy(&self.directory, MOST_KEPT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(block: u8, peer: u8) -> Owner {
        Owner::new([192, 0, block, peer].into(), &PeerId::from_bytes([peer; 16]))
    }

    fn name(name: &str, number: usize, owner: &Owner) -> String {
        format!("{}{number:032}{}", before_key(name), after_key(owner))
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    fn make(directory: &Path, name: &str, length: u64, age: Duration) -> File {
        let file = File::create(directory.join(name)).unwrap();
        file.set_len(length).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
        file
    }

    #[test]
    fn names_tell_the_owner_and_fit_into_any_file_system() {
        let owner = owner(1, 2);
        for plain in ["a", "a.b", &"x".repeat(200), &"é".repeat(100)] {
            let name = name(plain, 7, &owner);
            assert_eq!(owner_of(&name), Some(owner.clone()), "{name}");
            assert!(name.len() <= 255);
        }
        for other in [
            "mine.part",
            ".a.part",
            ".b.0123.part",
            "old",
            &format!(".a.{:032}.part", 1),
        ] {
            assert_eq!(owner_of(other), None, "{other}");
        }
        // An address of the same block, and another key.
        let neighbour = Owner::new([192, 0, 1, 77].into(), &PeerId::from_bytes([3; 16]));
        assert_eq!(neighbour.block, owner.block);
        assert_ne!(neighbour.peer, owner.peer);
    }

    #[test]
    fn old_ones_go_and_neither_what_is_being_sent_nor_anything_else() {
        let directory = tempfile::tempdir().unwrap();
        let minute = Duration::from_secs(60);
        make(directory.path(), &name("old", 1, &owner(1, 1)), 0, KEPT_FOR + minute);
        let busy = make(directory.path(), &name("busy", 1, &owner(1, 1)), 0, KEPT_FOR + minute);
        busy.lock().unwrap();
        make(directory.path(), &name("young", 1, &owner(1, 1)), 0, KEPT_FOR - minute);
        let others = ["mine.part", ".a.part", ".b.0123.part", "old"];
        for other in others {
            make(directory.path(), other, 0, KEPT_FOR * 2);
        }
        tidy(directory.path(), 4);
        let left = names(directory.path());
        assert_eq!(left.len(), others.len() + 2, "{left:?}");
        assert!(!left.iter().any(|name| name.starts_with(".old")));
    }

    /// Lets parts of these owners and lengths wait, one after the other, and gives the numbers of those that are left.
    fn left(most: usize, parts: &[(Owner, u64)]) -> Vec<usize> {
        let directory = tempfile::tempdir().unwrap();
        for (number, (owner, length)) in parts.iter().enumerate() {
            let age = Duration::from_secs((parts.len() - number) as u64);
            make(directory.path(), &name("a", number, owner), *length, age);
            tidy(directory.path(), most);
        }
        let mut left: Vec<usize> = names(directory.path())
            .iter()
            .map(|name| name.split('.').nth(2).unwrap().parse().unwrap())
            .collect();
        left.sort_unstable();
        left
    }

    #[test]
    fn who_leaves_many_pushes_out_its_own_shortest_and_nobody_elses() {
        let (honest, greedy) = (owner(1, 1), owner(1, 2));
        let mut parts = vec![(honest, 1)];
        parts.extend((0..10).map(|length| (greedy.clone(), 1000 + length)));
        assert_eq!(left(4, &parts), [0, 8, 9, 10]);
    }

    #[test]
    fn keys_of_one_block_count_together() {
        let mut parts = vec![(owner(1, 1), 1)];
        parts.extend((0..10).map(|peer| (owner(2, 10 + peer), 1000)));
        // Each of those has as many as the others, so the last ones go.
        assert_eq!(left(4, &parts), [0, 1, 2, 3]);
    }

    #[test]
    fn who_has_more_makes_room_for_who_has_less_and_the_last_one_goes_if_all_have_one() {
        let rich = owner(1, 1);
        let parts = [
            (rich.clone(), 3),
            (rich.clone(), 1),
            (rich, 2),
            (owner(2, 2), 9),
            (owner(3, 3), 9),
        ];
        assert_eq!(left(3, &parts), [0, 3, 4]);
        let parts = [1, 2, 3, 4, 5].map(|block| (owner(block, block), u64::from(block)));
        assert_eq!(left(3, &parts), [0, 1, 2]);
    }
}
