//! The primitives, from one of two backends with the same five functions, and the cipher of a session.
//!
//! `fast` is in use if its feature is on, `portable` otherwise. Where the processor has the instructions, keys are agreed on
//! by `assembly` instead, and a session seals and opens with the kernels of `box_kernel`. Tests have all, and compare them.

#[cfg(all(feature = "fast", target_arch = "x86_64"))]
mod assembly;
#[cfg(feature = "fast")]
mod fast;
#[cfg(any(test, not(feature = "fast")))]
pub(crate) mod portable;
#[cfg(fuzzing)]
mod remembered;
mod session;

#[cfg(all(feature = "fast", target_arch = "x86_64"))]
use assembly as agreement;
#[cfg(all(feature = "fast", not(target_arch = "x86_64")))]
use fast as agreement;
#[cfg(not(feature = "fast"))]
use portable as agreement;

pub(crate) use agreement::public_key;
#[cfg(not(fuzzing))]
pub(crate) use agreement::shared_point;
#[cfg(feature = "fast")]
pub(crate) use fast::{hsalsa20, open, seal};
#[cfg(not(feature = "fast"))]
pub(crate) use portable::{hsalsa20, open, seal};
#[cfg(fuzzing)]
pub(crate) use remembered::shared_point;
pub(crate) use session::SessionCipher;

/// The tag is not that of the ciphertext under this key and nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Forged;

#[cfg(test)]
mod tests;
