//! The primitives, from one of two backends with the same five functions, and the cipher of a session.
//!
//! `fast` is in use if its feature is on, `portable` otherwise. Tests have both, and compare them. A session seals and
//! opens with the kernels of `box_kernel` instead where the processor has the instructions.

#[cfg(feature = "fast")]
mod fast;
#[cfg(any(test, not(feature = "fast")))]
pub(crate) mod portable;
mod session;

#[cfg(feature = "fast")]
pub(crate) use fast::{hsalsa20, open, public_key, seal, shared_point};
#[cfg(not(feature = "fast"))]
pub(crate) use portable::{hsalsa20, open, public_key, seal, shared_point};
pub(crate) use session::SessionCipher;

/// The tag is not that of the ciphertext under this key and nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Forged;

#[cfg(test)]
mod tests;
