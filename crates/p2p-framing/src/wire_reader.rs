#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use bytes::{BufMut, BytesMut};

use crate::DecodeError;

/// Reads big-endian fields from bytes that must be consumed exactly.
///
/// ```
/// use p2p_framing::{DecodeError, WireReader};
///
/// let mut reader = WireReader::new(&[0, 2, b'h', b'i', 7]);
/// let size = reader.u16()?;
/// assert_eq!(reader.take(size.into())?, b"hi");
/// assert!(matches!(reader.finish(), Err(DecodeError::ExtraBytes { count: 1 })));
/// # Ok::<(), DecodeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct WireReader<'a> {
    rest: &'a [u8],
}

impl<'a> WireReader<'a> {
    /// Reads `bytes` from their beginning.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    ///
    /// [`DecodeError::NotEnoughData`] if fewer are left.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (head, tail) = self.rest.split_at_checked(count).ok_or(DecodeError::NotEnoughData)?;
        self.rest = tail;
        Ok(head)
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    ///
    /// [`DecodeError::NotEnoughData`] if fewer are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (head, tail) = self.rest.split_first_chunk().ok_or(DecodeError::NotEnoughData)?;
        self.rest = tail;
        Ok(*head)
    }

    /// The next byte.
    ///
    /// # Errors
    ///
    /// [`DecodeError::NotEnoughData`] at the end.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    /// The next byte as a truth value: zero is false, everything else true.
    ///
    /// # Errors
    ///
    /// [`DecodeError::NotEnoughData`] at the end.
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        Ok(self.u8()? != 0)
    }

    /// The next two bytes.
    ///
    /// # Errors
    ///
    /// [`DecodeError::NotEnoughData`] if fewer are left.
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    /// The next two bytes, signed.
    ///
    /// # Errors
    ///
    /// [`DecodeError::NotEnoughData`] if fewer are left.
    pub fn i16(&mut self) -> Result<i16, DecodeError> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    /// The next four bytes.
    ///
    /// # Errors
    ///
    /// [`DecodeError::NotEnoughData`] if fewer are left.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// A `u32` byte length and that many bytes. Octez: `dynamic_size`.
    ///
    /// # Errors
    ///
    /// [`DecodeError::NotEnoughData`] if fewer are left.
    pub fn length_prefixed(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.u32()?;
        self.take(usize::try_from(length).map_err(|_| DecodeError::NotEnoughData)?)
    }

    /// Whether everything has been read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Everything that is left.
    #[must_use]
    pub fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// Ends the reading.
    ///
    /// # Errors
    ///
    /// [`DecodeError::ExtraBytes`] if anything is left.
    pub fn finish(self) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            count => Err(DecodeError::ExtraBytes { count }),
        }
    }
}

/// Appends a `u32` length and `bytes`, for [`WireReader::length_prefixed`].
///
/// # Panics
///
/// If `bytes` has more than `u32::MAX` bytes.
pub fn put_length_prefixed(out: &mut BytesMut, bytes: &[u8]) {
    let Ok(length) = u32::try_from(bytes.len()) else {
        panic!("{} bytes do not fit a u32 length", bytes.len());
    };
    out.put_u32(length);
    out.put_slice(bytes);
}
