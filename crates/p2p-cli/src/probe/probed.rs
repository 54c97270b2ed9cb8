//! What is told of a node.

use std::{fmt, net::SocketAddr, time::Duration};

use console::{measure_text_width, style};
use serde::Serialize;

use crate::{
    endpoint::Endpoint,
    errors,
    events::{RejectedByNack, RemoteMetadata, Version},
    failure::Failure,
    network::other_network,
    report::Event,
    table::table,
    visit::{Answer, Failed, Step, Visit, Visitor},
};

/// What came of the call on one target.
#[derive(Serialize)]
pub(crate) struct Probed {
    target: String,
    address: Option<String>,
    result: Result,
    /// Who the node says to be; proved if `authenticated`.
    peer_id: Option<String>,
    authenticated: bool,
    advertised_port: Option<u16>,
    announced_version: Option<Version>,
    /// Whether it announces the network that we asked for.
    same_network: Option<bool>,
    difficulty_reached: Option<f64>,
    remote_metadata: Option<RemoteMetadata>,
    connect_seconds: Option<f64>,
    authenticate_seconds: Option<f64>,
    answer_seconds: Option<f64>,
    our_difficulty: f64,
    our_proof_of_work: Option<Opinion>,
    nack: Option<RejectedByNack>,
    failure: Option<FailureAt>,
    /// What to say of another network, for people: programs have `same_network`.
    #[serde(skip)]
    other_network: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Result {
    Taken,
    Refused,
    Failed,
}

/// What the node thinks of our proof of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Opinion {
    /// It went on to the next step.
    Accepted,
    /// It hung up right after seeing it.
    PerhapsRefused,
}

#[derive(Serialize)]
struct FailureAt {
    step: Step,
    #[serde(flatten)]
    failure: Failure,
}

impl Probed {
    pub(super) fn new(target: &Endpoint, address: Option<SocketAddr>, visitor: &Visitor, visit: &Visit) -> Self {
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
        let opinion = match &visit.answer {
            _ if visit.info.is_some() => Some(Opinion::Accepted),
            Answer::Failed(Failed { step, failure })
                if *step == Step::Metadata && ["connection_closed", "input_output_failed"].contains(&failure.error) =>
            {
                Some(Opinion::PerhapsRefused)
            }
            _ => None,
        };
        let (result, nack, failure) = match &visit.answer {
            Answer::Taken(_) => (Result::Taken, None, None),
            Answer::Refused { motive, points } => {
                let nack = RejectedByNack::new(*motive, points.as_ref());
                (Result::Refused, Some(nack), None)
            }
            Answer::Failed(Failed { step, failure }) => {
                let mut failure = failure.clone();
                if opinion == Some(Opinion::PerhapsRefused) {
                    failure
                        .message
                        .extend(errors::too_little_work(visitor.difficulty_reached));
                }
                (Result::Failed, None, Some(FailureAt { step: *step, failure }))
            }
        };
        let said = visit.said.as_ref();
        let ours = &visitor.config.announced_version().chain_name;
        Self {
            target: target.to_string(),
            address: address.map(|address| address.to_string()),
            result,
            peer_id: said.map(|said| said.public_key.peer_id().to_string()),
            authenticated: visit.info.is_some(),
            advertised_port: said.and_then(|said| said.port),
            announced_version: said.map(|said| Version::new(&said.version)),
            same_network: said.map(|said| said.version.chain_name == *ours),
            difficulty_reached: visit.difficulty_reached(),
            remote_metadata: visit
                .info
                .as_ref()
                .map(|info| RemoteMetadata::new(&info.remote_metadata)),
            connect_seconds: seconds(visit.connected_in),
            authenticate_seconds: seconds(visit.authenticated_in),
            answer_seconds: seconds(visit.answered_in),
            our_difficulty: visitor.difficulty_reached,
            our_proof_of_work: opinion,
            nack,
            failure,
            other_network: said.and_then(|said| other_network(ours, &said.version.chain_name)),
        }
    }

    /// Whether the node has answered, with an ack or a nack.
    pub(super) fn is_reached(&self) -> bool {
        self.result != Result::Failed
    }

    fn row(&self, colours: bool) -> [String; 8] {
        let result = match self.result {
            Result::Taken => style("takes us").green(),
            Result::Refused => style("refuses us").yellow(),
            Result::Failed => style("failed").red(),
        };
        let result = result.force_styling(colours);
        let dash = || "-".to_owned();
        let time = |seconds: Option<f64>| seconds.map_or_else(dash, |seconds| format!("{:.1} ms", seconds * 1e3));
        let handshake = self
            .authenticate_seconds
            .map(|seconds| seconds + self.answer_seconds.unwrap_or(0.0));
        let flags = self.remote_metadata.as_ref().map_or_else(dash, |metadata| {
            match (metadata.private_node, metadata.disable_mempool) {
                (true, true) => "private, no mempool",
                (true, false) => "private",
                (false, true) => "no mempool",
                (false, false) => "none",
            }
            .to_owned()
        });
        [
            self.target.clone(),
            result.to_string(),
            self.peer_id.clone().unwrap_or_else(dash),
            self.difficulty_reached
                .map_or_else(dash, |difficulty| format!("{difficulty:.1}")),
            time(self.connect_seconds),
            time(handshake),
            flags,
            self.announced_version.as_ref().map_or_else(dash, Version::to_string),
        ]
    }

    /// What does not fit into a row.
    fn remark(&self) -> Option<String> {
        let mut remark = match &self.failure {
            Some(FailureAt { step, failure }) => format!("failed at the {}: {failure}", step.name()),
            None => self.nack.as_ref()?.to_string(),
        };
        remark.extend(self.other_network.as_deref());
        Some(remark)
    }
}

impl Event for Probed {
    const NAME: &'static str = "probed";
}

impl fmt::Display for Probed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = Table {
            probed: std::slice::from_ref(self),
            colours: false,
            columns: None,
        };
        table.fmt(f)
    }
}

/// All targets for people.
pub(super) struct Table<'a> {
    pub(super) probed: &'a [Probed],
    pub(super) colours: bool,
    /// How wide a line may be. What does not fit goes below it.
    pub(super) columns: Option<usize>,
}

impl Table<'_> {
    /// The same with peer ids and versions, which are the widest, on lines of their own.
    fn narrow(&self, heading: [&str; 8], rows: Vec<[String; 8]>) -> String {
        let [target, result, _, work, connect, handshake, flags, _] = heading;
        let heading = [target, result, work, connect, handshake, flags];
        let rows: Vec<_> = rows
            .into_iter()
            .map(|[target, result, _, work, connect, handshake, flags, _]| {
                [target, result, work, connect, handshake, flags]
            })
            .collect();
        let narrow = table(heading, &rows);
        let mut lines = narrow.lines();
        let mut text = lines.next().unwrap_or_default().to_owned();
        for (line, probed) in lines.zip(self.probed) {
            let version = probed.announced_version.as_ref().map(Version::to_string);
            let below = [probed.peer_id.clone(), version];
            text = below
                .iter()
                .flatten()
                .fold(format!("{text}\n{line}"), |text, below| format!("{text}\n    {below}"));
        }
        text
    }
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heading = [
            "TARGET",
            "RESULT",
            "PEER ID",
            "WORK",
            "CONNECT",
            "HANDSHAKE",
            "FLAGS",
            "VERSION",
        ];
        let rows: Vec<_> = self.probed.iter().map(|probed| probed.row(self.colours)).collect();
        let wide = table(heading, &rows);
        let width = wide.lines().map(measure_text_width).max();
        match self.columns {
            Some(columns) if width.is_some_and(|width| width > columns) => {
                f.write_str(&self.narrow(heading, rows))?;
            }
            _ => f.write_str(&wide)?,
        }
        for probed in self.probed {
            if let Some(remark) = probed.remark() {
                write!(f, "\n{}: {remark}", probed.target)?;
            }
        }
        Ok(())
    }
}
