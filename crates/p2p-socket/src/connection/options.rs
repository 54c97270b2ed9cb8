use p2p_framing::{ChunkSize, MAX_RECEIVED_CHUNK_SIZE};

/// How a connection behaves. The default is right for most.
///
/// ```
/// use p2p_framing::ChunkSize;
/// use p2p_socket::ConnectionOptions;
///
/// let options = ConnectionOptions {
///     chunk_size: ChunkSize::new(16 * 1024)?,
///     incoming_queue: 1024 * 1024,
///     ..ConnectionOptions::default()
/// };
/// # Ok::<(), p2p_framing::InvalidChunkSize>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct ConnectionOptions {
    /// How large the chunks that we send may be. Octez: `binary_chunks_size`.
    #[cfg_attr(feature = "serde", serde(with = "crate::human::chunk_size"))]
    pub chunk_size: ChunkSize,
    /// How messages are put into chunks.
    pub packing: Packing,
    /// How many bytes of received messages may wait to be taken, the partly received one included; a message above
    /// 256 KiB counts with the whole buffer that it came in. When the queue is full nothing more is read, and the remote
    /// feels it. A message must fit into it whole; only the chunk that ends such a large message may go beyond. At least
    /// [`MIN_INCOMING_QUEUE`](Self::MIN_INCOMING_QUEUE). Octez: `incoming_message_queue_size`.
    #[cfg_attr(feature = "serde", serde(with = "crate::human::size"))]
    pub incoming_queue: usize,
    /// How many bytes of messages may wait to be sent. A message must fit into it whole.
    /// Octez: `outgoing_message_queue_size`.
    #[cfg_attr(feature = "serde", serde(with = "crate::human::size"))]
    pub outgoing_queue: usize,
}

impl ConnectionOptions {
    /// The default of both queues, 8 MiB each, as in the reference.
    ///
    /// # Security
    ///
    /// A remote that sends faster than we read, or reads slower than we send, makes us hold no more than this.
    pub const DEFAULT_QUEUE: usize = 8 * 1024 * 1024;

    /// The smallest incoming queue: the largest chunk, which can only be opened whole, and a message beside it.
    pub const MIN_INCOMING_QUEUE: usize = 2 * MAX_RECEIVED_CHUNK_SIZE;

    /// The largest outgoing queue: 4 GiB - 1.
    pub const MAX_OUTGOING_QUEUE: usize = u32::MAX as usize;

    /// What each waiting message counts for beyond its bytes.
    ///
    /// # Security
    ///
    /// It is what the queues and the allocator keep for a message, measured and rounded up. Without it, the shortest
    /// messages would take many times the memory that the bound promises.
    pub const MESSAGE_OVERHEAD: usize = 128;

    pub(crate) fn validate(&self) -> Result<(), InvalidOptions> {
        if self.incoming_queue < Self::MIN_INCOMING_QUEUE {
            return Err(InvalidOptions::IncomingQueue {
                value: self.incoming_queue,
                min: Self::MIN_INCOMING_QUEUE,
            });
        }
        let (min, max) = (Self::MESSAGE_OVERHEAD, Self::MAX_OUTGOING_QUEUE);
        if !(min..=max).contains(&self.outgoing_queue) {
            return Err(InvalidOptions::OutgoingQueue {
                value: self.outgoing_queue,
                min,
                max,
            });
        }
        Ok(())
    }
}

impl Default for ConnectionOptions {
    fn default() -> Self {
        Self {
            chunk_size: ChunkSize::MAX,
            packing: Packing::default(),
            incoming_queue: Self::DEFAULT_QUEUE,
            outgoing_queue: Self::DEFAULT_QUEUE,
        }
    }
}

/// How messages are put into chunks. Receivers don't care: every Tezos node reads both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Packing {
    /// As many waiting messages into a chunk as fit. The first one never waits for a second.
    #[default]
    Packed,
    /// Every message begins a chunk of its own, as in the reference.
    OneMessagePerChunk,
}

/// Options that contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidOptions {
    /// The incoming queue can not hold a chunk.
    #[error("an incoming queue of {value} bytes is too small: it must hold at least {min}")]
    IncomingQueue {
        /// What was asked for, in bytes.
        value: usize,
        /// The smallest possible, in bytes.
        min: usize,
    },
    /// The outgoing queue is out of range.
    #[error("an outgoing queue of {value} bytes: it must lie between {min} and {max}")]
    OutgoingQueue {
        /// What was asked for, in bytes.
        value: usize,
        /// The smallest possible, in bytes.
        min: usize,
        /// The largest possible, in bytes.
        max: usize,
    },
}
