//! Finding and reading the files of one kind below a directory.

use std::fs;
use std::path::{Path, PathBuf};

pub(crate) struct SourceFile {
    /// Seen from the directory that was searched.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// Every `.rs` file below `directory`, in a fixed order. Hidden directories and build output are left out.
pub(crate) fn rust_files(directory: &Path) -> Result<Vec<SourceFile>, String> {
    files(directory, "rs")
}

/// The same for any other extension.
pub(crate) fn files(directory: &Path, extension: &str) -> Result<Vec<SourceFile>, String> {
    let mut paths = Vec::new();
    collect(directory, extension, &mut paths)
        .map_err(|error| format!("{} could not be searched: {error}", directory.display()))?;
    paths.sort();
    paths.iter().map(|path| SourceFile::read(directory, path)).collect()
}

impl SourceFile {
    fn read(directory: &Path, path: &Path) -> Result<Self, String> {
        let text =
            fs::read_to_string(path).map_err(|error| format!("{} could not be read: {error}", path.display()))?;
        Ok(Self {
            path: path.strip_prefix(directory).unwrap_or(path).to_owned(),
            text,
        })
    }
}

fn collect(directory: &Path, wanted: &str, paths: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name();
        if entry.file_type()?.is_dir() {
            if name != "target" && !name.as_encoded_bytes().starts_with(b".") {
                collect(&path, wanted, paths)?;
            }
        } else if path.extension().is_some_and(|extension| extension == wanted) {
            paths.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_this_file_and_only_rust_files() {
        let files = rust_files(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        assert!(files.iter().any(|file| file.path == Path::new("src/source.rs")));
        assert!(files.iter().all(|file| file.path.extension().unwrap() == "rs"));
    }

    #[test]
    fn a_missing_directory_is_an_error() {
        assert!(rust_files(Path::new("/there/is/no/such/directory")).is_err());
    }
}
