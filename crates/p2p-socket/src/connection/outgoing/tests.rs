use super::*;

const EVERYTHING: Portion = Portion {
    bytes: usize::MAX,
    piece_overhead: 0,
    cut: 1,
};

fn push(outgoing: &Outgoing, message: &[u8]) -> (u64, bool) {
    let room = outgoing.try_reserve(message.len()).unwrap().unwrap();
    outgoing.push(Encoded::Own(&mut BytesMut::from(message)), room).unwrap()
}

#[test]
fn abandoned_flushes_leave_the_queue() {
    let outgoing = Outgoing::new(1000, Packing::Packed);
    push(&outgoing, b"message");
    let kept = outgoing.on_flush(7).unwrap().unwrap();
    for _ in 0..1000 {
        drop(outgoing.on_flush(7));
    }
    assert_eq!(outgoing.lock().flushes.len(), 2);
    drop(kept);
}

#[test]
fn flushes_are_told_in_the_order_of_their_messages() {
    let outgoing = Outgoing::new(1000, Packing::Packed);
    push(&outgoing, b"first");
    push(&outgoing, b"second");
    let mut second = outgoing.on_flush(11).unwrap().unwrap();
    let mut first = outgoing.on_flush(5).unwrap().unwrap();
    assert!(outgoing.flush_is_awaited(5) && !outgoing.flush_is_awaited(4));
    outgoing.set_flushed(5);
    first.try_recv().unwrap();
    assert!(second.try_recv().is_err());
    outgoing.set_flushed(11);
    second.try_recv().unwrap();
    assert!(outgoing.on_flush(11).unwrap().is_none());
}

#[test]
fn only_the_first_message_is_news() {
    let outgoing = Outgoing::new(1000, Packing::Packed);
    assert_eq!(push(&outgoing, b"one"), (3, true));
    assert_eq!(push(&outgoing, b"two"), (6, false));
    assert!(outgoing.pass(5).unwrap().is_none(), "it must not overtake");
    let batch = outgoing.take(EVERYTHING);
    assert_eq!((batch.pieces.concat(), batch.end), (b"onetwo".to_vec(), 6));
    outgoing.release(batch);
    assert_eq!(outgoing.used(), 0);
    assert_eq!(outgoing.pass(5).unwrap(), Some(11));
    assert_eq!(push(&outgoing, b"three"), (16, true));
}

#[test]
fn a_portion_ends_where_it_shall() {
    for (packing, piece_overhead, cut, sizes) in [
        (Packing::Packed, 0, 1, &[10, 10, 6][..]),
        (Packing::OneMessagePerChunk, 2, 5, &[5, 5, 10, 6]),
    ] {
        let outgoing = Outgoing::new(1000, packing);
        for message in [b"hello", b"world"] {
            push(&outgoing, message);
        }
        push(&outgoing, b"16 bytes in all.");
        for &size in sizes {
            let batch = outgoing.take(Portion {
                bytes: 10,
                piece_overhead,
                cut,
            });
            assert_eq!(batch.pieces.concat().len(), size, "{packing:?}");
            outgoing.release(batch);
        }
        assert!(outgoing.lock().is_empty());
        assert_eq!(outgoing.used(), 0);
    }
}

#[test]
fn what_is_discarded_takes_no_room_and_is_never_flushed() {
    let outgoing = Outgoing::new(1000, Packing::Packed);
    push(&outgoing, b"message");
    let mut flushed = outgoing.on_flush(7).unwrap().unwrap();
    outgoing.close();
    outgoing.discard();
    assert_eq!(outgoing.used(), 0);
    assert!(flushed.try_recv().is_err());
    assert!(outgoing.on_flush(7).is_err());
}

#[test]
fn what_a_message_has_already_is_copied_only_into_a_chunk_of_its_own() {
    for (packing, pieces) in [(Packing::Packed, 2), (Packing::OneMessagePerChunk, 1)] {
        let outgoing = Outgoing::new(1000, packing);
        let rest = Bytes::from(vec![7; 100]);
        let message = EncodedBytes::new(&mut BytesMut::from("front"), Some(rest.clone()));
        let whole = Encoded::Shared(&message).pieces().concat();
        let room = outgoing.try_reserve(105).unwrap().unwrap();
        let pushed = outgoing.push(Encoded::Shared(&message), room).unwrap();
        assert_eq!(pushed, (105, true));
        assert_eq!(outgoing.used(), 105 + ConnectionOptions::MESSAGE_OVERHEAD);

        // It may be cut anywhere.
        let mut taken = Vec::new();
        for bytes in [3, 50, 1000] {
            let batch = outgoing.take(Portion { bytes, ..EVERYTHING });
            let last = batch.pieces.last().unwrap();
            let is_shared = rest.as_ptr_range().contains(&last.as_ptr());
            assert_eq!(is_shared, packing == Packing::Packed && bytes > 3, "{packing:?}");
            if bytes == 50 {
                assert_eq!(batch.pieces.len(), pieces, "{packing:?}");
            }
            taken.extend(batch.pieces.concat());
            outgoing.release(batch);
        }
        assert_eq!(taken, whole, "{packing:?}");
        assert_eq!(outgoing.used(), 0);
    }
}
