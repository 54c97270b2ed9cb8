#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::failure::Failure;

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

const DIGEST_SIZE: usize = 32;

/// BLAKE2b-256 of a file's contents.
pub(super) type Digest = [u8; DIGEST_SIZE];

const OFFER: u8 = 1;
const DATA: u8 = 2;
const END: u8 = 3;
const ACCEPT: u8 = 4;
const DONE: u8 = 5;
const REFUSE: u8 = 6;

/// A message of a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TransferMessage {
    /// A file is about to come.
    Offer { size: u64, name: String },
    /// The next bytes of it.
    Data(Bytes),
    /// These were all.
    End(Digest),
    /// The file is welcome.
    Accept,
    /// The file is complete, under this name.
    Done { digest: Digest, name: String },
    /// The receiver does not want the file, or can not keep it.
    Refuse { reason: String },
}

impl TransferMessage {
    /// The byte before the data: whoever reads a file can leave room for it, and need not copy.
    pub(super) const DATA_TAG: u8 = DATA;

    pub(super) fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        match self {
            Self::Offer { size, name } => {
                out.put_u8(OFFER);
                out.put_u64(*size);
                out.put_slice(name.as_bytes());
            }
            Self::Data(data) => {
                out.put_u8(DATA);
                out.put_slice(data);
            }
            Self::End(digest) => {
                out.put_u8(END);
                out.put_slice(digest);
            }
            Self::Accept => out.put_u8(ACCEPT),
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
            OFFER => Self::Offer {
                size: bytes.try_get_u64().map_err(|_| unexpected())?,
                name: text(&bytes)?,
            },
            DATA => Self::Data(bytes),
            END => Self::End(bytes.as_ref().try_into().map_err(|_| unexpected())?),
            ACCEPT if bytes.is_empty() => Self::Accept,
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

fn text(bytes: &[u8]) -> Result<String, Failure> {
    if bytes.len() > MAX_TEXT_SIZE {
        return Err(unexpected());
    }
    String::from_utf8(bytes.to_vec()).map_err(|_| unexpected())
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
            TransferMessage::Offer {
                size: u64::MAX,
                name: "å.txt".into(),
            },
            TransferMessage::Data(Bytes::from_static(b"")),
            TransferMessage::Data(vec![7; DATA_SIZE].into()),
            TransferMessage::End([1; 32]),
            TransferMessage::Accept,
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
            b"\x07abc",
            b"\x01\0\0\0\0\0\0\0",
            b"\x01\0\0\0\0\0\0\0\x09\xff",
            &[END; 32],
            &[END; 34],
            &[DONE; 32],
            &[ACCEPT; 2],
            &long,
        ] {
            let error = TransferMessage::decode(Bytes::copy_from_slice(bytes)).unwrap_err();
            assert_eq!(error.error, "not_a_transfer", "{bytes:?}");
        }
    }
}
