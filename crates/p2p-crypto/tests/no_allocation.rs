//! Sealing and opening allocate nothing, whatever the length and the outcome.

#![allow(unsafe_code, reason = "a global allocator can only be implemented in unsafe code")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use p2p_crypto::{ChannelKey, Nonce, OpenError, Opener, Sealer, TAG_SIZE, Tag};

/// The system's allocator, counting the allocations of each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    ALLOCATIONS.with(|allocations| allocations.set(allocations.get() + 1));
}

// SAFETY: every call is handed on unchanged to the system's allocator, and counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, new_size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations_of(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations_of(|| drop(std::hint::black_box(vec![0_u8; 100]))), 1);
}

#[test]
fn sealing_and_opening_allocate_nothing() {
    let (key, nonce) = (ChannelKey::from_bytes([3; 32]), Nonce::from_bytes([4; 24]));
    let (mut sealer, mut opener) = (Sealer::new(key.clone(), nonce), Opener::new(key, nonce));
    let mut buffer = vec![5; 65_519];

    let allocations = allocations_of(|| {
        for length in [0, 1, 31, 32, 33, 63, 64, 65, 1000, 65_517, 65_519] {
            let data = &mut buffer[..length];
            let tag = sealer.seal(data).unwrap();
            opener.open(data, &tag).unwrap();
        }
        let forged = opener.open(&mut buffer, &Tag::from_bytes([0; TAG_SIZE]));
        assert_eq!(forged, Err(OpenError::Forged));
    });
    assert_eq!(allocations, 0);
    assert_eq!(buffer, vec![5; 65_519]);
}
