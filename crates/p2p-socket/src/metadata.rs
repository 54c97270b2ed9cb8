use std::fmt;

use bytes::{BufMut, BytesMut};
use p2p_framing::{DecodeError, WireReader};

/// What two peers tell each other about themselves in the second step of the handshake. Octez: `P2p_params.conn_meta`.
///
/// The encoding must fit into one chunk (65517 bytes) and is consumed exactly.
///
/// ```
/// use bytes::{BufMut, BytesMut};
/// use p2p_framing::{DecodeError, WireReader};
/// use p2p_socket::Metadata;
///
/// #[derive(Clone, Debug)]
/// struct Capacity { messages_per_second: u32 }
///
/// impl Metadata for Capacity {
///     fn encode(&self, out: &mut BytesMut) {
///         out.put_u32(self.messages_per_second);
///     }
///
///     fn decode(reader: &mut WireReader<'_>) -> Result<Self, DecodeError> {
///         Ok(Self { messages_per_second: reader.u32()? })
///     }
/// }
/// ```
pub trait Metadata: Clone + fmt::Debug + Send + Sync + 'static {
    /// Appends the encoding.
    fn encode(&self, out: &mut BytesMut);

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    ///
    /// Any [`DecodeError`] that fits; the handshake then ends with it.
    fn decode(reader: &mut WireReader<'_>) -> Result<Self, DecodeError>;

    /// Whether the peer asks not to be told to others. Octez: `private_node`.
    fn is_private(&self) -> bool {
        false
    }
}

/// No metadata: an empty chunk.
impl Metadata for () {
    fn encode(&self, _: &mut BytesMut) {}

    fn decode(_: &mut WireReader<'_>) -> Result<Self, DecodeError> {
        Ok(())
    }
}

/// The metadata of a Tezos node. Octez: `Connection_metadata.t`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct NodeMetadata {
    /// Please send me no operations that are not in a block.
    pub disable_mempool: bool,
    /// Please don't tell others about me.
    pub private_node: bool,
}

impl Metadata for NodeMetadata {
    fn encode(&self, out: &mut BytesMut) {
        for flag in [self.disable_mempool, self.private_node] {
            out.put_u8(if flag { 0xff } else { 0x00 });
        }
    }

    fn decode(reader: &mut WireReader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            disable_mempool: reader.bool()?,
            private_node: reader.bool()?,
        })
    }

    fn is_private(&self) -> bool {
        self.private_node
    }
}
