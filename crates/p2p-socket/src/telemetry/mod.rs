#![doc = include_str!("telemetry.md")]

mod traffic;

use std::{fmt::Display, net::SocketAddr, time::Duration};

use p2p_crypto::{PeerId, Role};
use p2p_io_scheduler::ScheduledHandle;
use tracing::{Span, debug, debug_span, trace};

pub(crate) use self::traffic::{Traffic, received_bytes, sent_bytes};
use crate::{AcceptError, AuthenticateError, ConnectionError, PeerInfo, Refused, RejectionMotive, admission::Network};

const TARGET: &str = "p2p_socket";

/// Adds one to a counter, if there are counters.
macro_rules! count {
    ($name:literal $(, $label:literal => $value:expr)*) => {
        #[cfg(feature = "metrics")]
        metrics::counter!($name $(, $label => $value)*).increment(1);
    };
}

pub(crate) fn not_admitted(refused: &Refused) {
    debug!(target: TARGET, network = %refused.network, wait = ?refused.wait, "not admitted");
    count!("p2p_socket_not_admitted_total");
}

pub(crate) fn displaced(newcomer: Network) {
    debug!(target: TARGET, %newcomer, "displaced");
    count!("p2p_socket_displaced_total");
}

pub(crate) fn authenticated<D>(remote: SocketAddr, info: &PeerInfo<D>) {
    let (role, peer_id, version) = (role_name(info.role), info.peer_id, &info.announced_version);
    debug!(target: TARGET, role, %remote, %peer_id, %version, "authenticated");
    count!("p2p_socket_authenticated_total", "role" => role);
}

pub(crate) fn not_authenticated(role: Role, remote: SocketAddr, error: &AuthenticateError) {
    let (role, reason) = (role_name(role), error.name());
    debug!(target: TARGET, role, %remote, reason, %error, "not authenticated");
    count!("p2p_socket_not_authenticated_total", "role" => role, "reason" => reason);
}

pub(crate) fn refused<D>(info: &PeerInfo<D>, motive: RejectionMotive) {
    let role = role_name(info.role);
    debug!(target: TARGET, role, peer_id = %info.peer_id, %motive, "refused");
    count!("p2p_socket_refused_total", "role" => role, "motive" => motive.name());
}

pub(crate) fn accepted(role: Role, peer_id: PeerId, elapsed: Duration) {
    let role = role_name(role);
    debug!(target: TARGET, role, %peer_id, ?elapsed, "accepted");
    count!("p2p_socket_accepted_total", "role" => role);
    #[cfg(feature = "metrics")]
    metrics::histogram!("p2p_socket_handshake_seconds", "role" => role).record(elapsed);
}

pub(crate) fn not_accepted(role: Role, peer_id: PeerId, error: &AcceptError) {
    let (role, reason) = (role_name(role), error.name());
    debug!(target: TARGET, role, %peer_id, reason, %error, "not accepted");
    count!("p2p_socket_not_accepted_total", "role" => role, "reason" => reason);
}

pub(crate) fn handshake_writing_failed(error: impl Display) {
    trace!(target: TARGET, %error, "writing failed during the handshake");
}

/// The span of a connection, which begins.
pub(crate) fn connection<D>(info: &PeerInfo<D>) -> Span {
    #[cfg(feature = "metrics")]
    metrics::gauge!("p2p_socket_connections").increment(1);
    debug_span!(target: TARGET, "connection", peer_id = %info.peer_id, role = role_name(info.role))
}

pub(crate) fn sending_failed(error: &ConnectionError) {
    debug!(target: TARGET, reason = error.name(), %error, "sending failed");
}

pub(crate) fn receiving_ended(error: &ConnectionError) {
    debug!(target: TARGET, reason = error.name(), %error, "receiving ended");
}

pub(crate) fn closed(cause: &ConnectionError, transport: &ScheduledHandle) {
    let (reason, stat) = (cause.name(), transport.stat());
    debug!(target: TARGET, reason, sent = stat.total_sent, received = stat.total_received, "closed");
    count!("p2p_socket_closed_total", "reason" => reason);
    #[cfg(feature = "metrics")]
    metrics::gauge!("p2p_socket_connections").decrement(1);
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Initiator => "initiator",
        Role::Responder => "responder",
    }
}
