//! The stable names of the library's errors.

use p2p_socket::{AcceptError, AuthenticateError, CloseError, ConnectionError, NackError, SendError};

use crate::failure::Failure;

pub(crate) fn authenticate(error: &AuthenticateError) -> Failure {
    use AuthenticateError as E;
    let name = match error {
        E::Timeout { .. } => "timeout",
        E::Cancelled { .. } => "cancelled",
        E::ConnectionClosed { .. } => "connection_closed",
        E::Io { .. } => "input_output_failed",
        E::ConnectionMessageTooLarge(_) => "connection_message_too_large",
        E::Decoding { .. } => "decoding_error",
        E::NotEnoughProofOfWork { .. } => "not_enough_proof_of_work",
        E::WeakPublicKey { .. } => "weak_public_key",
        E::InvalidCiphertextSize { .. } => "invalid_incoming_ciphertext_size",
        E::Decipher => "decipher_error",
        E::Myself { .. } => "myself",
        E::LocalMessageTooLarge(_) => "local_message_too_large",
        E::LocalMetadataTooLarge(_) => "local_metadata_too_large",
        E::SchedulerClosed(_) => "scheduler_closed",
        _ => "authentication_failed",
    };
    Failure::caused_by("authenticate", name, error).with_offence(error.is_offence())
}

pub(crate) fn accept(error: &AcceptError) -> Failure {
    use AcceptError as E;
    let name = match error {
        E::Timeout => "timeout",
        E::Cancelled => "cancelled",
        E::RejectedSocketConnection { .. } => "rejected_socket_connection",
        E::InvalidAuthentication => "invalid_auth",
        E::InvalidCiphertextSize { .. } => "invalid_incoming_ciphertext_size",
        E::Decoding(_) => "decoding_error",
        E::RejectedByNack { .. } => "rejected_by_nack",
        E::InvalidOptions(_) => "invalid_options",
        E::MemoryBudgetExhausted(_) => "memory_budget_exhausted",
        E::NoncesExhausted(_) => "nonces_exhausted",
        _ => "not_accepted",
    };
    Failure::caused_by("accept", name, error).with_offence(error.is_offence())
}

pub(crate) fn nack(error: &NackError) -> Failure {
    let name = match error {
        NackError::Timeout => "timeout",
        NackError::Cancelled => "cancelled",
        NackError::Io(_) => "input_output_failed",
        NackError::NoncesExhausted(_) => "nonces_exhausted",
        _ => "not_nacked",
    };
    Failure::caused_by("nack", name, error)
}

pub(crate) fn connection(error: &ConnectionError) -> Failure {
    use ConnectionError as E;
    let name = match error {
        E::ClosedByPeer => "connection_closed",
        E::Truncated { .. } => "truncated",
        E::ClosedLocally => "closed_locally",
        E::Cancelled => "cancelled",
        E::Io(_) => "input_output_failed",
        E::SchedulerClosed(_) => "scheduler_closed",
        E::InvalidCiphertextSize { .. } => "invalid_incoming_ciphertext_size",
        E::Decipher => "decipher_error",
        E::Decoding(_) => "decoding_error",
        E::MessageTooLarge { .. } => "message_too_large",
        E::NoncesExhausted(_) => "nonces_exhausted",
        _ => "connection_failed",
    };
    Failure::caused_by("session", name, error)
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
    let name = match error {
        CloseError::Timeout { .. } => "timeout",
        CloseError::Unconfirmed { .. } => "not_confirmed",
        CloseError::Failed(_) => "not_flushed",
        _ => "not_closed",
    };
    Failure::caused_by("close", name, error)
}
