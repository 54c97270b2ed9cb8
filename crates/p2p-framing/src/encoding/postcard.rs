use std::marker::PhantomData;

use bytes::{BufMut, BytesMut};
use serde::{Serialize, de::DeserializeOwned};
use tokio_util::codec::{Decoder, Encoder};

use super::{DEFAULT_MAX_MESSAGE_SIZE, put_message, take_message};
use crate::{DecodeError, EncodeError};

/// Messages of any serde type `M`: a `u32` length and the value in [postcard]'s format.
///
/// # Security
///
/// A recursive `M` lets a remote exhaust the stack: there is no limit to how deep values may be nested.
///
/// [postcard]: https://docs.rs/postcard
///
/// ```
/// use bytes::BytesMut;
/// use p2p_framing::encoding::PostcardEncoding;
/// use tokio_util::codec::{Decoder, Encoder};
///
/// let mut encoding = PostcardEncoding::<(u32, String)>::default();
/// let mut stream = BytesMut::new();
/// encoding.encode((7, "seven".into()), &mut stream)?;
/// assert_eq!(encoding.decode(&mut stream)?.unwrap(), (7, "seven".to_owned()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct PostcardEncoding<M> {
    maximum: usize,
    message: PhantomData<fn(M) -> M>,
}

impl<M> PostcardEncoding<M> {
    /// Messages of at most `maximum` bytes when encoded.
    #[must_use]
    pub fn new(maximum: usize) -> Self {
        Self {
            maximum,
            message: PhantomData,
        }
    }
}

impl<M> Default for PostcardEncoding<M> {
    fn default() -> Self {
        Self::new(DEFAULT_MAX_MESSAGE_SIZE)
    }
}

impl<M> Clone for PostcardEncoding<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for PostcardEncoding<M> {}

impl<M: Serialize> Encoder<M> for PostcardEncoding<M> {
    type Error = EncodeError;

    fn encode(&mut self, message: M, out: &mut BytesMut) -> Result<(), EncodeError> {
        put_message(out, self.maximum, |out| {
            let result = postcard::to_io(&message, out.writer());
            result.map(drop).map_err(|error| EncodeError::Payload(error.into()))
        })
    }
}

impl<M: DeserializeOwned> Decoder for PostcardEncoding<M> {
    type Item = M;
    type Error = DecodeError;

    fn decode(&mut self, input: &mut BytesMut) -> Result<Option<M>, DecodeError> {
        let Some(body) = take_message(input, self.maximum)? else {
            return Ok(None);
        };
        match postcard::take_from_bytes(&body) {
            Ok((message, [])) => Ok(Some(message)),
            Ok((_, rest)) => Err(DecodeError::ExtraBytes { count: rest.len() }),
            Err(error) => Err(DecodeError::Payload(error.into())),
        }
    }
}
