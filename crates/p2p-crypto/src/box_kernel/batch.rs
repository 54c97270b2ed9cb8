//! Short pieces in one go: their blocks of keystream side by side, and then their tags.

use super::{BLOCK, Kernels, Message, Position, Subkey, TAG_KEY, blocks_for, is_equal, position, tag_key, wipe, xor};
use crate::aligned::Aligned;
use crate::{Piece, TAG_SIZE};

/// Most blocks of keystream, and so pieces, that are computed together: a multiple of all widths, and 4 KiB, which stay
/// in the nearest cache.
const BLOCKS: usize = 64;

/// The longest piece that is worth it. Longer ones fill the lanes by themselves.
const LONGEST: usize = 16 * BLOCK - TAG_KEY;

/// How many messages are authenticated together.
const TAGS: usize = super::poly1305::avx512::MESSAGES;

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
        keystream.xor_each(pieces);
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
            .take_while(|(piece, tag)| is_equal(tag, piece.tag));
        let authentic = authentic.count();
        keystream.xor_each(&mut pieces[..authentic]);
        authentic
    }

    /// The tags of the ciphertexts.
    fn tags(self, pieces: &[Piece<'_>], keystream: &Keystream, tags: &mut [[u8; TAG_SIZE]; BLOCKS]) {
        let mut keystream = &keystream.bytes.0[..];
        for (pieces, tags) in pieces.chunks(TAGS).zip(tags.chunks_mut(TAGS)) {
            let mut messages = [Message::NONE; TAGS];
            for (message, piece) in messages.iter_mut().zip(pieces) {
                let key = tag_key(take_blocks(&mut keystream, piece));
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

/// The keystream of the pieces of a batch, one after the other. Wiped when dropped.
struct Keystream {
    bytes: Aligned<[u8; BLOCKS * BLOCK]>,
    /// How many bytes have been written.
    used: usize,
}

impl Keystream {
    const EMPTY: Self = Self {
        bytes: Aligned([0; _]),
        used: 0,
    };

    fn fill(&mut self, kernels: Kernels, subkey: &Subkey, nonce_end: u64, pieces: &[Piece<'_>]) {
        let mut positions = Aligned([Position::default(); BLOCKS]);
        let mut blocks = 0;
        for (index, piece) in (0..).zip(pieces) {
            for block in 0..blocks_for(piece.data.len()) {
                positions.0[blocks] = position(nonce_end.wrapping_add(index), block as u64);
                blocks += 1;
            }
        }
        self.used = blocks * BLOCK;
        kernels.keystream(subkey, &positions.0[..blocks], &mut self.bytes.0[..self.used]);
    }

    fn xor_each(&self, pieces: &mut [Piece<'_>]) {
        let mut keystream = &self.bytes.0[..];
        for piece in pieces {
            let own = take_blocks(&mut keystream, piece);
            xor(piece.data, &own[TAG_KEY..]);
        }
    }
}

impl Drop for Keystream {
    fn drop(&mut self) {
        wipe(&mut self.bytes.0[..self.used]);
    }
}

/// Takes the blocks for `piece` off the keystream.
fn take_blocks<'a>(keystream: &mut &'a [u8], piece: &Piece<'_>) -> &'a [u8] {
    let (own, rest) = keystream.split_at(blocks_for(piece.data.len()) * BLOCK);
    *keystream = rest;
    own
}
