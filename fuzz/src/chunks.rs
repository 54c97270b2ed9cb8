//! Streams of chunks, sealed and opened in every way that there is: each gives the same bytes.

use bytes::BytesMut;
use p2p_crypto::{Opener, Sealer, TAG_SIZE};
use p2p_framing::{CHUNK_OVERHEAD, ChunkError, ChunkOpener, ChunkSealer, SealError};

use crate::script::{Script, session};

/// How many full chunks there are at most, or a chunk size of one byte would make a hundred thousand: more than are sealed
/// and opened together.
const CHUNKS: usize = 96;

/// How many pieces are sealed at once at most: more than stay apart in one chunk.
const PIECES: usize = 24;

/// What was sealed, and sent without being sealed.
#[derive(Default)]
struct Stream {
    /// As it was sealed by the sealer.
    wire: BytesMut,
    /// As it should be: each chunk sealed by itself, in place.
    expected: Vec<u8>,
    plaintext: Vec<u8>,
    /// How much of the plaintext stands in front of what was not sealed.
    honest: Option<usize>,
}

pub(crate) fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let (key, first) = session(data);
    let size = script.chunk_size();
    let mut sealer = ChunkSealer::new(Sealer::new(key.clone(), first), size);
    let mut twin = Sealer::new(key.clone(), first).with_instruction_set(script.instruction_set());
    let budget = script.budget().min(CHUNKS * size.max_plaintext());
    let mut stream = Stream::default();
    while !script.is_empty() && stream.wire.len() < budget {
        match script.byte() % 8 {
            0 => {
                stream.honest.get_or_insert(stream.plaintext.len());
                let noise = script.bytes();
                stream.wire.extend_from_slice(noise);
                stream.expected.extend_from_slice(noise);
            }
            way => stream.seal(way, budget, &mut sealer, &mut twin, &mut script),
        }
    }
    let Stream {
        wire,
        expected,
        plaintext,
        honest,
    } = stream;
    assert!(wire == expected[..], "sealed otherwise than chunk by chunk");
    let opener = || Opener::new(key.clone(), first);
    let opened = open_onto(opener(), &wire);
    // Seldom byte by byte, for which a long stream would take too long.
    let read = (1 + script.length(wire.len())).max(wire.len() / 64);
    assert!(
        open_in_reads(opener(), &wire, read) == opened,
        "opened otherwise in reads of {read}"
    );
    let twin = opener().with_instruction_set(script.instruction_set());
    assert!(
        open_one_by_one(twin, &wire) == opened,
        "opened otherwise than one by one"
    );
    let (opened, error) = opened;
    assert!(plaintext.starts_with(&opened), "something that nobody sealed");
    assert!(
        opened.len() >= honest.unwrap_or(plaintext.len()),
        "something sealed was lost"
    );
    assert!(honest.is_some() || error.is_none(), "an honest stream was refused");
}

impl Stream {
    /// Some pieces of as many bytes as are left, sealed by `sealer` in one of its ways, and by `twin` as that is defined.
    fn seal(&mut self, way: u8, budget: usize, sealer: &mut ChunkSealer, twin: &mut Sealer, script: &mut Script<'_>) {
        let capacity = sealer.chunk_size().max_plaintext();
        let mut left = budget.saturating_sub(self.plaintext.len());
        let pieces = (0..script.count(PIECES)).map(|_| {
            let piece = script.filled(left);
            left -= piece.len();
            piece
        });
        let pieces: Vec<_> = pieces.collect();
        let together = pieces.concat();
        self.plaintext.extend_from_slice(&together);
        let mut expect = |plaintext: &[u8]| put_chunk(twin, plaintext, &mut self.expected);
        match way {
            1 | 2 => {
                sealer.seal_run(pieces, &mut self.wire).expect("nonces");
                together.chunks(capacity).for_each(expect);
            }
            3 | 4 => {
                sealer
                    .seal_each(pieces.iter().copied(), &mut self.wire)
                    .expect("nonces");
                let chunks = pieces.iter().flat_map(|piece| piece.chunks(capacity));
                chunks.for_each(expect);
            }
            5 | 6 => {
                let write = |out: &mut BytesMut| {
                    out.extend_from_slice(&together);
                    Ok::<_, ()>(())
                };
                let written = sealer.seal_written(&mut self.wire, write).expect("nonces");
                assert_eq!(written, Ok(()));
                together.chunks(capacity).for_each(expect);
            }
            _ => match sealer.seal_one(&together, &mut self.wire) {
                Ok(()) => expect(&together),
                Err(error) => {
                    let (size, maximum) = (together.len(), capacity);
                    assert!(size > maximum);
                    assert_eq!(error, SealError::TooLarge { size, maximum });
                    self.plaintext.truncate(self.plaintext.len() - size);
                }
            },
        }
    }
}

/// Appends one chunk, made by hand.
fn put_chunk(sealer: &mut Sealer, plaintext: &[u8], out: &mut Vec<u8>) {
    let size = u16::try_from(TAG_SIZE + plaintext.len()).expect("no more than a chunk carries");
    let start = out.len();
    out.extend_from_slice(&size.to_be_bytes());
    out.extend_from_slice(&[0; TAG_SIZE]);
    out.extend_from_slice(plaintext);
    let (head, data) = out[start..].split_at_mut(CHUNK_OVERHEAD);
    let tag = sealer.seal(data).expect("nonces");
    head[2..].copy_from_slice(tag.as_bytes());
}

/// What opens of a stream, and with which error it ends.
type Opened = (Vec<u8>, Option<ChunkError>);

/// All at once, onto a stream.
fn open_onto(opener: Opener, wire: &[u8]) -> Opened {
    let mut plaintext = BytesMut::new();
    let opened = ChunkOpener::new(opener).open_onto(&mut wire.to_vec(), &mut plaintext);
    assert!(
        plaintext.capacity() <= wire.len() + 64,
        "more was reserved than had arrived"
    );
    (plaintext.to_vec(), opened.err())
}

/// In place, read by read.
fn open_in_reads(opener: Opener, wire: &[u8], read: usize) -> Opened {
    let mut opener = ChunkOpener::new(opener);
    let (mut input, mut plaintext) = (Vec::new(), Vec::new());
    for read in wire.chunks(read) {
        input.extend_from_slice(read);
        match opener.open_complete(&mut input, |opened| plaintext.extend_from_slice(opened)) {
            Ok(consumed) => drop(input.drain(..consumed)),
            Err(error) => return (plaintext, Some(error)),
        }
    }
    (plaintext, None)
}

/// As the handshake does.
fn open_one_by_one(opener: Opener, wire: &[u8]) -> Opened {
    let mut opener = ChunkOpener::new(opener);
    let (mut input, mut plaintext) = (wire.to_vec(), Vec::new());
    let mut rest = &mut input[..];
    loop {
        let size = match opener.open_first(rest) {
            Ok(Some(chunk)) => {
                plaintext.extend_from_slice(chunk.plaintext);
                chunk.wire_size
            }
            Ok(None) => {
                assert!(is_beginning(rest), "a whole chunk was left");
                return (plaintext, None);
            }
            Err(error) => return (plaintext, Some(error)),
        };
        rest = &mut rest[size..];
    }
}

/// Whether there is more to come of a chunk with a valid header.
pub(crate) fn is_beginning(wire: &[u8]) -> bool {
    wire.split_first_chunk().is_none_or(|(header, body)| {
        let size = usize::from(u16::from_be_bytes(*header));
        size >= TAG_SIZE && body.len() < size
    })
}
