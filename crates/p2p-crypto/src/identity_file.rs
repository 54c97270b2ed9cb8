use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use tempfile::Builder;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{Identity, InvalidIdentity};

/// The identity file, `identity.json` in the data directory of a node.
impl Identity {
    /// Reads an identity file, as a Tezos node or [`write_new_file`](Self::write_new_file) writes it.
    ///
    /// Only a regular file is opened: a pipe would block until somebody writes to it.
    ///
    /// A file of more than 64 KiB is refused before it is read further: an identity has 300 bytes, and a path to
    /// something else, perhaps without an end, must not fill the memory.
    ///
    /// # Errors
    ///
    /// [`ReadIdentityError`]: the file can not be read, is too large, or holds no identity.
    pub fn read_file(path: &Path) -> Result<Self, ReadIdentityError> {
        let failed = |source| ReadIdentityError::Io {
            path: path.to_owned(),
            source,
        };
        // One byte more than allowed shows that a file is too large. The room for all of it is there from the start:
        // a buffer that grew would leave copies of the secret behind, unwiped.
        let mut bytes = Zeroizing::new(Vec::with_capacity(LARGEST_FILE + 1));
        if !path.metadata().map_err(failed)?.is_file() {
            return Err(failed(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a regular file",
            )));
        }
        let file = File::open(path).map_err(failed)?;
        file.take(LARGEST_FILE as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        if bytes.len() > LARGEST_FILE {
            return Err(ReadIdentityError::TooLarge { path: path.to_owned() });
        }
        std::str::from_utf8(&bytes)
            .map_err(|_| InvalidIdentity::NotUtf8)
            .and_then(Self::from_json)
            .map_err(|source| ReadIdentityError::Invalid {
                path: path.to_owned(),
                source,
            })
    }

    /// Writes the identity to a new file that only its owner may read (mode 0600 on Unix).
    ///
    /// An existing file is never overwritten. The file appears under its name complete and safe on the disk, or
    /// not at all: it is written under a temporary name in the same directory and then renamed.
    ///
    /// # Errors
    ///
    /// [`WriteIdentityError`]: something of that name exists, or the file can not be written. Nothing is left behind,
    /// with one exception: if only the last step fails, making the name itself durable, the complete file is there.
    pub fn write_new_file(&self, path: &Path) -> Result<(), WriteIdentityError> {
        let failed = |source| WriteIdentityError::Io {
            path: path.to_owned(),
            source,
        };
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        // Removed when dropped. Neither is it made nor written by `NamedTempFile`, whose errors tell the temporary name.
        let mut file = Builder::new().make_in(directory, create_private).map_err(failed)?;
        let contents = file.as_file_mut();
        contents.write_all(self.to_json().as_bytes()).map_err(failed)?;
        contents.write_all(b"\n").map_err(failed)?;
        contents.sync_all().map_err(failed)?;
        file.persist_noclobber(path).map_err(|refused| match refused.error {
            error if error.kind() == io::ErrorKind::AlreadyExists => {
                WriteIdentityError::AlreadyExists { path: path.to_owned() }
            }
            error => failed(error),
        })?;
        sync_directory(directory).map_err(failed)
    }
}

/// A new file, readable by its owner only.
fn create_private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes the names in a directory durable.
#[cfg(unix)]
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Elsewhere a directory can not be opened as a file; its names are the file system's concern.
#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

/// The size of the largest file that is read, in bytes. It leaves room for whatever fields other programs add.
const LARGEST_FILE: usize = 64 * 1024;

/// Why an identity file was not read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadIdentityError {
    /// The operating system refused.
    #[error("can not read the identity file {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file has more than 64 KiB.
    #[error("{} is too large for an identity file: more than {LARGEST_FILE} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file holds no identity.
    #[error("{} is not a valid identity file", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with its contents.
        source: InvalidIdentity,
    },
}

/// Why an identity file was not written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WriteIdentityError {
    /// Something of that name exists, and was left as it is. Octez: `Existent_identity_file`.
    #[error("{} exists, and an identity file is never overwritten", path.display())]
    AlreadyExists {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("can not write the identity file {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}
