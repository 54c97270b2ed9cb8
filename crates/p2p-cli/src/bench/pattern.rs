//! What is sent to measure: messages of which each can be told from every other.

use std::sync::LazyLock;

use bytes::{BufMut, Bytes, BytesMut};

use super::message::MAX_MESSAGE;

/// The contents of a message: its number, and bytes that depend on it. Whoever receives them checks both.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pattern {
    /// Of the contents in bytes, the number included.
    size: usize,
}

/// By how many bytes the contents of messages differ in where they begin.
const SHIFTS: usize = 4096;

/// Bytes without a pattern of their own, the same on both sides.
static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut random = fastrand::Rng::with_seed(0x7032_705f_6265_6e63);
    std::iter::repeat_with(|| random.u8(..))
        .take(MAX_MESSAGE + SHIFTS)
        .collect()
});

impl Pattern {
    /// The least size: a tag and the number.
    pub(super) const MIN_MESSAGE: usize = 1 + size_of::<u64>();

    /// For messages of so many bytes, their tag included.
    pub(super) fn new(message_size: usize) -> Option<Self> {
        let size = message_size.checked_sub(1)?;
        (size >= size_of::<u64>() && message_size <= MAX_MESSAGE).then_some(Self { size })
    }

    /// The contents of the message of this number, behind a tag.
    pub(super) fn message(self, tag: u8, number: u64) -> Bytes {
        let mut out = BytesMut::with_capacity(self.size + 1);
        out.put_u8(tag);
        out.put_u64(number);
        out.put_slice(self.rest(number));
        out.freeze()
    }

    /// Whether these are the contents of the message of this number.
    pub(super) fn matches(self, contents: &[u8], number: u64) -> bool {
        match contents.split_first_chunk() {
            Some((first, rest)) => u64::from_be_bytes(*first) == number && rest == self.rest(number),
            None => false,
        }
    }

    fn rest(self, number: u64) -> &'static [u8] {
        let start = (number % SHIFTS as u64) as usize;
        let size = self.size - size_of::<u64>();
        BYTES.get(start..start + size).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_matches_its_own_number_alone() {
        for size in [Pattern::MIN_MESSAGE, 100, MAX_MESSAGE] {
            let pattern = Pattern::new(size).unwrap();
            let message = pattern.message(4, 5000);
            assert_eq!((message.len(), message[0]), (size, 4));
            let mut contents = message[1..].to_vec();
            assert!(pattern.matches(&contents, 5000));
            assert!(!pattern.matches(&contents, 5001));
            assert!(!pattern.matches(&contents[1..], 5000));
            *contents.last_mut().unwrap() ^= 1;
            assert!(!pattern.matches(&contents, 5000));
        }
        assert!(Pattern::new(Pattern::MIN_MESSAGE - 1).is_none());
        assert!(Pattern::new(MAX_MESSAGE + 1).is_none());
    }
}
