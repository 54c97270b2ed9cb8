//! In what a record and our own work differ.

use std::fmt::Display;

/// Sentences that say what differs and where, in the order in which it was found.
#[derive(Debug, Default)]
pub(super) struct Differences {
    sentences: Vec<String>,
}

impl Differences {
    pub(super) fn add(&mut self, sentence: impl Into<String>) {
        self.sentences.push(sentence.into());
    }

    /// Adds a sentence about `what` unless both are equal.
    pub(super) fn compare<T: PartialEq + Display>(&mut self, what: &str, ours: &T, recorded: &T) {
        if ours != recorded {
            self.add(format!("{what} is {ours}, recorded {recorded}"));
        }
    }

    /// [`compare`](Self::compare) for bytes: tells the offset of the first that differs.
    pub(super) fn compare_bytes(&mut self, what: &str, ours: &[u8], recorded: &[u8]) {
        if let Some(offset) = first_difference(ours, recorded) {
            self.add(format!("{what} differs at offset {offset}"));
        }
    }

    pub(super) fn into_sentences(self) -> Vec<String> {
        self.sentences
    }
}

/// The offset of the first byte that one has and the other has not.
pub(super) fn first_difference(left: &[u8], right: &[u8]) -> Option<usize> {
    let common = left.iter().zip(right).position(|(left, right)| left != right);
    common.or_else(|| (left.len() != right.len()).then(|| left.len().min(right.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_byte_is_a_difference() {
        assert_eq!(first_difference(b"", b""), None);
        assert_eq!(first_difference(b"abc", b"abc"), None);
        assert_eq!(first_difference(b"abc", b"aXc"), Some(1));
        assert_eq!(first_difference(b"abc", b"ab"), Some(2));
        assert_eq!(first_difference(b"", b"a"), Some(0));
    }
}
