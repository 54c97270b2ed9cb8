#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use bytes::{BufMut, Bytes, BytesMut};
use p2p_crypto::PeerId;
use tokio_util::codec::{Decoder, Encoder};

use super::{DEFAULT_MAX_MESSAGE_SIZE, put_message, take_message};
use crate::{DecodeError, EncodeError, Point, PointList, WireReader};

const DISCONNECT: u16 = 0x01;
const BOOTSTRAP: u16 = 0x02;
const ADVERTISE: u16 = 0x03;
const SWAP_REQUEST: u16 = 0x04;
const SWAP_ACK: u16 = 0x05;
const FIRST_APPLICATION_TAG: u16 = 0x10;

/// What Tezos nodes say to each other about the network, around the messages `A` of the application.
/// Octez: `P2p_message.t`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlMessage<A> {
    /// The sender is about to close.
    Disconnect,
    /// Please send me points of other peers.
    Bootstrap,
    /// Points of other peers.
    Advertise(PointList),
    /// An offer to exchange neighbours.
    SwapRequest(Swap),
    /// The answer to an offer.
    SwapAck(Swap),
    /// A message of the application.
    Application(A),
}

/// The neighbour that a swap offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swap {
    /// Where it listens.
    pub point: Point,
    /// Who it is.
    pub peer_id: PeerId,
}

/// How the application's messages become a tag and a payload.
pub trait ApplicationEncoding {
    /// The application's messages.
    type Message;

    /// Appends the payload of `message` and returns its tag, which is 0x10 or more.
    ///
    /// # Errors
    ///
    /// [`EncodeError::Payload`] for what can not be encoded.
    fn encode(&mut self, message: Self::Message, payload: &mut BytesMut) -> Result<u16, EncodeError>;

    /// Decodes the payload of a message whose tag is 0x10 or more. All of it must be consumed.
    ///
    /// # Errors
    ///
    /// [`DecodeError::UnexpectedTag`] for an unknown tag, others as the payload deserves.
    fn decode(&mut self, tag: u16, payload: Bytes) -> Result<Self::Message, DecodeError>;
}

/// The messages of a Tezos node: a `u32` length, a `u16` tag and a payload.
///
/// ```
/// use bytes::{Bytes, BytesMut};
/// use p2p_framing::encoding::{ControlEncoding, ControlMessage, TaggedPayloadEncoding};
/// use tokio_util::codec::{Decoder, Encoder};
///
/// let mut encoding = ControlEncoding::new(TaggedPayloadEncoding);
/// let mut stream = BytesMut::new();
/// encoding.encode(ControlMessage::Bootstrap, &mut stream)?;
/// assert_eq!(stream, &[0, 0, 0, 2, 0, 2][..]);
/// assert_eq!(encoding.decode(&mut stream)?, Some(ControlMessage::Bootstrap));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ControlEncoding<E> {
    application: E,
    maximum: usize,
}

impl<E> ControlEncoding<E> {
    /// Control messages around those of `application`, of at most
    /// [`DEFAULT_MAX_MESSAGE_SIZE`] bytes.
    pub fn new(application: E) -> Self {
        Self::with_maximum(application, DEFAULT_MAX_MESSAGE_SIZE)
    }

    /// Messages of at most `maximum` bytes, the tag included.
    pub fn with_maximum(application: E, maximum: usize) -> Self {
        Self { application, maximum }
    }
}

impl<E: ApplicationEncoding> Encoder<ControlMessage<E::Message>> for ControlEncoding<E> {
    type Error = EncodeError;

    fn encode(&mut self, message: ControlMessage<E::Message>, out: &mut BytesMut) -> Result<(), EncodeError> {
        let application = &mut self.application;
        put_message(out, self.maximum, |out| {
            match message {
                ControlMessage::Disconnect => out.put_u16(DISCONNECT),
                ControlMessage::Bootstrap => out.put_u16(BOOTSTRAP),
                ControlMessage::Advertise(points) => {
                    out.put_u16(ADVERTISE);
                    points.encode(out);
                }
                ControlMessage::SwapRequest(swap) => put_swap(out, SWAP_REQUEST, &swap),
                ControlMessage::SwapAck(swap) => put_swap(out, SWAP_ACK, &swap),
                ControlMessage::Application(message) => {
                    let start = out.len();
                    out.put_u16(0);
                    let tag = application.encode(message, out)?;
                    if tag < FIRST_APPLICATION_TAG {
                        return Err(EncodeError::ReservedTag { tag });
                    }
                    if let Some(place) = out.get_mut(start..).and_then(<[u8]>::first_chunk_mut) {
                        *place = tag.to_be_bytes();
                    }
                }
            }
            Ok(())
        })
    }
}

impl<E: ApplicationEncoding> Decoder for ControlEncoding<E> {
    type Item = ControlMessage<E::Message>;
    type Error = DecodeError;

    fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Self::Item>, DecodeError> {
        let Some(body) = take_message(input, self.maximum)? else {
            return Ok(None);
        };
        let body = body.freeze();
        let mut reader = WireReader::new(&body);
        let message = match reader.u16()? {
            DISCONNECT => finished(reader, ControlMessage::Disconnect)?,
            BOOTSTRAP => finished(reader, ControlMessage::Bootstrap)?,
            ADVERTISE => ControlMessage::Advertise(PointList::decode(reader.rest())?),
            SWAP_REQUEST => ControlMessage::SwapRequest(take_swap(reader)?),
            SWAP_ACK => ControlMessage::SwapAck(take_swap(reader)?),
            tag if tag < FIRST_APPLICATION_TAG => return Err(DecodeError::UnexpectedTag { tag }),
            tag => {
                let payload = body.slice_ref(reader.rest());
                ControlMessage::Application(self.application.decode(tag, payload)?)
            }
        };
        Ok(Some(message))
    }
}

fn put_swap(out: &mut BytesMut, tag: u16, swap: &Swap) {
    out.put_u16(tag);
    swap.point.encode(out);
    out.put_slice(swap.peer_id.as_bytes());
}

fn take_swap(mut reader: WireReader<'_>) -> Result<Swap, DecodeError> {
    let point = Point::decode(&mut reader)?;
    let peer_id = PeerId::from_bytes(reader.array()?);
    finished(reader, Swap { point, peer_id })
}

fn finished<T>(reader: WireReader<'_>, value: T) -> Result<T, DecodeError> {
    reader.finish()?;
    Ok(value)
}

/// An application message that is kept as it is on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaggedPayload {
    /// What kind of message it is: 0x10 or more.
    pub tag: u16,
    /// Everything behind the tag.
    pub payload: Bytes,
}

/// Keeps application messages as they are: for tools that look at a network without being part of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct TaggedPayloadEncoding;

impl ApplicationEncoding for TaggedPayloadEncoding {
    type Message = TaggedPayload;

    fn encode(&mut self, message: TaggedPayload, payload: &mut BytesMut) -> Result<u16, EncodeError> {
        payload.put_slice(&message.payload);
        Ok(message.tag)
    }

    fn decode(&mut self, tag: u16, payload: Bytes) -> Result<TaggedPayload, DecodeError> {
        Ok(TaggedPayload { tag, payload })
    }
}
