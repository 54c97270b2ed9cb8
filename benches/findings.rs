//! The rows of a report, shown and saved part by part, so that neither a failure nor an interruption loses what was found
//! before it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use crate::document;
use crate::options::Options;
use crate::report::{Row, missed, processor, table};

/// What a report has found so far.
#[derive(Debug)]
pub struct Findings {
    layer: &'static str,
    /// What the report was told.
    pub options: Options,
    /// Those of other reports first.
    rows: Vec<Row>,
    /// How many of them are those of other reports.
    earlier: usize,
    failures: usize,
    parts: Vec<&'static str>,
    start: Instant,
}

/// Runs a report of a layer, as its program's `main`. Its own error ends it; that of a part only becomes a row.
pub fn report(layer: &'static str, measure: impl FnOnce(&mut Findings) -> Result<(), String>) -> ExitCode {
    let result = Options::parse(std::env::args().skip(1))
        .and_then(|options| Findings::new(layer, options))
        .and_then(|mut findings| {
            measure(&mut findings)?;
            findings.conclude()
        });
    exit(result)
}

/// What a program ends with; a failure is told on standard error.
pub fn exit(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

impl Findings {
    fn new(layer: &'static str, options: Options) -> Result<Self, String> {
        let rows = match &options.json {
            Some(file) if options.append => read(file)?,
            _ => Vec::new(),
        };
        let findings = Self {
            layer,
            options,
            earlier: rows.len(),
            rows,
            failures: 0,
            parts: Vec::new(),
            start: Instant::now(),
        };
        // A file that can't be written shall not show at the end only.
        findings.save()?;
        Ok(findings)
    }

    /// Measures a part, unless another was asked for. When it fails or panics, a row says so, and the next part follows.
    ///
    /// # Errors
    /// When what was found can't be saved.
    pub fn part(
        &mut self,
        name: &'static str,
        measure: impl FnOnce(&Options) -> Result<Vec<Row>, String>,
    ) -> Result<(), String> {
        self.parts.push(name);
        if self.options.only.as_ref().is_some_and(|only| only != name) {
            return Ok(());
        }
        self.say(&format!("{name} …"));
        let result = catch_unwind(AssertUnwindSafe(|| measure(&self.options)));
        let rows = match result.unwrap_or_else(|panic| Err(panic_message(&*panic))) {
            Ok(rows) => rows,
            Err(reason) => {
                self.failures += 1;
                vec![Row::failed(self.layer, name, &reason)]
            }
        };
        for row in &rows {
            self.say(&format!("  {}", row.line()));
        }
        self.rows.extend(rows);
        self.save()
    }

    /// Tells on standard error how far it is: standard output has the table.
    fn say(&self, what: &str) {
        eprintln!("{:>4} s  {what}", self.start.elapsed().as_secs());
    }

    fn own(&self) -> &[Row] {
        &self.rows[self.earlier..]
    }

    fn save(&self) -> Result<(), String> {
        let Some(file) = &self.options.json else {
            return Ok(());
        };
        let complain = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        let text = serde_json::to_string_pretty(&self.rows).map_err(|error| complain(&error))?;
        // Whole or not at all, whenever the program is interrupted.
        let new = file.with_extension("new");
        std::fs::write(&new, text + "\n").map_err(|error| complain(&error))?;
        std::fs::rename(&new, file).map_err(|error| complain(&error))
    }

    fn conclude(&self) -> Result<(), String> {
        if let Some(only) = self.options.only.as_deref()
            && !self.parts.contains(&only)
        {
            return Err(format!("there is no part `{only}`, only: {}", self.parts.join(", ")));
        }
        println!("{}\n", processor());
        print!("{}", table(self.own()));
        println!("\n{} goals missed", missed(self.own()));
        if let Some(file) = &self.options.document {
            let rows: Vec<&Row> = self.rows.iter().filter(|row| row.layer == self.layer).collect();
            document::update(file, self.layer, &rows, self.options.quick)?;
        }
        match self.failures {
            0 => Ok(()),
            failures => Err(format!("{failures} parts could not be measured")),
        }
    }
}

fn read(file: &Path) -> Result<Vec<Row>, String> {
    let complain = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    match std::fs::read_to_string(file) {
        Ok(text) => serde_json::from_str(&text).map_err(|error| complain(&error)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(complain(&error)),
    }
}

/// What a panic said, if it said something.
pub fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panicked: {}", text.unwrap_or("without a message"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(file: &Path, append: bool) -> Options {
        Options {
            json: Some(file.to_owned()),
            append,
            ..Options::default()
        }
    }

    #[test]
    fn what_was_found_before_a_failure_is_saved_and_the_rest_follows() {
        let file = std::env::temp_dir().join(format!("findings-{}.json", std::process::id()));
        let row = |work: &str| Row::new("layer", work, 1.0, "s");
        let mut findings = Findings::new("layer", options(&file, false)).unwrap();
        findings.part("good", |_| Ok(vec![row("a")])).unwrap();
        assert_eq!(read(&file).unwrap(), [row("a")]);
        findings.part("bad", |_| Err("broken".to_owned())).unwrap();
        findings.part("worse", |_| panic!("{} broken", "more")).unwrap();
        assert!(findings.conclude().unwrap_err().contains("2 parts"));

        let mut next = Findings::new("next", options(&file, true)).unwrap();
        next.part("good", |_| Ok(vec![row("b")])).unwrap();
        assert_eq!(next.own(), [row("b")]);
        assert_eq!(next.conclude(), Ok(()));
        let rows = read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        let works: Vec<&str> = rows.iter().map(|row| row.work.as_str()).collect();
        assert_eq!(works, ["a", "bad: broken", "worse: panicked: more broken", "b"]);
    }

    #[test]
    fn one_part_can_be_asked_for_if_there_is_one_of_this_name() {
        let only = |name: &str| {
            let options = Options {
                only: Some(name.to_owned()),
                ..Options::default()
            };
            let mut findings = Findings::new("layer", options).unwrap();
            for part in ["first", "second"] {
                findings
                    .part(part, |_| Ok(vec![Row::new("layer", part, 1.0, "s")]))
                    .unwrap();
            }
            (findings.own().len(), findings.conclude())
        };
        assert_eq!(only("second"), (1, Ok(())));
        let (rows, outcome) = only("third");
        assert_eq!(rows, 0);
        assert!(outcome.unwrap_err().contains("first, second"));
    }

    #[test]
    fn a_file_that_can_not_be_written_shows_at_once() {
        let file = std::env::temp_dir().join("no-such-directory/rows.json");
        assert!(Findings::new("layer", options(&file, false)).is_err());
    }
}
