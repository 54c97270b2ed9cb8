//! Queues bounded in bytes, for a connection that was registered with some.

use std::collections::VecDeque;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

/// Bytes that stand in a connection's queues now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Queued {
    /// Bytes taken from the stream that nobody has read yet.
    pub read: usize,
    /// Bytes accepted from the writer that the stream has not taken yet.
    pub write: usize,
}

/// The most that is read ahead at once, so that a huge bound asks for no huge allocation before the bytes are there. It
/// is also the most that one connection is granted at once.
const MAX_READ_AHEAD_BYTES: usize = 1 << 20;

/// First in, first out; never more than `bound` bytes, in never more memory than that, and in none when it is empty.
#[derive(Debug)]
pub(crate) struct ByteQueue {
    bytes: VecDeque<u8>,
    bound: usize,
}

impl ByteQueue {
    pub(crate) fn new(bound: usize) -> Self {
        Self {
            bytes: VecDeque::new(),
            bound,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Takes as many of the bytes as there is room for, and tells how many.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> usize {
        let accepted = bytes.len().min(self.bound - self.len());
        let needed = self.len() + accepted;
        if needed > self.bytes.capacity() {
            let capacity = needed.max(self.bytes.capacity().saturating_mul(2)).min(self.bound);
            self.bytes.reserve_exact(capacity - self.len());
        }
        self.bytes.extend(&bytes[..accepted]);
        accepted
    }

    /// Bytes to go next: at least one, unless the queue is empty.
    pub(crate) fn front(&self) -> &[u8] {
        self.bytes.as_slices().0
    }

    /// Removes this many bytes from the front.
    pub(crate) fn consume(&mut self, bytes: usize) {
        self.bytes.drain(..bytes);
        if self.is_empty() {
            self.bytes = VecDeque::new();
        }
    }

    /// Removes everything, and tells how many bytes that were.
    pub(crate) fn clear(&mut self) -> usize {
        std::mem::take(&mut self.bytes).len()
    }

    /// How many bytes to read ahead for a reader with room for `wanted`, of an empty queue. `None` if it had better read
    /// straight into its own buffer.
    pub(crate) fn read_ahead(&self, wanted: usize) -> Option<usize> {
        let ahead = self.bound.min(MAX_READ_AHEAD_BYTES);
        (0 < wanted && wanted < ahead).then_some(ahead)
    }

    /// Fills the empty queue with one read of at most `allowed` bytes.
    pub(crate) fn poll_fill(
        &mut self,
        io: impl AsyncRead + Unpin,
        cx: &mut Context<'_>,
        allowed: usize,
    ) -> Poll<io::Result<usize>> {
        let mut bytes = Vec::with_capacity(allowed);
        let read = ready!(pin!(io.take(allowed as u64).read_buf(&mut bytes)).poll(cx))?;
        if read <= bytes.capacity() / 2 {
            bytes.shrink_to_fit();
        }
        self.bytes = bytes.into();
        Poll::Ready(Ok(read))
    }

    /// Moves as many bytes as fit to the buffer.
    pub(crate) fn read(&mut self, buf: &mut ReadBuf<'_>) {
        // One pass, as what was read in one piece lies in one piece.
        let front = self.front();
        let bytes = front.len().min(buf.remaining());
        buf.put_slice(&front[..bytes]);
        self.consume(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_exact() {
        for bound in [0, 1, 2, 100] {
            let mut queue = ByteQueue::new(bound);
            assert_eq!(queue.push(&[]), 0);
            assert_eq!(queue.push(&vec![1; bound + 1]), bound);
            assert_eq!(queue.push(&[2]), 0);
            assert_eq!(queue.len(), bound);
        }
    }

    #[test]
    fn memory_stays_within_the_bound_and_is_given_back() {
        let mut queue = ByteQueue::new(1000);
        for i in 0..3000_u32 {
            queue.push(&[i as u8; 7]);
            assert!(queue.bytes.capacity() <= 1000);
            if i % 3 == 0 {
                queue.consume(5);
            }
        }
        queue.consume(queue.len());
        assert_eq!(queue.bytes.capacity(), 0);
        queue.push(&[1; 300]);
        assert_eq!(queue.clear(), 300);
        assert_eq!(queue.bytes.capacity(), 0);
    }

    #[test]
    fn a_huge_bound_allocates_only_what_is_there() {
        let mut queue = ByteQueue::new(usize::MAX);
        queue.push(&[1; 100]);
        assert!(queue.bytes.capacity() < 1000);
        assert_eq!(queue.read_ahead(1), Some(MAX_READ_AHEAD_BYTES));
        queue.clear();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(
            queue
                .poll_fill(&[1_u8; 100][..], &mut cx, MAX_READ_AHEAD_BYTES)
                .is_ready()
        );
        assert!(queue.bytes.capacity() < 1000);
    }

    #[test]
    fn only_a_reader_with_little_room_is_read_ahead_for() {
        let queue = ByteQueue::new(10);
        let ahead = [0, 1, 9, 10, 11].map(|wanted| queue.read_ahead(wanted));
        assert_eq!(ahead, [None, Some(10), Some(10), None, None]);
        assert_eq!(ByteQueue::new(0).read_ahead(1), None);
    }
}
