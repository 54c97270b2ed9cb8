//! An in-memory network: links that delay, stall, cut and reset, under the paused clock.
#![allow(dead_code, reason = "every test program uses its own part of it")]

use std::{collections::VecDeque, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf},
    sync::watch,
    time::{Instant, sleep_until},
};

/// How much each end of a link takes before the sender has to wait, in bytes.
const BUFFER: usize = 16 * 1024;

/// What a link does at a time. Change it while it runs through [`Link::set`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum State {
    /// Carries everything, in order.
    Up,
    /// Carries nothing, as a network that is parted: what is sent waits.
    Stalled,
    /// Ends both directions at once and loses what is on its way.
    Cut,
}

/// A link between two hosts.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    state: watch::Sender<State>,
    delay: Duration,
}

impl Link {
    pub(crate) fn with_delay(delay: Duration) -> Self {
        Self {
            state: watch::Sender::new(State::Up),
            delay,
        }
    }

    pub(crate) fn set(&self, state: State) {
        self.state.send_replace(state);
    }

    pub(crate) fn state(&self) -> State {
        *self.state.borrow()
    }
}

/// A connection over `link`: its two ends.
pub(crate) fn connect(link: &Link) -> (DuplexStream, DuplexStream) {
    let (left, left_port) = tokio::io::duplex(BUFFER);
    let (right, right_port) = tokio::io::duplex(BUFFER);
    let (left_in, left_out) = tokio::io::split(left_port);
    let (right_in, right_out) = tokio::io::split(right_port);
    let (delay, state) = (link.delay, link.state.subscribe());
    let there = carry(left_in, right_out, delay, state.clone());
    let back = carry(right_in, left_out, delay, state.clone());
    tokio::spawn(async move {
        tokio::select! {
            biased;
            _ = async { tokio::join!(there, back) } => {}
            () = cut(state) => {}
        }
    });
    (left, right)
}

/// Resolves when the link is cut. Without its [`Link`] nothing changes any more.
async fn cut(mut state: watch::Receiver<State>) {
    if state.wait_for(|state| *state == State::Cut).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Carries one direction to its end. Bytes arrive `delay` after they were sent, the end of the direction too.
async fn carry(
    mut from: ReadHalf<DuplexStream>,
    mut to: WriteHalf<DuplexStream>,
    delay: Duration,
    mut state: watch::Receiver<State>,
) {
    let mut on_the_way: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    let mut bytes = [0; 4096];
    let mut ended = false;
    loop {
        let due = on_the_way.front().map(|(due, _)| *due);
        tokio::select! {
            biased;
            read = from.read(&mut bytes), if !ended && on_the_way.len() < 64 => {
                let count = read.unwrap_or(0);
                ended = count == 0;
                on_the_way.push_back((Instant::now() + delay, bytes[..count].to_vec()));
            }
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                if state.wait_for(|state| *state != State::Stalled).await.is_err() {
                    return;
                }
                let (_, bytes) = on_the_way.pop_front().unwrap_or((Instant::now(), Vec::new()));
                if bytes.is_empty() {
                    let _ = to.shutdown().await;
                    return;
                }
                if to.write_all(&bytes).await.is_err() {
                    return;
                }
            }
        }
    }
}
