//! Whatever is changed on the way, or opened with the wrong key or nonce, is refused and left as it was.

use p2p_crypto::{ChannelKey, Nonce, OpenError, Opener, Sealer, TAG_SIZE, Tag};
use proptest::prelude::*;

/// A sealed piece of data and everything that opens it.
#[derive(Clone)]
struct Sealed {
    key: [u8; ChannelKey::SIZE],
    nonce: [u8; Nonce::SIZE],
    tag: [u8; TAG_SIZE],
    ciphertext: Vec<u8>,
}

impl Sealed {
    fn new(key: [u8; ChannelKey::SIZE], nonce: [u8; Nonce::SIZE], plaintext: &[u8]) -> Self {
        let mut ciphertext = plaintext.to_vec();
        let mut sealer = Sealer::new(ChannelKey::from_bytes(key), Nonce::from_bytes(nonce));
        let tag = *sealer.seal(&mut ciphertext).unwrap().as_bytes();
        Self {
            key,
            nonce,
            tag,
            ciphertext,
        }
    }

    fn open(&self) -> (Result<(), OpenError>, Vec<u8>) {
        let mut data = self.ciphertext.clone();
        let mut opener = Opener::new(ChannelKey::from_bytes(self.key), Nonce::from_bytes(self.nonce));
        let opened = opener.open(&mut data, &Tag::from_bytes(self.tag));
        (opened, data)
    }

    fn assert_refused(&self) {
        assert_eq!(self.open(), (Err(OpenError::Forged), self.ciphertext.clone()));
    }

    /// Tag, ciphertext, nonce and key, one after the other.
    fn parts(&mut self) -> [&mut [u8]; 4] {
        [&mut self.tag, &mut self.ciphertext, &mut self.nonce, &mut self.key]
    }
}

#[test]
fn no_single_bit_can_be_flipped() {
    let sealed = Sealed::new([3; 32], [4; 24], b"a short message");
    assert_eq!(sealed.open(), (Ok(()), b"a short message".to_vec()));

    let mut flipped = 0;
    for part in 0..4 {
        for bit in 0..sealed.clone().parts()[part].len() * 8 {
            let mut forged = sealed.clone();
            forged.parts()[part][bit / 8] ^= 1 << (bit % 8);
            forged.assert_refused();
            flipped += 1;
        }
    }
    assert_eq!(flipped, (16 + 15 + 24 + 32) * 8);
}

#[test]
fn an_empty_message_is_authenticated_too() {
    let sealed = Sealed::new([3; 32], [4; 24], b"");
    assert_eq!(sealed.open(), (Ok(()), vec![]));
    Sealed {
        tag: [0; TAG_SIZE],
        ..sealed
    }
    .assert_refused();
}

#[test]
fn pieces_open_only_in_the_order_of_sealing() {
    let (key, nonce) = (ChannelKey::from_bytes([3; 32]), Nonce::from_bytes([4; 24]));
    let mut sealer = Sealer::new(key.clone(), nonce);
    let (mut first, mut second) = (*b"first", *b"second");
    sealer.seal(&mut first).unwrap();
    let tag = sealer.seal(&mut second).unwrap();

    assert_eq!(Opener::new(key, nonce).open(&mut second, &tag), Err(OpenError::Forged));
}

#[test]
fn a_piece_does_not_open_twice() {
    let (key, nonce) = (ChannelKey::from_bytes([3; 32]), Nonce::from_bytes([4; 24]));
    let mut data = *b"once";
    let tag = Sealer::new(key.clone(), nonce).seal(&mut data).unwrap();
    let mut replayed = data;

    let mut opener = Opener::new(key, nonce);
    assert_eq!(opener.open(&mut data, &tag), Ok(()));
    assert_eq!(opener.open(&mut replayed, &tag), Err(OpenError::Forged));
}

#[test]
fn after_a_failure_even_the_genuine_piece_is_refused() {
    let (key, nonce) = (ChannelKey::from_bytes([3; 32]), Nonce::from_bytes([4; 24]));
    let mut sealer = Sealer::new(key.clone(), nonce);
    let (mut first, mut second) = (*b"first", *b"second");
    let first_tag = sealer.seal(&mut first).unwrap();
    let second_tag = sealer.seal(&mut second).unwrap();

    let mut opener = Opener::new(key, nonce);
    assert_eq!(
        opener.open(&mut first, &Tag::from_bytes([0; TAG_SIZE])),
        Err(OpenError::Forged)
    );
    for _ in 0..2 {
        for (data, tag) in [(&mut first[..], &first_tag), (&mut second[..], &second_tag)] {
            let before = data.to_vec();
            assert_eq!(opener.open(data, tag), Err(OpenError::AfterFailure));
            assert_eq!(data, before);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_was_sealed_opens(key: [u8; 32], nonce: [u8; 24], plaintext: Vec<u8>) {
        let sealed = Sealed::new(key, nonce, &plaintext);
        prop_assert_eq!(sealed.open(), (Ok(()), plaintext));
    }

    #[test]
    fn any_change_to_any_part_is_refused(
        key: [u8; 32],
        nonce: [u8; 24],
        plaintext in prop::collection::vec(any::<u8>(), 1..2000),
        part in 0..4_usize,
        place: prop::sample::Index,
        mask in 1..=u8::MAX,
    ) {
        let mut forged = Sealed::new(key, nonce, &plaintext);
        let part = &mut forged.parts()[part];
        part[place.index(part.len())] ^= mask;
        forged.assert_refused();
    }

    #[test]
    fn a_change_of_length_is_refused(
        key: [u8; 32],
        nonce: [u8; 24],
        plaintext in prop::collection::vec(any::<u8>(), 0..300),
        length in 0..400_usize,
    ) {
        prop_assume!(length != plaintext.len());
        let mut forged = Sealed::new(key, nonce, &plaintext);
        forged.ciphertext.resize(length, 0);
        forged.assert_refused();
    }
}
