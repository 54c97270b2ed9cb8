//! Two honest peers with an [`Adversary`] between them: what arrives is what was sent, or a typed error, or both wait for
//! more.

use std::{
    fmt::Debug,
    iter, mem,
    ops::Range,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use p2p_crypto::{Nonce, Opener, Role, Sealer};
use p2p_framing::{CHUNK_OVERHEAD, ChunkOpener, ChunkSealer, encoding::RawEncoding};
use p2p_socket::{
    NodeMetadata,
    handshake::{Established, Hello, Step},
};
use tokio_util::codec::{Decoder, Encoder};

use crate::{
    adversary::Adversary,
    chunks::is_beginning,
    handshakes::{check_session, local, ours, receive, theirs},
    script::{Script, derived, session},
};

/// How many full chunks there are at most, or a chunk size of one byte would make a hundred thousand.
const CHUNKS: usize = 64;

/// Messages over an established session.
pub(crate) fn stream(data: &[u8]) {
    let mut script = Script::new(data);
    let (key, first) = session(data);
    let mut sealer = ChunkSealer::new(Sealer::new(key.clone(), first), script.chunk_size());
    let (messages, ends, plaintext) = messages(&mut script, CHUNKS * sealer.chunk_size().max_plaintext());
    let mut wire = BytesMut::new();
    let encoded = ends.iter().map(|range| &plaintext[range.clone()]);
    match script.byte() % 2 {
        0 => sealer.seal_run(encoded, &mut wire).expect("nonces"),
        _ => sealer.seal_each(encoded, &mut wire).expect("nonces"),
    }
    let honest = wire.freeze();
    let frames: Vec<_> = chunks(&honest).collect();
    let (arriving, changed) = Adversary::default().carry(&frames, &mut script);

    let mut opener = ChunkOpener::new(Opener::new(key, first));
    let in_place = script.byte() % 2 == 1;
    let (mut input, mut stream, mut received, mut failed) = (Vec::new(), BytesMut::new(), Vec::new(), false);
    let mut left = &arriving[..];
    while !left.is_empty() && !failed {
        input.extend_from_slice(read(&mut left, &mut script));
        let opened = if in_place {
            opener.open_complete(&mut input, |plaintext| stream.extend_from_slice(plaintext))
        } else {
            opener.open_onto(&mut input, &mut stream)
        };
        match opened {
            Ok(consumed) => drop(input.drain(..consumed)),
            Err(_) => failed = true,
        }
        let mut decode = || RawEncoding::default().decode(&mut stream);
        received.extend(iter::from_fn(|| decode().expect("authentic bytes are honest")));
    }
    assert!(messages.starts_with(&received), "wrong data");
    let whole = received.len() == messages.len();
    assert!(changed || (whole && !failed), "an honest stream was refused");
    // Behind the last message only something added can follow, and that is no message.
    assert!(
        !changed || !whole || failed || !input.is_empty(),
        "a change went unnoticed"
    );
    assert!(failed || is_beginning(&input), "a bad header went unnoticed");
    // Whatever is in front of the first change has arrived.
    let intact = plaintext_in(&frames, common(&arriving, &honest));
    let complete = ends.iter().filter(|range| range.end <= intact).count();
    assert!(received.len() >= complete, "a message in front of the change was lost");
}

/// Up to eight messages of at most so many bytes in all, where each lies in the plaintext, and that.
fn messages(script: &mut Script<'_>, most: usize) -> (Vec<Bytes>, Vec<Range<usize>>, BytesMut) {
    let (mut messages, mut places, mut plaintext) = (Vec::new(), Vec::new(), BytesMut::new());
    let mut left = script.budget().min(most);
    for _ in 0..=script.byte() % 8 {
        let message = Bytes::from_static(script.filled(left));
        left -= message.len();
        let start = plaintext.len();
        RawEncoding::default()
            .encode(message.clone(), &mut plaintext)
            .expect("a short message");
        messages.push(message);
        places.push(start..plaintext.len());
    }
    (messages, places, plaintext)
}

/// The chunks of an honest stream.
fn chunks(wire: &Bytes) -> impl Iterator<Item = Bytes> {
    let mut rest = wire.clone();
    iter::from_fn(move || {
        let header = rest.first_chunk::<2>()?;
        let size = 2 + usize::from(u16::from_be_bytes(*header));
        Some(rest.split_to(size))
    })
}

/// How many bytes two streams have in common before they differ.
fn common(left: &[u8], right: &[u8]) -> usize {
    // Whole blocks first, which are compared at once.
    const BLOCK: usize = 1024;
    let blocks = left.chunks(BLOCK).zip(right.chunks(BLOCK));
    let same = BLOCK * blocks.take_while(|(left, right)| left == right).count();
    let same = same.min(left.len()).min(right.len());
    let bytes = left[same..].iter().zip(&right[same..]);
    same + bytes.take_while(|(left, right)| left == right).count()
}

/// How much plaintext is in those chunks that end within the first bytes on the wire.
fn plaintext_in(chunks: &[Bytes], mut wire: usize) -> usize {
    let mut plaintext = 0;
    for chunk in chunks {
        if chunk.len() > wire {
            break;
        }
        wire -= chunk.len();
        plaintext += chunk.len() - CHUNK_OVERHEAD;
    }
    plaintext
}

/// The next read: any number of the bytes that are left, all of them when the script has ended.
fn read<'a>(bytes: &mut &'a [u8], script: &mut Script<'_>) -> &'a [u8] {
    let count = match script.length(bytes.len()) {
        0 => bytes.len(),
        count => count,
    };
    let (taken, rest) = bytes.split_at(count);
    *bytes = rest;
    taken
}

type Side = Result<Established<NodeMetadata>, ()>;

/// The three steps of the handshake, each tampered with.
pub(crate) fn handshake(data: &[u8]) {
    let mut script = Script::new(data);
    let now = Instant::now();
    let deadline = now + Duration::from_secs(5);
    let address = ([10, 0, 0, 1], 9732).into();
    let nonce = Nonce::from_bytes(derived(data));
    let start =
        |identity, role, nonce| Hello::start(local(identity), role, address, nonce, deadline).expect("a short name");
    let (left, left_output) = start(ours(), Role::Initiator, nonce);
    let (right, right_output) = start(theirs(), Role::Responder, nonce.incremented());
    let mut adversary = Adversary::default();
    let (mut to_left, mut to_right) = (Wire::default(), Wire::default());
    to_right.carry(left_output, &mut adversary, &mut script);
    to_left.carry(right_output, &mut adversary, &mut script);
    let left = take(left, &mut to_left.input, &mut script, now).map(|(step, output)| {
        to_right.carry(output, &mut adversary, &mut script);
        step
    });
    let right = take(right, &mut to_right.input, &mut script, now).map(|(step, output)| {
        to_left.carry(output, &mut adversary, &mut script);
        step
    });
    let left = left.and_then(|step| take(step, &mut to_left.input, &mut script, now));
    let right = right.and_then(|step| take(step, &mut to_right.input, &mut script, now));
    let left = left.map(|peer| {
        assert_eq!(peer.info().peer_id, theirs().peer_id());
        let (step, output) = peer.accept(deadline).expect("nonces");
        to_right.carry(output, &mut adversary, &mut script);
        step
    });
    let right = right.map(|peer| {
        assert_eq!(peer.info().peer_id, ours().peer_id());
        let (step, output) = peer.accept(deadline).expect("nonces");
        to_left.carry(output, &mut adversary, &mut script);
        step
    });
    let left: Side = left.and_then(|step| take(step, &mut to_left.input, &mut script, now));
    let right: Side = right.and_then(|step| take(step, &mut to_right.input, &mut script, now));
    for (side, wire) in [(&left, &to_left), (&right, &to_right)] {
        if let Ok(established) = side {
            assert!(wire.arrived.starts_with(&wire.sent), "a change went unnoticed");
            let info = &established.info;
            assert_eq!(info.announced_version, local(ours()).announced_version);
            assert_eq!((info.advertised_port, info.private_node), (None, false));
        }
    }
    match (left, right) {
        (Ok(mut left), Ok(mut right)) => {
            // Whatever was added behind the handshake, the session is the same at both ends.
            check_session(&mut left.sealer, &mut right.opener);
            check_session(&mut right.sealer, &mut left.opener);
        }
        _ => assert!(to_left.changed || to_right.changed, "an honest handshake was refused"),
    }
}

/// All that goes one way.
#[derive(Default)]
struct Wire {
    sent: Vec<u8>,
    arrived: Vec<u8>,
    /// What has arrived and was not used yet.
    input: BytesMut,
    /// Whether something did not arrive as it was sent, or not in time.
    changed: bool,
}

impl Wire {
    fn carry(&mut self, output: Bytes, adversary: &mut Adversary, script: &mut Script<'_>) {
        self.sent.extend_from_slice(&output);
        let (arriving, changed) = adversary.carry(&[output], script);
        self.arrived.extend_from_slice(&arriving);
        self.input.extend_from_slice(&arriving);
        self.changed |= changed;
    }
}

/// Takes a step with bytes that arrive in two reads. `Err` if it failed, or waits for bytes that never come and then fails
/// at its deadline.
fn take<S: Step>(step: S, input: &mut BytesMut, script: &mut Script<'_>, now: Instant) -> Result<S::Next, ()>
where
    S::Error: Debug,
{
    let first = match script.below(256) {
        0 => input.len(),
        count => count.min(input.len()),
    };
    let mut late = input.split_off(first);
    let taken = receive(step, input, now, |input| {
        let more = !late.is_empty();
        input.unsplit(mem::take(&mut late));
        more
    });
    input.unsplit(late);
    taken.ok_or(())
}
