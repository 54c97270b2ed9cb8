//! What a report is told on its command line.

use std::path::PathBuf;

/// The options that all reports know.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Measure shorter.
    pub quick: bool,
    /// Where to write the rows as JSON.
    pub json: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments behind the program's name.
    ///
    /// # Errors
    /// What is wrong with them, in one sentence.
    pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                // What `cargo bench` adds.
                "--bench" => {}
                "--quick" => options.quick = true,
                "--json" => options.json = Some(arguments.next().ok_or("--json needs a file")?.into()),
                _ => return Err(format!("unexpected argument `{argument}`")),
            }
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Options, String> {
        Options::parse(text.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_are_read_and_others_refused() {
        let all = parse("--bench --quick --json rows.json").unwrap();
        assert_eq!((all.quick, all.json), (true, Some("rows.json".into())));
        assert_eq!(parse(""), Ok(Options::default()));
        assert!(parse("--json").unwrap_err().contains("needs a file"));
        assert!(parse("--qiuck").unwrap_err().contains("`--qiuck`"));
    }
}
