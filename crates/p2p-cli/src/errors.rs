//! Failures of the library under their stable names.

use p2p_crypto::Difficulty;
use p2p_framing::ClearFrameTooLarge;
use p2p_socket::{AcceptError, AuthenticateError, CloseError, ConnectionError, NackError, SendError};

use crate::failure::Failure;

pub(crate) fn authenticate(error: &AuthenticateError) -> Failure {
    let mut failure = Failure::caused_by("authenticate", error.name(), error).with_offence(error.is_offence());
    if let AuthenticateError::ConnectionMessageTooLarge(ClearFrameTooLarge { size, .. }) = error
        && let Some(protocol) = other_protocol(*size)
    {
        let hint = format!("; what it says looks like {protocol}, not like a peer");
        failure.message.push_str(&hint);
    }
    failure
}

/// What a remote speaks whose first two bytes, read as the size of a connection message, are this one.
fn other_protocol(size: usize) -> Option<&'static str> {
    Some(match &u16::try_from(size).ok()?.to_be_bytes() {
        // A response, or a request: GET, HEAD, POST and PUT, OPTIONS, CONNECT.
        b"HT" | b"GE" | b"HE" | b"PO" | b"PU" | b"OP" | b"CO" => "HTTP",
        // The page alone, as servers answer what they take for a request of HTTP 0.9: `<!DOCTYPE` or `<html>`.
        b"<!" | b"<h" | b"<H" => "HTTP",
        // A record with a handshake or an alert, as all versions begin it.
        [0x15 | 0x16, 3] => "TLS",
        b"SS" => "SSH",
        // Their greeting.
        b"22" => "SMTP or FTP",
        _ => return None,
    })
}

/// What to add when a node that was called has hung up right after it saw our identity, whose proof of work reaches so much.
/// Nodes of the public networks do that to those with too little.
pub(crate) fn too_little_work(reached: f64) -> Option<String> {
    (reached < Difficulty::MAINNET.value())
        .then(|| format!("; our proof of work only reaches {reached:.1}, and an identity with 26 may do better"))
}

pub(crate) fn accept(error: &AcceptError) -> Failure {
    Failure::caused_by("accept", error.name(), error).with_offence(error.is_offence())
}

pub(crate) fn nack(error: &NackError) -> Failure {
    Failure::caused_by("nack", error.name(), error)
}

pub(crate) fn connection(error: &ConnectionError) -> Failure {
    Failure::caused_by("session", error.name(), error)
}

pub(crate) fn send(error: &SendError) -> Failure {
    match error {
        SendError::Closed(cause) => connection(cause),
        SendError::TooLarge { .. } => Failure::caused_by("session", "message_too_large", error),
        SendError::Encoding(_) => Failure::caused_by("session", "encoding_error", error),
        _ => Failure::caused_by("session", "not_sent", error),
    }
}

pub(crate) fn close(error: &CloseError) -> Failure {
    Failure::caused_by("close", error.name(), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_protocols_are_told_by_their_first_two_bytes() {
        let told = |beginning: [u8; 2]| other_protocol(u16::from_be_bytes(beginning).into());
        for (beginning, protocol) in [
            (*b"HT", "HTTP"),
            (*b"GE", "HTTP"),
            (*b"<!", "HTTP"),
            (*b"<h", "HTTP"),
            ([0x16, 3], "TLS"),
            ([0x15, 3], "TLS"),
            (*b"SS", "SSH"),
            (*b"22", "SMTP or FTP"),
        ] {
            assert_eq!(told(beginning), Some(protocol));
        }
        for beginning in [[0, 105], [4, 0], [4, 1], [0xff; 2], [0x16, 2], *b"XX"] {
            assert_eq!(told(beginning), None, "{beginning:?}");
        }
    }
}
