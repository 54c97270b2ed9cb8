#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::digest::Digest;
use crate::failure::Failure;

/// The version of these messages. It is in the offer, which comes first, so that a receiver of another one can say so.
/// Version 1 had none, could not resume, and its offers look like ones of version 0.
const VERSION: u8 = 2;

/// How many bytes of a file a message carries at most: enough that the cost of a message does not matter, little enough
/// that several fit into every queue.
pub(super) const DATA_SIZE: usize = 128 * 1024;

/// The largest message of a transfer, in bytes.
///
/// # Security
///
/// A remote that declares more is cut off at once. Names and reasons are far below.
pub(crate) const MAX_MESSAGE: usize = DATA_SIZE + 1;

/// The longest name or reason, in bytes: what file systems allow for a name is 255.
const MAX_TEXT_SIZE: usize = 1024;

const OFFER: u8 = 1;
const DATA: u8 = 2;
const END: u8 = 3;
const ACCEPT: u8 = 4;
const DONE: u8 = 5;
const REFUSE: u8 = 6;
const HELD: u8 = 7;
const PREFIX: u8 = 8;

/// A message of a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TransferMessage {
    /// A file is about to come.
    Offer(Offer),
    /// An offer of another version of these messages.
    OfferOfVersion(u8),
    /// The next bytes of it.
    Data(Bytes),
    /// These were all.
    End(Digest),
    /// So many bytes of the file are here already, of a transfer that was cut. Are they right?
    Held { length: u64 },
    /// The digest of as many bytes of the file as are held.
    Prefix(Digest),
    /// The file is welcome, from the byte `offset` on: either what is held, or 0.
    Accept { offset: u64 },
    /// The file is complete, under this name.
    Done { digest: Digest, name: String },
    /// The receiver does not want the file or can not keep it, or the sender can not go on with it.
    Refuse { reason: String },
}

/// What a sender says of a file in advance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    /// In bytes.
    pub(super) size: u64,
    /// The same for the same file when it is offered again, and another one as soon as it has changed.
    pub(super) fingerprint: Digest,
    pub(super) name: String,
}

impl TransferMessage {
    /// The byte before the data: whoever reads a file can leave room for it, and need not copy.
    pub(super) const DATA_TAG: u8 = DATA;

    pub(super) fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        match self {
            Self::Offer(Offer {
                size,
                fingerprint,
                name,
            }) => {
                out.put_u8(OFFER);
                out.put_u8(VERSION);
                out.put_u64(*size);
                out.put_slice(fingerprint);
                out.put_slice(name.as_bytes());
            }
            Self::OfferOfVersion(version) => {
                out.put_u8(OFFER);
                out.put_u8(*version);
            }
            Self::Data(data) => {
                out.put_u8(DATA);
                out.put_slice(data);
            }
            Self::End(digest) => {
                out.put_u8(END);
                out.put_slice(digest);
            }
            Self::Held { length } => {
                out.put_u8(HELD);
                out.put_u64(*length);
            }
            Self::Prefix(digest) => {
                out.put_u8(PREFIX);
                out.put_slice(digest);
            }
            Self::Accept { offset } => {
                out.put_u8(ACCEPT);
                out.put_u64(*offset);
            }
            Self::Done { digest, name } => {
                out.put_u8(DONE);
                out.put_slice(digest);
                out.put_slice(name.as_bytes());
            }
            Self::Refuse { reason } => {
                out.put_u8(REFUSE);
                out.put_slice(reason.as_bytes());
            }
        }
        out.freeze()
    }

    pub(super) fn decode(mut bytes: Bytes) -> Result<Self, Failure> {
        let tag = bytes.try_get_u8().map_err(|_| unexpected())?;
        Ok(match tag {
            OFFER => match bytes.try_get_u8().map_err(|_| unexpected())? {
                VERSION => {
                    let size = bytes.try_get_u64().map_err(|_| unexpected())?;
                    let (fingerprint, name) = bytes.split_first_chunk().ok_or_else(unexpected)?;
                    Self::Offer(Offer {
                        size,
                        fingerprint: *fingerprint,
                        name: text(name)?,
                    })
                }
                other => Self::OfferOfVersion(other),
            },
            DATA => Self::Data(bytes),
            END => Self::End(exact(&bytes)?),
            HELD => Self::Held {
                length: u64::from_be_bytes(exact(&bytes)?),
            },
            PREFIX => Self::Prefix(exact(&bytes)?),
            ACCEPT => Self::Accept {
                offset: u64::from_be_bytes(exact(&bytes)?),
            },
            DONE => {
                let (digest, name) = bytes.split_first_chunk().ok_or_else(unexpected)?;
                Self::Done {
                    digest: *digest,
                    name: text(name)?,
                }
            }
            REFUSE => Self::Refuse { reason: text(&bytes)? },
            _ => return Err(unexpected()),
        })
    }
}

fn exact<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Failure> {
    bytes.try_into().map_err(|_| unexpected())
}

fn text(bytes: &[u8]) -> Result<String, Failure> {
    if bytes.len() > MAX_TEXT_SIZE {
        return Err(unexpected());
    }
    String::from_utf8(bytes.to_vec()).map_err(|_| unexpected())
}

/// Why an offer of another version is refused.
pub(super) fn other_version(version: u8) -> String {
    format!(
        "the offer is of version {} of the transfer, and only version {VERSION} is spoken here",
        version.max(1)
    )
}

/// The remote sent something that is no message of a transfer, or not the one whose turn it is.
pub(super) fn unexpected() -> Failure {
    Failure::new(
        "transfer",
        "not_a_transfer",
        "the remote sent something that does not belong to a file transfer",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_survives_the_way() {
        for message in [
            TransferMessage::Offer(Offer {
                size: u64::MAX,
                fingerprint: [3; 32],
                name: "å.txt".into(),
            }),
            TransferMessage::OfferOfVersion(VERSION + 1),
            TransferMessage::Data(Bytes::from_static(b"")),
            TransferMessage::Data(vec![7; DATA_SIZE].into()),
            TransferMessage::End([1; 32]),
            TransferMessage::Held { length: 1 },
            TransferMessage::Prefix([4; 32]),
            TransferMessage::Accept { offset: u64::MAX },
            TransferMessage::Done {
                digest: [2; 32],
                name: "a".into(),
            },
            TransferMessage::Refuse { reason: "full".into() },
        ] {
            let bytes = message.encode();
            assert!(bytes.len() <= MAX_MESSAGE);
            assert_eq!(TransferMessage::decode(bytes).unwrap(), message);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let long = [&[REFUSE][..], &[b'a'; MAX_TEXT_SIZE + 1]].concat();
        for bytes in [
            &b""[..],
            b"\x00",
            b"\x09abc",
            b"\x01",
            b"\x01\x02\0\0\0\0\0\0\0",
            &[&[OFFER, VERSION][..], &[0; 39]].concat(),
            &[&[OFFER, VERSION][..], &[0; 40], b"\xff"].concat(),
            &[HELD; 8],
            &[PREFIX; 32],
            &[END; 32],
            &[END; 34],
            &[DONE; 32],
            &[ACCEPT; 8],
            &[ACCEPT; 10],
            &long,
        ] {
            let error = TransferMessage::decode(Bytes::copy_from_slice(bytes)).unwrap_err();
            assert_eq!(error.error, "not_a_transfer", "{bytes:?}");
        }
    }
}
