//! What goes over connections.

#[cfg(feature = "metrics")]
use metrics::{Counter, counter};

/// Counts the messages of one connection. It has the counters at hand, so that a message costs an addition.
pub(crate) struct Traffic {
    #[cfg(feature = "metrics")]
    sent: Counter,
    #[cfg(feature = "metrics")]
    received: Counter,
}

impl Traffic {
    pub(crate) fn new() -> Self {
        Self {
            #[cfg(feature = "metrics")]
            sent: counter!("p2p_socket_sent_messages_total"),
            #[cfg(feature = "metrics")]
            received: counter!("p2p_socket_received_messages_total"),
        }
    }

    pub(crate) fn sent_message(&self) {
        #[cfg(feature = "metrics")]
        self.sent.increment(1);
    }

    pub(crate) fn received_message(&self) {
        #[cfg(feature = "metrics")]
        self.received.increment(1);
    }
}

impl std::fmt::Debug for Traffic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Traffic")
    }
}

/// Counted once for each call of the operating system, which costs far more.
pub(crate) fn sent_bytes(count: usize) {
    #[cfg(feature = "metrics")]
    counter!("p2p_socket_sent_bytes_total").increment(count as u64);
    #[cfg(not(feature = "metrics"))]
    let _ = count;
}

pub(crate) fn received_bytes(count: usize) {
    #[cfg(feature = "metrics")]
    counter!("p2p_socket_received_bytes_total").increment(count as u64);
    #[cfg(not(feature = "metrics"))]
    let _ = count;
}
