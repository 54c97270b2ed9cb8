//! Scenarios: an adversary plays along up to a point, makes one move, and we end as expected.
#![allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "every test program uses its own part of it"
)]

use std::time::Duration;

use p2p_crypto::Role;
use p2p_socket::{AcceptError, AuthenticateError, ConnectionError};
use tokio::{
    io::AsyncWriteExt,
    time::{Instant, sleep},
};

use crate::common::{ROLES, accepted, adversary::Adversary, against, ours};

/// How far the adversary plays along.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Until {
    /// It says nothing of its own accord.
    Connected,
    /// Connection messages were exchanged.
    Greeted,
    /// Metadata, too.
    Authenticated,
    /// Acks, too.
    Established,
}

/// What it does when it has sent its bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Then {
    /// Nothing: we have to end it.
    Wait,
    /// Closes, at once.
    Close,
    /// Closes its direction only.
    HalfClose,
    /// Closes after a second.
    CloseLater,
}

/// How it went for us.
#[derive(Debug)]
pub(crate) enum Outcome {
    NotAuthenticated(AuthenticateError),
    NotAccepted(AcceptError),
    Ended(Vec<usize>, ConnectionError),
}

pub(crate) use Outcome::{Ended, NotAccepted, NotAuthenticated};

pub(crate) struct Case {
    pub(crate) scenario: &'static str,
    pub(crate) until: Until,
    pub(crate) bytes: fn(&mut Adversary) -> Vec<u8>,
    pub(crate) then: Then,
    pub(crate) expected: fn(&Outcome) -> bool,
}

/// The outcome, how long it took, and how many bytes the adversary saw after its move.
pub(crate) async fn play(case: &Case, role: Role) -> (Outcome, Duration, usize) {
    let (io, mut adversary) = against(role);
    let start = Instant::now();
    let us = async {
        let peer = match ours(io, role).await {
            Ok(peer) => peer,
            Err(error) => return (NotAuthenticated(error), start.elapsed()),
        };
        let mut connection = match accepted(peer).await {
            Ok(connection) => connection,
            Err(error) => return (NotAccepted(error), start.elapsed()),
        };
        let mut sizes = Vec::new();
        loop {
            match connection.recv().await {
                Ok(received) => sizes.push(received.message.len()),
                Err(error) => return (Ended(sizes, error), start.elapsed()),
            }
        }
    };
    let them = async {
        match case.until {
            Until::Connected => {}
            Until::Greeted => adversary.greet().await,
            Until::Authenticated => adversary.authenticate().await,
            Until::Established => adversary.establish().await,
        }
        let bytes = (case.bytes)(&mut adversary);
        adversary.send(&bytes).await;
        match case.then {
            Then::Wait => adversary.read_to_end().await,
            Then::HalfClose => {
                adversary.io.shutdown().await.unwrap();
                adversary.read_to_end().await
            }
            Then::CloseLater => {
                sleep(Duration::from_secs(1)).await;
                adversary.io.shutdown().await.unwrap();
                adversary.read_to_end().await
            }
            Then::Close => {
                drop(adversary);
                0
            }
        }
    };
    let ((outcome, elapsed), seen) = tokio::join!(us, them);
    (outcome, elapsed, seen)
}

pub(crate) fn hello_size() -> usize {
    let (io, _) = tokio::io::duplex(1);
    Adversary::new(io, Role::Initiator).hello().len()
}

pub(crate) async fn check(cases: &[Case]) {
    for case in cases {
        for role in ROLES {
            let (outcome, elapsed, seen) = play(case, role).await;
            let scenario = case.scenario;
            assert!((case.expected)(&outcome), "{scenario} as {role:?}: {outcome:?}");
            let waited = match case.then {
                Then::CloseLater => Duration::from_secs(1),
                _ => Duration::ZERO,
            };
            assert_eq!(elapsed, waited, "{scenario} as {role:?}");
            if case.then != Then::Close {
                let in_flight = match case.until {
                    Until::Connected => hello_size(),
                    Until::Greeted => 20,
                    Until::Authenticated => 19,
                    Until::Established => 0,
                };
                let answers = match outcome {
                    // The step was taken after all, so that our next message follows.
                    NotAccepted(_) if case.until == Until::Greeted => 19,
                    Ended(..) if case.until == Until::Greeted => 19,
                    _ => 0,
                };
                assert_eq!(seen, in_flight + answers, "{scenario} as {role:?}");
            }
        }
    }
}

macro_rules! case {
    ($scenario:literal, $until:ident, $bytes:expr, $then:ident, $($expected:tt)+) => {
        $crate::scenario::Case {
            scenario: $scenario,
            until: $crate::scenario::Until::$until,
            bytes: $bytes,
            then: $crate::scenario::Then::$then,
            expected: |outcome| matches!(outcome, $($expected)+),
        }
    };
}

pub(crate) use case;
