//! The second half of a replay: plays one side of a record through the real handshake and connection.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use bytes::Bytes;
use p2p_crypto::{Nonce, Role};
use p2p_framing::{PointList, encoding::RawEncoding};
use p2p_socket::{
    AcceptError, Authenticated, Config, Connection, ConnectionError, ConnectionOptions, DisconnectionReason, Drain,
    NodeMetadata, Packing, PeerInfo, authenticate_with_nonce,
};

use super::{
    differences::{Differences, first_difference},
    dissect, names,
    observation::{self, Observation, Phase, Remote},
    record::{Frame, Nack, Plan, Record, Side, other, role_name},
    recorded_remote::{Delivery, RecordedRemote},
};
use crate::units::counted;

/// The point that the dialler dials. The record does not tell which it was.
const REMOTE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9732);

/// A recorded remote never keeps anyone waiting, so this only ends a replay that has gone wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// One side at work.
struct Performance<'a> {
    side: &'a Side,
    remote_side: &'a Side,
    /// How many bytes the side sent in the record, and how many it received.
    sent: usize,
    received: usize,
    remote: RecordedRemote,
    seen: Vec<Observation>,
    differences: Vec<String>,
}

/// Plays the side `role` against the recorded other one. Every byte that we send and everything that we see must be
/// as recorded.
pub(super) async fn perform(record: &Record, role: Role, delivery: Delivery, differences: &mut Differences) {
    let (name, side) = (role_name(role), record.side(role));
    let sent = record.sent_by(role).wire;
    let received = record.sent_by(other(role)).wire;
    // Without a connection message there is no message nonce to begin with.
    let Ok(hello) = dissect::hello(sent) else {
        return;
    };
    let remote = RecordedRemote::new(received.clone(), delivery);
    let mut performance = Performance {
        side,
        remote_side: record.side(other(role)),
        sent: sent.len(),
        received: received.len(),
        remote: remote.clone(),
        seen: Vec::new(),
        differences: Vec::new(),
    };
    performance.run(role, hello.message_nonce).await;
    let Performance {
        seen,
        differences: found,
        ..
    } = performance;
    for sentence in found {
        differences.add(format!("{name}: {sentence}"));
    }
    observation::compare(differences, &format!("{name}, played by us"), &seen, &side.outcome);
    let heard = remote.heard();
    if let Some(offset) = first_difference(&heard, sent) {
        let frame = frame_at(sent, offset);
        differences.add(format!(
            "{name}: we send other bytes than recorded from offset {offset} on, {frame}"
        ));
    }
}

fn frame_at(wire: &[u8], offset: usize) -> String {
    let (frames, _) = dissect::frames(wire);
    let frame = frames
        .iter()
        .enumerate()
        .find(|(_, Frame(_, start, size))| (*start..start + size).contains(&offset));
    match frame {
        Some((index, Frame(kind, ..))) => format!("in frame {index} ({})", kind.name()),
        None => "behind its end".to_owned(),
    }
}

impl Performance<'_> {
    async fn run(&mut self, role: Role, message_nonce: Nonce) {
        let config = Config::new(self.side.identity.clone(), self.side.announced_version.clone())
            .required_difficulty(self.side.required_difficulty)
            .advertised_port(self.side.advertised_port.unwrap_or(0))
            .handshake_timeout(PATIENCE);
        let remote = self.remote.clone();
        match authenticate_with_nonce(remote, role, REMOTE, &config, self.side.metadata, message_nonce).await {
            Ok(authenticated) => {
                self.seen
                    .push(Observation::Authenticated(of_info(authenticated.info())));
                match &self.side.plan {
                    Plan::Accept => self.accept(authenticated).await,
                    Plan::Nack(nack) => self.nack(authenticated, nack).await,
                }
            }
            Err(error) => self.failed(Phase::Authenticate, names::of_authenticate_error(&error)),
        }
    }

    async fn nack(&mut self, authenticated: Authenticated<RecordedRemote, NodeMetadata>, nack: &Nack) {
        let Ok(points) = PointList::new(nack.alternative_points.clone()) else {
            return self.failed(Phase::Nack, vec![names::TOO_MANY_POINTS.to_owned()]);
        };
        match authenticated.nack(nack.motive, points).await {
            Ok(()) => self.seen.push(Observation::Nacked { motive: nack.motive }),
            Err(error) => self.failed(Phase::Nack, names::of_nack_error(&error)),
        }
    }

    async fn accept(&mut self, authenticated: Authenticated<RecordedRemote, NodeMetadata>) {
        // Whatever was on the wire has room in the queues and is no larger than the largest message.
        let encoding = RawEncoding::new(self.sent.max(self.received));
        let options = ConnectionOptions {
            chunk_size: self.side.chunk_size,
            packing: Packing::OneMessagePerChunk,
            incoming_queue: ConnectionOptions::DEFAULT_QUEUE.saturating_add(self.received),
            outgoing_queue: ConnectionOptions::DEFAULT_QUEUE
                .saturating_add(self.sent)
                .min(ConnectionOptions::MAX_OUTGOING_QUEUE),
        };
        match authenticated.accept(encoding, options).await {
            Ok(connection) => {
                self.seen.push(Observation::Accepted);
                self.exchange(connection).await;
            }
            Err(error) => {
                if let AcceptError::RejectedByNack { motive, points } = &error {
                    self.seen.push(Observation::RejectedByNack {
                        motive: *motive,
                        alternative_points: points.as_ref().map(|points| points.as_slice().to_vec()),
                    });
                }
                self.failed(Phase::Accept, names::of_accept_error(&error));
            }
        }
    }

    async fn exchange(&mut self, mut connection: Connection<Bytes, NodeMetadata>) {
        self.send(&connection).await;
        self.remote.all_said();
        self.receive(&mut connection).await;
        let closed = connection
            .close(DisconnectionReason::ExplicitRequest, Drain::Flush(PATIENCE))
            .await;
        if let Err(error) = closed {
            self.differences.push(format!("the connection does not close: {error}"));
        }
    }

    async fn send(&mut self, connection: &Connection<Bytes, NodeMetadata>) {
        for (index, message) in self.side.sends.iter().enumerate() {
            if message.size() > self.sent {
                let size = counted(message.size(), "byte");
                self.differences
                    .push(format!("message {index} of {size} is larger than all that was sent"));
                return;
            }
            if let Err(error) = connection.send(message.contents()).await {
                self.differences
                    .push(format!("message {index} can not be sent: {error}"));
                return;
            }
        }
        if let Err(error) = connection.flush().await {
            self.differences.push(format!("the messages can not be sent: {error}"));
        }
    }

    async fn receive(&mut self, connection: &mut Connection<Bytes, NodeMetadata>) {
        let mut sent = self.remote_side.sends.iter();
        let end = loop {
            let received = match connection.recv().await {
                Ok(received) => received,
                Err(end) => break end,
            };
            let size = received.message.len();
            let index = self.remote_side.sends.len() - sent.len();
            let as_sent = sent
                .next()
                .is_some_and(|sent| sent.size() == size && sent.contents() == received.message);
            if !as_sent {
                self.differences.push(format!(
                    "message {index} is received with other contents than it was sent with"
                ));
            }
            self.seen.push(Observation::Received {
                size,
                encoded_size: received.encoded_size,
            });
        };
        if !matches!(end, ConnectionError::ClosedByPeer) {
            self.differences.push(format!("the connection ends in disorder: {end}"));
        }
    }

    fn failed(&mut self, phase: Phase, errors: Vec<String>) {
        self.seen.push(Observation::error(phase, errors));
    }
}

fn of_info(info: &PeerInfo<NodeMetadata>) -> Remote {
    Remote {
        peer_id: info.peer_id.to_string(),
        incoming: info.role == Role::Responder,
        announced_version: info.announced_version.clone(),
        remote_metadata: info.remote_metadata,
        private_node: info.private_node,
        id_point_has_port: info.connection_id.port.is_some(),
    }
}
