//! The file that a crawl writes as it goes, and goes on from.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, BufRead, BufReader, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::record::Record;
use crate::{failure::Failure, whole_file::Draft};

/// The longest line, in bytes: a hundred addresses and what is known of a node take a tenth of it.
///
/// # Security
///
/// A wrong file, perhaps without any line, must not fill the memory.
const MAX_LINE: u64 = 64 * 1024;

/// The first line: what file this is.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    p2p_crawl: u32,
    network: String,
}

const VERSION: u32 = 1;

/// An open state file, locked against other crawls. Each record is a line, written at once.
#[derive(Debug)]
pub(super) struct StateFile {
    path: PathBuf,
    file: File,
}

impl StateFile {
    /// Opens or makes the file, and gives the records that are in it. The beginning of a line at the end, of a crawl that
    /// was killed, is cut off.
    pub(super) fn open(path: &Path, network: &str) -> Result<(Self, Vec<Record>), Failure> {
        let failed = |why: &dyn std::fmt::Display| {
            let message = format!("can not use {} for the state of a crawl: {why}", path.display());
            Failure::new("state", "unusable_state", message)
        };
        let header = Header {
            p2p_crawl: VERSION,
            network: network.to_owned(),
        };
        if !path.exists() {
            // Its first line is there with it: a full disk leaves no empty file.
            let draft = line(&header).and_then(|line| Draft::write(path, &line));
            draft.and_then(Draft::publish_if_new).map_err(|error| failed(&error))?;
        }
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(path);
        let mut file = file.map_err(|error| failed(&error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(failed(&"another crawl is writing it")),
            Err(TryLockError::Error(error)) => return Err(failed(&error)),
        }
        let (records, end) = read(&file, &header).map_err(|why| failed(&why))?;
        file.set_len(end)
            .and_then(|()| file.seek(SeekFrom::End(0)).map(drop))
            .map_err(|error| failed(&error))?;
        let mut state = Self {
            path: path.to_owned(),
            file,
        };
        if end == 0 {
            state.write(&header)?;
        }
        Ok((state, records))
    }

    pub(super) fn add(&mut self, record: &Record) -> Result<(), Failure> {
        self.write(record)
    }

    fn write(&mut self, contents: &impl Serialize) -> Result<(), Failure> {
        let written = line(contents).and_then(|line| self.file.write_all(&line));
        written.map_err(|error| {
            let path = self.path.display();
            let message =
                format!("can not write to {path}: {error}; what it has is kept, and the crawl can go on from it");
            Failure::new("state", "unwritable_state", message)
        })
    }
}

fn line(contents: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(contents)?;
    line.push(b'\n');
    Ok(line)
}

/// The records of a file, and where its last whole line ends.
fn read(file: &File, expected: &Header) -> Result<(Vec<Record>, u64), String> {
    let mut reader = BufReader::new(file);
    let (mut records, mut end, mut number) = (Vec::new(), 0, 0_u64);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited = io::Read::take(&mut reader, MAX_LINE);
        let size = limited
            .read_until(b'\n', &mut line)
            .map_err(|error| error.to_string())?;
        if size == 0 {
            return Ok((records, end));
        }
        number += 1;
        if line.last() != Some(&b'\n') {
            // Only what a crawl has begun to write may be cut off, never a file of something else.
            let header = serde_json::to_vec(expected).map_err(|error| error.to_string())?;
            let begun = end > 0 || header.starts_with(&line);
            return match begun && (size as u64) < MAX_LINE {
                true => Ok((records, end)),
                false => Err(format!("line {number} is none of a crawl; it was left as it is")),
            };
        }
        if end == 0 {
            let header: Header = serde_json::from_slice(&line)
                .map_err(|_| "it is the file of something else, and was left as it is".to_owned())?;
            if header != *expected {
                return Err(format!(
                    "it is of the network {}, not {}",
                    header.network, expected.network
                ));
            }
        } else {
            let record = serde_json::from_slice(&line).map_err(|error| format!("line {number}: {error}"))?;
            records.push(record);
        }
        end += size as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crawl::record::CallResult;

    fn record(port: u16) -> Record {
        Record {
            address: ([127, 0, 0, 1], port).into(),
            distance: 0,
            result: CallResult::Failed,
            peer_id: None,
            version: None,
            difficulty_reached: Some(1.25),
            motive: None,
            step: None,
            error: Some("timeout".to_owned()),
            connect_seconds: None,
            handshake_seconds: None,
            points: vec![([127, 0, 0, 1], 9).into()],
        }
    }

    #[test]
    fn records_come_back_and_half_a_line_is_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        let (mut state, records) = StateFile::open(&path, "N").unwrap();
        assert!(records.is_empty());
        state.add(&record(1)).unwrap();
        state.add(&record(2)).unwrap();
        assert!(
            StateFile::open(&path, "N")
                .unwrap_err()
                .message
                .contains("another crawl")
        );
        drop(state);
        let whole = std::fs::read(&path).unwrap();
        let second = whole.len() - serde_json::to_vec(&record(2)).unwrap().len() - 1;
        for cut in second..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let (mut state, records) = StateFile::open(&path, "N").unwrap();
            assert_eq!(records, [record(1)], "{cut}");
            state.add(&record(2)).unwrap();
            drop(state);
            assert_eq!(std::fs::read(&path).unwrap(), whole);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_told_with_what_it_means() {
        let mut state = StateFile {
            path: "state".into(),
            file: OpenOptions::new().write(true).open("/dev/full").unwrap(),
        };
        let message = state.add(&record(1)).unwrap_err().message;
        assert!(
            message.contains("No space left") && message.contains("can go on from it"),
            "{message}"
        );
    }

    #[test]
    fn the_file_of_something_else_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        for text in [
            "precious",
            "precious\n",
            "{}\n",
            "{\"p2p_crawl\":1,\"network\":\"M\"}\n",
        ] {
            std::fs::write(&path, text).unwrap();
            assert!(StateFile::open(&path, "N").is_err(), "{text}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }
}
