use crate::CHUNK_OVERHEAD;

/// How large a chunk may be on the wire, header and tag included: 19 to 65535 bytes.
///
/// Octez calls it `binary_chunks_size`. The lower bound leaves room for one byte of plaintext, or nothing could ever
/// be sent; the upper one is what the reference uses at most, and keeps the header, which does not count itself,
/// at 65533 or less.
///
/// ```
/// use p2p_framing::ChunkSize;
///
/// let size = ChunkSize::new(1000)?;
/// assert_eq!(size.max_plaintext(), 982);
/// assert!(ChunkSize::new(18).is_err());
/// # Ok::<(), p2p_framing::InvalidChunkSize>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkSize(u16);

impl ChunkSize {
    /// The smallest chunk: one byte of plaintext.
    pub const MIN: Self = Self(CHUNK_OVERHEAD as u16 + 1);
    /// The largest chunk, and the default.
    pub const MAX: Self = Self(u16::MAX);

    /// Checks a size in bytes. Octez: `check_binary_chunks_size`.
    ///
    /// # Errors
    ///
    /// [`InvalidChunkSize`] outside of 19..=65535.
    pub const fn new(bytes: usize) -> Result<Self, InvalidChunkSize> {
        if bytes < Self::MIN.bytes() || bytes > Self::MAX.bytes() {
            return Err(InvalidChunkSize {
                value: bytes,
                min: Self::MIN.bytes(),
                max: Self::MAX.bytes(),
            });
        }
        Ok(Self(bytes as u16))
    }

    /// The size on the wire, in bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        self.0 as usize
    }

    /// How many bytes of plaintext one chunk carries at most.
    #[must_use]
    pub const fn max_plaintext(self) -> usize {
        self.bytes() - CHUNK_OVERHEAD
    }
}

impl Default for ChunkSize {
    fn default() -> Self {
        Self::MAX
    }
}

impl TryFrom<usize> for ChunkSize {
    type Error = InvalidChunkSize;

    fn try_from(bytes: usize) -> Result<Self, InvalidChunkSize> {
        Self::new(bytes)
    }
}

/// A chunk size outside of 19..=65535. Octez: `Invalid_chunks_size`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid chunk size {value}: it must lie between {min} and {max} bytes")]
#[non_exhaustive]
pub struct InvalidChunkSize {
    /// What was asked for, in bytes.
    pub value: usize,
    /// The smallest valid size, in bytes.
    pub min: usize,
    /// The largest valid size, in bytes.
    pub max: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_exactly_19_to_65535() {
        for bytes in [19, 20, 65534, 65535] {
            assert_eq!(ChunkSize::new(bytes).unwrap().bytes(), bytes);
        }
        for bytes in [0, 18, 65536, usize::MAX] {
            assert_eq!(
                ChunkSize::new(bytes),
                Err(InvalidChunkSize {
                    value: bytes,
                    min: 19,
                    max: 65535
                })
            );
        }
    }

    #[test]
    fn the_default_carries_65517_bytes() {
        assert_eq!(ChunkSize::default().max_plaintext(), 65517);
        assert_eq!(ChunkSize::MIN.max_plaintext(), 1);
    }
}
