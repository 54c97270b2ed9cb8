use ::poly1305::universal_hash::KeyInit;
use proptest::prelude::*;

use super::*;
use crate::Piece;
use crate::cipher::portable;

/// All that this processor has. On one without AVX2 there is nothing to test.
fn kernels() -> impl Iterator<Item = (InstructionSet, Kernels)> {
    InstructionSet::available().filter_map(|set| Some((set, Kernels::of(set)?)))
}

/// Bytes without a period of a power of two, so that a block in a wrong place shows.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|place| (place % 251).to_le_bytes()[0]).collect()
}

fn subkey(key: &[u8; 32], nonce: &[u8; 24]) -> (Subkey, u64) {
    let (beginning, end) = crate::Nonce::from_bytes(*nonce).parts();
    let mut subkey = Subkey::default();
    subkey.set(&portable::hsalsa20(key, &beginning));
    (subkey, end)
}

/// Seals and opens so many bytes, `offset` bytes behind an aligned place, with every set of kernels and with the
/// portable crates.
fn assert_agreement(key: &[u8; 32], nonce: &[u8; 24], length: usize, offset: usize) {
    let plaintext = bytes(length);
    let mut expected = plaintext.clone();
    let expected_tag = portable::seal(key, nonce, &mut expected);
    let (subkey, end) = subkey(key, nonce);

    #[repr(align(64))]
    struct Aligned([u8; 66_000]);
    let mut place = Box::new(Aligned([0; 66_000]));
    let data = &mut place.0[offset..offset + length];
    for (set, kernels) in kernels() {
        data.copy_from_slice(&plaintext);
        let tag = kernels.seal(&subkey, end, data);
        assert!(*data == expected, "{set}: ciphertext of {length} bytes at {offset}");
        assert_eq!(tag, expected_tag, "{set}: tag of {length} bytes at {offset}");

        let mut forged = tag;
        forged[length % 16] ^= 1 << (length % 8);
        assert!(
            !kernels.open(&subkey, end, data, &forged),
            "{set}: {length} bytes at {offset}"
        );
        assert!(*data == expected, "{set}: forged data of {length} bytes is untouched");

        assert!(
            kernels.open(&subkey, end, data, &tag),
            "{set}: {length} bytes at {offset}"
        );
        assert!(*data == plaintext, "{set}: plaintext of {length} bytes at {offset}");
    }
}

/// Seals pieces of these lengths into one place, and opens it into another.
fn assert_gathered(lengths: &[usize]) {
    let (key, nonce) = ([1; 32], [2; 24]);
    let plaintext = bytes(lengths.iter().sum());
    let mut expected = plaintext.clone();
    let expected_tag = portable::seal(&key, &nonce, &mut expected);
    let (subkey, end) = subkey(&key, &nonce);
    let mut rest = &plaintext[..];
    let pieces: Vec<&[u8]> = lengths
        .iter()
        .map(|length| rest.split_off(..*length).unwrap())
        .collect();

    for (set, kernels) in kernels() {
        let mut sealed = vec![0xaa; plaintext.len()];
        let tag = kernels.seal_from(&subkey, end, Source::pieces(&pieces), &mut sealed);
        assert!(sealed == expected, "{set}: ciphertext of {lengths:?}");
        assert_eq!(tag, expected_tag, "{set}: tag of {lengths:?}");

        let mut opened = vec![0xaa; plaintext.len()];
        let mut forged = tag;
        forged[0] ^= 1;
        assert!(
            !kernels.open_into(&subkey, end, &sealed, &forged, &mut opened),
            "{set}: {lengths:?}"
        );
        assert!(opened.iter().all(|byte| *byte == 0xaa), "{set}: {lengths:?} forged");
        assert!(
            kernels.open_into(&subkey, end, &sealed, &tag, &mut opened),
            "{set}: {lengths:?}"
        );
        assert!(opened == plaintext, "{set}: plaintext of {lengths:?}");
    }
}

#[test]
fn what_is_gathered_is_sealed_as_in_one_place() {
    assert_gathered(&[]);
    assert_gathered(&[0, 0, 0]);
    assert_gathered(&[65_517]);
    assert_gathered(&[4, 65_513]);
    assert_gathered(&[30_001, 1, 0, 1024, 34_491]);
    assert_gathered(&[100; 40]);
    for first in 0..=2200 {
        assert_gathered(&[first, 2200 - first]);
    }
}

#[test]
fn every_short_length_is_that_of_the_portable_crates() {
    for length in 0..=1200 {
        assert_agreement(&[1; 32], &[2; 24], length, length % 64);
    }
}

#[test]
fn long_lengths_are_those_of_the_portable_crates() {
    let around_powers = (11..=15)
        .flat_map(|power| [-33, -32, -31, -1, 0, 1].map(|offset| (1_usize << power).saturating_add_signed(offset)));
    // Behind the head come pairs of groups of blocks, a single group and the rest.
    let around_groups = (1..=5).flat_map(|groups| (991..=993).map(move |head| head + groups * 1024));
    for length in around_powers
        .chain(around_groups)
        .chain([65_503, 65_504, 65_516, 65_517, 65_518, 65_519, 65_535, 65_536, 65_537])
    {
        assert_agreement(&[1; 32], &[2; 24], length, 0);
        assert_agreement(&[1; 32], &[2; 24], length, length % 63 + 1);
    }
}

#[test]
fn every_alignment_gives_the_same() {
    for offset in 0..64 {
        for length in [1, 100, 1055, 3000] {
            assert_agreement(&[1; 32], &[2; 24], length, offset);
        }
    }
}

/// A one-time key of ones and data of ones make the greatest limbs that there can be, and sums around 2^130 - 5.
#[test]
fn the_authenticator_carries_where_it_must() {
    let keys = [
        [0xff; 32],
        [0; 32],
        [1; 32],
        std::array::from_fn(|place| if place < 16 { 2 } else { 0xff }),
    ];
    let reference = |key: &[u8; 32], message: &[u8]| -> [u8; 16] {
        ::poly1305::Poly1305::new(key.into()).compute_unpadded(message).into()
    };
    for key in &keys {
        for byte in [0, 1, 0xff, 0xfb, 0xfe] {
            for length in (0..600).chain([1024, 1040, 4096, 65_517]) {
                let message = vec![byte; length];
                let expected = reference(key, &message);
                assert_eq!(poly1305::tag_of(key, &message), expected, "{key:?} {byte} {length}");
                for (set, kernels) in kernels() {
                    assert_eq!(
                        kernels.tag_of(key, &message),
                        expected,
                        "{set}: {key:?} {byte} {length}"
                    );
                    let mut tags = [[0; 16]; 3];
                    let short = Message {
                        key: &keys[0],
                        bytes: &message[..length / 2],
                    };
                    kernels.tags_of(&[short, Message { key, bytes: &message }, short], &mut tags);
                    assert_eq!(tags[1], expected, "{set}: {key:?} {byte} {length} beside others");
                    assert_eq!(tags[0], poly1305::tag_of(&keys[0], &message[..length / 2]));
                    assert_eq!(tags[2], tags[0]);
                }
            }
        }
    }
}

/// Ten messages are more than one vector takes, and each is at another place and has another end.
#[test]
fn tags_of_messages_at_any_place_are_those_of_one() {
    let data = bytes(400);
    let key: [u8; 32] = std::array::from_fn(|place| 255 - place as u8);
    for offset in 0..64 {
        for length in [0, 15, 16, 17, 63, 64, 65, 127, 128, 200] {
            let messages: [Message<'_>; 10] = std::array::from_fn(|index| Message {
                key: &key,
                bytes: &data[offset + index..][..length + 7 * index],
            });
            for (set, kernels) in kernels() {
                let mut tags = [[0; 16]; 10];
                kernels.tags_of(&messages, &mut tags);
                let expected = messages.map(|message| poly1305::tag_of(message.key, message.bytes));
                assert!(tags == expected, "{set}: {length} bytes at {offset}");
            }
        }
    }
}

/// Seals and opens pieces of these lengths together, and with the portable crates one by one.
fn assert_batch(nonce: &[u8; 24], lengths: &[usize]) {
    let key = [7; 32];
    let (subkey, end) = subkey(&key, nonce);
    let plaintexts: Vec<Vec<u8>> = lengths.iter().map(|length| bytes(*length)).collect();
    let mut expected = plaintexts.clone();
    let nonces = (0..).map(|index| *crate::Nonce::from_bytes(*nonce).plus(index).as_bytes());
    let expected_tags: Vec<[u8; 16]> = expected
        .iter_mut()
        .zip(nonces)
        .map(|(data, nonce)| portable::seal(&key, &nonce, data))
        .collect();

    for (set, kernels) in kernels() {
        let (mut data, mut tags) = (plaintexts.clone(), vec![[0; 16]; lengths.len()]);
        kernels.seal_batch(&subkey, end, &mut pieces(&mut data, &mut tags));
        assert!(data == expected, "{set}: ciphertexts of {lengths:?}");
        assert!(tags == expected_tags, "{set}: tags of {lengths:?}");

        for forged in 0..lengths.len() {
            let mut data = expected.clone();
            let mut tags = expected_tags.clone();
            tags[forged][forged % 16] ^= 0x80;
            let opened = kernels.open_batch(&subkey, end, &mut pieces(&mut data, &mut tags));
            assert_eq!(opened, forged, "{set}: {lengths:?}");
            assert!(
                data[..forged] == plaintexts[..forged],
                "{set}: in front of {forged} of {lengths:?}"
            );
            assert!(
                data[forged..] == expected[forged..],
                "{set}: from {forged} on of {lengths:?}"
            );
        }
        assert_eq!(
            kernels.open_batch(&subkey, end, &mut pieces(&mut data, &mut tags)),
            lengths.len()
        );
        assert!(data == plaintexts, "{set}: plaintexts of {lengths:?}");
    }
}

fn pieces<'a>(data: &'a mut [Vec<u8>], tags: &'a mut [[u8; 16]]) -> Vec<Piece<'a>> {
    data.iter_mut()
        .zip(tags)
        .map(|(data, tag)| Piece { data, tag })
        .collect()
}

#[test]
fn batches_of_any_size_are_sealed_as_one_by_one() {
    for count in (0..=20).chain([63, 64, 65, 130]) {
        for length in [0, 1, 31, 32, 33, 96, 100] {
            assert_batch(&[3; 24], &vec![length; count]);
        }
    }
}

#[test]
fn batches_of_mixed_lengths_are_sealed_as_one_by_one() {
    assert_batch(&[3; 24], &(0..150).collect::<Vec<_>>());
    assert_batch(&[3; 24], &[992, 992, 992, 992, 992, 1, 993, 2, 5000, 0, 0, 991, 64]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_key_nonce_and_length(key: [u8; 32], nonce: [u8; 24], length in 0_usize..5000, offset in 0_usize..64) {
        assert_agreement(&key, &nonce, length, offset);
    }

    #[test]
    fn any_pieces(lengths in prop::collection::vec(0_usize..3000, 0..8)) {
        assert_gathered(&lengths);
    }

    #[test]
    fn any_batch(beginning: [u8; 16], lengths in prop::collection::vec(0_usize..1200, 0..30)) {
        let mut nonce = [0; 24];
        nonce[..16].copy_from_slice(&beginning);
        assert_batch(&nonce, &lengths);
    }
}
