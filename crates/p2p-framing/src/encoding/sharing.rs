use std::any::Any;

use bytes::{BufMut, Bytes, BytesMut};
use tokio_util::codec::Encoder;

use super::RawEncoding;

/// From how many bytes on a message is worth being left where it is. A shorter one is copied in less time than it takes
/// to keep count of one piece more.
const WORTH_SHARING: usize = 16 * 1024;

/// Encodes a message as `encoding` does, without copying what is there already: the encoding is what this appends to `out`,
/// and behind it the bytes that it returns, if it does.
///
/// It does for [`Bytes`] of 16 KiB or more under a [`RawEncoding`] that is [`sharing`](RawEncoding::sharing). All other
/// messages are appended whole.
///
/// ```
/// use bytes::{Bytes, BytesMut};
/// use p2p_framing::encoding::{RawEncoding, encode_sharing};
///
/// let (mut encoding, mut out) = (RawEncoding::default().sharing(), BytesMut::new());
/// let message = Bytes::from(vec![7; 65_536]);
/// let rest = encode_sharing(&mut encoding, message.clone(), &mut out)?;
/// assert_eq!((&out[..], rest.map(|rest| rest.as_ptr())), (&[0, 1, 0, 0][..], Some(message.as_ptr())));
///
/// let rest = encode_sharing(&mut encoding, Bytes::from_static(b"short"), &mut out)?;
/// assert!(out.ends_with(b"\0\0\0\x05short") && rest.is_none());
/// # Ok::<(), p2p_framing::EncodeError>(())
/// ```
///
/// # Errors
///
/// Those of the encoding.
pub fn encode_sharing<C, M>(encoding: &mut C, message: M, out: &mut BytesMut) -> Result<Option<Bytes>, C::Error>
where
    C: Encoder<M> + 'static,
    M: 'static,
{
    if let Some((length, body)) = raw_body(encoding, &message) {
        out.put_u32(length);
        return Ok(Some(body));
    }
    encoding.encode(message, out)?;
    Ok(None)
}

/// What follows the length in a raw message, and that, if it is worth being shared. An [`Encoder`] has only one buffer to
/// write to, so those who can do better are known here by their types.
fn raw_body<C: 'static, M: 'static>(encoding: &C, message: &M) -> Option<(u32, Bytes)> {
    let encoding = (encoding as &dyn Any).downcast_ref::<RawEncoding>()?;
    let body = (message as &dyn Any).downcast_ref::<Bytes>()?;
    let is_shared = (WORTH_SHARING..=encoding.largest_shared()?).contains(&body.len());
    let length = u32::try_from(body.len()).ok()?;
    is_shared.then(|| (length, body.clone()))
}
