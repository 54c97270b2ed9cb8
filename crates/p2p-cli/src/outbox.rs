//! Sending to a remote that may have stopped reading.

use std::{future::Future, pin::pin, time::Duration};

use bytes::Bytes;
use p2p_socket::{Control, EncodedMessage, NodeMetadata, SendError, Sender};
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
        self.watch(self.sender.send(message)).await
    }

    /// The same for a message that is encoded already.
    pub(crate) async fn send_encoded(&self, message: &EncodedMessage<Bytes>) -> Result<(), Failure> {
        self.watch(self.sender.send_encoded(message)).await
    }

    async fn watch(&self, sending: impl Future<Output = Result<(), SendError>>) -> Result<(), Failure> {
        let mut sending = pin!(sending);
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
