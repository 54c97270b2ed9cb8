//! Buffers that a connection borrows while it has something to do, so that an idle one holds none.
//!
//! Each worker thread keeps one spare buffer of each kind. A buffer is taken out while it is in use, so a transport
//! that is itself built on another connection finds the place empty and gets a new one.

use std::cell::Cell;

use bytes::BytesMut;

/// How much is read or written at once, in bytes. Four of the largest chunks: system calls cost little per byte then,
/// and more gains nothing measurable.
pub(crate) const SIZE: usize = 256 * 1024;

thread_local! {
    static READ: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
    static WRITE: Cell<Option<BytesMut>> = const { Cell::new(None) };
    static STREAM: Cell<Option<BytesMut>> = const { Cell::new(None) };
}

/// How much room for what is opened a thread keeps, in bytes: only with short messages an allocation is felt.
///
/// # Security
///
/// The first bytes of a message may hold this much of memory until the rest comes.
const STREAM_SIZE: usize = 1024;

/// A buffer of [`SIZE`] bytes to read into, as the last user left it.
pub(crate) fn take_read_buffer() -> Box<[u8]> {
    READ.take().unwrap_or_else(|| vec![0; SIZE].into_boxed_slice())
}

pub(crate) fn return_read_buffer(buffer: Box<[u8]>) {
    READ.set(Some(buffer));
}

/// An empty buffer with room for about [`SIZE`] bytes to write from.
pub(crate) fn take_write_buffer() -> BytesMut {
    WRITE.take().unwrap_or_else(|| BytesMut::with_capacity(SIZE))
}

pub(crate) fn return_write_buffer(mut buffer: BytesMut) {
    buffer.clear();
    // One very long run of tiny chunks may have grown it.
    if buffer.capacity() <= 2 * SIZE {
        WRITE.set(Some(buffer));
    }
}

/// An empty buffer for what is opened.
pub(crate) fn take_stream() -> BytesMut {
    STREAM.take().unwrap_or_default()
}

/// Keeps the buffer if it is short and nobody has a part of it.
pub(crate) fn return_stream(mut buffer: BytesMut) {
    buffer.clear();
    // What was decoded from the front is part of the buffer again.
    if buffer.try_reclaim(buffer.capacity() + 1) && buffer.capacity() <= STREAM_SIZE {
        STREAM.set(Some(buffer));
    }
}
