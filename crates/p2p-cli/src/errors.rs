//! Failures of the library under their stable names.

use p2p_socket::{AcceptError, AuthenticateError, CloseError, ConnectionError, NackError, SendError};

use crate::failure::Failure;

pub(crate) fn authenticate(error: &AuthenticateError) -> Failure {
    Failure::caused_by("authenticate", error.name(), error).with_offence(error.is_offence())
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
