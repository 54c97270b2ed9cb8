//! The handshake without I/O: however its bytes are cut, it comes to the same; whatever is wrong with them, nothing
//! is accepted.

mod common;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use common::{address, identity, other};
use p2p_crypto::{Difficulty, Nonce, Role};
use p2p_framing::PointList;
use p2p_socket::{
    AcceptError, AuthenticateError, ChainName, ConnectionMessage, HandshakeStep, NetworkVersion, NodeMetadata,
    RejectionMotive,
    handshake::{AuthenticatedPeer, End, Established, Hello, LocalPeer, Progress, Step},
};

fn local(seed: u8) -> LocalPeer<NodeMetadata> {
    LocalPeer {
        identity: Arc::new(identity(seed)),
        announced_version: NetworkVersion::current(ChainName::from("TEST")),
        advertised_port: Some(9732),
        required_proof_of_work: Difficulty::NONE.target(),
        metadata: NodeMetadata {
            disable_mempool: seed == 1,
            private_node: seed == 2,
        },
    }
}

fn start(seed: u8, role: Role, deadline: Instant) -> (Hello<NodeMetadata>, Bytes) {
    Hello::start(local(seed), role, address(), Nonce::from_bytes([seed; 24]), deadline).unwrap()
}

/// Everything that each side of an orderly handshake sends, the initiator's first.
fn transcript() -> [Vec<u8>; 2] {
    let now = Instant::now();
    let deadline = now + Duration::from_secs(5);
    let ((left, left_hello), (right, right_hello)) =
        (start(1, Role::Initiator, deadline), start(2, Role::Responder, deadline));
    let (left, left_metadata) = done(left.receive(&mut BytesMut::from(&right_hello[..]), now).unwrap());
    let (right, right_metadata) = done(right.receive(&mut BytesMut::from(&left_hello[..]), now).unwrap());
    let left = done(left.receive(&mut BytesMut::from(&right_metadata[..]), now).unwrap());
    let right = done(right.receive(&mut BytesMut::from(&left_metadata[..]), now).unwrap());
    let ((_, left_ack), (_, right_ack)) = (left.accept(deadline).unwrap(), right.accept(deadline).unwrap());
    [
        [left_hello, left_metadata, left_ack].concat(),
        [right_hello, right_metadata, right_ack].concat(),
    ]
}

fn done<S, N>(progress: Progress<S, N>) -> N {
    match progress {
        Progress::Done(next) => next,
        Progress::NeedMore(_) => panic!("more bytes are needed"),
    }
}

#[derive(Debug)]
enum Failure {
    Authenticate(AuthenticateError),
    Accept(AcceptError),
}

/// What was established, and the input behind it.
type Outcome = Result<(Established<NodeMetadata>, BytesMut), Failure>;

/// Feeds `pieces` one after the other, then the end; collects what is sent.
fn run<'a>(role: Role, pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, Outcome) {
    let now = Instant::now();
    let deadline = now + Duration::from_secs(5);
    let (mut pieces, mut input) = (pieces.into_iter(), BytesMut::new());
    let seed = if role == Role::Initiator { 1 } else { 2 };
    let (hello, output) = start(seed, role, deadline);
    let mut sent = output.to_vec();
    let result = (|| {
        let (metadata_exchange, output) = take(hello, &mut input, &mut pieces, now).map_err(Failure::Authenticate)?;
        sent.extend_from_slice(&output);
        let peer = take(metadata_exchange, &mut input, &mut pieces, now).map_err(Failure::Authenticate)?;
        let (ack_exchange, output) = peer.accept(deadline).unwrap();
        sent.extend_from_slice(&output);
        take(ack_exchange, &mut input, &mut pieces, now).map_err(Failure::Accept)
    })();
    (sent, result.map(|established| (established, input)))
}

fn take<'a, S: Step>(
    mut step: S,
    input: &mut BytesMut,
    pieces: &mut impl Iterator<Item = &'a [u8]>,
    now: Instant,
) -> Result<S::Next, S::Error> {
    loop {
        step = match step.receive(input, now)? {
            Progress::Done(next) => return Ok(next),
            Progress::NeedMore(same) => same,
        };
        match pieces.next() {
            Some(piece) => input.extend_from_slice(piece),
            None => return Err(step.end(End::Closed)),
        }
    }
}

/// What a side sends and receives.
fn sides() -> [(Role, Vec<u8>, Vec<u8>); 2] {
    let [left, right] = transcript();
    [
        (Role::Initiator, left.clone(), right.clone()),
        (Role::Responder, right, left),
    ]
}

#[test]
fn every_size_of_pieces_comes_to_the_same() {
    for (role, sends, receives) in sides() {
        let behind = [&receives[..], b"the first chunk of a message"].concat();
        for size in 1..=behind.len() {
            let (sent, result) = run(role, behind.chunks(size));
            let (established, mut left) = result.unwrap();
            assert_eq!(sent, sends, "pieces of {size}");
            assert_eq!(
                established.info.peer_id,
                identity(if role == Role::Initiator { 2 } else { 1 }).peer_id()
            );
            assert_eq!(established.info.role, role);
            // What is not the handshake's stays.
            left.extend_from_slice(&behind[receives.len()..][left.len()..]);
            assert_eq!(left, b"the first chunk of a message"[..]);
        }
    }
}

#[test]
fn every_truncation_is_a_closed_connection() {
    for (role, _, receives) in sides() {
        let metadata_at = receives.len() - 20 - 19;
        for size in 0..receives.len() {
            let (_, result) = run(role, [&receives[..size]]);
            match result.unwrap_err() {
                Failure::Authenticate(AuthenticateError::ConnectionClosed { step }) if size < metadata_at => {
                    assert_eq!(step, HandshakeStep::ConnectionMessage);
                }
                Failure::Authenticate(AuthenticateError::ConnectionClosed { step }) if size < metadata_at + 20 => {
                    assert_eq!(step, HandshakeStep::Metadata);
                }
                Failure::Accept(AcceptError::RejectedSocketConnection { source: None }) => {
                    assert!(size >= metadata_at + 20);
                }
                other => panic!("{size} bytes: {other:?}"),
            }
        }
    }
}

#[test]
fn no_flipped_bit_is_accepted() {
    for (role, _, receives) in sides() {
        let metadata_at = receives.len() - 20 - 19;
        for bit in 0..receives.len() * 8 {
            let mut flipped = receives.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let (_, result) = run(role, [&flipped[..]]);
            let Err(failure) = result else {
                panic!("bit {bit} as {role:?}: accepted");
            };
            let expected = match &failure {
                // The session nonces cover every bit of the connection messages.
                Failure::Authenticate(
                    AuthenticateError::Decipher
                    | AuthenticateError::Decoding {
                        step: HandshakeStep::ConnectionMessage,
                        ..
                    }
                    | AuthenticateError::ConnectionMessageTooLarge(_)
                    | AuthenticateError::WeakPublicKey { .. },
                ) => bit / 8 < metadata_at + 20,
                Failure::Authenticate(AuthenticateError::ConnectionClosed { .. }) => {
                    // Only a length can make us wait for more.
                    bit / 8 < 2 || (metadata_at..metadata_at + 2).contains(&(bit / 8))
                }
                Failure::Authenticate(AuthenticateError::InvalidCiphertextSize { .. }) => {
                    (metadata_at..metadata_at + 2).contains(&(bit / 8))
                }
                Failure::Accept(AcceptError::InvalidAuthentication) => bit / 8 >= metadata_at + 20,
                Failure::Accept(
                    AcceptError::InvalidCiphertextSize { .. } | AcceptError::RejectedSocketConnection { source: None },
                ) => (metadata_at + 20..metadata_at + 22).contains(&(bit / 8)),
                _ => false,
            };
            assert!(expected, "bit {bit} as {role:?}: {failure:?}");
        }
    }
}

#[test]
fn the_deadline_of_each_step_is_exact() {
    let now = Instant::now();
    let deadline = now + Duration::from_secs(5);
    let late = deadline - Duration::from_nanos(1);
    for (role, _, receives) in sides() {
        let metadata_at = receives.len() - 20 - 19;
        let seed = if role == Role::Initiator { 1 } else { 2 };
        let hello = || start(seed, role, deadline).0;
        let mut input = BytesMut::from(&receives[..]);
        assert!(matches!(
            hello().receive(&mut input, deadline),
            Err(AuthenticateError::Timeout {
                step: HandshakeStep::ConnectionMessage
            })
        ));
        let metadata_exchange = || {
            let mut input = BytesMut::from(&receives[..metadata_at]);
            done(hello().receive(&mut input, late).unwrap()).0
        };
        let mut input = BytesMut::from(&receives[metadata_at..]);
        assert!(matches!(
            metadata_exchange().receive(&mut input, deadline),
            Err(AuthenticateError::Timeout {
                step: HandshakeStep::Metadata
            })
        ));
        let peer = || -> AuthenticatedPeer<NodeMetadata> {
            let mut input = BytesMut::from(&receives[metadata_at..]);
            done(metadata_exchange().receive(&mut input, late).unwrap())
        };
        // A new step, a new deadline.
        let (ack_exchange, _) = peer().accept(deadline).unwrap();
        let mut input = BytesMut::from(&receives[metadata_at + 20..]);
        assert!(matches!(
            ack_exchange.receive(&mut input, deadline),
            Err(AcceptError::Timeout)
        ));
        let (ack_exchange, _) = peer().accept(deadline).unwrap();
        done(ack_exchange.receive(&mut input, late).unwrap());
    }
}

#[test]
fn no_step_asks_for_more_input_than_it_can_use() {
    let deadline = Instant::now() + Duration::from_secs(5);
    let (hello, _) = start(1, Role::Initiator, deadline);
    assert_eq!(hello.max_input(), ConnectionMessage::MAX_SIZE + 2);
    assert_eq!(hello.deadline(), deadline);
}

#[test]
fn an_oversized_connection_message_is_read_to_its_end_and_not_kept() {
    let now = Instant::now();
    for size in [ConnectionMessage::MAX_SIZE + 1, 65_535] {
        let (hello, _) = start(1, Role::Initiator, now + Duration::from_secs(5));
        let mut input = BytesMut::from(&u16::try_from(size).unwrap().to_be_bytes()[..]);
        let mut step = hello;
        for _ in 0..size {
            step = match step.receive(&mut input, now).unwrap() {
                Progress::NeedMore(same) => same,
                Progress::Done(_) => panic!("accepted"),
            };
            assert!(input.is_empty());
            input.extend_from_slice(&[0]);
        }
        assert!(matches!(
            step.receive(&mut input, now),
            Err(AuthenticateError::ConnectionMessageTooLarge(error)) if error.size == size
        ));
    }
}

#[test]
fn the_largest_connection_message_is_taken() {
    let now = Instant::now();
    // A chain name that leaves no byte.
    let name = "n".repeat(ConnectionMessage::MAX_SIZE - 90);
    for (extra, fits) in [("", true), ("n", false)] {
        let mut large = local(2);
        large.announced_version = NetworkVersion::current(ChainName::from(&format!("{name}{extra}")[..]));
        let started = Hello::start(large, Role::Responder, address(), Nonce::from_bytes([2; 24]), now);
        if !fits {
            assert!(matches!(started, Err(AuthenticateError::LocalMessageTooLarge(_))));
            continue;
        }
        let (_, message) = started.unwrap();
        let (hello, _) = start(1, Role::Initiator, now + Duration::from_secs(5));
        done(hello.receive(&mut BytesMut::from(&message[..]), now).unwrap());
    }
}

#[test]
fn a_nack_in_place_of_an_ack() {
    let now = Instant::now();
    let deadline = now + Duration::from_secs(5);
    for (role, _, receives) in sides() {
        // The other side, refusing us.
        let theirs = other(role);
        let seed = if theirs == Role::Initiator { 1 } else { 2 };
        let (_, sends, _) = sides().into_iter().find(|(side, _, _)| *side == role).unwrap();
        let mut input = BytesMut::from(&sends[..]);
        let (metadata_exchange, _) = done(start(seed, theirs, deadline).0.receive(&mut input, now).unwrap());
        let peer = done(metadata_exchange.receive(&mut input, now).unwrap());
        let nack = peer
            .nack(RejectionMotive::UnknownChainName, PointList::default())
            .unwrap();
        let metadata_end = receives.len() - 19;
        let (_, result) = run(role, [&receives[..metadata_end], &nack[..]]);
        assert!(matches!(
            result,
            Err(Failure::Accept(AcceptError::RejectedByNack { motive: RejectionMotive::UnknownChainName, points: Some(points) }))
                if points.as_slice().is_empty()
        ));
    }
}
