//! How a message of unknown bytes is shown.

use std::fmt;

use blake2b_simd::Params;
use serde::Serialize;

/// The content of a message: its first bytes in hexadecimal, and all of it as text if it is printable.
#[derive(Serialize)]
pub(crate) struct MessageText<'a> {
    hex: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip)]
    truncated: bool,
}

impl<'a> MessageText<'a> {
    /// How many bytes are shown in hexadecimal.
    const HEX_BYTES: usize = 64;

    pub(crate) fn new(message: &'a [u8]) -> Self {
        let shown = message.get(..Self::HEX_BYTES).unwrap_or(message);
        let printable = |text: &&str| text.chars().all(|c| c == '\t' || is_printable(c));
        Self {
            hex: hex::encode(shown),
            text: std::str::from_utf8(message).ok().filter(printable),
            truncated: shown.len() < message.len(),
        }
    }
}

impl fmt::Display for MessageText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text {
            Some(text) => f.write_str(text),
            None => write!(f, "0x{}{}", self.hex, if self.truncated { "…" } else { "" }),
        }
    }
}

/// Whether a terminal shows a character where it stands in the text, and does nothing else.
///
/// # Security
///
/// Control characters of a stranger could make a terminal do anything. Those that end a line, or turn the direction of
/// writing, could make what it says look like something that we say.
pub(crate) fn is_printable(c: char) -> bool {
    let breaks = matches!(c, '\u{2028}' | '\u{2029}');
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !(c.is_control() || breaks || turns)
}

/// The BLAKE2b hash of 256 bits, in hexadecimal.
pub(crate) fn blake2b(bytes: &[u8]) -> String {
    Params::new().hash_length(32).hash(bytes).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printable_text_is_shown_whole_and_all_else_in_hexadecimal() {
        let long = "é".repeat(100);
        assert_eq!(MessageText::new(long.as_bytes()).to_string(), long);
        assert_eq!(MessageText::new(b"").to_string(), "");
        assert_eq!(MessageText::new(b"\x1b[2J").to_string(), "0x1b5b324a");
        assert_eq!(MessageText::new("\u{202e}".as_bytes()).to_string(), "0xe280ae");
        assert_eq!(MessageText::new("\u{9b}".as_bytes()).to_string(), "0xc29b");
        assert_eq!(
            MessageText::new(&[0xff; 64]).to_string(),
            format!("0x{}", "ff".repeat(64))
        );
        assert_eq!(
            MessageText::new(&[0xff; 65]).to_string(),
            format!("0x{}…", "ff".repeat(64))
        );
    }
}
