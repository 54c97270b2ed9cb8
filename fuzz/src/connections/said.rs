//! What one side of a talk has said, and what has become of it.

use bytes::Bytes;
use p2p_socket::ConnectionOptions;

/// The messages of one side.
#[derive(Default)]
pub(super) struct Said {
    messages: Vec<Message>,
    /// How many of them have been received, or will never be.
    heard: usize,
    /// How many of them have left.
    flushed: usize,
}

struct Message {
    content: Bytes,
    /// Whether it is known to be on its way: then it must arrive, unless the connection ends.
    is_sent: bool,
    has_arrived: bool,
}

impl Said {
    /// The next message, different from all others.
    pub(super) fn begin(&mut self, content: &[u8]) -> Bytes {
        let number = u32::try_from(self.messages.len()).expect("a short script");
        let content = Bytes::from([&number.to_be_bytes(), content].concat());
        self.messages.push(Message {
            content: content.clone(),
            is_sent: false,
            has_arrived: false,
        });
        content
    }

    /// What became of the last message. It may be on its way although nobody knows.
    pub(super) fn end(&mut self, is_sent: bool) {
        if let Some(message) = self.messages.last_mut() {
            message.is_sent = is_sent;
        }
    }

    pub(super) fn hear(&mut self, content: &Bytes) {
        loop {
            let message = self.messages.get_mut(self.heard);
            let message = message.expect("nobody said that, or it came twice or out of order");
            self.heard += 1;
            if message.content == *content {
                message.has_arrived = true;
                return;
            }
            assert!(!message.is_sent, "a message is lost or out of order");
        }
    }

    /// Whether everything has been received that must be.
    pub(super) fn is_understood(&self) -> bool {
        self.messages.iter().skip(self.heard).all(|message| !message.is_sent)
    }

    /// How many bytes of an incoming queue would hold what may not have been received.
    pub(super) fn unheard(&self) -> usize {
        let messages = self.messages.iter().skip(self.heard);
        messages
            .map(|message| message.content.len() + ConnectionOptions::MESSAGE_OVERHEAD)
            .sum()
    }

    /// The wire has all that was said.
    pub(super) fn are_flushed(&mut self) {
        self.flushed = self.messages.len();
    }

    pub(super) fn check_flushed(&self) {
        let flushed = &mut self.messages.iter().take(self.flushed);
        assert!(
            flushed.all(|message| message.has_arrived || !message.is_sent),
            "a message that was flushed is lost"
        );
    }
}
