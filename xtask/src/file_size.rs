//! `cargo xtask file-size`: one file, one idea; a file that has grown too long holds several.

use crate::source::{self, SourceFile};
use crate::workspace::Workspace;
use crate::{Outcome, no_arguments};

/// A file up to this length can still be read in one sitting.
const MAXIMUM_LINES: usize = 500;

pub(crate) fn run(arguments: &[String]) -> Outcome {
    no_arguments(arguments)?;
    check(&Workspace::load()?)
}

pub(crate) fn check(workspace: &Workspace) -> Outcome {
    let files = source::rust_files(&workspace.root)?;
    let too_long: Vec<String> = files.iter().filter_map(complaint).collect();
    if !too_long.is_empty() {
        return Err(format!("split these files up:\n{}", too_long.join("\n")));
    }
    println!("{} files, none over {MAXIMUM_LINES} lines", files.len());
    Ok(())
}

fn complaint(file: &SourceFile) -> Option<String> {
    let lines = file.text.lines().count();
    (lines > MAXIMUM_LINES).then(|| {
        format!(
            "  {} has {lines} lines; the limit is {MAXIMUM_LINES}",
            file.path.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_of(lines: usize) -> SourceFile {
        SourceFile {
            path: "some/file.rs".into(),
            text: "//\n".repeat(lines),
        }
    }

    #[test]
    fn the_limit_itself_is_allowed_and_one_more_is_not() {
        assert_eq!(complaint(&file_of(0)), None);
        assert_eq!(complaint(&file_of(MAXIMUM_LINES)), None);
        let complaint = complaint(&file_of(MAXIMUM_LINES + 1)).unwrap();
        assert!(complaint.contains("some/file.rs has 501 lines"), "{complaint}");
    }
}
