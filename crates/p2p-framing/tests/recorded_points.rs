//! Points are read and written as the reference does.

use bytes::BytesMut;
use p2p_framing::{DecodeError, Point, WireReader};
use serde_json::Value;

fn recorded_cases() -> Vec<Value> {
    let recorded: Value = serde_json::from_str(include_str!("vectors/enc_point.json")).unwrap();
    recorded["cases"].as_array().unwrap().clone()
}

fn decode(bytes: &[u8]) -> Result<Point, DecodeError> {
    let mut reader = WireReader::new(bytes);
    let point = Point::decode(&mut reader)?;
    reader.finish()?;
    Ok(point)
}

#[test]
fn every_recorded_encoding() {
    let cases = recorded_cases();
    assert_eq!(cases.len(), 86);
    for case in cases {
        let bytes = hex::decode(case["bytes"].as_str().unwrap()).unwrap();
        match (decode(&bytes), case["ok"].as_object()) {
            (Ok(point), Some(expected)) => {
                assert_eq!(point.to_string(), expected["canonical"], "{case}");
                assert_eq!(point.port(), expected["port"], "{case}");
                let mut encoded = BytesMut::new();
                point.encode(&mut encoded);
                assert_eq!(hex::encode(encoded), expected["reencoded"], "{case}");
            }
            (Err(DecodeError::InvalidPoint(_)), None) => {}
            (result, _) => panic!("{result:?} for {case}"),
        }
    }
}

/// The text form has no limit of 47 bytes.
#[test]
fn every_recorded_text() {
    for case in recorded_cases() {
        let Ok(text) = String::from_utf8(hex::decode(case["string_hex"].as_str().unwrap()).unwrap()) else {
            continue;
        };
        let expected = case["of_string"].as_str().unwrap().strip_prefix("ok ");
        assert_eq!(
            text.parse::<Point>().ok().map(|point| point.to_string()).as_deref(),
            expected,
            "{case}"
        );
    }
}
