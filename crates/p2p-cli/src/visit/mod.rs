//! Calls on a node to see what it is: connects, shakes hands, and measures each step.

mod options;
mod tap;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use p2p_crypto::Role;
use p2p_framing::PointList;
use p2p_framing::encoding::{ControlEncoding, ControlMessage, TaggedPayload, TaggedPayloadEncoding};
use p2p_socket::{
    AcceptError, Config, Connection, ConnectionMessage, ConnectionOptions, NodeMetadata, PeerInfo, RejectionMotive,
    authenticate,
};
use tokio::{net::TcpStream, time::timeout};
use tokio_util::sync::CancellationToken;

pub(crate) use self::options::VisitOptions;
use self::tap::Tap;
use crate::{errors, failure::Failure};

/// A connection to a node, with its own messages.
pub(crate) type Node = Connection<ControlMessage<TaggedPayload>, NodeMetadata>;

/// Who calls, and how patiently.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    pub(crate) config: Config,
    /// How long each step may take.
    pub(crate) timeout: Duration,
    /// The difficulty that our own proof of work reaches.
    pub(crate) difficulty_reached: f64,
    /// Whether to ask not to be told to others.
    pub(crate) private: bool,
    /// Cancelled when the user wants to stop.
    pub(crate) interrupt: CancellationToken,
}

/// What came of a call.
#[derive(Debug)]
pub(crate) struct Visit {
    /// How long the TCP connection took: about one round trip.
    pub(crate) connected_in: Option<Duration>,
    /// What the remote said of itself in the clear, also if it proved nothing of it.
    pub(crate) said: Option<ConnectionMessage>,
    /// Who the remote has proved to be.
    pub(crate) info: Option<PeerInfo<NodeMetadata>>,
    /// How long it took from the TCP connection to the remote's metadata.
    pub(crate) authenticated_in: Option<Duration>,
    /// How long the remote's ack or nack took after that.
    pub(crate) answered_in: Option<Duration>,
    pub(crate) answer: Answer,
}

/// Whether the remote takes us.
#[derive(Debug)]
pub(crate) enum Answer {
    Taken(Box<Node>),
    Refused {
        motive: RejectionMotive,
        /// None at all from a remote of p2p version 0.
        points: Option<PointList>,
    },
    Failed(Failed),
}

/// Where a call failed, and why.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    pub(crate) step: Step,
    pub(crate) failure: Failure,
}

/// What a call has to get through, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    Resolve,
    Connect,
    ConnectionMessage,
    Metadata,
    Answer,
}

impl Visitor {
    /// The largest message that is read, in bytes. Points need some kilobytes; what the chain needs is not for us.
    ///
    /// # Security
    ///
    /// With its queue it bounds what a remote can make us hold, times the number of calls at a time.
    const MAX_MESSAGE: usize = 1024 * 1024;

    /// The same, not asking to be kept private: nodes do not tell their peers to those who do.
    pub(crate) fn visible(self) -> Self {
        Self { private: false, ..self }
    }

    /// Connects to `address` and shakes hands, each step within the time limit.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe; dropping it closes the connection.
    pub(crate) async fn visit(&self, address: SocketAddr) -> Visit {
        let mut visit = Visit::failed(Step::Connect, Failure::interrupted("connect"));
        let started = Instant::now();
        let tcp = tokio::select! {
            tcp = self.connect(address) => tcp,
            () = self.interrupt.cancelled() => return visit,
        };
        match tcp {
            Ok(tcp) => {
                visit.connected_in = Some(started.elapsed());
                self.shake_hands(tcp, address, &mut visit).await;
            }
            Err(failure) => visit.answer = Answer::failed(Step::Connect, failure),
        }
        visit
    }

    async fn connect(&self, address: SocketAddr) -> Result<TcpStream, Failure> {
        let failed = |name, why: String| {
            let message = format!("can not connect to {address}: {why}");
            Failure::new("connect", name, message)
        };
        match timeout(self.timeout, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => {
                // It only matters for the speed.
                let _ = tcp.set_nodelay(true);
                Ok(tcp)
            }
            Ok(Err(error)) => Err(failed("connection_failed", error.to_string())),
            Err(_) => Err(failed(
                "timeout",
                format!("no answer within {} s", self.timeout.as_secs_f64()),
            )),
        }
    }

    async fn shake_hands(&self, tcp: TcpStream, address: SocketAddr, visit: &mut Visit) {
        let started = Instant::now();
        let (tap, heard) = Tap::new(tcp);
        // We are not a node: operations would be wasted on us.
        let metadata = NodeMetadata {
            disable_mempool: true,
            private_node: self.private,
        };
        let authenticated = authenticate(tap, Role::Initiator, address, &self.config, metadata).await;
        visit.said = heard.connection_message();
        let authenticated = match authenticated {
            Ok(authenticated) => authenticated,
            Err(error) => {
                let step = match visit.said {
                    Some(_) => Step::Metadata,
                    None => Step::ConnectionMessage,
                };
                visit.answer = Answer::failed(step, errors::authenticate(&error));
                return;
            }
        };
        visit.authenticated_in = Some(started.elapsed());
        visit.info = Some(authenticated.info().clone());
        let started = Instant::now();
        let encoding = ControlEncoding::with_maximum(TaggedPayloadEncoding, Self::MAX_MESSAGE);
        let options = ConnectionOptions {
            incoming_queue: Self::MAX_MESSAGE + ConnectionOptions::MIN_INCOMING_QUEUE,
            ..ConnectionOptions::default()
        };
        visit.answer = match authenticated.accept(encoding, options).await {
            Ok(node) => Answer::Taken(Box::new(node)),
            Err(AcceptError::RejectedByNack { motive, points }) => Answer::Refused { motive, points },
            Err(error) => {
                visit.answer = Answer::failed(Step::Answer, errors::accept(&error));
                return;
            }
        };
        visit.answered_in = Some(started.elapsed());
    }
}

impl Visit {
    /// A call that came to nothing.
    pub(crate) fn failed(step: Step, failure: Failure) -> Self {
        Self {
            connected_in: None,
            said: None,
            info: None,
            authenticated_in: None,
            answered_in: None,
            answer: Answer::failed(step, failure),
        }
    }

    /// The difficulty that the remote's stamp reaches.
    pub(crate) fn difficulty_reached(&self) -> Option<f64> {
        let said = self.said.as_ref()?;
        Some(said.proof_of_work_stamp.difficulty_reached(&said.public_key))
    }
}

impl Answer {
    fn failed(step: Step, failure: Failure) -> Self {
        Self::Failed(Failed { step, failure })
    }
}

impl Step {
    /// Its name in a sentence.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Resolve => "name",
            Self::Connect => "TCP connection",
            Self::ConnectionMessage => "connection message",
            Self::Metadata => "metadata",
            Self::Answer => "answer",
        }
    }
}
