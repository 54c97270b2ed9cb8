//! One side of a talk, and what it does.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use p2p_socket::{
    CloseError, ConnectionError, ConnectionOptions, Control, DisconnectionReason, Drain, NodeMetadata, Received,
    Receiver, SendError, Sender, TrySendError,
};
use tokio::{
    task::{JoinError, JoinHandle},
    time::timeout,
};

use super::{LIMIT, LONG, RawConnection, said::Said};
use crate::script::Script;

pub(super) struct Side {
    sender: Option<Sender<Bytes>>,
    pub(super) receiver: Option<Receiver<Bytes>>,
    control: Control<NodeMetadata>,
    pending: Option<Pending>,
    closing: Option<Closing>,
    pub(super) said: Said,
    /// Whether it has done something that ends the connection.
    pub(super) is_ending: bool,
}

/// A future that goes on beside everything else.
struct Pending {
    task: JoinHandle<Result<(), SendError>>,
    kind: Kind,
}

/// What a pending future does.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Brings the last message into the queue.
    Send,
    /// The same, and waits until the wire has it.
    SendFlushed,
    /// Waits until the wire has everything that was sent before.
    Flush,
}

struct Closing {
    task: JoinHandle<Result<(), CloseError>>,
    drain: Drain,
}

/// What is received to the end, the end included.
pub(super) type Receiving = JoinHandle<Vec<Result<Received<Bytes>, ConnectionError>>>;

impl Side {
    pub(super) fn new(connection: RawConnection) -> Self {
        let (sender, receiver, control) = connection.split();
        Self {
            sender: Some(sender),
            receiver: Some(receiver),
            control,
            pending: None,
            closing: None,
            said: Said::default(),
            is_ending: false,
        }
    }

    /// Sends, in one of the ways that there are, unless it does so already.
    pub(super) async fn send(&mut self, content: &[u8], script: &mut Script<'_>) {
        self.look().await;
        let Some(sender) = self.sender.clone().filter(|_| self.pending.is_none()) else {
            return;
        };
        let message = self.said.begin(content);
        let how = script.byte();
        match how % 5 {
            0 => self.said.end(match sender.try_send(message) {
                Err(TrySendError::Full(encoded)) => sender.try_send_encoded(&encoded).is_ok(),
                sent => sent.is_ok(),
            }),
            1 => self.begin(Kind::Send, async move { sender.send(message).await }),
            2 => self.begin(Kind::SendFlushed, async move { sender.send_flushed(message).await }),
            3 => self.begin(Kind::Send, async move {
                let encoded = sender.encode(message)?;
                sender.send_encoded(&encoded).await
            }),
            _ => {
                let (mut sending, mut cx) = (pin!(sender.send(message)), Context::from_waker(Waker::noop()));
                let mut polls = (0..how / 5 % 4).map(|_| sending.as_mut().poll(&mut cx));
                let sent = polls.find(Poll::is_ready);
                self.said.end(matches!(sent, Some(Poll::Ready(Ok(())))));
            }
        }
    }

    pub(super) async fn flush(&mut self) {
        self.look().await;
        if let Some(sender) = self.sender.clone().filter(|_| self.pending.is_none()) {
            self.begin(Kind::Flush, async move { sender.flush().await });
        }
    }

    fn begin(&mut self, kind: Kind, future: impl Future<Output = Result<(), SendError>> + Send + 'static) {
        let task = tokio::spawn(future);
        self.pending = Some(Pending { task, kind });
    }

    /// Drops the pending future, or takes what became of it.
    pub(super) async fn give_up(&mut self) {
        if let Some(Pending { task, kind }) = self.pending.take() {
            task.abort();
            let sent = task.await;
            assert!(!sent.as_ref().is_err_and(JoinError::is_panic), "a sender panicked");
            self.end(kind, matches!(sent, Ok(Ok(()))));
        }
    }

    /// Takes what became of the pending future, if that is known.
    async fn look(&mut self) {
        if self.pending.as_ref().is_some_and(|pending| pending.task.is_finished()) {
            self.wait_for_pending().await;
        }
    }

    /// Whether it went well. That there was nothing to wait for is fine.
    pub(super) async fn wait_for_pending(&mut self) -> bool {
        let Some(Pending { task, kind }) = self.pending.take() else {
            return true;
        };
        let sent = timeout(LONG, task).await.expect("a sender waits for ever");
        let sent = sent.expect("a sender panicked");
        self.end(kind, sent.is_ok());
        !matches!(sent, Err(SendError::Closed(_)))
    }

    fn end(&mut self, kind: Kind, is_done: bool) {
        if kind != Kind::Flush {
            self.said.end(is_done);
        }
        if kind != Kind::Send && is_done {
            self.said.are_flushed();
        }
    }

    pub(super) fn close(&mut self, drain: Drain) {
        self.is_ending = true;
        if self.closing.is_none() {
            let control = self.control.clone();
            let task = tokio::spawn(async move { control.close(DisconnectionReason::ExplicitRequest, drain).await });
            self.closing = Some(Closing { task, drain });
        }
    }

    /// Whether it has closed, and all that was said before has arrived.
    pub(super) async fn wait_for_close(&mut self) -> bool {
        let Some(Closing { task, drain }) = self.closing.take() else {
            return false;
        };
        let closed = timeout(2 * LIMIT, task)
            .await
            .expect("closing takes longer than it may");
        closed.expect("closing panicked").is_ok() && drain != Drain::Discard
    }

    /// Drops the sender or the receiver, or cancels everything.
    pub(super) fn drop_half(&mut self, which: u8) {
        match which % 4 {
            0 => self.sender = None,
            1 => self.receiver = None,
            _ => {
                self.control.cancellation().cancel();
                self.is_ending = true;
            }
        }
        self.is_ending |= self.sender.is_none() && self.receiver.is_none();
    }

    pub(super) async fn check_queue_is_empty(&mut self) {
        self.look().await;
        assert!(self.pending.is_none(), "a sender waits although there is room");
        let queued = self.sender.as_ref().map_or(0, Sender::queued_bytes);
        assert_eq!(queued, 0, "something was left in the queue");
    }

    pub(super) fn check_bound(&self) {
        let used = self.receiver.as_ref().map_or(0, Receiver::queued_bytes);
        assert!(used <= ConnectionOptions::MIN_INCOMING_QUEUE, "too much is read ahead");
    }

    /// Lets everything arrive that was sent, without any help.
    pub(super) async fn say_all(&mut self, listener: &mut Self) {
        let Some(receiver) = &mut listener.receiver else {
            assert!(self.wait_for_pending().await, "an honest connection has ended");
            return;
        };
        let pending = self.pending.take();
        let kind = pending.as_ref().map(|pending| pending.kind);
        let mut task = pending.map(|pending| pending.task);
        while task.is_some() || !self.said.is_understood() {
            let event = async {
                match &mut task {
                    Some(task) => tokio::select! {
                        sent = task => Err(sent.expect("a sender panicked")),
                        received = receiver.recv() => Ok(received),
                    },
                    None => Ok(receiver.recv().await),
                }
            };
            match timeout(LONG, event).await.expect("somebody waits for ever") {
                Ok(received) => self.said.hear(&received.expect("an honest connection").message),
                Err(sent) => {
                    assert!(
                        !matches!(sent, Err(SendError::Closed(_))),
                        "an honest connection has ended"
                    );
                    task = None;
                    kind.into_iter().for_each(|kind| self.end(kind, sent.is_ok()));
                }
            }
        }
    }

    /// Receives to the end, beside everything else.
    pub(super) fn receive_all(&mut self) -> Option<Receiving> {
        let mut receiver = self.receiver.take()?;
        Some(tokio::spawn(async move {
            let mut all = Vec::new();
            loop {
                let received = receiver.recv().await;
                let is_last = received.is_err();
                all.push(received);
                if is_last {
                    return all;
                }
            }
        }))
    }
}
