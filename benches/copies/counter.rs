//! Counts the bytes that a thread copies in memory.
//!
//! It takes the place of `memcpy` and `memmove` in the program that it is part of. The compiler makes a call of one of them
//! out of every copy whose length it does not know, as that of a message is. What the kernel copies is not counted.
#![allow(unsafe_code)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    arch::asm,
    cell::Cell,
};

thread_local! {
    static COPIED: Cell<u64> = const { Cell::new(0) };
}

/// How many bytes this thread has copied.
pub(crate) fn copied_here() -> u64 {
    COPIED.get()
}

fn count(size: usize) {
    COPIED.set(COPIED.get() + size as u64);
}

/// # Safety
/// That of C's `memcpy`.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, size: usize) -> *mut u8 {
    count(size);
    // SAFETY: the caller lends `size` bytes at both places, and the direction flag is clear at every call.
    unsafe {
        asm!("rep movsb", inout("rcx") size => _, inout("rdi") to => _, inout("rsi") from => _,
            options(nostack, preserves_flags));
    }
    to
}

/// # Safety
/// That of C's `memmove`.
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, size: usize) -> *mut u8 {
    if to.addr().wrapping_sub(from.addr()) >= size {
        // SAFETY: going upwards, no byte is overwritten before it was read.
        return unsafe { memcpy(to, from, size) };
    }
    count(size);
    // SAFETY: the caller lends `size` bytes at both places, at least one since they overlap. Going downwards from the last,
    // no byte is overwritten before it was read. The direction flag is cleared again.
    unsafe {
        let (last_to, last_from) = (to.add(size - 1), from.add(size - 1));
        asm!("std", "rep movsb", "cld", inout("rcx") size => _, inout("rdi") last_to => _, inout("rsi") last_from => _,
            options(nostack));
    }
    to
}

/// The system's allocator, except that it moves what grows by a copy that counts.
struct Moving;

#[global_allocator]
static ALLOCATOR: Moving = Moving;

// SAFETY: it does what the system's does, and `realloc` is the trait's own.
unsafe impl GlobalAlloc for Moving {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is the same.
        unsafe { System.dealloc(place, layout) }
    }
}
