//! A cancelled token ends at once what it was given to.

mod common;

use std::time::Duration;

use common::{ROLES, accepted, address, config, connected, duplex, message, settle};
use p2p_crypto::Role;
use p2p_socket::{
    AcceptError, AuthenticateError, CloseError, ConnectionError, DisconnectionReason, Drain, HandshakeStep, NackError,
    NodeMetadata, RejectionMotive, SendError, authenticate,
};
use tokio_util::sync::CancellationToken;

const LIMIT: Duration = Duration::from_secs(3);

fn bye() -> DisconnectionReason {
    DisconnectionReason::user("bye")
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_token_ends_the_connections_of_its_configuration() {
    let token = CancellationToken::new();
    let (left, right) = duplex();
    let (mine, theirs) = (config(1).cancellation(token.clone()), config(2));
    let (left, right) = tokio::join!(
        authenticate(left, Role::Initiator, address(), &mine, NodeMetadata::default()),
        authenticate(right, Role::Responder, address(), &theirs, NodeMetadata::default()),
    );
    let (left, right) = tokio::join!(accepted(left.unwrap()), accepted(right.unwrap()));
    let (mut left, mut right) = (left.unwrap(), right.unwrap());
    tokio::join!(left.closed(), async {
        settle().await;
        token.cancel();
    });
    assert!(matches!(left.recv().await, Err(ConnectionError::Cancelled)));
    assert!(matches!(
        left.send(message(0, 0)).await,
        Err(SendError::Closed(ConnectionError::Cancelled))
    ));
    assert!(matches!(right.recv().await, Err(ConnectionError::ClosedByPeer)));
}

#[tokio::test(start_paused = true)]
async fn the_token_of_a_connection_ends_that_one_only() {
    let (left, mut right) = connected().await;
    let (unrelated, mut unrelated_right) = connected().await;
    left.send(message(0, 1)).await.unwrap();
    left.cancellation().cancel();
    left.closed().await;
    assert_eq!(left.closing_reasons(), [DisconnectionReason::ExplicitRequest]);
    assert!(matches!(
        left.close(bye(), Drain::Flush(LIMIT)).await,
        Err(CloseError::Failed(ConnectionError::Cancelled))
    ));
    while right.recv().await.is_ok() {}
    unrelated.send(message(0, 1)).await.unwrap();
    unrelated_right.recv().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_token_ends_the_handshake_in_every_step() {
    for role in ROLES {
        for step in [
            HandshakeStep::ConnectionMessage,
            HandshakeStep::Metadata,
            HandshakeStep::Ack,
        ] {
            let token = CancellationToken::new();
            let (io, mut adversary) = common::against(role);
            let config = config(1).cancellation(token.clone());
            let us = async {
                let peer = match authenticate(io, role, address(), &config, NodeMetadata::default()).await {
                    Ok(peer) => peer,
                    Err(AuthenticateError::Cancelled { step }) => return step,
                    Err(error) => panic!("{error:?}"),
                };
                match accepted(peer).await {
                    Err(AcceptError::Cancelled) => HandshakeStep::Ack,
                    other => panic!("{other:?}"),
                }
            };
            let them = async {
                match step {
                    HandshakeStep::Metadata => adversary.greet().await,
                    HandshakeStep::Ack => adversary.authenticate().await,
                    _ => {}
                }
                settle().await;
                token.cancel();
                adversary.read_to_end().await
            };
            assert_eq!(tokio::join!(us, them).0, step, "as {role:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_token_ends_a_nack() {
    let token = CancellationToken::new();
    let (io, theirs) = tokio::io::duplex(100);
    let mut adversary = common::adversary::Adversary::new(theirs, Role::Initiator);
    let config = config(1).cancellation(token.clone());
    let points = vec![address().into(); 100].try_into().unwrap();
    let us = async {
        let peer = authenticate(io, Role::Responder, address(), &config, NodeMetadata::default())
            .await
            .unwrap();
        peer.nack(RejectionMotive::NoMotive, points).await
    };
    let (result, ()) = tokio::join!(us, async {
        adversary.authenticate().await;
        settle().await;
        token.cancel();
        adversary.read_to_end().await;
    });
    assert!(matches!(result, Err(NackError::Cancelled)), "{result:?}");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_cancelled_already() {
    let token = CancellationToken::new();
    token.cancel();
    let config = config(1).cancellation(token);
    for role in ROLES {
        let (io, mut adversary) = common::against(role);
        let result = authenticate(io, role, address(), &config, NodeMetadata::default()).await;
        assert!(matches!(
            result,
            Err(AuthenticateError::Cancelled {
                step: HandshakeStep::ConnectionMessage
            })
        ));
        assert_eq!(adversary.read_to_end().await, 0);
    }
}
