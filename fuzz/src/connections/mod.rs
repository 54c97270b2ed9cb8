//! Two connections with their real drivers over a wire that does what a script says, used in every way that there is: each
//! message arrives once and in order, or an error tells why not; nobody waits for ever, and nothing is left.

mod said;
mod side;
mod wire;

use std::{
    pin::pin,
    sync::{Arc, LazyLock},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use p2p_crypto::{Difficulty, Identity, Nonce, Role};
use p2p_framing::encoding::RawEncoding;
use p2p_socket::{
    Config, Connection, ConnectionError, ConnectionOptions, Drain, NodeMetadata, Packing, Received, TryRecvError,
    authenticate_with_nonce,
};
use tokio::{
    runtime::{Builder, Handle},
    task::yield_now,
    time::{sleep, timeout},
};

use self::{
    side::Side,
    wire::{End, Way, wire},
};
use crate::{
    handshakes::{ours, theirs, version},
    script::{Script, derived},
};

type RawConnection = Connection<Bytes, NodeMetadata>;

/// More than anything takes that goes on at all, by a clock that runs only while everybody waits.
const LONG: Duration = Duration::from_secs(100);

/// How many bytes the messages have in all: several times what the smallest incoming queue holds.
const MOST: usize = 4 * ConnectionOptions::MIN_INCOMING_QUEUE;

/// The largest content of a message, in bytes: with what comes on top, it fits into the smallest incoming queue.
const LARGEST: usize = 100_000;

/// What is read while nobody receives, in bytes: less than is left of the smallest incoming queue when it is not worth while
/// to read on.
const READ_AHEAD: usize = ConnectionOptions::MIN_INCOMING_QUEUE / 2;

/// What closing may take.
const LIMIT: Duration = Duration::from_secs(5);

pub(crate) fn run(data: &[u8]) {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without threads");
    runtime.block_on(async {
        play(Script::new(data), derived(data)).await;
        // Those that were not asked to flush end at once, the others at their deadline.
        sleep(LONG).await;
        let left = Handle::current().metrics().num_alive_tasks();
        assert_eq!(left, 0, "tasks are left");
    });
}

async fn play(mut script: Script<'_>, nonce: [u8; 24]) {
    let ([left, right], ways) = wire();
    let (left, right) = connect(left, right, Nonce::from_bytes(nonce), &mut script).await;
    let mut talk = Talk {
        sides: [Side::new(left), Side::new(right)],
        ways,
        left: MOST,
        is_peaceful: !script.byte().is_multiple_of(4),
        tampered: false,
    };
    while !script.is_empty() {
        talk.act(&mut script).await;
    }
    talk.finish().await;
}

/// Little room, mostly, so that everybody has to wait.
fn options(script: &mut Script<'_>) -> ConnectionOptions {
    ConnectionOptions {
        chunk_size: script.chunk_size(),
        packing: match script.byte() % 2 {
            0 => Packing::Packed,
            _ => Packing::OneMessagePerChunk,
        },
        incoming_queue: ConnectionOptions::MIN_INCOMING_QUEUE,
        outgoing_queue: 400 + script.length(1 << 20),
    }
}

fn config(identity: &Arc<Identity>) -> Config {
    Config::new(identity.clone(), version()).required_difficulty(Difficulty::NONE)
}

async fn connect(left: End, right: End, nonce: Nonce, script: &mut Script<'_>) -> (RawConnection, RawConnection) {
    static CONFIGS: LazyLock<[Config; 2]> = LazyLock::new(|| [config(ours()), config(theirs())]);
    let address = ([10, 0, 0, 1], 9732).into();
    let (initiator, responder) = (Role::Initiator, Role::Responder);
    let start =
        |io, role, config, nonce| authenticate_with_nonce(io, role, address, config, NodeMetadata::default(), nonce);
    let (left, right) = tokio::try_join!(
        start(left, initiator, &CONFIGS[0], nonce),
        start(right, responder, &CONFIGS[1], nonce.incremented()),
    )
    .expect("an honest handshake");
    let (left_options, right_options) = (options(script), options(script));
    let (left, right) = tokio::join!(
        left.accept(RawEncoding::default().sharing(), left_options),
        right.accept(RawEncoding::default(), right_options),
    );
    (left.expect("an honest ack"), right.expect("an honest ack"))
}

/// All that goes on between the two.
struct Talk {
    sides: [Side; 2],
    /// What the first side says goes over the first.
    ways: [Way; 2],
    /// How many bytes of messages there still may be.
    left: usize,
    /// Whether nothing is to happen that ends the connection. Otherwise few would live for long.
    is_peaceful: bool,
    /// Whether something was done to the wire that an honest network does not do.
    tampered: bool,
}

impl Talk {
    async fn act(&mut self, script: &mut Script<'_>) {
        let what = script.byte();
        let (here, what) = (usize::from(what % 2), what / 2);
        let side = &mut self.sides[here];
        match what % if self.is_peaceful { 20 } else { 23 } {
            0..7 => {
                let content = script.filled(self.left.min(LARGEST));
                self.left -= content.len();
                side.send(content, script).await;
            }
            7 => side.flush().await,
            8 => side.give_up().await,
            9..13 => self.receive(here, script).await,
            13..16 => {
                for _ in 0..=script.byte() % 8 {
                    yield_now().await;
                }
            }
            16 | 17 => self.ways[here].narrow(script),
            18 => self.ways[here].heal(),
            19 => match script.byte() {
                0 => self.rest().await,
                _ => sleep(milliseconds(script)).await,
            },
            20 => self.tamper(here, script),
            21 => side.close(match script.byte() % 4 {
                0 => Drain::Discard,
                _ => Drain::Flush(milliseconds(script)),
            }),
            _ => side.drop_half(script.byte()),
        }
        self.sides.iter().for_each(Side::check_bound);
    }

    fn tamper(&mut self, here: usize, script: &mut Script<'_>) {
        match script.byte() % 4 {
            0 => self.ways.iter().for_each(Way::reset),
            1 => self.ways[here].end(),
            _ => self.ways[here].flip(script),
        }
        self.tampered = true;
    }

    /// Lets one side receive, in one of the ways that there are.
    async fn receive(&mut self, here: usize, script: &mut Script<'_>) {
        let Some(receiver) = &mut self.sides[here].receiver else {
            return;
        };
        let (how, cx) = (script.byte(), &mut Context::from_waker(Waker::noop()));
        let (how, times) = (how % 4, how / 4);
        let received = match how {
            0 => match receiver.try_recv() {
                Ok(received) => Some(Ok(received)),
                Err(TryRecvError::Closed(error)) => Some(Err(error)),
                Err(_) => None,
            },
            1 => ready(receiver.poll_recv(cx)),
            2 => {
                let mut receiving = pin!(receiver.recv());
                let mut received = None;
                for _ in 0..times % 8 {
                    received = ready(receiving.as_mut().poll(cx));
                    if received.is_some() {
                        break;
                    }
                    yield_now().await;
                }
                received
            }
            _ => timeout(Duration::from_millis(times.into()), receiver.recv()).await.ok(),
        };
        if let Some(received) = received {
            self.hear(1 - here, &received);
        }
    }

    /// What one side says has been received, or never will be.
    fn hear(&mut self, speaker: usize, received: &Result<Received<Bytes>, ConnectionError>) {
        match received {
            Ok(received) => self.sides[speaker].said.hear(&received.message),
            Err(error) => {
                let is_honest = matches!(
                    error,
                    ConnectionError::ClosedByPeer
                        | ConnectionError::ClosedLocally
                        | ConnectionError::Cancelled
                        | ConnectionError::Truncated { .. }
                        | ConnectionError::Io(_)
                );
                assert!(self.is_ending(), "an honest connection has ended: {error}");
                assert!(is_honest || self.tampered, "an honest stream was refused: {error}");
            }
        }
    }

    fn is_ending(&self) -> bool {
        self.tampered || self.sides.iter().any(|side| side.is_ending)
    }

    /// Heals the wire, and waits. Nobody has to receive for that everything arrives for which there is room.
    async fn rest(&mut self) {
        self.ways.iter().for_each(Way::heal);
        sleep(LONG).await;
        for (speaker, way) in self.sides.iter_mut().zip(&self.ways) {
            if speaker.said.unheard() <= READ_AHEAD && !self.tampered {
                assert!(way.is_empty(), "something was not read ahead");
                speaker.check_queue_is_empty().await;
            }
        }
    }

    /// Lets everything come to its end.
    async fn finish(mut self) {
        self.rest().await;
        if !self.is_ending() {
            let [left, right] = &mut self.sides;
            left.say_all(right).await;
            right.say_all(left).await;
        }
        let was_ending = self.sides.each_ref().map(|side| side.is_ending);
        // Both receive to the end, beside everything else.
        let receiving = self.sides.each_mut().map(Side::receive_all);
        let mut are_confirmed = [false; 2];
        for (side, is_confirmed) in self.sides.iter_mut().zip(&mut are_confirmed) {
            *is_confirmed = side.wait_for_close().await;
        }
        if !self.is_ending() {
            self.sides[0].close(Drain::Flush(LIMIT));
            are_confirmed[0] = self.sides[0].wait_for_close().await;
            assert!(are_confirmed[0], "an honest connection was not flushed");
        }
        for side in &mut self.sides {
            side.close(Drain::Flush(LIMIT));
            side.wait_for_close().await;
            side.wait_for_pending().await;
        }
        for (listener, receiving) in receiving.into_iter().enumerate() {
            let (speaker, Some(receiving)) = (1 - listener, receiving) else {
                continue;
            };
            let received = timeout(LONG, receiving).await.expect("a receiver waits for ever");
            for received in received.expect("a receiver panicked") {
                self.hear(speaker, &received);
            }
            // Closing with something left to read resets the connection.
            let may_be_reset = self.ways[speaker].was_reset() && !are_confirmed[speaker];
            if !self.tampered && !was_ending[listener] && !may_be_reset {
                self.sides[speaker].said.check_flushed();
            }
        }
    }
}

fn ready<T>(poll: Poll<T>) -> Option<T> {
    match poll {
        Poll::Ready(ready) => Some(ready),
        Poll::Pending => None,
    }
}

/// From none to five seconds.
fn milliseconds(script: &mut Script<'_>) -> Duration {
    Duration::from_millis(script.length(5000) as u64)
}
