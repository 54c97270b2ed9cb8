//! What the two sides of a measurement say to each other.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::failure::Failure;

/// The version of these messages. It is in each request, so that a server of another one can say so.
const VERSION: u8 = 1;

/// The largest message of a measurement, in bytes.
///
/// # Security
///
/// A remote that declares more is cut off at once.
pub(super) const MAX_MESSAGE: usize = 1024 * 1024;

/// The longest reason, in bytes.
const MAX_REASON: usize = 1024;

const REQUEST: u8 = 1;
const READY: u8 = 2;
const REFUSE: u8 = 3;
pub(super) const PAYLOAD: u8 = 4;
const END: u8 = 5;
const RESULT: u8 = 6;

/// A message of a measurement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// The client wants something to be measured.
    Request(Request),
    /// A request of another version.
    RequestOfVersion(u8),
    /// The server begins.
    Ready,
    /// The server does not.
    Refuse { reason: String },
    /// What is measured: see [`Pattern`](super::pattern::Pattern).
    Payload(Bytes),
    /// That was all.
    End,
    /// What the receiving side has counted and checked.
    Result(Count),
}

/// What is to be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) what: What,
    /// Of the messages, in bytes.
    pub(super) message_size: u32,
    pub(super) duration: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The client sends, and the server sends everything back.
    Echo,
    /// The client sends.
    Upload,
    /// The server sends.
    Download,
}

impl What {
    /// As the client sees it.
    pub(super) fn direction(self) -> &'static str {
        match self {
            Self::Echo => "round trip",
            Self::Upload => "upload",
            Self::Download => "download",
        }
    }
}

/// What has arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) messages: u64,
    /// Of the messages, as the program has them; the encryption adds to that on the wire.
    pub(super) bytes: u64,
    /// Between the arrival of the first one, which is not counted, and of the end.
    pub(super) time: Duration,
}

impl Message {
    pub(super) fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        match self {
            Self::Request(request) => {
                out.put_u8(REQUEST);
                out.put_u8(VERSION);
                out.put_u8(match request.what {
                    What::Echo => 0,
                    What::Upload => 1,
                    What::Download => 2,
                });
                out.put_u32(request.message_size);
                out.put_u32(u32::try_from(request.duration.as_millis()).unwrap_or(u32::MAX));
            }
            Self::RequestOfVersion(version) => {
                out.put_u8(REQUEST);
                out.put_u8(*version);
            }
            Self::Ready => out.put_u8(READY),
            Self::Refuse { reason } => {
                out.put_u8(REFUSE);
                out.put_slice(reason.as_bytes());
            }
            Self::Payload(payload) => {
                out.put_u8(PAYLOAD);
                out.put_slice(payload);
            }
            Self::End => out.put_u8(END),
            Self::Result(count) => {
                out.put_u8(RESULT);
                out.put_u64(count.messages);
                out.put_u64(count.bytes);
                out.put_u64(u64::try_from(count.time.as_nanos()).unwrap_or(u64::MAX));
            }
        }
        out.freeze()
    }

    pub(super) fn decode(bytes: Bytes) -> Result<Self, Failure> {
        Self::take(bytes).ok_or_else(unexpected)
    }

    fn take(mut bytes: Bytes) -> Option<Self> {
        let message = match bytes.try_get_u8().ok()? {
            PAYLOAD => return Some(Self::Payload(bytes)),
            REFUSE if bytes.len() <= MAX_REASON => {
                return String::from_utf8(bytes.into())
                    .ok()
                    .map(|reason| Self::Refuse { reason });
            }
            REQUEST => match bytes.try_get_u8().ok()? {
                VERSION => Self::Request(Request {
                    what: match bytes.try_get_u8().ok()? {
                        0 => What::Echo,
                        1 => What::Upload,
                        2 => What::Download,
                        _ => return None,
                    },
                    message_size: bytes.try_get_u32().ok()?,
                    duration: Duration::from_millis(bytes.try_get_u32().ok()?.into()),
                }),
                other => return Some(Self::RequestOfVersion(other)),
            },
            READY => Self::Ready,
            END => Self::End,
            RESULT => Self::Result(Count {
                messages: bytes.try_get_u64().ok()?,
                bytes: bytes.try_get_u64().ok()?,
                time: Duration::from_nanos(bytes.try_get_u64().ok()?),
            }),
            _ => return None,
        };
        bytes.is_empty().then_some(message)
    }
}

/// Why a request of another version is refused.
pub(super) fn other_version(version: u8) -> String {
    format!("the request is of version {version} of the measurement, and only version {VERSION} is spoken here")
}

/// The remote sent something that is no message of a measurement, or not the one whose turn it is.
pub(super) fn unexpected() -> Failure {
    Failure::new(
        "bench",
        "not_a_measurement",
        "the remote sent something that does not belong to a measurement",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_survives_the_way_and_nothing_else_does() {
        let request = |what| {
            Message::Request(Request {
                what,
                message_size: u32::MAX,
                duration: Duration::from_millis(u32::MAX.into()),
            })
        };
        for message in [
            request(What::Echo),
            request(What::Upload),
            request(What::Download),
            Message::RequestOfVersion(VERSION + 1),
            Message::Ready,
            Message::Refuse { reason: "no".into() },
            Message::Payload(Bytes::from_static(b"x")),
            Message::End,
            Message::Result(Count {
                messages: 1,
                bytes: u64::MAX,
                time: Duration::from_nanos(3),
            }),
        ] {
            let bytes = message.encode();
            let open = matches!(
                message,
                Message::RequestOfVersion(_) | Message::Refuse { .. } | Message::Payload(_)
            );
            if !open {
                let longer = [&bytes[..], b"x"].concat();
                assert!(Message::decode(longer.into()).is_err(), "{message:?}");
                assert!(Message::decode(bytes.slice(..bytes.len() - 1)).is_err(), "{message:?}");
            }
            assert_eq!(Message::decode(bytes).unwrap(), message);
        }
        let long = [&[REFUSE][..], &[b'a'; MAX_REASON + 1]].concat();
        for bytes in [
            &b""[..],
            b"\x00",
            b"\x07",
            b"\x01\x01\x03\0\0\0\0\0\0\0\0",
            b"\x03\xff",
            &long,
        ] {
            assert!(Message::decode(Bytes::copy_from_slice(bytes)).is_err(), "{bytes:?}");
        }
    }
}
