use super::*;

fn key() -> ChannelKey {
    ChannelKey::from_bytes([1; 32])
}

fn first() -> Nonce {
    Nonce::from_bytes([0xff; Nonce::SIZE])
}

#[test]
fn every_piece_takes_the_next_nonce() {
    let (mut sealer, mut opener) = (Sealer::new(key(), first()), Opener::new(key(), first()));
    let mut expected = first();
    for _ in 0..3 {
        assert_eq!((sealer.nonce(), opener.nonce()), (expected, expected));
        let mut data = [0; 5];
        let tag = sealer.seal(&mut data).unwrap();
        opener.open(&mut data, &tag).unwrap();
        expected = expected.incremented();
    }
}

#[test]
fn a_batch_takes_a_nonce_for_each_piece() {
    let (mut sealer, mut opener) = (Sealer::new(key(), first()), Opener::new(key(), first()));
    let mut expected = first();
    for count in [0, 1, 2, 5, 70] {
        let (mut data, mut tags) = (vec![[7; 5]; count], vec![[0; TAG_SIZE]; count]);
        let pieces = data.iter_mut().zip(&mut tags).map(|(data, tag)| Piece { data, tag });
        let mut pieces: Vec<_> = pieces.collect();
        sealer.seal_batch(&mut pieces).unwrap();
        opener.open_batch(&mut pieces).unwrap();
        for _ in 0..count {
            expected = expected.incremented();
        }
        assert_eq!((sealer.nonce(), opener.nonce()), (expected, expected));
    }
}

#[test]
fn the_last_nonce_is_used_and_none_after_it() {
    let (mut sealer, mut opener) = (Sealer::new(key(), first()), Opener::new(key(), first()));
    sealer.nonces.remaining = 1;
    opener.nonces.remaining = 1;

    let mut data = *b"last";
    let tag = sealer.seal(&mut data).unwrap();
    opener.open(&mut data, &tag).unwrap();
    assert_eq!(&data, b"last");

    for _ in 0..2 {
        assert_eq!(sealer.seal(&mut data).unwrap_err(), NoncesExhausted);
        assert_eq!(
            opener.open(&mut data, &tag),
            Err(OpenError::NoncesExhausted(NoncesExhausted))
        );
        assert_eq!(&data, b"last");
    }
}

#[test]
fn a_direction_starts_with_all_its_nonces() {
    assert_eq!(Sealer::new(key(), first()).nonces.remaining, u64::MAX);
    assert_eq!(Opener::new(key(), first()).nonces.remaining, u64::MAX);
}

/// With every set of instructions, the portable one included.
#[test]
fn gathering_and_opening_into_another_place_change_nothing() {
    let plaintext: Vec<u8> = (0..5000_u32).map(|place| place.to_le_bytes()[0]).collect();
    for set in InstructionSet::available() {
        let mut in_place = plaintext.clone();
        let expected = Sealer::new(key(), first())
            .with_instruction_set(set)
            .seal(&mut in_place)
            .unwrap();
        let mut sealer = Sealer::new(key(), first()).with_instruction_set(set);
        let mut sealed = vec![0; plaintext.len()];
        let tag = sealer
            .seal_gathered(&[&plaintext[..1], &plaintext[1..]], &mut sealed)
            .unwrap();
        assert_eq!(tag.as_bytes(), expected.as_bytes(), "{set}");
        assert!(sealed == in_place, "{set}");
        assert_eq!(sealer.nonce(), first().incremented());

        let mut opened = vec![0; plaintext.len()];
        let mut opener = Opener::new(key(), first()).with_instruction_set(set);
        opener.open_into(&sealed, &tag, &mut opened).unwrap();
        assert!(opened == plaintext, "{set}");
        assert_eq!(opener.open_into(&sealed, &tag, &mut opened), Err(OpenError::Forged));
        assert_eq!(
            opener.open_into(&sealed, &tag, &mut opened),
            Err(OpenError::AfterFailure)
        );
    }
}

#[test]
#[should_panic(expected = "do not fill their place")]
fn pieces_have_to_fill_their_place() {
    let _ = Sealer::new(key(), first()).seal_gathered(&[b"four"], &mut [0; 5]);
}
