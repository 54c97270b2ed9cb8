//! What a remote gets that misbehaves in the handshake: every scenario that was recorded against the reference, in
//! both roles.

mod common;
#[path = "common/scenario.rs"]
mod scenario;

use common::{
    ROLES, accepted, address,
    adversary::{ACK, Adversary, raw},
    against, ours,
};
use p2p_crypto::PublicKey;
use p2p_framing::Point;
use p2p_socket::{
    AcceptError, AuthenticateError, ConnectionError, HandshakeStep, Metadata, NodeMetadata, RejectionMotive,
};
use scenario::{Ended, NotAccepted, NotAuthenticated, Until, case, check};

/// A hello with another length in its prefix.
fn hello_announcing(adversary: &Adversary, change: i32) -> Vec<u8> {
    let mut hello = adversary.hello();
    let size = i32::try_from(hello.len() - 2).unwrap() + change;
    hello[..2].copy_from_slice(&u16::try_from(size).unwrap().to_be_bytes());
    hello
}

#[tokio::test(start_paused = true)]
async fn connection_messages() {
    const CONNECTION_MESSAGE: HandshakeStep = HandshakeStep::ConnectionMessage;
    check(&[
        case!(
            "length 0",
            Connected,
            |_| vec![0, 0],
            Wait,
            NotAuthenticated(AuthenticateError::Decoding {
                step: CONNECTION_MESSAGE,
                ..
            })
        ),
        case!(
            "length 1",
            Connected,
            |_| vec![0, 1, 0],
            Wait,
            NotAuthenticated(AuthenticateError::Decoding {
                step: CONNECTION_MESSAGE,
                ..
            })
        ),
        case!(
            "truncated by its length header",
            Connected,
            |adversary| hello_announcing(adversary, -1),
            Wait,
            NotAuthenticated(AuthenticateError::Decoding {
                step: CONNECTION_MESSAGE,
                ..
            })
        ),
        case!(
            "one extra byte",
            Connected,
            |adversary| {
                let mut hello = hello_announcing(adversary, 1);
                hello.push(0);
                hello
            },
            Wait,
            NotAuthenticated(AuthenticateError::Decoding {
                step: CONNECTION_MESSAGE,
                ..
            })
        ),
        case!(
            "length 65535 of zeros",
            Connected,
            |_| {
                let mut bytes = vec![0; 2 + 65_535];
                bytes[..2].copy_from_slice(&[0xff, 0xff]);
                bytes
            },
            Wait,
            NotAuthenticated(AuthenticateError::ConnectionMessageTooLarge(_))
        ),
        case!(
            "HTTP GET instead, closed later",
            Connected,
            |_| b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            CloseLater,
            NotAuthenticated(AuthenticateError::ConnectionMessageTooLarge(_))
        ),
        case!(
            "low order public key (zero)",
            Connected,
            |adversary| {
                adversary.shown.public_key = PublicKey::from_bytes([0; 32]);
                adversary.hello()
            },
            Wait,
            NotAuthenticated(AuthenticateError::WeakPublicKey { .. })
        ),
        case!(
            "low order public key (one)",
            Connected,
            |adversary| {
                let mut one = [0; 32];
                one[0] = 1;
                adversary.shown.public_key = PublicKey::from_bytes(one);
                adversary.hello()
            },
            Wait,
            NotAuthenticated(AuthenticateError::WeakPublicKey { .. })
        ),
        case!(
            "closes right after connecting",
            Connected,
            |_| Vec::new(),
            Close,
            NotAuthenticated(AuthenticateError::ConnectionClosed {
                step: CONNECTION_MESSAGE
            })
        ),
        case!(
            "closes within the connection message",
            Connected,
            |adversary| adversary.hello()[..40].to_vec(),
            Close,
            NotAuthenticated(AuthenticateError::ConnectionClosed {
                step: CONNECTION_MESSAGE
            })
        ),
        case!(
            "half-closes within the connection message",
            Connected,
            |adversary| adversary.hello()[..40].to_vec(),
            HalfClose,
            NotAuthenticated(AuthenticateError::ConnectionClosed {
                step: CONNECTION_MESSAGE
            })
        ),
    ])
    .await;
}

#[tokio::test(start_paused = true)]
async fn metadata_frames() {
    const METADATA: HandshakeStep = HandshakeStep::Metadata;
    check(&[
        case!(
            "corrupted",
            Greeted,
            |adversary| adversary.seal_corrupted(&Adversary::metadata()),
            Wait,
            NotAuthenticated(AuthenticateError::Decipher)
        ),
        case!(
            "0 bytes",
            Greeted,
            |adversary| adversary.seal(&[]),
            Wait,
            NotAuthenticated(AuthenticateError::Decoding { step: METADATA, .. })
        ),
        case!(
            "1 byte",
            Greeted,
            |adversary| adversary.seal(&[0]),
            Wait,
            NotAuthenticated(AuthenticateError::Decoding { step: METADATA, .. })
        ),
        case!(
            "3 bytes",
            Greeted,
            |adversary| adversary.seal(&[0; 3]),
            Wait,
            NotAuthenticated(AuthenticateError::Decoding { step: METADATA, .. })
        ),
        case!(
            "100 bytes",
            Greeted,
            |adversary| adversary.seal(&[0; 100]),
            Wait,
            NotAuthenticated(AuthenticateError::Decoding { step: METADATA, .. })
        ),
        case!("true written as 1", Greeted, |adversary| {
                let mut bytes = adversary.seal(&[0, 1]);
                bytes.extend(adversary.seal(ACK));
                bytes
            }, HalfClose,
            Ended(sizes, ConnectionError::ClosedByPeer) if sizes.is_empty()),
        case!("true written as ff", Greeted, |adversary| {
                let mut bytes = adversary.seal(&[0xff, 0xff]);
                bytes.extend(adversary.seal(ACK));
                bytes
            }, HalfClose,
            Ended(sizes, ConnectionError::ClosedByPeer) if sizes.is_empty()),
        case!(
            "closes after the connection messages",
            Greeted,
            |_| Vec::new(),
            Close,
            NotAuthenticated(AuthenticateError::ConnectionClosed { step: METADATA })
        ),
        case!(
            "closes after the metadata",
            Greeted,
            |adversary| adversary.seal(&Adversary::metadata()),
            HalfClose,
            NotAccepted(AcceptError::RejectedSocketConnection { source: None })
        ),
    ])
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_any_non_zero_byte_of_metadata_means() {
    for (plaintext, disable_mempool, private_node) in
        [([0, 1], false, true), ([0xff, 0xff], true, true), ([2, 0], true, false)]
    {
        for role in ROLES {
            let (io, mut adversary) = against(role);
            let (peer, ()) = tokio::join!(ours(io, role), async {
                adversary.greet().await;
                let metadata = adversary.seal(&plaintext);
                adversary.send(&metadata).await;
            });
            let peer = peer.unwrap();
            let expected = NodeMetadata {
                disable_mempool,
                private_node,
            };
            assert_eq!(peer.info().remote_metadata, expected);
            assert_eq!(peer.info().private_node, expected.is_private());
        }
    }
}

fn nack(motive: [u8; 2], points: &[&[u8]]) -> Vec<u8> {
    let list: Vec<u8> = points.iter().flat_map(|point| raw(point)).collect();
    [&[0x01], &motive[..], &raw(&list)].concat()
}

fn nack_with(count: usize) -> Vec<u8> {
    nack([0, 1], &vec![&b"10.0.0.1:9732"[..]; count])
}

#[tokio::test(start_paused = true)]
async fn acks() {
    check(&[
        case!(
            "corrupted",
            Authenticated,
            |adversary| adversary.seal_corrupted(ACK),
            Wait,
            NotAccepted(AcceptError::InvalidAuthentication)
        ),
        case!(
            "empty",
            Authenticated,
            |adversary| adversary.seal(&[]),
            Wait,
            NotAccepted(AcceptError::Decoding(_))
        ),
        case!(
            "0000",
            Authenticated,
            |adversary| adversary.seal(&[0, 0]),
            Wait,
            NotAccepted(AcceptError::Decoding(_))
        ),
        case!(
            "ff",
            Authenticated,
            |adversary| adversary.seal(&[0xff]),
            Wait,
            NotAccepted(AcceptError::RejectedByNack {
                motive: RejectionMotive::NoMotive,
                points: None
            })
        ),
        case!(
            "ff00",
            Authenticated,
            |adversary| adversary.seal(&[0xff, 0]),
            Wait,
            NotAccepted(AcceptError::Decoding(_))
        ),
        case!(
            "02",
            Authenticated,
            |adversary| adversary.seal(&[2]),
            Wait,
            NotAccepted(AcceptError::Decoding(_))
        ),
        case!("nack without motive", Authenticated, |adversary| adversary.seal(&nack([0, 0], &[])), Wait,
            NotAccepted(AcceptError::RejectedByNack { motive: RejectionMotive::NoMotive, points: Some(points) })
                if points.as_slice().is_empty()),
        case!(
            "nack with a byte behind",
            Authenticated,
            |adversary| {
                let mut nack = nack([0, 1], &[]);
                nack.push(0);
                adversary.seal(&nack)
            },
            Wait,
            NotAccepted(AcceptError::Decoding(_))
        ),
        case!(
            "nack with an unknown motive",
            Authenticated,
            |adversary| adversary.seal(&nack([0x7f, 0xff], &[])),
            Wait,
            NotAccepted(AcceptError::RejectedByNack {
                motive: RejectionMotive::Unknown(32_767),
                points: Some(_)
            })
        ),
        case!(
            "nack with a negative motive",
            Authenticated,
            |adversary| adversary.seal(&nack([0xff, 0xff], &[])),
            Wait,
            NotAccepted(AcceptError::RejectedByNack {
                motive: RejectionMotive::Unknown(-1),
                points: Some(_)
            })
        ),
        case!("nack with 100 points", Authenticated, |adversary| adversary.seal(&nack_with(100)), Wait,
            NotAccepted(AcceptError::RejectedByNack {
                motive: RejectionMotive::TooManyConnections,
                points: Some(points),
            }) if points.as_slice() == [Point::from(address()); 100]),
        case!(
            "nack with 101 points",
            Authenticated,
            |adversary| adversary.seal(&nack_with(101)),
            Wait,
            NotAccepted(AcceptError::Decoding(_))
        ),
        case!(
            "nack with 3000 points",
            Authenticated,
            |adversary| adversary.seal(&nack_with(3000)),
            Wait,
            NotAccepted(AcceptError::Decoding(_))
        ),
        case!(
            "nack with an invalid point",
            Authenticated,
            |adversary| { adversary.seal(&nack([0, 1], &[b"localhost:9732"])) },
            Wait,
            NotAccepted(AcceptError::Decoding(_))
        ),
        case!(
            "closes instead",
            Authenticated,
            |_| Vec::new(),
            Close,
            NotAccepted(AcceptError::RejectedSocketConnection { .. })
        ),
        case!("closes after the acks", Authenticated, |adversary| adversary.seal(ACK), HalfClose,
            Ended(sizes, ConnectionError::ClosedByPeer) if sizes.is_empty()),
    ])
    .await;
}

#[tokio::test(start_paused = true)]
async fn ciphertext_lengths_below_the_tag() {
    for size in 0..16_u8 {
        for role in ROLES {
            for until in [Until::Greeted, Until::Authenticated, Until::Established] {
                let (io, mut adversary) = against(role);
                let us = async {
                    let peer = match ours(io, role).await {
                        Ok(peer) => peer,
                        Err(AuthenticateError::InvalidCiphertextSize { size }) => return (Until::Greeted, size),
                        Err(error) => panic!("{error:?}"),
                    };
                    let mut connection = match accepted(peer).await {
                        Ok(connection) => connection,
                        Err(AcceptError::InvalidCiphertextSize { size }) => return (Until::Authenticated, size),
                        Err(error) => panic!("{error:?}"),
                    };
                    match connection.recv().await {
                        Err(ConnectionError::InvalidCiphertextSize { size }) => (Until::Established, size),
                        other => panic!("{other:?}"),
                    }
                };
                let them = async {
                    match until {
                        Until::Connected => {}
                        Until::Greeted => adversary.greet().await,
                        Until::Authenticated => adversary.authenticate().await,
                        Until::Established => adversary.establish().await,
                    }
                    // Noticed from the header alone.
                    adversary.send(&[0, size]).await;
                    adversary.read_to_end().await;
                };
                let (outcome, ()) = tokio::join!(us, them);
                assert_eq!(outcome, (until, usize::from(size)), "as {role:?}");
            }
        }
    }
}
