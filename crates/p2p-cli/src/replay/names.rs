//! The names by which recorded sessions call motives and errors, those of Octez.

use p2p_framing::Point;
use p2p_socket::{AcceptError, AuthenticateError, NackError, RejectionMotive};
use serde::{Deserialize, Deserializer, de::Error};

use crate::errors;

pub(super) const CONNECTION_CLOSED: &str = "connection_closed";
pub(super) const MYSELF: &str = "myself";
pub(super) const NOT_ENOUGH_PROOF_OF_WORK: &str = "not_enough_proof_of_work";
pub(super) const REJECTED_BY_NACK: &str = "rejected_by_nack";
pub(super) const REJECTED_SOCKET_CONNECTION: &str = "rejected_socket_connection";
pub(super) const TOO_MANY_POINTS: &str = "too_many_points";
const DECIPHER: &str = "decipher_error";

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
pub(super) fn recorded_errors<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let short = |name: String| {
        if name.starts_with("Data_encoding.") && name.contains("Write_error") {
            return TOO_MANY_POINTS.to_owned();
        }
        let own_name = MODULES.iter().find_map(|module| name.strip_prefix(module));
        own_name.map(str::to_owned).unwrap_or(name)
    };
    Ok(Vec::deserialize(deserializer)?.into_iter().map(short).collect())
}

/// The names of an error of ours, the outermost first.
pub(super) fn of_authenticate_error(error: &AuthenticateError) -> Vec<String> {
    vec![errors::authenticate(error).error.to_owned()]
}

/// The names of an error of ours, the outermost first.
pub(super) fn of_accept_error(error: &AcceptError) -> Vec<String> {
    let cause = match error {
        AcceptError::RejectedSocketConnection { .. } => Some(CONNECTION_CLOSED),
        AcceptError::InvalidAuthentication => Some(DECIPHER),
        _ => None,
    };
    let names = [Some(errors::accept(error).error), cause];
    names.into_iter().flatten().map(str::to_owned).collect()
}

/// The names of an error of ours, the outermost first.
pub(super) fn of_nack_error(error: &NackError) -> Vec<String> {
    vec![errors::nack(error).error.to_owned()]
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
        let names = |names: Value| recorded_errors(&names).unwrap();
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
