use super::*;
use crate::Stamp;

const SECRET: [u8; 32] = [0xab; 32];

fn identity() -> Identity {
    Identity::new(SecretKey::from_bytes(SECRET), Stamp::from_bytes([0x0c; 24]))
}

/// The identity's JSON with the value of one field replaced by `value`, which is JSON itself.
fn with(field: &str, value: &str) -> String {
    let json = identity().to_json();
    let mut found = false;
    let lines: Vec<String> = json
        .lines()
        .map(|line| match line.trim_start().starts_with(&format!("\"{field}\"")) {
            true => {
                found = true;
                let comma = if line.ends_with(',') { "," } else { "" };
                format!("  \"{field}\": {value}{comma}")
            }
            false => line.to_owned(),
        })
        .collect();
    assert!(found);
    lines.join("\n")
}

fn error(json: &str) -> InvalidIdentity {
    let error = Identity::from_json(json).unwrap_err();
    let text = format!("{error:?} {error}");
    assert!(!text.contains("abab"), "{text}");
    error
}

#[test]
fn writes_the_four_fields_in_order() {
    let identity = identity();
    let expected = format!(
        "{{\n  \"peer_id\": \"{}\",\n  \"public_key\": \"{}\",\n  \"secret_key\": \"{}\",\n  \"proof_of_work_stamp\": \"{}\"\n}}",
        identity.peer_id(),
        identity.public_key(),
        "ab".repeat(32),
        "0c".repeat(24),
    );
    assert_eq!(*identity.to_json(), expected);
}

#[test]
fn the_buffer_for_the_secret_never_grows() {
    assert!(identity().to_json().len() <= JSON_ROOM);
}

#[test]
fn reads_what_it_writes() {
    let read = Identity::from_json(&identity().to_json()).unwrap();
    assert_eq!(read.secret_key(), identity().secret_key());
    assert_eq!(read.public_key(), identity().public_key());
    assert_eq!(read.stamp(), identity().stamp());
}

/// Order, blanks, escapes, the case of digits and further fields make no difference, nor does a missing peer id.
#[test]
fn reads_the_same_written_otherwise() {
    let public_key = identity().public_key().to_string();
    let json = format!(
        "\n{{\"more\":{{\"a\":[1,null]}} , \"proof_of_work_stamp\":\"{}\",\t\"secret_key\" :\"\\u0061B{}\",\"public_key\":\"{}\"}}\n",
        "0C".repeat(24),
        "ab".repeat(31),
        public_key.to_uppercase(),
    );
    let read = Identity::from_json(&json).unwrap();
    assert_eq!(read.secret_key(), identity().secret_key());
    assert_eq!(read.stamp(), identity().stamp());
    assert!(Identity::from_json(&with("peer_id", "null")).is_ok());
}

#[test]
fn names_the_missing_field() {
    for name in ["public_key", "secret_key", "proof_of_work_stamp"] {
        let renamed = identity().to_json().replace(name, "renamed");
        assert_eq!(error(&renamed), InvalidIdentity::MissingField { name });
    }
}

#[test]
fn names_the_field_that_is_no_string() {
    for name in ["peer_id", "public_key", "secret_key", "proof_of_work_stamp"] {
        for value in ["1", "true", "[\"abab\"]", "{\"abab\": \"abab\"}"] {
            assert_eq!(error(&with(name, value)), InvalidIdentity::FieldIsNotText { name });
        }
    }
}

#[test]
fn names_the_field_with_a_wrong_value() {
    assert_eq!(
        error(&with("peer_id", "\"abab\"")),
        InvalidIdentity::PeerId(InvalidPeerId::Length { bytes: 4 })
    );
    assert_eq!(
        error(&with("public_key", "\"abab\"")),
        InvalidIdentity::PublicKey(InvalidPublicKey::Length { bytes: 4 })
    );
    assert_eq!(
        error(&with("proof_of_work_stamp", "\"abab\"")),
        InvalidIdentity::Stamp(InvalidStamp::Length { bytes: 4 })
    );
    let short = "ab".repeat(31);
    for value in [
        String::new(),
        short.clone(),
        format!("{short}a"),
        format!("{short}ag"),
        "ab".repeat(33),
    ] {
        assert_eq!(
            error(&with("secret_key", &format!("\"{value}\""))),
            InvalidIdentity::SecretKey
        );
    }
}

#[test]
fn the_peer_id_must_be_that_of_the_public_key() {
    let other = SecretKey::from_bytes([1; 32]).public_key().peer_id();
    assert_eq!(
        error(&with("peer_id", &format!("\"{other}\""))),
        InvalidIdentity::PeerIdMismatch {
            stated: other,
            actual: identity().peer_id()
        }
    );
}

#[test]
fn the_public_key_must_be_that_of_the_secret_key() {
    let secret = "cd".repeat(32);
    assert_eq!(
        error(&with("secret_key", &format!("\"{secret}\""))),
        InvalidIdentity::PublicKeyMismatch {
            actual: SecretKey::from_bytes([0xcd; 32]).public_key()
        }
    );
}

/// `error` looks for the secret in the text of the error.
#[test]
fn secret_and_public_key_mixed_up_do_not_tell_the_secret() {
    let secret = "ab".repeat(32);
    let public_key = identity().public_key();
    let mixed_up = format!(
        r#"{{"public_key": "{secret}", "secret_key": "{public_key}", "proof_of_work_stamp": "{}"}}"#,
        identity().stamp()
    );
    assert!(matches!(error(&mixed_up), InvalidIdentity::PublicKeyMismatch { .. }));
}

#[test]
fn what_is_no_json_object_is_told_by_its_place() {
    let json = identity().to_json();
    for end in 0..json.len() {
        assert!(matches!(error(&json[..end]), InvalidIdentity::Json { .. }), "{end}");
    }
    let secret = "ab".repeat(32);
    for text in [
        format!("\"{secret}\""),
        format!("{{\"secret_key\": \"{secret}\", \"secret_key\": \"{secret}\"}}"),
        format!("{{\"{secret}\": {secret}}}"),
        format!("{} abab", *json),
        "[".repeat(60_000),
    ] {
        assert!(matches!(error(&text), InvalidIdentity::Json { .. }));
    }
    assert_eq!(error("{\n  abab}"), InvalidIdentity::Json { line: 2, column: 3 });
}
