use std::marker::PhantomData;

use bincode::{config, error as bincode_error, serde as bincode_serde};
use bytes::{BufMut, BytesMut};
use serde::{Serialize, de::DeserializeOwned};
use tokio_util::codec::{Decoder, Encoder};

use super::{DEFAULT_MAX_MESSAGE_SIZE, put_message, take_message};
use crate::{DecodeError, EncodeError};

const CONFIG: config::Configuration = config::standard();

/// Decodes a value from all of `body`.
///
/// bincode allocates the declared length of a string before it looks for its bytes, up to a limit that must be known
/// when it is compiled; the failure of an allocation ends the process. So the limit follows the size of the body in
/// steps. Integers count for their full width even if they take one byte, hence the factor of 16.
fn decode<M: DeserializeOwned>(body: &[u8]) -> Result<(M, usize), bincode_error::DecodeError> {
    macro_rules! by_size {
        ($($bits:literal)*) => {
            match body.len() {
                $(size if size <= 1 << $bits => {
                    bincode_serde::decode_from_slice(body, CONFIG.with_limit::<{ 16 << $bits }>())
                })*
                _ => Err(bincode_error::DecodeError::LimitExceeded),
            }
        };
    }
    by_size!(8 10 12 14 16 18 20 22 24 26)
}

/// Messages of any serde type `M`: a `u32` length and the value in [bincode]'s standard format.
///
/// bincode is no longer maintained; for something new take [`PostcardEncoding`](super::PostcardEncoding). Messages above
/// 64 MiB are not decoded.
///
/// # Security
///
/// A declared length inside of a message may reserve up to 64 times the size of the message, until it turns out to be
/// wrong. A recursive `M` lets a remote exhaust the stack: there is no limit to how deep values may be nested.
///
/// [bincode]: https://docs.rs/bincode/2.0.1
///
/// ```
/// use bytes::BytesMut;
/// use p2p_framing::encoding::BincodeEncoding;
/// use tokio_util::codec::{Decoder, Encoder};
///
/// let mut encoding = BincodeEncoding::<(u32, String)>::default();
/// let mut stream = BytesMut::new();
/// encoding.encode((7, "seven".into()), &mut stream)?;
/// assert_eq!(encoding.decode(&mut stream)?.unwrap(), (7, "seven".to_owned()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct BincodeEncoding<M> {
    maximum: usize,
    message: PhantomData<fn(M) -> M>,
}

impl<M> BincodeEncoding<M> {
    /// Messages of at most `maximum` bytes when encoded.
    #[must_use]
    pub fn new(maximum: usize) -> Self {
        Self {
            maximum,
            message: PhantomData,
        }
    }
}

impl<M> Default for BincodeEncoding<M> {
    fn default() -> Self {
        Self::new(DEFAULT_MAX_MESSAGE_SIZE)
    }
}

impl<M> Clone for BincodeEncoding<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for BincodeEncoding<M> {}

impl<M: Serialize> Encoder<M> for BincodeEncoding<M> {
    type Error = EncodeError;

    fn encode(&mut self, message: M, out: &mut BytesMut) -> Result<(), EncodeError> {
        put_message(out, self.maximum, |out| {
            let result = bincode_serde::encode_into_std_write(&message, &mut out.writer(), CONFIG);
            result
                .map(drop)
                .map_err(|error: bincode_error::EncodeError| EncodeError::Payload(error.into()))
        })
    }
}

impl<M: DeserializeOwned> Decoder for BincodeEncoding<M> {
    type Item = M;
    type Error = DecodeError;

    fn decode(&mut self, input: &mut BytesMut) -> Result<Option<M>, DecodeError> {
        let Some(body) = take_message(input, self.maximum)? else {
            return Ok(None);
        };
        match decode(&body) {
            Ok((message, read)) if read == body.len() => Ok(Some(message)),
            Ok((_, read)) => Err(DecodeError::ExtraBytes {
                count: body.len() - read,
            }),
            Err(error) => Err(DecodeError::Payload(error.into())),
        }
    }
}
