//! Everything that is decoded in one piece: what decodes must encode to something that decodes to the same.

use bytes::BytesMut;
use p2p_crypto::Identity;
use p2p_framing::{ClearFrameCodec, Point, PointList, WireReader};
use p2p_socket::{Ack, ConnectionMessage};
use tokio_util::codec::Decoder;

pub(crate) fn connection_message(data: &[u8]) {
    if let Ok(message) = ConnectionMessage::decode(data) {
        // Every field has one encoding, so the bytes are the same.
        let frame = message.encode();
        match frame {
            Ok(frame) => assert_eq!(frame.body(), data),
            Err(_) => assert!(data.len() > ConnectionMessage::MAX_SIZE),
        }
    }
    let mut input = BytesMut::from(data);
    let mut codec = ClearFrameCodec::new(ConnectionMessage::MAX_SIZE);
    while let Ok(Some(frame)) = codec.decode(&mut input) {
        assert!(frame.body().len() <= ConnectionMessage::MAX_SIZE);
        let _ = ConnectionMessage::decode(frame.body());
    }
}

pub(crate) fn ack(data: &[u8]) {
    let Ok(ack) = Ack::decode(data) else { return };
    if let Ack::Nack { points, .. } = &ack {
        assert!(points.as_slice().len() <= PointList::MAX_LENGTH);
    }
    let encoded = ack.encode();
    // All but the points has one encoding.
    let head = encoded.len().min(3);
    assert_eq!(encoded[..head], data[..head]);
    assert_eq!(Ack::decode(&encoded).ok(), Some(ack));
}

pub(crate) fn point(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(point) = text.parse::<Point>()
    {
        assert_eq!(point.to_string().parse(), Ok(point));
        let mut wire = BytesMut::new();
        point.encode(&mut wire);
        assert_eq!(Point::decode(&mut WireReader::new(&wire)).ok(), Some(point));
    }
    if let Ok(points) = PointList::decode(data) {
        assert!(points.as_slice().len() <= PointList::MAX_LENGTH);
        let mut wire = BytesMut::new();
        points.encode(&mut wire);
        assert_eq!(PointList::decode(&wire).ok(), Some(points));
    }
}

pub(crate) fn identity_json(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Identity::from_json(text) {
        Ok(identity) => {
            let again = Identity::from_json(&identity.to_json()).expect("its own encoding is valid");
            assert_eq!(again.peer_id(), identity.peer_id());
            assert_eq!(again.secret_key(), identity.secret_key());
        }
        // Whatever is wrong is told without telling the secret.
        Err(error) => {
            let told = format!("{error} {error:?}");
            assert!(!contains_secret(text, &told), "{told}");
        }
    }
}

/// Whether `told` has 16 hexadecimal digits in a row that are in the value of the secret key.
fn contains_secret(json: &str, told: &str) -> bool {
    let Some((_, rest)) = json.split_once("\"secret_key\"") else {
        return false;
    };
    let Some(value) = rest.split('"').nth(1) else {
        return false;
    };
    let is_hexadecimal = |window: &&[u8]| window.iter().all(u8::is_ascii_hexdigit);
    let elsewhere = json.matches(value).count() > 1;
    !elsewhere
        && value.as_bytes().windows(16).filter(is_hexadecimal).any(|window| {
            let window = std::str::from_utf8(window).unwrap_or("?");
            json.matches(window).count() == 1 && told.contains(window)
        })
}
