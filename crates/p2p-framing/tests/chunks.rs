//! Plaintext is cut into chunks and comes back, and what is no chunk is refused.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::{BufMut, Bytes, BytesMut};
use common::{bytes, chunk_of, chunk_opener, chunk_sealer, opener, sealer};
use p2p_framing::{CHUNK_OVERHEAD, ChunkCodec, ChunkCodecError, ChunkError, ChunkSize, SealError};
use tokio_util::codec::{Decoder, Encoder};

/// The sizes of the chunks of `wire`, overhead included.
fn chunk_sizes(mut wire: &[u8]) -> Vec<usize> {
    let mut sizes = Vec::new();
    while !wire.is_empty() {
        let size = 2 + usize::from(u16::from_be_bytes([wire[0], wire[1]]));
        sizes.push(size);
        wire = &wire[size..];
    }
    sizes
}

fn open_all(wire: &mut [u8]) -> Result<Vec<u8>, ChunkError> {
    let mut stream = Vec::new();
    let consumed = chunk_opener().open_complete(wire, |plaintext| stream.extend_from_slice(plaintext))?;
    assert_eq!(consumed, wire.len());
    Ok(stream)
}

#[test]
fn a_run_takes_as_few_chunks_as_possible() {
    for (chunk_size, plaintext, chunks) in [
        (19, 0, 0),
        (19, 1, 1),
        (19, 5, 5),
        (21, 256, 86),
        (100, 82, 1),
        (100, 83, 2),
        (65535, 65517, 1),
        (65535, 65518, 2),
        (65535, 200_000, 4),
    ] {
        let (mut wire, data) = (BytesMut::new(), bytes(plaintext));
        let mut sealer = chunk_sealer(chunk_size);
        assert_eq!(sealer.sealed_size(plaintext), plaintext + chunks * CHUNK_OVERHEAD);
        sealer.seal_run([&data[..]], &mut wire).unwrap();
        let sizes = chunk_sizes(&wire);
        assert_eq!(sizes.len(), chunks);
        assert!(sizes.iter().rev().skip(1).all(|size| *size == chunk_size));
        assert!(sizes.iter().all(|size| *size <= chunk_size && *size <= 65535));
        assert_eq!(open_all(&mut wire).unwrap(), data);
    }
}

#[test]
fn the_borders_between_pieces_leave_no_trace() {
    let data = bytes(1000);
    for chunk_size in [19, 20, 100, 65535] {
        let mut whole = BytesMut::new();
        chunk_sealer(chunk_size).seal_run([&data[..]], &mut whole).unwrap();
        for cut in [0, 1, 81, 82, 83, 999, 1000] {
            let mut pieces = BytesMut::new();
            let (head, tail) = data.split_at(cut);
            chunk_sealer(chunk_size)
                .seal_run([head, b"", tail], &mut pieces)
                .unwrap();
            assert_eq!(pieces, whole);
        }
    }
}

#[test]
fn one_chunk_holds_nothing_or_as_much_as_fits() {
    for size in [0, 1, 82] {
        let mut wire = BytesMut::new();
        chunk_sealer(100).seal_one(&bytes(size), &mut wire).unwrap();
        assert_eq!(chunk_sizes(&wire), [size + 18]);
        assert_eq!(open_all(&mut wire).unwrap(), bytes(size));
    }
    let mut wire = BytesMut::new();
    assert_eq!(
        chunk_sealer(100).seal_one(&bytes(83), &mut wire),
        Err(SealError::TooLarge { size: 83, maximum: 82 })
    );
    assert!(wire.is_empty());
}

#[test]
fn ciphertexts_from_16_to_65535_bytes_are_accepted() {
    for plaintext in [0, 1, 65516, 65517, 65518, 65519] {
        let mut chunk = chunk_of(&mut sealer(), &bytes(plaintext));
        assert_eq!(open_all(&mut chunk).unwrap(), bytes(plaintext));
    }
}

#[test]
fn ciphertexts_below_16_bytes_are_refused_at_the_header() {
    for size in 0..16_u16 {
        let mut header = size.to_be_bytes();
        let expected = ChunkError::InvalidCiphertextSize { size: size.into() };
        assert_eq!(chunk_opener().open_first(&mut header).unwrap_err(), expected);
    }
}

#[test]
fn an_incomplete_chunk_is_left_alone() {
    let mut chunk = chunk_of(&mut sealer(), b"hello");
    let original = chunk.clone();
    let mut opener = chunk_opener();
    for end in 0..chunk.len() {
        assert!(opener.open_first(&mut chunk[..end]).unwrap().is_none());
        assert_eq!(opener.open_complete(&mut chunk[..end], |_| panic!()).unwrap(), 0);
    }
    assert_eq!(chunk, original);
    assert_eq!(opener.open_first(&mut chunk).unwrap().unwrap().plaintext, b"hello");
}

#[test]
fn what_is_in_front_of_a_forged_chunk_is_handed_out_and_nothing_after_it() {
    let mut sealer = sealer();
    let mut wire = chunk_of(&mut sealer, b"good");
    let mut forged = chunk_of(&mut sealer, b"bad");
    *forged.last_mut().unwrap() ^= 1;
    wire.extend_from_slice(&forged);
    wire.extend_from_slice(&chunk_of(&mut sealer, b"good again"));
    let (mut opener, mut stream) = (chunk_opener(), Vec::new());
    let result = opener.open_complete(&mut wire, |plaintext| stream.extend_from_slice(plaintext));
    assert!(matches!(result, Err(ChunkError::Decipher(_))));
    assert_eq!(stream, b"good");
    assert!(opener.open_complete(&mut wire, |_| panic!()).is_err());
}

#[test]
fn a_chunk_does_not_open_twice() {
    let mut wire = chunk_of(&mut sealer(), b"once").repeat(2);
    let mut opened = 0;
    assert!(chunk_opener().open_complete(&mut wire, |_| opened += 1).is_err());
    assert_eq!(opened, 1);
}

#[test]
fn the_codec_does_the_same() {
    let mut codec = ChunkCodec::new(sealer(), opener(), ChunkSize::new(100).unwrap());
    let mut wire = BytesMut::new();
    codec.encode(Bytes::from(bytes(200)), &mut wire).unwrap();
    assert_eq!(chunk_sizes(&wire), [100, 100, 54]);
    let mut stream = Vec::new();
    while let Some(plaintext) = codec.decode(&mut wire).unwrap() {
        stream.extend_from_slice(&plaintext);
    }
    assert_eq!(stream, bytes(200));
    assert!(codec.decode_eof(&mut wire).unwrap().is_none());
}

#[test]
fn the_codec_tells_a_stream_that_ends_within_a_chunk() {
    let chunk = chunk_of(&mut sealer(), b"hello");
    for end in 1..chunk.len() {
        let mut codec = ChunkCodec::new(sealer(), opener(), ChunkSize::MAX);
        let error = codec.decode_eof(&mut BytesMut::from(&chunk[..end])).unwrap_err();
        assert!(matches!(error, ChunkCodecError::Truncated { bytes } if bytes == end));
    }
}

#[test]
fn each_piece_gets_chunks_of_its_own() {
    for (chunk_size, count) in [(19, 3), (100, 1), (100, 65), (118, 300), (65535, 200)] {
        let pieces: Vec<Vec<u8>> = (0..count).map(|index| bytes(index * 37 % 250)).collect();
        let (mut together, mut expected) = (BytesMut::new(), BytesMut::new());
        let mut sealer = chunk_sealer(chunk_size);
        for piece in &pieces {
            sealer.seal_run([&piece[..]], &mut expected).unwrap();
        }
        let slices = pieces.iter().map(|piece| &piece[..]);
        chunk_sealer(chunk_size).seal_each(slices, &mut together).unwrap();
        assert_eq!(together, expected, "{chunk_size}");
        assert_eq!(open_all(&mut together).unwrap(), pieces.concat());
    }
}

#[test]
fn what_is_written_in_place_is_sealed_as_a_run() {
    for chunk_size in [19, 20, 100, 65535] {
        for size in [0, 1, 2, 81, 82, 83, 164, 165, 1000, 65_517, 65_518, 200_000] {
            let data = bytes(size);
            let (mut wire, mut expected) = (BytesMut::from("before"), BytesMut::from("before"));
            chunk_sealer(chunk_size).seal_run([&data[..]], &mut expected).unwrap();
            let written = chunk_sealer(chunk_size).seal_written(&mut wire, |out| {
                out.extend_from_slice(&data);
                Ok::<(), ()>(())
            });
            assert_eq!(written, Ok(Ok(())));
            assert!(wire == expected, "{size} bytes in chunks of {chunk_size}");
        }
    }
}

#[test]
fn a_writer_that_fails_leaves_nothing_behind() {
    let mut wire = BytesMut::from("before");
    let mut sealer = chunk_sealer(100);
    let written = sealer.seal_written(&mut wire, |out| {
        out.extend_from_slice(&[1; 500]);
        Err("no")
    });
    assert_eq!((written, &wire[..]), (Ok(Err("no")), &b"before"[..]));
    sealer.seal_run([&b"next"[..]], &mut wire).unwrap();
    assert_eq!(open_all(&mut wire[6..]).unwrap(), b"next");
}

#[test]
fn of_many_short_chunks_those_before_a_bad_one_are_handed_out() {
    let pieces: Vec<Vec<u8>> = (0..150).map(|index| bytes(index % 120)).collect();
    let mut wire = BytesMut::new();
    let mut sealer = chunk_sealer(65535);
    let mut starts = Vec::new();
    for piece in &pieces {
        starts.push(wire.len());
        sealer.seal_one(piece, &mut wire).unwrap();
    }
    for bad in [0, 1, 15, 16, 63, 64, 149] {
        for (place, value) in [(2, 0x80), (17, 0x01), (1, 0x1f)] {
            let mut wire = wire.clone();
            if bad == 149 && place == 1 {
                // Nothing comes after it, so a greater header is only one whose chunk is not all there.
                continue;
            }
            wire[starts[bad] + place] ^= value;
            let mut handed_out = Vec::new();
            let mut opener = chunk_opener();
            let result = opener.open_complete(&mut wire, |plaintext| handed_out.push(plaintext.to_vec()));
            assert!(result.is_err(), "{bad} at {place}");
            assert!(handed_out == pieces[..bad], "{bad} at {place}");
            assert!(
                opener
                    .open_complete(&mut wire[starts[0]..], |_| panic!("after a failure"))
                    .is_err()
            );
        }
    }
}

/// Short and long chunks in turns, and one that is cut at the end.
#[test]
fn opening_onto_a_stream_hands_out_the_same() {
    let lengths = [0, 1, 100, 4077, 4078, 4079, 50, 0, 65_517, 65_517, 3, 20_000, 5];
    let plaintext = bytes(lengths.iter().sum());
    let (mut wire, mut starts, mut rest) = (BytesMut::new(), Vec::new(), &plaintext[..]);
    let mut sealer = chunk_sealer(65535);
    for length in lengths {
        starts.push(wire.len());
        sealer.seal_one(rest.split_off(..length).unwrap(), &mut wire).unwrap();
    }
    let complete = wire.len();
    sealer.seal_one(&[1; 5000], &mut wire).unwrap();
    wire.truncate(wire.len() - 1);

    let mut stream = BytesMut::from(&b"what was there"[..]);
    let consumed = chunk_opener().open_onto(&mut wire.clone(), &mut stream).unwrap();
    assert_eq!(consumed, complete);
    assert_eq!(stream.split_to(14), &b"what was there"[..]);
    assert!(stream == plaintext);

    for (bad, start) in starts.into_iter().enumerate() {
        let mut wire = wire.clone();
        wire[start + 2] ^= 1;
        let (mut opener, mut stream) = (chunk_opener(), BytesMut::new());
        assert!(matches!(
            opener.open_onto(&mut wire, &mut stream),
            Err(ChunkError::Decipher(_))
        ));
        let in_front = lengths[..bad].iter().sum::<usize>();
        assert!(stream == plaintext[..in_front], "{bad}");
        assert!(opener.open_onto(&mut wire, &mut stream).is_err());
        assert_eq!(stream.len(), in_front, "nothing after a failure");
    }
}

/// Whatever the parts of a chunk are: copied, or sealed from where they lie.
#[test]
fn any_number_of_pieces_is_one_run() {
    let data = bytes(150_000);
    let mut expected = BytesMut::new();
    chunk_sealer(65535).seal_run([&data[..]], &mut expected).unwrap();
    for size in [1, 7, 300, 4095, 4096, 4097, 65_517, 65_518, 149_999] {
        let mut wire = BytesMut::new();
        chunk_sealer(65535).seal_run(data.chunks(size), &mut wire).unwrap();
        assert!(wire == expected, "pieces of {size}");
    }
    let mut wire = BytesMut::new();
    let mixed = [
        &data[..10],
        &data[10..10],
        &data[10..70_000],
        &data[70_000..70_001],
        &data[70_001..],
    ];
    chunk_sealer(65535).seal_run(mixed, &mut wire).unwrap();
    assert!(wire == expected);
}

#[test]
fn a_header_that_is_no_chunk_is_told_after_the_chunks_in_front() {
    let mut wire = BytesMut::new();
    let mut sealer = chunk_sealer(65535);
    for _ in 0..3 {
        sealer.seal_one(b"good", &mut wire).unwrap();
    }
    wire.extend_from_slice(&[0, 15]);
    let mut count = 0;
    let result = chunk_opener().open_complete(&mut wire, |plaintext| {
        assert_eq!(plaintext, b"good");
        count += 1;
    });
    assert_eq!(
        (result, count),
        (Err(ChunkError::InvalidCiphertextSize { size: 15 }), 3)
    );
}

#[test]
fn a_panic_of_who_gives_the_plaintext_leaves_none_in_the_output() {
    let mut sealer = chunk_sealer(65535);
    let mut wire = BytesMut::from(&b"before"[..]);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _ = sealer.seal_written::<()>(&mut wire, |out| {
            out.put_slice(b"secret");
            panic!("an encoding with a mistake")
        });
    }));
    assert!(panicked.is_err());
    assert_eq!(wire, b"before"[..]);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let pieces = (0..100).map(|number| {
            if number < 99 {
                &b"secret"[..]
            } else {
                panic!("likewise")
            }
        });
        let _ = sealer.seal_run(pieces, &mut wire);
    }));
    assert!(panicked.is_err());
    assert_eq!(wire, b"before"[..]);
}
