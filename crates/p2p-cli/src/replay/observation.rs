//! What a side of a session sees, as the record tells it and as our own code does.

use std::fmt;

use p2p_framing::Point;
use p2p_socket::{NetworkVersion, NodeMetadata, RejectionMotive};
use serde::Deserialize;

use super::{differences::Differences, names, record};
use crate::units::counted;

/// One event of a session, from the point of view of one side.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Observation {
    Authenticated(Remote),
    Accepted,
    Nacked {
        #[serde(deserialize_with = "names::motive")]
        motive: RejectionMotive,
    },
    RejectedByNack {
        #[serde(deserialize_with = "names::motive")]
        motive: RejectionMotive,
        /// None at all is not the same as an empty list.
        #[serde(deserialize_with = "names::optional_points")]
        alternative_points: Option<Vec<Point>>,
    },
    Received {
        size: usize,
        encoded_size: usize,
    },
    Error {
        phase: Phase,
        #[serde(deserialize_with = "names::recorded_errors")]
        errors: Vec<String>,
    },
}

/// What authentication tells of the remote.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Remote {
    pub(super) peer_id: String,
    pub(super) incoming: bool,
    #[serde(deserialize_with = "record::version")]
    pub(super) announced_version: NetworkVersion,
    #[serde(deserialize_with = "record::metadata")]
    pub(super) remote_metadata: NodeMetadata,
    pub(super) private_node: bool,
    pub(super) id_point_has_port: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Phase {
    Authenticate,
    Accept,
    Nack,
    /// Behind the handshake, or anything else that a record may call a phase.
    #[serde(other)]
    Session,
}

impl Observation {
    pub(super) fn error(phase: Phase, errors: Vec<String>) -> Self {
        Self::Error { phase, errors }
    }
}

impl fmt::Display for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authenticated(remote) => remote.fmt(f),
            Self::Accepted => f.write_str("accepted"),
            Self::Nacked { motive } => write!(f, "nacked ({motive})"),
            Self::RejectedByNack {
                motive,
                alternative_points: None,
            } => write!(f, "rejected by nack ({motive}, no list of points)"),
            Self::RejectedByNack {
                motive,
                alternative_points: Some(points),
            } => write!(f, "rejected by nack ({motive}, {})", PointsText(points)),
            Self::Received { size, encoded_size } => {
                write!(f, "received {} ({encoded_size} encoded)", counted(*size, "byte"))
            }
            Self::Error { phase, errors } => {
                let phase = match phase {
                    Phase::Authenticate => "authentication",
                    Phase::Accept => "acceptance",
                    Phase::Nack => "refusal",
                    Phase::Session => "the session",
                };
                write!(f, "failed in {phase} ({})", errors.join(", "))
            }
        }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            peer_id,
            incoming,
            announced_version,
            remote_metadata,
            private_node,
            id_point_has_port,
        } = self;
        let direction = if *incoming { "incoming" } else { "outgoing" };
        let port = if *id_point_has_port { "a port" } else { "no port" };
        write!(
            f,
            "authenticated {peer_id} ({direction}, {announced_version}, {remote_metadata:?}, private node: \
             {private_node}, {port})"
        )
    }
}

struct PointsText<'a>(&'a [Point]);

impl fmt::Display for PointsText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", counted(self.0.len(), "point"))?;
        self.0.iter().try_for_each(|point| write!(f, " {point}"))
    }
}

/// Compares what was seen with what the record says, and tells the first difference.
pub(super) fn compare(differences: &mut Differences, who: &str, seen: &[Observation], recorded: &[Observation]) {
    let text =
        |observation: Option<&Observation>| observation.map_or_else(|| "nothing more".to_owned(), ToString::to_string);
    let different = (0..seen.len().max(recorded.len())).find(|&index| seen.get(index) != recorded.get(index));
    if let Some(index) = different {
        let (seen, recorded) = (text(seen.get(index)), text(recorded.get(index)));
        differences.add(format!("{who}: event {index} is {seen}, recorded {recorded}"));
    }
}
