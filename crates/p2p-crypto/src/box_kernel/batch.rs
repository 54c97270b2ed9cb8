//! Short pieces in one go: their blocks of keystream side by side, and then their tags.

use subtle::ConstantTimeEq;

use super::{BLOCK, Kernels, Message, Position, Subkey, TAG_KEY, blocks_for, position, tag_key, wipe, xor};
use crate::{Piece, TAG_SIZE};

/// Most blocks of keystream, and so pieces, that are computed together: a multiple of all widths, and 4 KiB, which stay
/// in the nearest cache.
const BLOCKS: usize = 64;

/// The longest piece that is worth it. Longer ones fill the lanes by themselves.
const LONGEST: usize = 16 * BLOCK - TAG_KEY;

/// How many messages are authenticated together.
const TAGS: usize = super::poly1305::avx512::LANES;

impl Kernels {
    /// Seals `pieces` under consecutive nonces with the same beginning; the first ends with `nonce_end`.
    pub(crate) fn seal_batch(self, subkey: &Subkey, mut nonce_end: u64, mut pieces: &mut [Piece<'_>]) {
        while !pieces.is_empty() {
            let (batch, rest) = pieces.split_at_mut(batch_length(pieces));
            let count = batch.len() as u64;
            match batch {
                [single] => *single.tag = self.seal(subkey, nonce_end, single.data),
                batch => self.seal_together(subkey, nonce_end, batch),
            }
            (pieces, nonce_end) = (rest, nonce_end.wrapping_add(count));
        }
    }

    /// Opens `pieces` under such nonces up to the first whose tag is wrong, and returns how many it opened. That
    /// piece and all behind it stay as they are.
    pub(crate) fn open_batch(self, subkey: &Subkey, mut nonce_end: u64, mut pieces: &mut [Piece<'_>]) -> usize {
        let mut opened = 0;
        while !pieces.is_empty() {
            let (batch, rest) = pieces.split_at_mut(batch_length(pieces));
            let count = batch.len();
            let opened_here = match batch {
                [single] => usize::from(self.open(subkey, nonce_end, single.data, single.tag)),
                batch => self.open_together(subkey, nonce_end, batch),
            };
            opened += opened_here;
            if opened_here < count {
                break;
            }
            (pieces, nonce_end) = (rest, nonce_end.wrapping_add(count as u64));
        }
        opened
    }

    fn seal_together(self, subkey: &Subkey, nonce_end: u64, pieces: &mut [Piece<'_>]) {
        let mut keystream = Keystream::EMPTY;
        keystream.fill(self, subkey, nonce_end, pieces);
        for (piece, keystream) in pieces.iter_mut().zip(keystream.each()) {
            xor(piece.data, &keystream[TAG_KEY..]);
        }
        let mut tags = [[0; TAG_SIZE]; BLOCKS];
        self.tags(pieces, &keystream, &mut tags);
        for (piece, tag) in pieces.iter_mut().zip(&tags) {
            *piece.tag = *tag;
        }
    }

    fn open_together(self, subkey: &Subkey, nonce_end: u64, pieces: &mut [Piece<'_>]) -> usize {
        let mut keystream = Keystream::EMPTY;
        keystream.fill(self, subkey, nonce_end, pieces);
        let mut tags = [[0; TAG_SIZE]; BLOCKS];
        self.tags(pieces, &keystream, &mut tags);
        let authentic = pieces
            .iter()
            .zip(&tags)
            .take_while(|(piece, tag)| tag.ct_eq(piece.tag).into());
        let authentic = authentic.count();
        for (piece, keystream) in pieces[..authentic].iter_mut().zip(keystream.each()) {
            xor(piece.data, &keystream[TAG_KEY..]);
        }
        authentic
    }

    /// The tags of the ciphertexts.
    fn tags(self, pieces: &[Piece<'_>], keystream: &Keystream, tags: &mut [[u8; TAG_SIZE]; BLOCKS]) {
        let mut keys = keystream.each().map(tag_key);
        for (pieces, tags) in pieces.chunks(TAGS).zip(tags.chunks_mut(TAGS)) {
            let mut messages = [Message::NONE; TAGS];
            for ((message, piece), key) in messages.iter_mut().zip(pieces).zip(&mut keys) {
                *message = Message { key, bytes: piece.data };
            }
            self.tags_of(&messages[..pieces.len()], tags);
        }
    }
}

/// How many of the first pieces go together: all that have keystream in one batch, but one at least.
fn batch_length(pieces: &[Piece<'_>]) -> usize {
    let mut blocks = 0;
    let fits = |piece: &&Piece<'_>| {
        blocks += blocks_for(piece.data.len());
        piece.data.len() <= LONGEST && blocks <= BLOCKS
    };
    pieces.iter().take_while(fits).count().max(1)
}

/// The keystream of the pieces of a batch. Wiped when dropped.
struct Keystream {
    bytes: [u8; BLOCKS * BLOCK],
    /// Where that of each piece ends.
    ends: [usize; BLOCKS],
    pieces: usize,
}

impl Keystream {
    const EMPTY: Self = Self {
        bytes: [0; _],
        ends: [0; _],
        pieces: 0,
    };

    fn fill(&mut self, kernels: Kernels, subkey: &Subkey, nonce_end: u64, pieces: &[Piece<'_>]) {
        let mut positions = [Position::default(); BLOCKS];
        let mut blocks = 0;
        for ((index, piece), end) in (0..).zip(pieces).zip(&mut self.ends) {
            for block in 0..blocks_for(piece.data.len()) {
                positions[blocks] = position(nonce_end.wrapping_add(index), block as u64);
                blocks += 1;
            }
            *end = blocks * BLOCK;
        }
        self.pieces = pieces.len();
        kernels.keystream(subkey, &positions[..blocks], &mut self.bytes);
    }

    /// That of each piece.
    fn each(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends[..self.pieces].iter().map(move |end| {
            let keystream = &self.bytes[start..*end];
            start = *end;
            keystream
        })
    }
}

impl Drop for Keystream {
    fn drop(&mut self) {
        wipe(&mut self.bytes);
    }
}
