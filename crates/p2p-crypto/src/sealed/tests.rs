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
