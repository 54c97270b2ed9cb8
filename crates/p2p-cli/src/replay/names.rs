//! The names by which recorded sessions call motives and errors, those of Octez.

use p2p_framing::Point;
use p2p_socket::{AcceptError, AuthenticateError, RejectionMotive};
use serde::{Deserialize, Deserializer, de::Error};

pub(super) const CONNECTION_CLOSED: &str = "connection_closed";
pub(super) const MYSELF: &str = "myself";
pub(super) const NOT_ENOUGH_PROOF_OF_WORK: &str = "not_enough_proof_of_work";
pub(super) const REJECTED_BY_NACK: &str = "rejected_by_nack";
pub(super) const REJECTED_SOCKET_CONNECTION: &str = "rejected_socket_connection";
pub(super) const TOO_MANY_POINTS: &str = "too_many_points";
const INVALID_CIPHERTEXT_SIZE: &str = "invalid_incoming_ciphertext_size";
const DECIPHER: &str = "decipher_error";
const DECODING: &str = "decoding_error";
const INVALID_AUTHENTICATION: &str = "invalid_auth";

const MOTIVES: [(&str, RejectionMotive); 6] = [
    ("no_motive", RejectionMotive::NoMotive),
    ("too_many_connections", RejectionMotive::TooManyConnections),
    ("unknown_chain_name", RejectionMotive::UnknownChainName),
    ("deprecated_p2p", RejectionMotive::DeprecatedP2pVersion),
    ("deprecated_ddb", RejectionMotive::DeprecatedDistributedDbVersion),
    ("already_connected", RejectionMotive::AlreadyConnected),
];

/// A motive by its name, or `unknown:` and its code.
pub(super) fn motive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RejectionMotive, D::Error> {
    let text = String::deserialize(deserializer)?;
    let named = MOTIVES
        .iter()
        .find(|(name, _)| *name == text)
        .map(|(_, motive)| *motive);
    named
        .or_else(|| {
            text.strip_prefix("unknown:")?
                .parse()
                .ok()
                .map(RejectionMotive::from_code)
        })
        .ok_or_else(|| D::Error::custom(format!("{text:?} is no motive")))
}

pub(super) fn points<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Point>, D::Error> {
    parse_points(Vec::deserialize(deserializer)?)
}

pub(super) fn optional_points<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Point>>, D::Error> {
    Option::deserialize(deserializer)?.map(parse_points).transpose()
}

fn parse_points<E: Error>(texts: Vec<String>) -> Result<Vec<Point>, E> {
    let parse = |text: String| {
        text.parse()
            .map_err(|error| E::custom(format!("{text:?} is an {error}")))
    };
    texts.into_iter().map(parse).collect()
}

/// Where Octez keeps its errors: their names begin with one of these.
const MODULES: [&str; 2] = ["node.p2p_socket.", "node.p2p_io_scheduler."];

/// Names without their module, `decipher_error` for `node.p2p_socket.decipher_error`. The reference raises an exception
/// of its encoding library when a nack has too many points.
pub(super) fn errors<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let short = |name: String| {
        if name.starts_with("Data_encoding.") && name.contains("Write_error") {
            return TOO_MANY_POINTS.to_owned();
        }
        let own_name = MODULES.iter().find_map(|module| name.strip_prefix(module));
        own_name.map(str::to_owned).unwrap_or(name)
    };
    Ok(Vec::deserialize(deserializer)?.into_iter().map(short).collect())
}

/// The names of an error of ours. One that the reference does not have goes by its text.
pub(super) fn of_authenticate_error(error: &AuthenticateError) -> Vec<String> {
    let name = match error {
        AuthenticateError::ConnectionClosed { .. } => CONNECTION_CLOSED,
        AuthenticateError::NotEnoughProofOfWork { .. } => NOT_ENOUGH_PROOF_OF_WORK,
        AuthenticateError::Myself { .. } => MYSELF,
        AuthenticateError::InvalidCiphertextSize { .. } => INVALID_CIPHERTEXT_SIZE,
        AuthenticateError::Decipher => DECIPHER,
        AuthenticateError::Decoding { .. } => DECODING,
        other => return vec![other.to_string()],
    };
    vec![name.to_owned()]
}

/// The names of an error of ours, the outermost first. One that the reference does not have goes by its text.
pub(super) fn of_accept_error(error: &AcceptError) -> Vec<String> {
    let names: &[&str] = match error {
        AcceptError::RejectedSocketConnection { .. } => &[REJECTED_SOCKET_CONNECTION, CONNECTION_CLOSED],
        AcceptError::InvalidAuthentication => &[INVALID_AUTHENTICATION, DECIPHER],
        AcceptError::InvalidCiphertextSize { .. } => &[INVALID_CIPHERTEXT_SIZE],
        AcceptError::Decoding(_) => &[DECODING],
        AcceptError::RejectedByNack { .. } => &[REJECTED_BY_NACK],
        other => return vec![other.to_string()],
    };
    names.iter().map(|&name| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn motives_go_by_name_or_code() {
        for (name, expected) in MOTIVES {
            assert_eq!(motive(&json!(name)).unwrap(), expected);
        }
        assert_eq!(motive(&json!("unknown:-1")).unwrap(), RejectionMotive::Unknown(-1));
        for wrong in ["", "busy", "unknown:", "unknown:32768", "unknown:six"] {
            assert!(motive(&json!(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn errors_are_called_without_their_module() {
        let names = |names: Value| errors(&names).unwrap();
        assert_eq!(names(json!(["node.p2p_socket.myself"])), [MYSELF]);
        assert_eq!(
            names(json!(["node.p2p_io_scheduler.connection_closed"])),
            [CONNECTION_CLOSED]
        );
        assert_eq!(names(json!(["Data_encoding.Write_error(too long)"])), [TOO_MANY_POINTS]);
        for other in ["Timeout", "node.elsewhere.myself", "Write_error"] {
            assert_eq!(names(json!([other])), [other]);
        }
    }
}
