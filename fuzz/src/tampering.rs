//! Two honest peers with an adversary on the wire that cuts, merges, flips, drops, repeats and reorders: what arrives
//! is what was sent, or a typed error, or both wait for more.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use p2p_crypto::{ChannelKey, Nonce, Opener, Role, Sealer};
use p2p_framing::{ChunkOpener, ChunkSealer, ChunkSize, encoding::RawEncoding};
use p2p_socket::handshake::{Established, Hello, Progress, Step};
use tokio_util::codec::{Decoder, Encoder};

use crate::{
    handshakes::{local, ours, theirs},
    script::{Script, derived},
};

/// What became of some frames on their way, and whether anything was changed.
fn tamper(frames: &[Bytes], script: &mut Script<'_>) -> (Vec<u8>, bool) {
    let mut order: Vec<Bytes> = frames.to_vec();
    for _ in 0..script.byte() % 4 {
        if order.is_empty() {
            break;
        }
        let (place, other) = (script.below(order.len()), script.below(order.len()));
        match script.byte() % 6 {
            0 => {
                let mut changed = order[place].to_vec();
                let bit = script.below(8 * changed.len());
                if let Some(byte) = changed.get_mut(bit / 8) {
                    *byte ^= 1 << (bit % 8);
                }
                order[place] = changed.into();
            }
            1 => drop(order.remove(place)),
            2 => order.insert(other, order[place].clone()),
            3 => order.swap(place, other),
            4 => {
                let cut = script.below(order[place].len() + 1);
                order[place].truncate(cut);
            }
            _ => order.insert(place, Bytes::copy_from_slice(script.bytes())),
        }
    }
    let (bytes, honest) = (order.concat(), frames.concat());
    let changed = bytes != honest;
    (bytes, changed)
}

/// The next read: any number of the bytes that are left, the first read of all perhaps none.
fn read<'a>(bytes: &mut &'a [u8], script: &mut Script<'_>) -> &'a [u8] {
    let count = match script.byte() {
        0 => bytes.len(),
        count => usize::from(count).min(bytes.len()),
    };
    let (taken, rest) = bytes.split_at(count);
    *bytes = rest;
    taken
}

/// Messages over an established session.
pub(crate) fn stream(data: &[u8]) {
    let mut script = Script::new(data);
    let (key, first) = (ChannelKey::from_bytes(derived(data)), Nonce::from_bytes(derived(data)));
    let size = ChunkSize::new(19 + script.below(200)).expect("a valid size");
    let mut sealer = ChunkSealer::new(Sealer::new(key.clone(), first), size);
    let (mut messages, mut frames) = (Vec::new(), Vec::new());
    for _ in 0..=script.byte() % 8 {
        let message = Bytes::copy_from_slice(script.bytes());
        let (mut encoded, mut wire) = (BytesMut::new(), BytesMut::new());
        RawEncoding::default()
            .encode(message.clone(), &mut encoded)
            .expect("a short message");
        sealer.seal_run([&encoded[..]], &mut wire).expect("nonces");
        messages.push(message);
        frames.push(wire.freeze());
    }
    let (bytes, changed) = tamper(&frames, &mut script);
    let mut opener = ChunkOpener::new(Opener::new(key, first));
    let (mut input, mut plaintext, mut received, mut failed) = (Vec::new(), BytesMut::new(), Vec::new(), false);
    let mut left = &bytes[..];
    while !left.is_empty() && !failed {
        input.extend_from_slice(read(&mut left, &mut script));
        match opener.open_onto(&mut input, &mut plaintext) {
            Ok(consumed) => drop(input.drain(..consumed)),
            Err(_) => failed = true,
        }
        while let Some(message) = RawEncoding::default()
            .decode(&mut plaintext)
            .expect("authentic bytes are honest")
        {
            received.push(message);
        }
    }
    assert!(messages.starts_with(&received), "wrong data");
    let whole = received.len() == messages.len();
    assert!(changed || (whole && !failed), "an honest stream was refused");
    // Behind the last message only something added can follow, and that is no message.
    assert!(
        !changed || !whole || failed || !input.is_empty() || bytes == frames.concat(),
        "a change went unnoticed"
    );
}

type Side = Result<Established<p2p_socket::NodeMetadata>, ()>;

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
    let (mut left_input, mut right_input) = (BytesMut::new(), BytesMut::new());
    let mut changed = false;
    let mut carry = |output: &Bytes, input: &mut BytesMut, script: &mut Script<'_>| {
        let (bytes, is_changed) = tamper(std::slice::from_ref(output), script);
        changed |= is_changed;
        input.extend_from_slice(&bytes);
    };
    carry(&left_output, &mut right_input, &mut script);
    carry(&right_output, &mut left_input, &mut script);
    let left = take(left, &mut left_input, now).map(|(step, output)| {
        carry(&output, &mut right_input, &mut script);
        step
    });
    let right = take(right, &mut right_input, now).map(|(step, output)| {
        carry(&output, &mut left_input, &mut script);
        step
    });
    let left = left.and_then(|step| take(step, &mut left_input, now));
    let right = right.and_then(|step| take(step, &mut right_input, now));
    let left = left.map(|peer| {
        assert_eq!(peer.info().peer_id, theirs().peer_id());
        let (step, output) = peer.accept(deadline).expect("nonces");
        carry(&output, &mut right_input, &mut script);
        step
    });
    let right = right.map(|peer| {
        assert_eq!(peer.info().peer_id, ours().peer_id());
        let (step, output) = peer.accept(deadline).expect("nonces");
        carry(&output, &mut left_input, &mut script);
        step
    });
    let left: Side = left.and_then(|step| take(step, &mut left_input, now));
    let right: Side = right.and_then(|step| take(step, &mut right_input, now));
    match (left, right) {
        (Ok(mut left), Ok(mut right)) => {
            // Whatever was added behind the handshake, the session is the same at both ends.
            let mut wire = BytesMut::new();
            left.sealer.seal_one(b"left", &mut wire).expect("nonces");
            let opened = right
                .opener
                .open_first(&mut wire)
                .expect("the same keys")
                .expect("a whole chunk");
            assert_eq!(opened.plaintext, b"left");
            let mut wire = BytesMut::new();
            right.sealer.seal_one(b"right", &mut wire).expect("nonces");
            let opened = left
                .opener
                .open_first(&mut wire)
                .expect("the same keys")
                .expect("a whole chunk");
            assert_eq!(opened.plaintext, b"right");
        }
        _ => assert!(changed, "an honest handshake was refused"),
    }
}

/// The step, or nothing: it failed, or waits for bytes that never come and then fails at its deadline.
fn take<S: Step>(step: S, input: &mut BytesMut, now: Instant) -> Result<S::Next, ()> {
    match step.receive(input, now) {
        Ok(Progress::Done(next)) => Ok(next),
        Ok(Progress::NeedMore(step)) => {
            let deadline = step.deadline();
            assert!(step.receive(input, deadline).is_err());
            Err(())
        }
        Err(_) => Err(()),
    }
}
