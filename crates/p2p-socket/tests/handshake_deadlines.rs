//! No remote holds a handshake longer than its deadline, and none is kept waiting by us.

mod common;

use std::time::Duration;

use common::{
    ROLES, accepted, address,
    adversary::{ACK, Adversary},
    config, duplex, other, ours,
};
use p2p_crypto::Role;
use p2p_framing::PointList;
use p2p_socket::{
    AcceptError, AuthenticateError, Authenticated, HandshakeStep, NackError, NodeMetadata, RejectionMotive,
    authenticate,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::{Instant, sleep},
};

const TIMEOUT: Duration = Duration::from_secs(2);

/// Authenticates with a deadline of its own.
async fn hurried(io: DuplexStream, role: Role) -> Result<Authenticated<DuplexStream, NodeMetadata>, AuthenticateError> {
    authenticate(
        io,
        role,
        address(),
        &config(1).handshake_timeout(TIMEOUT),
        NodeMetadata::default(),
    )
    .await
}

/// The step in which it timed out, and when.
async fn timed_out(io: DuplexStream, role: Role) -> (HandshakeStep, Duration) {
    let start = Instant::now();
    let peer = match hurried(io, role).await {
        Ok(peer) => peer,
        Err(AuthenticateError::Timeout { step }) => return (step, start.elapsed()),
        Err(error) => panic!("{error:?}"),
    };
    let start = Instant::now();
    match accepted(peer).await {
        Err(AcceptError::Timeout) => (HandshakeStep::Ack, start.elapsed()),
        other => panic!("{other:?}"),
    }
}

/// Sends one byte of each step every `pace`.
async fn drip(adversary: &mut Adversary, bytes: &[u8], pace: Duration) {
    for byte in bytes {
        sleep(pace).await;
        adversary.send(&[*byte]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_dripping_remote() {
    for role in ROLES {
        for (pace, expected) in [
            (Duration::from_millis(100), HandshakeStep::ConnectionMessage),
            // Connection message at 1.92 s.
            (Duration::from_millis(20), HandshakeStep::Metadata),
            // Metadata at 1.624 s, ack 266 ms later.
            (Duration::from_millis(14), HandshakeStep::Ack),
        ] {
            let (io, mut adversary) = common::against(role);
            let them = async {
                let hello = adversary.hello();
                drip(&mut adversary, &hello, pace).await;
                let received = adversary.receive_hello().await;
                adversary.agree(&hello, &received);
                let metadata = adversary.seal(&Adversary::metadata());
                drip(&mut adversary, &metadata, pace).await;
                let ack = adversary.seal(ACK);
                drip(&mut adversary, &ack[..18], pace).await;
                adversary.read_to_end().await;
            };
            let (outcome, ()) = tokio::join!(timed_out(io, role), them);
            assert_eq!(outcome, (expected, TIMEOUT), "as {role:?}, one byte every {pace:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_side_has_the_whole_time_for_accepting() {
    for role in ROLES {
        let (io, mut adversary) = common::against(role);
        let us = async {
            let peer = hurried(io, role).await.unwrap();
            accepted(peer).await
        };
        let nearly = TIMEOUT - Duration::from_millis(1);
        let (connection, ()) = tokio::join!(us, async {
            sleep(nearly).await;
            adversary.authenticate().await;
            sleep(nearly).await;
            let ack = adversary.seal(ACK);
            adversary.send(&ack).await;
        });
        assert!(connection.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn a_remote_that_takes_nothing() {
    for role in ROLES {
        // Not even our connection message goes out. That of the remote is here, so its metadata is awaited.
        let (io, theirs) = tokio::io::duplex(8);
        let mut adversary = Adversary::new(theirs, other(role));
        let hello = adversary.hello();
        let (outcome, ()) = tokio::join!(timed_out(io, role), async {
            adversary.send(&hello).await;
            sleep(TIMEOUT).await;
        });
        assert_eq!(outcome, (HandshakeStep::Metadata, TIMEOUT));
    }
}

#[tokio::test(start_paused = true)]
async fn a_remote_that_floods() {
    for role in ROLES {
        let (io, mut adversary) = common::against(role);
        let start = Instant::now();
        let (result, ()) = tokio::join!(hurried(io, role), async {
            // The connection message in order, then noise, until nobody takes it any more.
            adversary.greet().await;
            while adversary.io.write_all(&[0xff; 4096]).await.is_ok() {}
        });
        assert!(matches!(result, Err(AuthenticateError::Decipher)), "{result:?}");
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_read_ahead_is_bounded_while_ours_is_not_taken() {
    for role in ROLES {
        let (io, theirs) = tokio::io::duplex(8);
        let mut adversary = Adversary::new(theirs, other(role));
        let (result, taken) = tokio::join!(hurried(io, role), async {
            let mut taken = 0;
            while let Ok(size) = adversary.io.write(&[0; 512]).await {
                taken += size;
            }
            taken
        });
        assert!(
            matches!(
                result,
                Err(AuthenticateError::Timeout { .. } | AuthenticateError::Decoding { .. })
            ),
            "{result:?}"
        );
        assert!(taken < 4096, "{taken} bytes were taken");
    }
}

#[tokio::test(start_paused = true)]
async fn pipes_of_one_byte() {
    let (left, right) = tokio::io::duplex(1);
    let (left, right) = common::authenticated(left, right).await;
    let (left, right) = tokio::join!(accepted(left), accepted(right));
    let (left, mut right) = (left.unwrap(), right.unwrap());
    left.send(common::message(0, 100)).await.unwrap();
    assert_eq!(right.recv().await.unwrap().message, common::message(0, 100));
}

#[tokio::test(start_paused = true)]
async fn a_nack_that_nobody_takes() {
    let (io, theirs) = tokio::io::duplex(130);
    let mut adversary = Adversary::new(theirs, Role::Initiator);
    let points = PointList::new(vec![address().into(); 100]).unwrap();
    let us = async {
        let peer = hurried(io, Role::Responder).await.unwrap();
        let start = Instant::now();
        let result = peer.nack(RejectionMotive::TooManyConnections, points).await;
        (result, start.elapsed())
    };
    let ((result, elapsed), adversary) = tokio::join!(us, async {
        adversary.authenticate().await;
        adversary
    });
    assert!(matches!(result, Err(NackError::Timeout)), "{result:?}");
    assert_eq!(elapsed, TIMEOUT);
    drop(adversary);
}

#[tokio::test(start_paused = true)]
async fn a_remote_that_floods_while_it_is_nacked() {
    let (io, mut adversary) = common::against(Role::Responder);
    let start = Instant::now();
    let us = async {
        let peer = hurried(io, Role::Responder).await.unwrap();
        peer.nack(RejectionMotive::TooManyConnections, PointList::default())
            .await
    };
    let (result, nack) = tokio::join!(us, async {
        adversary.authenticate().await;
        // Writes as long as it can, then looks at what came.
        for _ in 0..64 {
            if adversary.io.write_all(&[0; 65_536]).await.is_err() {
                break;
            }
        }
        let nack = adversary.open().await;
        drop(adversary);
        nack
    });
    result.unwrap();
    assert_eq!(nack.unwrap()[..3], [1, 0, 1]);
    assert!(start.elapsed() <= TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_handshake_closes() {
    for role in ROLES {
        let (io, mut adversary) = common::against(role);
        let handshake = tokio::spawn(async move { ours(io, role).await.map(|_| ()) });
        adversary.greet().await;
        handshake.abort();
        assert!(handshake.await.unwrap_err().is_cancelled());
        // Perhaps the metadata, then the end.
        assert!(adversary.read_to_end().await <= 20);
    }
}

#[tokio::test(start_paused = true)]
async fn a_handshake_timeout_of_nothing() {
    let (left, mut right) = tokio::io::duplex(1 << 10);
    let config = config(1).handshake_timeout(Duration::ZERO);
    let result = authenticate(left, Role::Responder, address(), &config, NodeMetadata::default()).await;
    assert!(matches!(
        result,
        Err(AuthenticateError::Timeout {
            step: HandshakeStep::ConnectionMessage
        })
    ));
    let mut seen = Vec::new();
    right.read_to_end(&mut seen).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_handshake_timeout_beyond_all_clocks() {
    let (left, right) = duplex();
    let patient = config(1).handshake_timeout(Duration::MAX);
    let other = config(2);
    let (left, right) = tokio::join!(
        authenticate(left, Role::Initiator, address(), &patient, NodeMetadata::default()),
        authenticate(right, Role::Responder, address(), &other, NodeMetadata::default()),
    );
    let (left, right) = tokio::join!(accepted(left.unwrap()), accepted(right.unwrap()));
    left.unwrap();
    right.unwrap();
}
