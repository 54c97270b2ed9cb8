//! Sending to a remote that may have stopped reading.

use std::{pin::pin, time::Duration};

use bytes::Bytes;
use p2p_socket::{Control, NodeMetadata, Sender};
use tokio::time::timeout;

use crate::{errors, failure::Failure};

/// A sender that gives up when nothing has left for too long. A low limit of our own or a slow remote does not count:
/// only a connection that stands still.
pub(crate) struct Outbox {
    pub(crate) sender: Sender<Bytes>,
    pub(crate) control: Control<NodeMetadata>,
    /// How long nothing may leave while a message waits for room.
    pub(crate) patience: Duration,
}

impl Outbox {
    pub(crate) async fn send(&self, message: Bytes) -> Result<(), Failure> {
        let mut sending = pin!(self.sender.send(message));
        let mut sent = self.control.stat().total_sent;
        loop {
            if let Ok(result) = timeout(self.patience, &mut sending).await {
                return result.map_err(|error| errors::send(&error));
            }
            let before = std::mem::replace(&mut sent, self.control.stat().total_sent);
            if sent == before {
                let seconds = self.patience.as_secs_f64();
                let message = format!("the remote has taken nothing for {seconds} s");
                return Err(Failure::new("session", "timeout", message));
            }
        }
    }
}
