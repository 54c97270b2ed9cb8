//! The primitives, from one of two backends with the same five functions.
//!
//! `fast` is in use if its feature is on, `portable` otherwise. Tests have both, and compare them.

#[cfg(feature = "fast")]
mod fast;
#[cfg(any(test, not(feature = "fast")))]
mod portable;

#[cfg(feature = "fast")]
pub(crate) use fast::{hsalsa20, open, public_key, seal, shared_point};
#[cfg(not(feature = "fast"))]
pub(crate) use portable::{hsalsa20, open, public_key, seal, shared_point};

/// The tag is not that of the ciphertext under this key and nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Forged;

#[cfg(test)]
mod tests;
