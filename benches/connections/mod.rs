//! What the benches of connections share: the peers, and the work that all of them do.
#![allow(dead_code, reason = "the report and the criterion bench use their own parts of it")]

pub(crate) mod contest;
pub(crate) mod fan_out;
pub(crate) mod handshakes;
pub(crate) mod memory;
pub(crate) mod peers;
pub(crate) mod scaling;
pub(crate) mod transfer;
