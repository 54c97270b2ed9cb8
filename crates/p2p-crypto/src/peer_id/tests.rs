use proptest::prelude::*;

use super::*;

const TEXT: &str = "idtJVUJ7L3MDsdMR65SyFU9JjHGCAn";

#[test]
fn debug_shows_the_text() {
    assert_eq!(
        format!("{:?}", TEXT.parse::<PeerId>().unwrap()),
        format!("PeerId({TEXT})")
    );
}

#[test]
fn the_extreme_ids_have_thirty_characters() {
    for byte in [0, 0xff] {
        let peer_id = PeerId::from_bytes([byte; PeerId::SIZE]);
        let text = peer_id.to_string();
        assert_eq!(text.len(), PeerId::TEXT_LENGTH);
        assert!(text.starts_with("id"));
        assert_eq!(text.parse(), Ok(peer_id));
    }
}

#[test]
fn a_text_of_another_length_is_no_peer_id() {
    let longer = format!("{TEXT}1");
    for text in ["", "id", &TEXT[..29], &longer, &TEXT.repeat(1000)] {
        assert_eq!(text.parse::<PeerId>(), Err(InvalidPeerId::Length { bytes: text.len() }));
    }
}

#[test]
fn a_text_with_other_characters_is_no_peer_id() {
    for (index, other) in [(2, "0"), (29, "l"), (15, " "), (20, "é")] {
        let mut text = TEXT.to_owned();
        text.replace_range(index..index + other.len(), other);
        assert_eq!(text.parse::<PeerId>(), Err(InvalidPeerId::Character { index }));
    }
}

#[test]
fn every_mistyped_character_is_noticed() {
    for index in 0..TEXT.len() {
        let mut text = TEXT.to_owned();
        let other = if &TEXT[index..=index] == "z" { "y" } else { "z" };
        text.replace_range(index..=index, other);
        assert!(text.parse::<PeerId>().is_err(), "{text}");
    }
}

#[test]
fn another_prefix_names_no_peer() {
    let other = bs58::encode([&[0x99, 0x68][..], &[7; 16]].concat())
        .with_check()
        .into_string();
    assert_eq!(other.len(), PeerId::TEXT_LENGTH);
    assert_eq!(other.parse::<PeerId>(), Err(InvalidPeerId::Prefix));
}

proptest! {
    #[test]
    fn an_id_reads_what_it_writes(bytes: [u8; 16]) {
        let peer_id = PeerId::from_bytes(bytes);
        prop_assert_eq!(peer_id.to_string().parse(), Ok(peer_id));
    }

    #[test]
    fn any_text_is_read_without_panic(text in "[1-9A-HJ-NP-Za-km-z]{30}|.{0,40}") {
        if let Ok(peer_id) = text.parse::<PeerId>() {
            prop_assert_eq!(peer_id.to_string(), text);
        }
    }
}
