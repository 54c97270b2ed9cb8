//! Places for vectors, aligned as the widest of them and the lines of the cache are.

use std::hint::black_box;
use std::mem::MaybeUninit;

#[repr(align(64))]
pub(crate) struct Aligned<T>(pub(crate) T);

/// Makes the function that calls it align its stack for vectors. One that has something [`Aligned`] there does already.
///
/// Vectors that find no register are kept on the stack, and the compiler does not align it for their sake alone. One that
/// lies across two pages, which depends on where the stack happens to begin, makes the function up to twice as slow.
#[inline(always)]
pub(crate) fn align_stack() {
    let place = Aligned(MaybeUninit::<[u8; 64]>::uninit());
    black_box(&raw const place);
}
