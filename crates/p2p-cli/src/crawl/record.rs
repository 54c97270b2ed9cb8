//! What is kept of each call, a line of JSON each.

use std::{collections::BTreeSet, fmt, net::SocketAddr};

use p2p_framing::{Point, PointList};
use serde::{Deserialize, Serialize};

use crate::{
    events::motive_name,
    report::Event,
    visit::{Answer, Failed, Visit},
};

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) address: SocketAddr,
    /// How many steps from the seeds it was first heard of.
    pub(super) distance: u32,
    pub(super) result: CallResult,
    /// Who it has proved to be.
    pub(super) peer_id: Option<String>,
    /// What it announces, in one text.
    pub(super) version: Option<String>,
    pub(super) difficulty_reached: Option<f64>,
    /// Why it refuses us.
    pub(super) motive: Option<String>,
    /// Where the call failed, and how.
    pub(super) step: Option<String>,
    pub(super) error: Option<String>,
    pub(super) connect_seconds: Option<f64>,
    pub(super) handshake_seconds: Option<f64>,
    /// The addresses that it named.
    pub(super) points: Vec<SocketAddr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum CallResult {
    Taken,
    Refused,
    Failed,
}

impl Record {
    /// `advertised` is what it named when it was asked.
    pub(super) fn new(address: SocketAddr, distance: u32, visit: &Visit, advertised: &PointList) -> Self {
        let (result, motive, failed, points) = match &visit.answer {
            Answer::Taken(_) => (CallResult::Taken, None, None, Some(advertised)),
            Answer::Refused { motive, points } => (CallResult::Refused, Some(motive), None, points.as_ref()),
            Answer::Failed(failed) => (CallResult::Failed, None, Some(failed), None),
        };
        let handshake = visit
            .authenticated_in
            .map(|time| time + visit.answered_in.unwrap_or_default());
        let points: BTreeSet<Point> = points.into_iter().flat_map(PointList::as_slice).copied().collect();
        Self {
            address,
            distance,
            result,
            peer_id: visit.info.as_ref().map(|info| info.peer_id.to_string()),
            version: visit.said.as_ref().map(|said| said.version.to_string()),
            difficulty_reached: visit.difficulty_reached(),
            motive: motive.map(|motive| motive_name(*motive).to_owned()),
            step: failed.map(|Failed { step, .. }| step.name().to_owned()),
            error: failed.map(|Failed { failure, .. }| failure.error.to_owned()),
            connect_seconds: visit.connected_in.map(|time| time.as_secs_f64()),
            handshake_seconds: handshake.map(|time| time.as_secs_f64()),
            points: points.into_iter().map(SocketAddr::from).collect(),
        }
    }
}

impl Event for Record {
    const NAME: &'static str = "called";
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let result = match self.result {
            CallResult::Taken => "takes us",
            CallResult::Refused => "refuses us",
            CallResult::Failed => "failed",
        };
        write!(f, "{} {result}", self.address)
    }
}
