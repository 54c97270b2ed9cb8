//! A message that a side of a recorded session was told to send.

use bytes::Bytes;
use serde::{Deserialize, Deserializer, de::Error};
use sha2::{Digest, Sha256};

use super::record::{Sha256Digest, hex_bytes};
use crate::units::counted;

/// A message by its bytes, or by a pattern that gives them.
pub(super) struct RecordedMessage {
    size: usize,
    sha256: Sha256Digest,
    source: Source,
}

enum Source {
    Hex(Bytes),
    Pattern(usize),
}

impl RecordedMessage {
    /// The declared size, in bytes.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// The bytes. A pattern allocates its declared size, so look at [`size`](Self::size) first.
    pub(super) fn contents(&self) -> Bytes {
        match &self.source {
            Source::Hex(bytes) => bytes.clone(),
            Source::Pattern(index) => pattern(*index, self.size),
        }
    }

    /// Whether the bytes have the declared digest.
    pub(super) fn is_intact(&self) -> bool {
        Sha256::digest(self.contents())[..] == self.sha256.0
    }
}

/// Byte `j` of message `i` of `n` bytes is `i*37 + j + (j>>8)*5 + n`, modulo 256.
fn pattern(index: usize, size: usize) -> Bytes {
    let start = index.wrapping_mul(37).wrapping_add(size);
    (0..size)
        .map(|at| start.wrapping_add(at).wrapping_add((at >> 8).wrapping_mul(5)) as u8)
        .collect()
}

impl<'de> Deserialize<'de> for RecordedMessage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Hex(#[serde(deserialize_with = "hex_bytes")] Bytes);

        #[derive(Deserialize)]
        struct Fields {
            size: usize,
            sha256: Sha256Digest,
            hex: Option<Hex>,
            pattern: Option<usize>,
        }

        let Fields {
            size,
            sha256,
            hex,
            pattern,
        } = Fields::deserialize(deserializer)?;
        let source = match (hex, pattern) {
            (Some(Hex(bytes)), None) if bytes.len() == size => Source::Hex(bytes),
            (Some(Hex(bytes)), None) => {
                let length = counted(bytes.len(), "byte");
                return Err(D::Error::custom(format!("a message of {length} instead of {size}")));
            }
            (None, Some(index)) => Source::Pattern(index),
            _ => return Err(D::Error::custom("a message is either `hex` or `pattern`")),
        };
        Ok(Self { size, sha256, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_the_format() {
        assert_eq!(pattern(0, 0), &[][..]);
        assert_eq!(pattern(3, 2), &[113, 114][..]);
        let long = pattern(1, 600);
        assert_eq!(long[513], (37 + 513 + 2 * 5 + 600) as u8);
    }

    #[test]
    fn a_message_has_exactly_one_source_and_its_own_size() {
        let digest = hex::encode(Sha256::digest([7]));
        let parse = |rest: &str| {
            serde_json::from_str::<RecordedMessage>(&format!(r#"{{"size": 1, "sha256": "{digest}"{rest}}}"#))
        };
        assert!(parse(r#", "hex": "07""#).unwrap().is_intact());
        assert!(!parse(r#", "hex": "08""#).unwrap().is_intact());
        for wrong in [
            "",
            r#", "hex": """#,
            r#", "hex": "0708""#,
            r#", "hex": "07", "pattern": 0"#,
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
