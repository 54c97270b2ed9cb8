//! Reading decisions from the bytes of an input.

use std::{
    hash::{DefaultHasher, Hasher},
    sync::LazyLock,
};

use p2p_crypto::{ChannelKey, InstructionSet, Nonce};
use p2p_framing::ChunkSize;

/// What is left of an input. At its end every decision is 0.
pub(crate) struct Script<'a> {
    rest: &'a [u8],
    /// How many bytes of noise have been given out.
    filled: usize,
}

/// The longest piece that [`Script::filled`] gives, in bytes: two of the largest chunks, so that a small input describes
/// long streams.
pub(crate) const LONGEST: usize = 128 * 1024;

/// Bytes that don't repeat, to fill long pieces with: what matters of them is their number, and that none is lost, changed
/// or moved.
static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let word = |number: u64| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(number);
        hasher.finish().to_be_bytes()
    };
    (0..2 * LONGEST as u64 / 8).flat_map(word).collect()
});

/// Bytes for a key or nonce that change with every input. With a constant key the fuzzer, which sees the operands of
/// comparisons, would learn valid tags and put them into other inputs.
pub(crate) fn derived<const SIZE: usize>(data: &[u8]) -> [u8; SIZE] {
    let mut hasher = DefaultHasher::new();
    hasher.write(data);
    let hash = hasher.finish().to_be_bytes();
    std::array::from_fn(|place| hash[place % hash.len()])
}

/// The key and the first nonce of one direction.
pub(crate) fn session(data: &[u8]) -> (ChannelKey, Nonce) {
    (ChannelKey::from_bytes(derived(data)), Nonce::from_bytes(derived(data)))
}

impl<'a> Script<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self { rest: data, filled: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        match self.rest.split_first() {
            Some((first, rest)) => {
                self.rest = rest;
                *first
            }
            None => 0,
        }
    }

    /// A number below `end`, of no more bytes than that takes, or 0 if there is none.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let (mut number, mut left) = (0, end.saturating_sub(1));
        while left > 0 {
            number = number << 8 | usize::from(self.byte());
            left >>= 8;
        }
        number.checked_rem(end).unwrap_or(0)
    }

    /// A length up to `most`: mostly a short one, which takes a single byte, and little time.
    pub(crate) fn length(&mut self, most: usize) -> usize {
        let length = match self.byte() {
            short @ ..232 => usize::from(short),
            232..253 => self.below(8192),
            _ => self.below(most + 1),
        };
        length.min(most)
    }

    /// A piece of noise with such a length. Each has bytes of its own.
    pub(crate) fn filled(&mut self, most: usize) -> &'static [u8] {
        let length = self.length(most.min(LONGEST));
        let start = self.filled % LONGEST;
        self.filled += length;
        &NOISE[start..start + length]
    }

    /// From one to `most`, and mostly a few.
    pub(crate) fn count(&mut self, most: usize) -> usize {
        1 + match self.byte() {
            few @ ..240 => usize::from(few % 8),
            _ => self.below(most),
        }
    }

    /// How many bytes an input may make in all: seldom many, since the fuzzer learns more from many short streams.
    pub(crate) fn budget(&mut self) -> usize {
        match self.byte() {
            ..240 => 8 * 1024,
            240..254 => LONGEST / 2,
            254.. => 2 * LONGEST,
        }
    }

    /// As many bytes as the next one says, and as there are.
    pub(crate) fn bytes(&mut self) -> &'a [u8] {
        let count = usize::from(self.byte()).min(self.rest.len());
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        taken
    }

    /// A size of chunks, as likely a small one as any other.
    pub(crate) fn chunk_size(&mut self) -> ChunkSize {
        let smallest = ChunkSize::MIN.bytes();
        let sizes = match self.byte() % 2 {
            0 => 256,
            _ => ChunkSize::MAX.bytes() - smallest + 1,
        };
        ChunkSize::new(smallest + self.below(sizes)).expect("a size between both limits")
    }

    /// One of the instruction sets that there are, the widest first.
    pub(crate) fn instruction_set(&mut self) -> InstructionSet {
        let mut sets: Vec<_> = InstructionSet::available().collect();
        sets.reverse();
        sets[self.below(sets.len())]
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }
}
