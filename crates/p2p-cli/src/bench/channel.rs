//! The messages of a measurement over a connection, and counting those that arrive.

use std::time::{Duration, Instant};

use bytes::Bytes;
use p2p_socket::{Receiver, Sender};

use super::{
    message::{Count, Message, PAYLOAD, unexpected},
    pattern::Pattern,
};
use crate::{errors, failure::Failure};

/// How many messages are sent at least: with the first one the time begins, and it does not count.
const LEAST: u64 = 2;

/// Both directions of a connection. Nothing here waits with a limit of its own: whoever measures has one for everything.
pub(super) struct Channel {
    pub(super) sender: Sender<Bytes>,
    pub(super) receiver: Receiver<Bytes>,
}

impl Channel {
    pub(super) async fn send(&self, message: &Message) -> Result<(), Failure> {
        self.sender
            .send(message.encode())
            .await
            .map_err(|error| errors::send(&error))
    }

    pub(super) async fn next(&mut self) -> Result<Message, Failure> {
        let received = self.receiver.recv().await;
        Message::decode(received.map_err(|error| errors::connection(&error))?.message)
    }

    /// Sends as many messages as pass in this time, and the end. There is something to measure even if a busy machine lets
    /// the time pass before anything is sent.
    pub(super) async fn pour(&self, pattern: Pattern, time: Duration) -> Result<(), Failure> {
        let started = Instant::now();
        let mut number = 0;
        while number < LEAST || started.elapsed() < time {
            let message = pattern.message(PAYLOAD, number);
            self.sender.send(message).await.map_err(|error| errors::send(&error))?;
            number += 1;
        }
        self.send(&Message::End).await
    }

    /// Takes messages until the end, checks and counts them.
    pub(super) async fn drain(&mut self, pattern: Pattern) -> Result<Count, Failure> {
        let mut count = Count::default();
        let mut number = 0;
        let mut first = None;
        loop {
            match self.next().await? {
                Message::Payload(contents) => {
                    check(pattern, &contents, number)?;
                    number += 1;
                    // The time begins when the first one has arrived, so that it does not count.
                    match first {
                        None => first = Some(Instant::now()),
                        Some(_) => {
                            count.messages += 1;
                            count.bytes += contents.len() as u64 + 1;
                        }
                    }
                }
                Message::End => {
                    count.time = first.map(|first| first.elapsed()).unwrap_or_default();
                    return Ok(count);
                }
                _ => return Err(unexpected()),
            }
        }
    }
}

/// Fails unless these are the contents of the message whose turn it is.
pub(super) fn check(pattern: Pattern, contents: &[u8], number: u64) -> Result<(), Failure> {
    if pattern.matches(contents, number) {
        Ok(())
    } else {
        let message = format!("message {number} of the measurement is not what was to be sent");
        Err(Failure::new("bench", "wrong_contents", message))
    }
}
