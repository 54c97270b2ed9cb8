//! The messages of the handshake are encoded and decoded as the reference does.

use bytes::BytesMut;
use p2p_crypto::Nonce;
use p2p_framing::{DecodeError, Point, PointList, WireReader};
use p2p_socket::{Ack, ChainName, ConnectionMessage, Metadata, NetworkVersion, NodeMetadata, RejectionMotive};
use serde_json::Value;

fn file(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The entries of one section, of which there must be exactly `count`.
fn section<'a>(file: &'a Value, name: &str, count: usize) -> &'a [Value] {
    let entries = file[name].as_array().unwrap();
    assert_eq!(entries.len(), count, "entries in section {name}");
    entries
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn array<const SIZE: usize>(value: &Value) -> [u8; SIZE] {
    bytes(value).try_into().unwrap()
}

fn number(value: &Value) -> u16 {
    value.as_u64().unwrap().try_into().unwrap()
}

/// Whether our error is the one that the reference calls `name`.
fn is_error(error: &DecodeError, name: &str) -> bool {
    match name {
        // The reference reads lengths as 31-bit numbers and may name the number instead of the bytes that it lacks.
        "Not_enough_data" | "Invalid_int" => matches!(error, DecodeError::NotEnoughData),
        "Extra_bytes" => matches!(error, DecodeError::ExtraBytes { .. }),
        "Unexpected_tag" => matches!(error, DecodeError::UnexpectedTag { .. }),
        "List_too_long" => matches!(error, DecodeError::TooManyPoints(_)),
        // Points only: not parsed, or longer than a point may be.
        "Exception_raised_in_user_function" | "Size_limit_exceeded" => matches!(error, DecodeError::InvalidPoint(_)),
        _ => false,
    }
}

fn check_error<T: std::fmt::Debug>(result: Result<T, DecodeError>, entry: &Value) {
    let error = result.unwrap_err();
    let name = entry["error"].as_str().unwrap();
    assert!(is_error(&error, name), "{error:?} instead of {name} for {entry}");
}

fn connection_message(value: &Value) -> ConnectionMessage {
    let version = &value["version"];
    let chain_name = match &version["chain_name"] {
        Value::String(text) => ChainName::from(text.as_str()),
        invalid => ChainName::from(&not_utf8(&invalid["invalid_utf8_string"])[..]),
    };
    ConnectionMessage {
        port: value["port"].as_u64().map(|port| port.try_into().unwrap()),
        public_key: value["public_key"].as_str().unwrap().parse().unwrap(),
        proof_of_work_stamp: value["proof_of_work_stamp"].as_str().unwrap().parse().unwrap(),
        message_nonce: Nonce::from_bytes(array(&value["message_nonce"])),
        version: NetworkVersion {
            chain_name,
            distributed_db_version: number(&version["distributed_db_version"]),
            p2p_version: number(&version["p2p_version"]),
        },
    }
}

fn not_utf8(numbers: &Value) -> Vec<u8> {
    let numbers = numbers.as_array().unwrap();
    numbers.iter().map(|byte| number(byte).try_into().unwrap()).collect()
}

#[test]
fn connection_messages() {
    let file = file(include_str!("vectors/enc_connection_message.json"));
    let mut not_text = 0;
    for entry in section(&file, "encode", 8) {
        let message = connection_message(&entry["value"]);
        let chain_name = message.version.chain_name.as_bytes();
        assert_eq!(chain_name, bytes(&entry["value"]["chain_name_hex"]));
        not_text += usize::from(std::str::from_utf8(chain_name).is_err());

        let frame = message.encode().unwrap();
        assert_eq!(frame.as_wire(), bytes(&entry["wire"]), "{entry}");
        assert_eq!(frame.body(), bytes(&entry["encoded"]), "{entry}");
        assert_eq!(ConnectionMessage::decode(frame.body()).unwrap(), message);
    }
    assert_eq!(not_text, 1, "names that are not UTF-8");
    for entry in section(&file, "decode", 16) {
        let decoded = ConnectionMessage::decode(&bytes(&entry["bytes"]));
        if entry.get("ok").is_some() {
            assert_eq!(decoded.unwrap(), connection_message(&entry["ok"]), "{entry}");
        } else {
            check_error(decoded, entry);
        }
    }
}

fn metadata(value: &Value) -> NodeMetadata {
    NodeMetadata {
        disable_mempool: value["disable_mempool"].as_bool().unwrap(),
        private_node: value["private_node"].as_bool().unwrap(),
    }
}

fn decode_metadata(bytes: &[u8]) -> Result<NodeMetadata, DecodeError> {
    let mut reader = WireReader::new(bytes);
    let metadata = NodeMetadata::decode(&mut reader)?;
    reader.finish().map(|()| metadata)
}

#[test]
fn node_metadata() {
    let file = file(include_str!("vectors/enc_metadata.json"));
    for entry in section(&file, "encode", 4) {
        let metadata = metadata(&entry["value"]);
        let mut out = BytesMut::new();
        metadata.encode(&mut out);
        assert_eq!(out, bytes(&entry["bytes"]), "{entry}");
        assert_eq!(metadata.is_private(), metadata.private_node);
    }
    for entry in section(&file, "decode", 12) {
        let decoded = decode_metadata(&bytes(&entry["bytes"]));
        if entry.get("ok").is_some() {
            assert_eq!(decoded.unwrap(), metadata(&entry["ok"]), "{entry}");
        } else {
            check_error(decoded, entry);
        }
    }
}

/// A motive by the sentence that the reference has for it.
fn motive_of_sentence(sentence: &str) -> RejectionMotive {
    match sentence {
        "No motive" => RejectionMotive::NoMotive,
        "Too many connections" => RejectionMotive::TooManyConnections,
        "Unknown chain name" => RejectionMotive::UnknownChainName,
        "Running a deprecated p2p layer version" => RejectionMotive::DeprecatedP2pVersion,
        "Running a deprecated distributed db version" => RejectionMotive::DeprecatedDistributedDbVersion,
        "Already connected/connecting" => RejectionMotive::AlreadyConnected,
        other => {
            let code = other.strip_prefix("Rejected for unknown reason, code (").unwrap();
            RejectionMotive::Unknown(code.strip_suffix(')').unwrap().parse().unwrap())
        }
    }
}

fn ack(value: &Value) -> Ack {
    if value.get("ack").is_some() {
        return Ack::Ack;
    }
    if value.get("nack_v_0").is_some() {
        return Ack::NackVersion0;
    }
    let nack = &value["nack"];
    let points = nack["points"].as_array().unwrap().iter();
    let points = points.map(|point| point.as_str().unwrap().parse().unwrap()).collect();
    Ack::Nack {
        motive: motive_of_sentence(nack["motive"].as_str().unwrap()),
        points: PointList::new(points).unwrap(),
    }
}

#[test]
fn acks_and_nacks() {
    let file = file(include_str!("vectors/enc_ack.json"));
    let mut too_many = 0;
    for entry in section(&file, "encode", 19) {
        if entry.get("error").is_some() {
            // Here a list of so many points can not even be made.
            let point: Point = "10.0.0.1:9732".parse().unwrap();
            assert!(PointList::new(vec![point; PointList::MAX_LENGTH + 1]).is_err());
            too_many += 1;
            continue;
        }
        let ack = ack(&entry["value"]);
        let encoded = ack.encode();
        assert_eq!(encoded, bytes(&entry["bytes"]), "{entry}");
        assert_eq!(encoded.len() as u64, entry["length"].as_u64().unwrap());
        assert_eq!(Ack::decode(&encoded).unwrap(), ack);
    }
    assert_eq!(too_many, 2, "nacks that can not be encoded");
    for entry in section(&file, "decode", 29) {
        let decoded = Ack::decode(&bytes(&entry["bytes"]));
        if entry.get("ok").is_some() {
            assert_eq!(decoded.unwrap(), ack(&entry["ok"]), "{entry}");
        } else {
            check_error(decoded, entry);
        }
    }
}

/// A motive by the name that the record has for it.
fn motive_of_name(name: &str) -> RejectionMotive {
    match name {
        "no_motive" => RejectionMotive::NoMotive,
        "too_many_connections" => RejectionMotive::TooManyConnections,
        "unknown_chain_name" => RejectionMotive::UnknownChainName,
        "deprecated_p2p" => RejectionMotive::DeprecatedP2pVersion,
        "deprecated_ddb" => RejectionMotive::DeprecatedDistributedDbVersion,
        "already_connected" => RejectionMotive::AlreadyConnected,
        other => RejectionMotive::Unknown(other.strip_prefix("unknown:").unwrap().parse().unwrap()),
    }
}

/// Motives stand on the wire only inside of nacks.
fn decode_motive(bytes: &[u8]) -> Result<RejectionMotive, DecodeError> {
    let mut reader = WireReader::new(bytes);
    let code = reader.i16()?;
    reader.finish().map(|()| RejectionMotive::from_code(code))
}

#[test]
fn rejection_motives() {
    let file = file(include_str!("vectors/enc_rejection.json"));
    for entry in section(&file, "encode", 13) {
        let motive = motive_of_name(entry["motive"].as_str().unwrap());
        assert_eq!(motive.code().to_be_bytes()[..], bytes(&entry["bytes"]), "{entry}");
        assert_eq!(i64::from(motive.code()), entry["json"].as_i64().unwrap());
        assert_eq!(RejectionMotive::from_code(motive.code()), motive);

        let nack = Ack::nack(1, motive, PointList::default()).encode();
        assert_eq!(nack[1..3], bytes(&entry["bytes"]), "{entry}");
    }
    for entry in section(&file, "decode", 14) {
        let decoded = decode_motive(&bytes(&entry["bytes"]));
        if let Some(ok) = entry.get("ok") {
            let motive = decoded.unwrap();
            assert_eq!(motive, motive_of_sentence(ok["pp"].as_str().unwrap()), "{entry}");
            let is_unknown = matches!(motive, RejectionMotive::Unknown(_));
            assert_eq!(is_unknown, ok["is_unknown"].as_bool().unwrap(), "{entry}");
        } else {
            check_error(decoded, entry);
        }
    }
}
