//! How the handshake is cut into writes: whoever comes second says two things at once, and nobody keeps anything back.

mod common;

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use common::{
    ROLES, accepted, address,
    adversary::{ACK, Adversary},
    against, config, other, ours, settle,
};
use p2p_crypto::Difficulty;
use p2p_framing::PointList;
use p2p_socket::{AuthenticateError, NodeMetadata, RejectionMotive, authenticate};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf},
    time::Instant,
};

/// A pipe that remembers how long each write was.
struct Counted {
    io: DuplexStream,
    writes: Arc<Mutex<Vec<usize>>>,
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.writes.lock().unwrap().push(buf.len());
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

fn counted(io: DuplexStream) -> (Counted, Arc<Mutex<Vec<usize>>>) {
    let writes = Arc::default();
    let counted = Counted {
        io,
        writes: Arc::clone(&writes),
    };
    (counted, writes)
}

/// Length prefix, tag and what is in them: NodeMetadata has two bytes, an ack one.
const METADATA: usize = 20;
const LAST: usize = 19;

#[tokio::test(start_paused = true)]
async fn whoever_comes_first_says_one_thing_at_a_time() {
    for role in ROLES {
        let (io, mut adversary) = against(role);
        let (io, writes) = counted(io);
        let hello = adversary.hello().len();
        let us = async { accepted(ours(io, role).await.unwrap()).await.unwrap() };
        let them = async {
            settle().await;
            // It does not wait to be spoken to.
            assert_eq!(*writes.lock().unwrap(), [hello], "as {role:?}");
            adversary.greet().await;
            settle().await;
            // Nor does it keep its metadata for whatever comes next.
            assert_eq!(*writes.lock().unwrap(), [hello, METADATA], "as {role:?}");
            adversary.say(&Adversary::metadata()).await;
            adversary.open().await.unwrap();
            adversary.say(ACK).await;
        };
        let _ = tokio::join!(us, them);
        assert_eq!(*writes.lock().unwrap(), [hello, METADATA, LAST], "as {role:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_second_says_who_it_is_and_its_metadata_at_once() {
    for role in ROLES {
        let (io, mut adversary) = against(role);
        let (io, writes) = counted(io);
        let hello = adversary.hello();
        adversary.send(&hello).await;
        let us = async { accepted(ours(io, role).await.unwrap()).await.unwrap() };
        let them = async {
            let received = adversary.receive_hello().await;
            adversary.agree(&hello, &received);
            assert_eq!(*writes.lock().unwrap(), [hello.len() + METADATA], "as {role:?}");
            adversary.open().await.unwrap();
            adversary.say(&Adversary::metadata()).await;
            adversary.say(ACK).await;
        };
        let _ = tokio::join!(us, them);
        assert_eq!(*writes.lock().unwrap(), [hello.len() + METADATA, LAST], "as {role:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_decides_at_once_says_its_metadata_and_its_answer_at_once() {
    for (role, accepts) in ROLES.into_iter().flat_map(|role| [(role, true), (role, false)]) {
        let (io, mut adversary) = against(role);
        let (io, writes) = counted(io);
        let hello = adversary.hello();
        let config = config(1).decides_at_once(true);
        let us = async {
            let peer = authenticate(io, role, address(), &config, NodeMetadata::default());
            let peer = peer.await.unwrap();
            if accepts {
                drop(accepted(peer).await.unwrap());
            } else {
                let refused = peer.nack(RejectionMotive::TooManyConnections, PointList::default());
                refused.await.unwrap();
            }
        };
        let them = async {
            let received = adversary.receive_hello().await;
            adversary.agree(&hello, &received);
            let metadata = adversary.seal(&Adversary::metadata());
            adversary.send(&[hello.clone(), metadata].concat()).await;
            // The metadata, and the answer.
            adversary.open().await.unwrap();
            let answer = adversary.open().await.unwrap();
            assert_eq!(answer == ACK, accepts, "as {role:?}");
            adversary.say(ACK).await;
            drop(adversary);
            answer.len()
        };
        let ((), answer) = tokio::join!(us, them);
        let last = METADATA + LAST - 1 + answer;
        assert_eq!(*writes.lock().unwrap(), [hello.len(), last], "as {role:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_decides_at_once_keeps_no_metadata_from_a_remote_that_waits_for_it() {
    for role in ROLES {
        let (io, mut adversary) = against(role);
        let (io, writes) = counted(io);
        let hello = adversary.hello();
        let config = config(1).decides_at_once(true);
        let us = async {
            let peer = authenticate(io, role, address(), &config, NodeMetadata::default());
            accepted(peer.await.unwrap()).await.unwrap()
        };
        let them = async {
            let received = adversary.receive_hello().await;
            adversary.agree(&hello, &received);
            adversary.send(&hello).await;
            adversary.open().await.unwrap();
            adversary.say(&Adversary::metadata()).await;
            adversary.open().await.unwrap();
            adversary.say(ACK).await;
        };
        let _ = tokio::join!(us, them);
        assert_eq!(*writes.lock().unwrap(), [hello.len(), METADATA, LAST], "as {role:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_remote_that_fails_at_once_still_learns_who_we_are() {
    for role in ROLES {
        let (io, mut adversary) = against(role);
        let hello = adversary.hello();
        adversary.send(&hello).await;
        let strict = config(1).required_difficulty(Difficulty::try_from(100.0).unwrap());
        let result = authenticate(io, role, address(), &strict, NodeMetadata::default()).await;
        assert!(matches!(result, Err(AuthenticateError::NotEnoughProofOfWork { .. })));
        adversary.receive_hello().await;
        assert_eq!(adversary.read_to_end().await, 0, "as {role:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_remote_that_fails_at_once_and_takes_nothing_is_given_up_at_the_deadline() {
    let timeout = Duration::from_secs(2);
    for role in ROLES {
        // Too narrow for our connection message, of which the remote reads nothing.
        let (io, theirs) = tokio::io::duplex(8);
        let mut adversary = Adversary::new(theirs, other(role));
        let strict = config(1)
            .required_difficulty(Difficulty::try_from(100.0).unwrap())
            .handshake_timeout(timeout);
        let start = Instant::now();
        let us = authenticate(io, role, address(), &strict, NodeMetadata::default());
        let (result, ()) = tokio::join!(us, async {
            let hello = adversary.hello();
            adversary.send(&hello).await;
        });
        assert!(matches!(result, Err(AuthenticateError::NotEnoughProofOfWork { .. })));
        assert_eq!(start.elapsed(), timeout, "as {role:?}");
    }
}
