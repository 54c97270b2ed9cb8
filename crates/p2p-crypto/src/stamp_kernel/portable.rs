//! One stamp at a time, in plain registers.

super::lanes::first_candidate! {
    lanes: 1,
    vector: u64,
    splat: u64::from,
    counted: u64::swap_bytes,
    add: u64::wrapping_add,
    xor: std::ops::BitXor::bitxor,
    rotate: |word: u64| word.rotate_right(32), |word: u64| word.rotate_right(24),
        |word: u64| word.rotate_right(16), |word: u64| word.rotate_right(63),
    not_above: |word, greatest| (word <= greatest).then_some(0),
}
