use super::*;

const TEXT: &str = "9d5d49035fbf338ee0a84fb4004740ca2b15186a7f44af60047197a219ae1b71";

#[test]
fn a_public_key_reads_what_it_writes() {
    let public_key: PublicKey = TEXT.parse().unwrap();
    assert_eq!(public_key.to_string(), TEXT);
    assert_eq!(format!("{public_key:?}"), format!("PublicKey({TEXT})"));
}

#[test]
fn upper_case_is_read_and_lower_case_written() {
    let public_key: PublicKey = TEXT.to_uppercase().parse().unwrap();
    assert_eq!(public_key.to_string(), TEXT);
}

#[test]
fn a_text_of_another_length_is_no_public_key() {
    let longer = format!("{TEXT}0");
    for text in ["", "9", &TEXT[..62], &TEXT[..63], &longer, &TEXT.repeat(2)] {
        assert_eq!(
            text.parse::<PublicKey>(),
            Err(InvalidPublicKey::Length { bytes: text.len() })
        );
    }
}

#[test]
fn a_text_with_other_characters_is_no_public_key() {
    for (index, other) in [(0, "g"), (1, " "), (62, "-"), (63, "."), (30, "é")] {
        let mut text = TEXT.to_owned();
        text.replace_range(index..index + other.len(), other);
        assert_eq!(text.parse::<PublicKey>(), Err(InvalidPublicKey::Digit { index }));
    }
}

#[test]
fn a_secret_key_is_kept_as_it_came() {
    let secret_key = SecretKey::from_bytes([0xff; 32]);
    assert_eq!(secret_key.expose_bytes(), &[0xff; 32]);
    assert_eq!(secret_key.clone(), secret_key);
}
