//! Who is not let in, and what the other side sees of it.

mod common;

use std::time::Duration;

use bytes::BytesMut;
use common::{
    ROLES, accepted, address,
    adversary::{ACK, Adversary},
    against, authenticated, config, duplex, identity, other, ours,
};
use p2p_crypto::{Difficulty, Role};
use p2p_framing::{DecodeError, Point, PointList, WireReader};
use p2p_socket::{
    AcceptError, AuthenticateError, ConnectionOptions, HandshakeStep, Metadata, NodeMetadata, RejectionMotive,
    authenticate,
};
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn not_enough_proof_of_work() {
    for role in ROLES {
        let (left, right) = duplex();
        let (strict, lenient) = (
            config(1).required_difficulty(Difficulty::try_from(100.0).unwrap()),
            config(2),
        );
        let (here, there) = tokio::join!(
            authenticate(left, role, address(), &strict, NodeMetadata::default()),
            authenticate(right, other(role), address(), &lenient, NodeMetadata::default()),
        );
        let expected = identity(2).peer_id();
        assert!(matches!(here, Err(AuthenticateError::NotEnoughProofOfWork { peer_id }) if peer_id == expected));
        let there = there.unwrap_err();
        assert!(
            matches!(
                there,
                AuthenticateError::ConnectionClosed {
                    step: HandshakeStep::Metadata
                }
            ),
            "{there:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_to_one_without_proof_of_work_beyond_the_connection_message() {
    let (io, mut adversary) = against(Role::Responder);
    let strict = config(1).required_difficulty(Difficulty::try_from(100.0).unwrap());
    let (result, seen) = tokio::join!(
        authenticate(io, Role::Responder, address(), &strict, NodeMetadata::default()),
        async {
            adversary.greet().await;
            adversary.read_to_end().await
        }
    );
    assert!(matches!(result, Err(AuthenticateError::NotEnoughProofOfWork { .. })));
    assert_eq!(seen, 0);
}

#[tokio::test(start_paused = true)]
async fn a_nack_tells_motive_and_points() {
    let points = PointList::new(vec![Point::from(address()); 100]).unwrap();
    let (left, right) = duplex();
    let (left, right) = authenticated(left, right).await;
    let (nacked, refused) = tokio::join!(
        left.nack(RejectionMotive::AlreadyConnected, points.clone()),
        accepted(right)
    );
    nacked.unwrap();
    match refused.unwrap_err() {
        AcceptError::RejectedByNack { motive, points: told } => {
            assert_eq!((motive, told), (RejectionMotive::AlreadyConnected, Some(points)));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn both_nack() {
    let (left, right) = duplex();
    let (left, right) = authenticated(left, right).await;
    let start = Instant::now();
    let (left, right) = tokio::join!(
        left.nack(RejectionMotive::NoMotive, PointList::default()),
        right.nack(RejectionMotive::TooManyConnections, PointList::default()),
    );
    left.unwrap();
    right.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_remote_of_p2p_version_0_gets_a_nack_without_words() {
    for role in ROLES {
        let (io, mut adversary) = against(role);
        adversary.shown.version.p2p_version = 0;
        let points = PointList::new(vec![Point::from(address())]).unwrap();
        let us = async {
            ours(io, role)
                .await
                .unwrap()
                .nack(RejectionMotive::AlreadyConnected, points)
                .await
        };
        let (nacked, ()) = tokio::join!(us, async {
            adversary.authenticate().await;
            assert_eq!(adversary.open().await.unwrap(), [0xff]);
            assert_eq!(adversary.read_to_end().await, 0);
            drop(adversary);
        });
        nacked.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_nacked_remote_that_stays_is_closed_at_the_deadline() {
    let (io, mut adversary) = against(Role::Responder);
    let start = Instant::now();
    let us = async {
        let peer = ours(io, Role::Responder).await.unwrap();
        let result = peer.nack(RejectionMotive::NoMotive, PointList::default()).await;
        (result, start.elapsed())
    };
    let ((nacked, elapsed), adversary) = tokio::join!(us, async {
        adversary.authenticate().await;
        adversary
    });
    nacked.unwrap();
    assert_eq!(elapsed, Duration::from_secs(5));
    drop(adversary);
}

#[tokio::test(start_paused = true)]
async fn dropping_an_authenticated_peer_closes() {
    let (left, right) = duplex();
    let (left, right) = authenticated(left, right).await;
    drop(left);
    let error = accepted(right).await.unwrap_err();
    assert!(
        matches!(error, AcceptError::RejectedSocketConnection { .. }),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn ourselves() {
    let (left, right) = duplex();
    let config = config(1).advertised_port(9999);
    let (left, right) = tokio::join!(
        authenticate(left, Role::Initiator, address(), &config, NodeMetadata::default()),
        authenticate(right, Role::Responder, address(), &config, NodeMetadata::default()),
    );
    match (left, right) {
        (
            Err(AuthenticateError::Myself { connection_id: dialled }),
            Err(AuthenticateError::Myself {
                connection_id: advertised,
            }),
        ) => {
            assert_eq!((dialled.address, dialled.port), (address().ip(), Some(9732)));
            assert_eq!((advertised.address, advertised.port), (address().ip(), Some(9999)));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn our_key_shown_by_someone_without_the_secret() {
    for role in ROLES {
        let (io, mut adversary) = against(role);
        adversary.shown.public_key = identity(1).public_key();
        let (result, ()) = tokio::join!(ours(io, role), async {
            // Agrees on a channel as well as it can: with its own secret.
            adversary.greet().await;
            let metadata = adversary.seal(&[0, 0]);
            adversary.send(&metadata).await;
            adversary.read_to_end().await;
        });
        let error = result.unwrap_err();
        assert!(matches!(error, AuthenticateError::Decipher), "as {role:?}: {error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn our_own_bytes_sent_back() {
    for role in ROLES {
        let (io, mut adversary) = against(role);
        let (result, ()) = tokio::join!(ours(io, role), async {
            loop {
                let mut bytes = [0; 256];
                match tokio::io::AsyncReadExt::read(&mut adversary.io, &mut bytes)
                    .await
                    .unwrap()
                {
                    0 => break,
                    count => adversary.send(&bytes[..count]).await,
                }
            }
        });
        let error = result.unwrap_err();
        assert!(matches!(error, AuthenticateError::Decipher), "as {role:?}: {error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_replayed_connection_message() {
    for role in ROLES {
        // The first time, the remote is who it says to be: all that it sends is overheard.
        let (io, mut adversary) = against(role);
        let (peer, replay) = tokio::join!(ours(io, role), async {
            adversary.greet().await;
            let metadata = adversary.seal(&Adversary::metadata());
            adversary.send(&metadata).await;
            [adversary.hello(), metadata].concat()
        });
        assert!(peer.is_ok());
        // The second time, someone repeats it.
        let (io, mut adversary) = against(role);
        let (result, ()) = tokio::join!(ours(io, role), async {
            adversary.send(&replay).await;
            adversary.read_to_end().await;
        });
        let error = result.unwrap_err();
        assert!(matches!(error, AuthenticateError::Decipher), "as {role:?}: {error:?}");
    }
}

/// What a well-behaved adversary sends for a handshake that stops behind the ack, and where each step ends.
async fn every_cut(role: Role, cut: usize) -> Result<(), (HandshakeStep, String)> {
    let (io, mut adversary) = against(role);
    let us = async {
        let peer = match ours(io, role).await {
            Ok(peer) => peer,
            Err(AuthenticateError::ConnectionClosed { step }) => return Err((step, String::new())),
            Err(error) => return Err((HandshakeStep::Ack, format!("{error:?}"))),
        };
        match accepted(peer).await {
            Ok(_) => Ok(()),
            Err(AcceptError::RejectedSocketConnection { source: None }) => Err((HandshakeStep::Ack, String::new())),
            Err(error) => Err((HandshakeStep::Ack, format!("{error:?}"))),
        }
    };
    let them = async {
        let hello = adversary.hello();
        let received = adversary.receive_hello().await;
        adversary.agree(&hello, &received);
        let (metadata, ack) = (adversary.seal(&Adversary::metadata()), adversary.seal(ACK));
        let all = [hello, metadata, ack].concat();
        adversary.send(&all[..cut]).await;
        drop(adversary);
    };
    tokio::join!(us, them).0
}

#[tokio::test(start_paused = true)]
async fn remote_closes_after_every_byte_of_the_handshake() {
    let hello = {
        let (_, adversary) = against(Role::Initiator);
        adversary.hello().len()
    };
    let (metadata, ack) = (hello + 20, hello + 20 + 19);
    for role in ROLES {
        let start = Instant::now();
        for cut in 0..=ack {
            let expected = match cut {
                cut if cut < hello => Err((HandshakeStep::ConnectionMessage, String::new())),
                cut if cut < metadata => Err((HandshakeStep::Metadata, String::new())),
                cut if cut < ack => Err((HandshakeStep::Ack, String::new())),
                _ => Ok(()),
            };
            assert_eq!(every_cut(role, cut).await, expected, "{cut} bytes as {role:?}");
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn options_that_contradict_each_other() {
    for (incoming_queue, outgoing_queue) in [
        (
            ConnectionOptions::MIN_INCOMING_QUEUE - 1,
            ConnectionOptions::DEFAULT_QUEUE,
        ),
        (
            ConnectionOptions::DEFAULT_QUEUE,
            ConnectionOptions::MESSAGE_OVERHEAD - 1,
        ),
        (
            ConnectionOptions::DEFAULT_QUEUE,
            ConnectionOptions::MAX_OUTGOING_QUEUE + 1,
        ),
    ] {
        let (left, right) = duplex();
        let (left, right) = authenticated(left, right).await;
        let options = ConnectionOptions {
            incoming_queue,
            outgoing_queue,
            ..ConnectionOptions::default()
        };
        let result = left
            .accept(p2p_framing::encoding::RawEncoding::default(), options)
            .await;
        assert!(matches!(result, Err(AcceptError::InvalidOptions(_))), "{result:?}");
        // Noticed before anything was sent.
        let error = accepted(right).await.unwrap_err();
        assert!(
            matches!(error, AcceptError::RejectedSocketConnection { .. }),
            "{error:?}"
        );
    }
}

/// Metadata of any size.
#[derive(Clone, Debug)]
struct Blob(Vec<u8>);

impl Metadata for Blob {
    fn encode(&self, out: &mut BytesMut) {
        out.extend_from_slice(&self.0);
    }

    fn decode(reader: &mut WireReader<'_>) -> Result<Self, DecodeError> {
        let mut bytes = Vec::new();
        while !reader.is_empty() {
            bytes.push(reader.u8()?);
        }
        Ok(Self(bytes))
    }
}

#[tokio::test(start_paused = true)]
async fn metadata_that_do_not_fit_into_a_chunk() {
    for (size, fits) in [(0, true), (65_517, true), (65_518, false)] {
        let (left, right) = duplex();
        let (here, there) = (config(1), config(2));
        let (left, right) = tokio::join!(
            authenticate(left, Role::Initiator, address(), &here, Blob(vec![7; size])),
            authenticate(right, Role::Responder, address(), &there, Blob(Vec::new())),
        );
        if fits {
            assert_eq!(right.unwrap().info().remote_metadata.0, vec![7; size]);
            assert!(left.is_ok());
        } else {
            assert!(matches!(left, Err(AuthenticateError::LocalMetadataTooLarge(_))));
            assert!(matches!(
                right,
                Err(AuthenticateError::ConnectionClosed {
                    step: HandshakeStep::Metadata
                })
            ));
        }
    }
}
