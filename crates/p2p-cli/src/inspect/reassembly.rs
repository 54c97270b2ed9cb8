//! Puts one direction of a TCP connection together again.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::BTreeMap;

use bytes::Bytes;

/// How many bytes may wait for others that come before them.
///
/// # Security
///
/// A capture that lost a segment would otherwise make us hold the rest of the connection.
pub(super) const MAX_WAITING: usize = 4 * 1024 * 1024;

/// What each waiting segment counts for beyond its bytes: about what the map keeps for it.
const SEGMENT_OVERHEAD: usize = 64;

/// One direction: bytes come in any order, perhaps more than once, and leave in theirs.
#[derive(Debug)]
pub(super) struct Stream {
    /// The sequence number of the next byte.
    next: u32,
    /// How many bytes have left.
    delivered: u64,
    /// Segments that came too early, by the place of their first byte.
    waiting: BTreeMap<u64, Bytes>,
    waiting_size: usize,
}

/// Too much waits for a segment that is not in the capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentMissing;

impl Stream {
    /// A direction whose first byte has this sequence number.
    pub(super) fn new(first: u32) -> Self {
        Self {
            next: first,
            delivered: 0,
            waiting: BTreeMap::new(),
            waiting_size: 0,
        }
    }

    /// Takes a segment, and hands to `sink` what is in order now.
    pub(super) fn receive(
        &mut self,
        sequence: u32,
        payload: &[u8],
        mut sink: impl FnMut(&[u8]),
    ) -> Result<(), SegmentMissing> {
        if payload.is_empty() {
            return Ok(());
        }
        // Half of the numbers are before the next byte and half are behind it.
        let distance = i64::from(sequence.wrapping_sub(self.next).cast_signed());
        match u64::try_from(distance) {
            Ok(0) => self.deliver(payload, &mut sink),
            Ok(ahead) => self.keep(self.delivered.saturating_add(ahead), payload)?,
            Err(_) => {
                let known = usize::try_from(distance.unsigned_abs()).unwrap_or(usize::MAX);
                self.deliver(payload.get(known..).unwrap_or_default(), &mut sink);
            }
        }
        self.deliver_waiting(&mut sink);
        Ok(())
    }

    /// Whether nothing has come yet, and the first byte has this sequence number.
    pub(super) fn starts_at(&self, first: u32) -> bool {
        self.delivered == 0 && self.next == first
    }

    /// How many bytes wait for others that never came.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.values().map(Bytes::len).sum()
    }

    fn deliver(&mut self, payload: &[u8], sink: &mut impl FnMut(&[u8])) {
        if !payload.is_empty() {
            self.next = self.next.wrapping_add(payload.len() as u32);
            self.delivered = self.delivered.saturating_add(payload.len() as u64);
            sink(payload);
        }
    }

    fn keep(&mut self, place: u64, payload: &[u8]) -> Result<(), SegmentMissing> {
        // Of two segments with the same beginning the longer one has it all.
        let present = self.waiting.get(&place).map(Bytes::len);
        if present.is_some_and(|present| present >= payload.len()) {
            return Ok(());
        }
        let freed = present.map_or(0, |present| present.saturating_add(SEGMENT_OVERHEAD));
        let size = self
            .waiting_size
            .saturating_sub(freed)
            .saturating_add(payload.len())
            .saturating_add(SEGMENT_OVERHEAD);
        if size > MAX_WAITING {
            return Err(SegmentMissing);
        }
        self.waiting_size = size;
        self.waiting.insert(place, Bytes::copy_from_slice(payload));
        Ok(())
    }

    fn deliver_waiting(&mut self, sink: &mut impl FnMut(&[u8])) {
        while let Some(first) = self.waiting.first_entry()
            && *first.key() <= self.delivered
        {
            let (place, payload) = first.remove_entry();
            self.waiting_size = self
                .waiting_size
                .saturating_sub(payload.len())
                .saturating_sub(SEGMENT_OVERHEAD);
            let known = usize::try_from(self.delivered.saturating_sub(place)).unwrap_or(usize::MAX);
            self.deliver(payload.get(known..).unwrap_or_default(), sink);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends pieces of the alphabet, each by its beginning and its end, and gives what comes out.
    fn reassemble(first: u32, pieces: &[(usize, usize)]) -> (String, usize) {
        let alphabet = b"abcdefghijklmnopqrstuvwxyz";
        let mut stream = Stream::new(first);
        let mut text = Vec::new();
        for &(from, to) in pieces {
            let sequence = first.wrapping_add(from as u32);
            let payload = alphabet.get(from..to).unwrap();
            stream
                .receive(sequence, payload, |bytes| text.extend_from_slice(bytes))
                .unwrap();
        }
        (String::from_utf8(text).unwrap(), stream.waiting())
    }

    #[test]
    fn order_repetition_and_overlap_make_no_difference() {
        for first in [0, 7, u32::MAX - 3, u32::MAX] {
            for pieces in [
                &[(0, 10)][..],
                &[(0, 5), (5, 10)],
                &[(5, 10), (0, 5)],
                &[(0, 5), (0, 5), (5, 10), (0, 10)],
                &[(8, 10), (4, 8), (2, 6), (0, 3)],
                &[(5, 7), (5, 10), (5, 6), (0, 5)],
                &[(3, 9), (0, 10), (2, 4)],
            ] {
                assert_eq!(reassemble(first, pieces), ("abcdefghij".to_owned(), 0), "{pieces:?}");
            }
        }
    }

    #[test]
    fn nothing_behind_a_gap_is_told() {
        assert_eq!(reassemble(1, &[(0, 2), (3, 9)]), ("ab".to_owned(), 6));
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut stream = Stream::new(0);
        let payload = vec![0; 1024 * 1024];
        let mut place = 1;
        while stream.receive(place, &payload, |_| {}) == Ok(()) {
            place += payload.len() as u32;
        }
        assert!(stream.waiting() <= MAX_WAITING && stream.waiting() > MAX_WAITING / 2);
        let mut stream = Stream::new(0);
        let mut place = 1;
        while stream.receive(place, &[0], |_| {}) == Ok(()) {
            place += 2;
        }
        assert!(stream.waiting() < MAX_WAITING / SEGMENT_OVERHEAD);
    }
}
