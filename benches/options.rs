//! What a report is told on its command line.

use std::path::PathBuf;

/// The options that all reports know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Measure shorter.
    pub quick: bool,
    /// Where to write the rows as JSON.
    pub json: Option<PathBuf>,
    /// Keep the rows that are there already.
    pub append: bool,
    /// The only part to measure.
    pub only: Option<String>,
    /// The directory to draw plots in.
    pub plots: Option<PathBuf>,
    /// The document whose tables to write anew.
    pub document: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments behind the program's name.
    ///
    /// # Errors
    /// What is wrong with them, in one sentence.
    pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                // What `cargo bench` adds.
                "--bench" => {}
                "--quick" => options.quick = true,
                "--append" => options.append = true,
                "--json" => options.json = Some(value()?.into()),
                "--only" => options.only = Some(value()?),
                "--plots" => options.plots = Some(value()?.into()),
                "--document" => options.document = Some(value()?.into()),
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
        let all = parse("--bench --quick --append --json rows.json --only bulk --plots plots --document d.md");
        let expected = Options {
            quick: true,
            json: Some("rows.json".into()),
            append: true,
            only: Some("bulk".to_owned()),
            plots: Some("plots".into()),
            document: Some("d.md".into()),
        };
        assert_eq!(all, Ok(expected));
        assert_eq!(parse(""), Ok(Options::default()));
        assert!(parse("--json").unwrap_err().contains("needs a value"));
        assert!(parse("--qiuck").unwrap_err().contains("`--qiuck`"));
    }
}
