//! All connections together stay within the memory budget, and whoever would exceed it is refused.

mod common;

use common::{RawConnection, address, bye, config, message, settle};
use p2p_crypto::Role;
use p2p_framing::encoding::RawEncoding;
use p2p_socket::{
    AcceptError, Config, ConnectionOptions, Drain, MemoryBudget, NodeMetadata, RejectionMotive, authenticate,
};

const QUEUE: usize = ConnectionOptions::MIN_INCOMING_QUEUE;

/// What both queues of a connection take.
const CONNECTION: usize = 2 * QUEUE;

type Accepted = Result<RawConnection, AcceptError>;

/// Both ends of another connection, each under its budget and with a configuration of its own.
async fn connect_both(ours: Config, theirs: Config) -> (Accepted, Accepted) {
    let (left, right) = common::duplex();
    let options = ConnectionOptions {
        incoming_queue: QUEUE,
        outgoing_queue: QUEUE,
        ..ConnectionOptions::default()
    };
    let end = async |io, role, config| {
        let peer = authenticate(io, role, address(), config, NodeMetadata::default()).await;
        peer.unwrap().accept(RawEncoding::default(), options.clone()).await
    };
    tokio::join!(end(left, Role::Responder, &ours), end(right, Role::Initiator, &theirs))
}

/// Another connection under `budget`, and what its remote, which has none, makes of it.
async fn connect(budget: &MemoryBudget) -> (Accepted, Accepted) {
    connect_both(config(1).memory_budget(budget.clone()), config(2)).await
}

#[tokio::test(start_paused = true)]
async fn who_would_exceed_the_budget_is_refused_and_told() {
    for spare in [0, 1, CONNECTION - 1] {
        let budget = MemoryBudget::new(3 * CONNECTION + spare);
        let mut connections = Vec::new();
        for index in 0..3 {
            assert_eq!(budget.free(), (3 - index) * CONNECTION + spare);
            let (ours, theirs) = connect(&budget).await;
            connections.push((ours.unwrap(), theirs.unwrap()));
        }
        let (ours, theirs) = connect(&budget).await;
        let error = ours.unwrap_err();
        let AcceptError::MemoryBudgetExhausted(told) = &error else {
            panic!("{error:?}");
        };
        assert_eq!((told.needed, told.free), (CONNECTION, spare));
        assert!(!error.is_offence());
        assert!(matches!(
            theirs.unwrap_err(),
            AcceptError::RejectedByNack {
                motive: RejectionMotive::TooManyConnections,
                ..
            }
        ));
        // The others go on as before.
        for (ours, theirs) in &mut connections {
            theirs.send(message(0, 10)).await.unwrap();
            assert_eq!(ours.recv().await.unwrap().message, message(0, 10));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_connection_has_taken_comes_back_with_its_last_message() {
    let budget = MemoryBudget::new(CONNECTION);
    let (ours, theirs) = connect(&budget).await;
    let (sender, mut receiver, control) = ours.unwrap().split();
    let theirs = theirs.unwrap();
    theirs.send(message(0, 10)).await.unwrap();
    settle().await;
    drop(theirs);
    drop(sender);
    control.closed().await;
    // There is still a message in the queue.
    assert_eq!(budget.free(), 0);
    assert!(connect(&budget).await.0.is_err());
    assert_eq!(receiver.recv().await.unwrap().message, message(0, 10));
    drop(receiver);
    settle().await;
    assert_eq!(budget.free(), CONNECTION);
    let (ours, theirs) = connect(&budget).await;
    ours.unwrap().close(bye(), Drain::Flush(common::LIMIT)).await.unwrap();
    drop(theirs);
    settle().await;
    assert_eq!(budget.free(), CONNECTION);
}

#[tokio::test(start_paused = true)]
async fn a_remote_that_refuses_us_takes_nothing() {
    let budget = MemoryBudget::new(CONNECTION);
    let nothing = MemoryBudget::new(CONNECTION - 1);
    let (ours, theirs) = connect_both(
        config(1).memory_budget(budget.clone()),
        config(2).memory_budget(nothing.clone()),
    )
    .await;
    assert!(matches!(ours.unwrap_err(), AcceptError::RejectedByNack { .. }));
    assert!(matches!(theirs.unwrap_err(), AcceptError::MemoryBudgetExhausted(_)));
    assert_eq!((budget.free(), nothing.free()), (CONNECTION, CONNECTION - 1));
}
