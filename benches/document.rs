//! Tables in a document, written by what measures.
//!
//! A document that wants one has a line that begins with `<!-- measured: LAYER`, and further down a line
//! `<!-- end of measured -->`. What stands between them is replaced.

use std::path::Path;
use std::process::Command;

use crate::report::{Row, processor, table};

const END: &str = "<!-- end of measured -->";

/// Writes the rows of a layer into its place.
///
/// # Errors
/// When the file can't be read or written, or has no place for the layer.
pub fn update(file: &Path, layer: &str, rows: &[&Row], quick: bool) -> Result<(), String> {
    let complain = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let text = std::fs::read_to_string(file).map_err(|error| complain(&error))?;
    let heading = format!(
        "Measured{} on {}.",
        if quick { " with `--quick`" } else { "" },
        setting()
    );
    let measured = format!("{heading}\n\n{}", table(rows.iter().copied()));
    let text = replace(&text, layer, &measured).map_err(|error| complain(&error))?;
    std::fs::write(file, text).map_err(|error| complain(&error))
}

/// When and where: the day, the processor, its cores and the compiler.
fn setting() -> String {
    let output = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        text.unwrap_or_else(|_| "an unknown day".to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let compiler = output("rustc", &["--version"]);
    let version = compiler.split(' ').nth(1).unwrap_or("of unknown version");
    format!(
        "{} on {cores} cores of {} with Rust {version}",
        output("date", &["-u", "+%F"]),
        processor()
    )
}

fn replace(text: &str, layer: &str, measured: &str) -> Result<String, String> {
    let beginning = format!("<!-- measured: {layer} ");
    let missing = || format!("there is no place that begins with `{beginning}` and ends with `{END}`");
    let start = text.find(&beginning).ok_or_else(missing)?;
    let (before, rest) = text.split_at(start);
    let (first_line, rest) = rest.split_once('\n').ok_or_else(missing)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing)?;
    Ok(format!("{before}{first_line}\n\n{measured}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_place_of_the_layer_is_written() {
        let text = "a\n<!-- measured: x by y -->\nold\n<!-- end of measured -->\nb\n\
                    <!-- measured: z by y -->\nkept\n<!-- end of measured -->\n";
        let expected = "a\n<!-- measured: x by y -->\n\nnew\n\n<!-- end of measured -->\nb\n\
                        <!-- measured: z by y -->\nkept\n<!-- end of measured -->\n";
        assert_eq!(replace(text, "x", "new\n").as_deref(), Ok(expected));
        assert_eq!(replace(expected, "x", "new\n").as_deref(), Ok(expected));
        assert!(replace(text, "w", "new\n").unwrap_err().contains("measured: w"));
    }
}
