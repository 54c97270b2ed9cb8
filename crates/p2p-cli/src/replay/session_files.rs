//! Finds and reads the files of recorded sessions.

use std::{
    io,
    path::{Path, PathBuf},
};

use tokio::{fs::File, io::AsyncReadExt};

/// The largest file that is read: 1 GiB. A device without an end would fill the memory.
const MAX_FILE_SIZE: u64 = 1 << 30;

/// A path that can not be used, and why.
type Unusable = (PathBuf, String);

/// Every file that was named; a directory stands for its `*.json` files, in the order of their names.
pub(super) fn expand(paths: &[PathBuf]) -> Vec<Result<PathBuf, Unusable>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(Ok(path.clone()));
            continue;
        }
        match json_files(path) {
            Ok(found) if found.is_empty() => files.push(Err((path.clone(), "a directory without *.json files".into()))),
            Ok(found) => files.extend(found.into_iter().map(Ok)),
            Err(error) => files.push(Err((path.clone(), error.to_string()))),
        }
    }
    files
}

fn json_files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in directory.read_dir()? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The text of a file, or a sentence why there is none.
pub(super) async fn read(path: &Path) -> Result<String, String> {
    let read = async {
        let mut bytes = Vec::new();
        let mut file = File::open(path).await?.take(MAX_FILE_SIZE + 1);
        file.read_to_end(&mut bytes).await?;
        io::Result::Ok(bytes)
    };
    let bytes = read.await.map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_FILE_SIZE {
        return Err(format!("larger than {MAX_FILE_SIZE} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "not a recorded session: not even text".to_owned())
}
