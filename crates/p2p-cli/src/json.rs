//! JSON for terminals: what would do something else to one than show itself is written as `\uXXXX`. The values are the same.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{
    Serializer,
    ser::{CompactFormatter, Formatter},
};

use crate::message_text::is_printable;

/// A value on one line.
pub(crate) fn to_string(value: &impl Serialize) -> serde_json::Result<String> {
    let mut line = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut line, Printable))?;
    // Nothing but text was written, so nothing is replaced.
    Ok(String::from_utf8_lossy(&line).into_owned())
}

struct Printable;

impl Formatter for Printable {
    fn write_string_fragment<W: Write + ?Sized>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        CompactFormatter.write_string_fragment(writer, &escaped(fragment))
    }
}

/// Each line of finished JSON, escaped on its way to `W`. A line must come in one piece.
pub(crate) struct EscapingWriter<W>(pub(crate) W);

impl<W: Write> Write for EscapingWriter<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // Such characters only occur in strings, where an escape means the same.
        match std::str::from_utf8(line) {
            Ok(text) => {
                let lines = text.split('\n').map(escaped).collect::<Vec<_>>();
                self.0.write_all(lines.join("\n").as_bytes())?;
            }
            Err(_) => self.0.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_printable(c) {
            out.push(c);
        } else {
            let units = &mut [0; 2];
            for unit in c.encode_utf16(units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a terminal obeys or what turns the direction of writing, beside what may stay.
    const TEXT: &str = "\u{7f}\u{9b}2J\u{61c}\u{200e}\u{202e}\u{2066}\u{2028}\n\t\"\\é文😀";

    #[test]
    fn what_is_escaped_has_the_same_value() {
        let line = to_string(&(TEXT, 1.5, ["a"])).unwrap();
        assert!(line.chars().all(is_printable), "{line}");
        assert!(line.contains("\\u007f\\u009b2J") && line.contains("é文😀"), "{line}");
        let (text, number, [a]): (String, f64, [String; 1]) = serde_json::from_str(&line).unwrap();
        assert_eq!((text.as_str(), number, a.as_str()), (TEXT, 1.5, "a"));
    }

    #[test]
    fn finished_lines_are_escaped_and_stay_lines() {
        let mut out = Vec::new();
        let lines = format!("{0}\n{0}\n", serde_json::to_string(TEXT).unwrap());
        EscapingWriter(&mut out).write_all(lines.as_bytes()).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert_eq!(out.matches('\n').count(), 2);
        for line in out.lines() {
            assert!(line.chars().all(is_printable), "{line}");
            assert_eq!(serde_json::from_str::<String>(line).unwrap(), TEXT);
        }
    }
}
