//! The connections of a capture.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use p2p_crypto::Identity;

use super::{
    capture::Segment,
    finding::{Finding, Opened},
    reassembly::Stream,
    session::{Session, Side},
};
use crate::{report::Report, units::counted};

/// How many connections may be open at a time.
///
/// # Security
///
/// Each holds some megabytes at worst, and a capture may be full of beginnings without an end.
const MAX_CONNECTIONS: usize = 1024;

/// Both ends, the smaller one first.
type Ends = (SocketAddr, SocketAddr);

/// All connections that were dialled within the capture.
pub(super) struct Connections<'a> {
    identity: &'a Identity,
    max_message: usize,
    report: &'a Report,
    open: HashMap<Ends, Connection<'a>>,
    first_time: Option<Duration>,
    pub(super) count: Count,
}

/// What became of the connections.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count {
    pub(super) connections: u64,
    /// Segments with data of connections that were dialled before the capture, or beyond the maximum.
    pub(super) skipped_segments: u64,
    pub(super) frames_and_messages: u64,
    pub(super) faults: u64,
}

struct Connection<'a> {
    number: u64,
    initiator: SocketAddr,
    from_initiator: Half,
    from_responder: Half,
    session: Session<'a>,
}

#[derive(Default)]
struct Half {
    stream: Option<Stream>,
    broken: bool,
    ended: bool,
}

impl<'a> Connections<'a> {
    pub(super) fn new(identity: &'a Identity, max_message: usize, report: &'a Report) -> Self {
        Self {
            identity,
            max_message,
            report,
            open: HashMap::new(),
            first_time: None,
            count: Count::default(),
        }
    }

    pub(super) fn receive(&mut self, segment: &Segment<'_>) {
        self.first_time.get_or_insert(segment.time);
        let (source, destination) = (segment.source, segment.destination);
        let ends = (source.min(destination), source.max(destination));
        if segment.syn && !segment.ack {
            self.dialled(ends, segment);
        }
        let Some(mut connection) = self.open.remove(&ends) else {
            // The last acknowledgement comes when the connection has ended already.
            self.count.skipped_segments += u64::from(!segment.payload.is_empty());
            return;
        };
        let side = if source == connection.initiator {
            Side::Initiator
        } else {
            Side::Responder
        };
        self.segment(&mut connection, side, segment);
        if segment.rst || connection.from_initiator.ended && connection.from_responder.ended {
            self.end(connection, segment.time);
        } else {
            self.open.insert(ends, connection);
        }
    }

    /// Tells what is left when the capture has ended.
    pub(super) fn finish(&mut self) {
        let mut open: Vec<_> = self.open.drain().map(|(_, connection)| connection).collect();
        open.sort_by_key(|connection| connection.number);
        let time = self.first_time.unwrap_or_default();
        for connection in open {
            self.end(connection, time);
        }
    }

    fn dialled(&mut self, ends: Ends, segment: &Segment<'_>) {
        let first = segment.sequence.wrapping_add(1);
        if let Some(open) = self.open.get(&ends) {
            let again = open
                .from_initiator
                .stream
                .as_ref()
                .is_some_and(|stream| stream.starts_at(first));
            if again && open.initiator == segment.source {
                return;
            }
        }
        if let Some(old) = self.open.remove(&ends) {
            self.end(old, segment.time);
        }
        if self.open.len() >= MAX_CONNECTIONS {
            return;
        }
        let number = self.count.connections;
        self.count.connections += 1;
        self.report.of_connection(number).event(&Opened {
            time: self.shown(segment.time),
            initiator: segment.source,
            responder: segment.destination,
        });
        let connection = Connection {
            number,
            initiator: segment.source,
            from_initiator: Half::starting(first),
            from_responder: Half::default(),
            session: Session::new(self.identity, self.max_message),
        };
        self.open.insert(ends, connection);
    }

    fn segment(&mut self, connection: &mut Connection<'a>, side: Side, segment: &Segment<'_>) {
        let mut findings = Vec::new();
        let half = match side {
            Side::Initiator => &mut connection.from_initiator,
            Side::Responder => &mut connection.from_responder,
        };
        let mut sequence = segment.sequence;
        if segment.syn {
            sequence = sequence.wrapping_add(1);
            if half.stream.is_none() {
                half.stream = Some(Stream::new(sequence));
            }
        }
        half.ended |= segment.fin;
        let Some(stream) = half.stream.as_mut().filter(|_| !half.broken) else {
            return;
        };
        let session = &mut connection.session;
        let received = stream.receive(sequence, segment.payload, |bytes| {
            session.receive(side, segment.time, bytes, &mut |finding| findings.push(finding));
        });
        if received.is_err() {
            half.broken = true;
            session.give_up(side);
            let why = "the capture lacks a segment, and too much came behind it".to_owned();
            findings.push(Finding::fault(side, segment.time, why));
        }
        self.tell(connection.number, findings);
    }

    fn end(&mut self, mut connection: Connection<'a>, time: Duration) {
        let mut findings = Vec::new();
        for (side, half) in [
            (Side::Initiator, &connection.from_initiator),
            (Side::Responder, &connection.from_responder),
        ] {
            let waiting = half.stream.as_ref().map_or(0, Stream::waiting);
            if waiting > 0 && !half.broken {
                let waiting = counted(waiting, "byte");
                let why = format!("the capture lacks a segment, and {waiting} behind it could not be read");
                findings.push(Finding::fault(side, time, why));
                connection.session.give_up(side);
            }
        }
        connection.session.end(time, &mut |finding| findings.push(finding));
        self.tell(connection.number, findings);
    }

    fn tell(&mut self, number: u64, findings: Vec<Finding>) {
        let report = self.report.of_connection(number);
        for mut finding in findings {
            if finding.is_fault() {
                self.count.faults += 1;
            } else {
                self.count.frames_and_messages += 1;
            }
            if !report.is_json() {
                finding.time -= self.first_time.unwrap_or_default().as_secs_f64();
            }
            report.event(&finding);
        }
    }

    fn shown(&self, time: Duration) -> f64 {
        if self.report.is_json() {
            time.as_secs_f64()
        } else {
            time.saturating_sub(self.first_time.unwrap_or_default()).as_secs_f64()
        }
    }
}

impl Half {
    fn starting(first: u32) -> Self {
        Self {
            stream: Some(Stream::new(first)),
            ..Self::default()
        }
    }
}
