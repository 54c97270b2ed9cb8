//! Stable short names of errors, for logs, metrics and programs that print JSON.

use crate::{AcceptError, AuthenticateError, CloseError, ConnectionError, NackError, RejectionMotive};

impl AuthenticateError {
    /// A short name in lower case that stays the same, such as `not_enough_proof_of_work`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Timeout { .. } => "timeout",
            Self::Cancelled { .. } => "cancelled",
            Self::ConnectionClosed { .. } => "connection_closed",
            Self::Io { .. } => "input_output_failed",
            Self::ConnectionMessageTooLarge(_) => "connection_message_too_large",
            Self::Decoding { .. } => "decoding_error",
            Self::NotEnoughProofOfWork { .. } => "not_enough_proof_of_work",
            Self::WeakPublicKey { .. } => "weak_public_key",
            Self::InvalidCiphertextSize { .. } => "invalid_incoming_ciphertext_size",
            Self::Decipher => "decipher_error",
            Self::Myself { .. } => "myself",
            Self::LocalMessageTooLarge(_) => "local_message_too_large",
            Self::LocalMetadataTooLarge(_) => "local_metadata_too_large",
            Self::SchedulerClosed(_) => "scheduler_closed",
        }
    }
}

impl AcceptError {
    /// A short name in lower case that stays the same, such as `rejected_by_nack`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::RejectedSocketConnection { .. } => "rejected_socket_connection",
            Self::InvalidAuthentication => "invalid_auth",
            Self::InvalidCiphertextSize { .. } => "invalid_incoming_ciphertext_size",
            Self::Decoding(_) => "decoding_error",
            Self::RejectedByNack { .. } => "rejected_by_nack",
            Self::InvalidOptions(_) => "invalid_options",
            Self::MemoryBudgetExhausted(_) => "memory_budget_exhausted",
            Self::NoncesExhausted(_) => "nonces_exhausted",
        }
    }
}

impl NackError {
    /// A short name in lower case that stays the same, such as `timeout`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Io(_) => "input_output_failed",
            Self::NoncesExhausted(_) => "nonces_exhausted",
        }
    }
}

impl ConnectionError {
    /// A short name in lower case that stays the same, such as `closed_locally`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::ClosedByPeer => "connection_closed",
            Self::Truncated { .. } => "truncated",
            Self::ClosedLocally => "closed_locally",
            Self::Cancelled => "cancelled",
            Self::Io(_) => "input_output_failed",
            Self::SchedulerClosed(_) => "scheduler_closed",
            Self::InvalidCiphertextSize { .. } => "invalid_incoming_ciphertext_size",
            Self::Decipher => "decipher_error",
            Self::Decoding(_) => "decoding_error",
            Self::MessageTooLarge { .. } => "message_too_large",
            Self::NoncesExhausted(_) => "nonces_exhausted",
        }
    }
}

impl CloseError {
    /// A short name in lower case that stays the same, such as `not_confirmed`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Timeout { .. } => "timeout",
            Self::Unconfirmed { .. } => "not_confirmed",
            Self::Failed(_) => "not_flushed",
        }
    }
}

impl RejectionMotive {
    /// A short name in lower case that stays the same, such as `too_many_connections`; `unknown_motive` for every code
    /// without one.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoMotive => "no_motive",
            Self::TooManyConnections => "too_many_connections",
            Self::UnknownChainName => "unknown_chain_name",
            Self::DeprecatedP2pVersion => "deprecated_p2p_version",
            Self::DeprecatedDistributedDbVersion => "deprecated_distributed_db_version",
            Self::AlreadyConnected => "already_connected",
            Self::Unknown(_) => "unknown_motive",
        }
    }
}
