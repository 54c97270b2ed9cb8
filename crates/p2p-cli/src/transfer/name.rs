//! From the name that a stranger gives a file to one that is safe to use.

use crate::message_text::is_printable;

/// How long a name may be, in bytes: file systems allow 255, and a number and a suffix may have to be added.
const MAX_NAME_SIZE: usize = 200;

/// A plain file name out of `offered`: its last component, no control or reserved characters, nothing that turns the
/// direction of writing and so makes a program look like a picture, not hidden, not too long.
pub(super) fn plain_name(offered: &str) -> String {
    let last = offered.rsplit(['/', '\\']).next().unwrap_or_default();
    // Spaces first: a dot behind them would become the first character.
    let mut name: String = last
        .trim_start()
        .chars()
        .map(|c| {
            if is_printable(c) && !"<>:\"|?*".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect();
    // A leading dot would hide the file, name a directory, or make of it a part that waits for someone else.
    if name.starts_with('.') {
        name.replace_range(..1, "_");
    }
    while name.len() > MAX_NAME_SIZE {
        name.pop();
    }
    let name = name.trim_end_matches(['.', ' ']);
    if name.is_empty() {
        "file".to_owned()
    } else {
        name.to_owned()
    }
}

/// The names to try one after the other when `name` is taken: `a.txt`, `a (1).txt`, `a (2).txt`, …
pub(super) fn candidates(name: &str) -> impl Iterator<Item = String> + '_ {
    const MOST: u32 = 1000;
    let (stem, extension) = match name.rfind('.') {
        Some(dot) if dot > 0 => name.split_at(dot),
        _ => (name, ""),
    };
    let numbered = (1..MOST).map(move |number| format!("{stem} ({number}){extension}"));
    std::iter::once(name.to_owned()).chain(numbered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_out_of_the_directory() {
        for (offered, plain) in [
            ("a.txt", "a.txt"),
            ("/etc/passwd", "passwd"),
            ("../../a", "a"),
            ("..\\..\\a", "a"),
            ("C:\\a", "a"),
            ("C:a", "C_a"),
            ("..", "_"),
            (".", "_"),
            ("", "file"),
            ("a/", "file"),
            ("  ", "file"),
            (".bashrc", "_bashrc"),
            (" .bashrc", "_bashrc"),
            ("\n\t\u{3000}.bashrc", "_bashrc"),
            ("a/ ..", "_"),
            ("a\0\n\x1b[2Jb", "a___[2Jb"),
            ("photo\u{202e}gpj.exe", "photo_gpj.exe"),
            ("a. .", "a"),
            ("naïve 文.tar.gz", "naïve 文.tar.gz"),
        ] {
            assert_eq!(plain_name(offered), plain, "{offered:?}");
        }
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        assert_eq!(plain_name(&"a".repeat(200)).len(), 200);
        assert_eq!(plain_name(&"a".repeat(201)).len(), 200);
        assert_eq!(plain_name(&format!("a{}", "é".repeat(100))).len(), 199);
    }

    #[test]
    fn taken_names_get_a_number_before_the_extension() {
        let first = |name| candidates(name).take(3).collect::<Vec<_>>();
        assert_eq!(first("a.txt"), ["a.txt", "a (1).txt", "a (2).txt"]);
        assert_eq!(first("a"), ["a", "a (1)", "a (2)"]);
        assert_eq!(first("a.tar.gz"), ["a.tar.gz", "a.tar (1).gz", "a.tar (2).gz"]);
    }
}
