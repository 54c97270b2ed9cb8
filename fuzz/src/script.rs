//! Reading decisions from the bytes of an input.

use std::hash::{DefaultHasher, Hasher};

/// What is left of an input. At its end every decision is 0.
pub(crate) struct Script<'a>(&'a [u8]);

/// Bytes for a key or nonce that change with every input. With a constant key the fuzzer, which sees the operands of
/// comparisons, would learn valid tags and put them into other inputs.
pub(crate) fn derived<const SIZE: usize>(data: &[u8]) -> [u8; SIZE] {
    let mut hasher = DefaultHasher::new();
    hasher.write(data);
    let hash = hasher.finish().to_be_bytes();
    std::array::from_fn(|place| hash[place % hash.len()])
}

impl<'a> Script<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    pub(crate) fn number(&mut self) -> usize {
        usize::from(u16::from_be_bytes([self.byte(), self.byte()]))
    }

    /// A number below `end`, or 0 if there is none.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.number().checked_rem(end).unwrap_or(0)
    }

    /// As many bytes as the next one says, and as there are.
    pub(crate) fn bytes(&mut self) -> &'a [u8] {
        let count = usize::from(self.byte()).min(self.0.len());
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }
}
