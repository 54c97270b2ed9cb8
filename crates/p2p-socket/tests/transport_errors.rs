//! A transport that fails is told from a remote that closes.

mod common;
#[path = "common/resets.rs"]
mod resets;

use std::io;

use common::{ROLES, accepted, adversary::Adversary, against, ours};
use p2p_crypto::Role;
use p2p_socket::{AcceptError, AuthenticateError, ConnectionError, Direction, DisconnectionReason, HandshakeStep};
use resets::Resets;

fn is_reset(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionReset
}

#[tokio::test(start_paused = true)]
async fn reset_before_the_connection_message() {
    for role in ROLES {
        let (io, adversary) = against(role);
        drop(adversary);
        match ours(Resets::new(io), role).await.unwrap_err() {
            AuthenticateError::Io {
                step: HandshakeStep::ConnectionMessage,
                source,
            } => assert!(is_reset(&source)),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn reset_before_the_metadata() {
    for role in ROLES {
        let (io, mut adversary) = against(role);
        let (result, ()) = tokio::join!(ours(Resets::new(io), role), async move { adversary.greet().await });
        match result.unwrap_err() {
            AuthenticateError::Io {
                step: HandshakeStep::Metadata,
                source,
            } => assert!(is_reset(&source)),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn reset_after_the_metadata() {
    for role in ROLES {
        let (io, mut adversary) = against(role);
        let us = async { accepted(ours(Resets::new(io), role).await.unwrap()).await };
        let (result, ()) = tokio::join!(us, async move { adversary.authenticate().await });
        match result.unwrap_err() {
            AcceptError::RejectedSocketConnection { source: Some(source) } => assert!(is_reset(&source)),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn reset_after_a_message() {
    for role in ROLES {
        let (io, mut adversary) = against(role);
        let us = async { accepted(ours(Resets::new(io), role).await.unwrap()).await.unwrap() };
        let (mut connection, ()) = tokio::join!(us, async move {
            adversary.establish().await;
            let chunk = adversary.seal_message(b"last words");
            adversary.send(&chunk).await;
        });
        assert_eq!(connection.recv().await.unwrap().message, "last words");
        match connection.recv().await.unwrap_err() {
            ConnectionError::Io(error) => assert!(is_reset(&error)),
            other => panic!("{other:?}"),
        }
        let reason = DisconnectionReason::ConnectionLost(Direction::Receiving);
        assert_eq!(connection.closing_reason(), Some(reason));
    }
}

#[tokio::test(start_paused = true)]
async fn a_nack_is_read_although_our_ack_can_not_be_written() {
    let (io, theirs) = tokio::io::duplex(1 << 10);
    let mut adversary = Adversary::new(theirs, Role::Initiator);
    let (peer, ()) = tokio::join!(ours(io, Role::Responder), async move {
        adversary.authenticate().await;
        let nack = adversary.seal(&[0xff]);
        adversary.send(&nack).await;
    });
    let error = accepted(peer.unwrap()).await.unwrap_err();
    assert!(
        matches!(error, AcceptError::RejectedByNack { points: None, .. }),
        "{error:?}"
    );
}
