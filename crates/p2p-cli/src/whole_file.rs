//! Files that appear complete or not at all.

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

use tempfile::{Builder, NamedTempFile};

/// A file that is written and has not got its name yet. Dropped, it is gone.
pub(crate) struct Draft {
    file: NamedTempFile<File>,
    path: PathBuf,
}

impl Draft {
    /// Writes the contents of a file beside where it is to be, for whom the user's mask allows.
    ///
    /// # Errors
    ///
    /// What the system says, without the temporary name, for which nobody has asked.
    pub(crate) fn write(path: &Path, contents: &[u8]) -> io::Result<Self> {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let mut file = temporary(directory.unwrap_or(Path::new(".")))?;
        // Past `NamedTempFile`, whose errors tell the temporary name.
        file.as_file_mut().write_all(contents)?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    /// Gives it its name, in place of what was there.
    pub(crate) fn publish(self) -> io::Result<()> {
        self.file.persist(&self.path).map(drop).map_err(|error| error.error)
    }

    /// Gives it its name, unless something has it already, which stays.
    pub(crate) fn publish_if_new(self) -> io::Result<()> {
        match self.file.persist_noclobber(&self.path) {
            Err(refused) if refused.error.kind() != io::ErrorKind::AlreadyExists => Err(refused.error),
            _ => Ok(()),
        }
    }
}

/// Finds out whether files can be made in `directory`, and leaves none there.
///
/// # Errors
///
/// What the system says, without the temporary name.
pub(crate) fn try_directory(directory: &Path) -> io::Result<()> {
    temporary(directory).map(drop)
}

fn temporary(directory: &Path) -> io::Result<NamedTempFile<File>> {
    Builder::new().make_in(directory, |path| File::create_new(path))
}
