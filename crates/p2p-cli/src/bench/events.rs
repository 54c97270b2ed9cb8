use std::fmt;

use serde::Serialize;

use super::{
    latency::Percentiles,
    message::{Count, Request},
};
use crate::{
    report::Event,
    units::{counted, rate},
};

/// How long small messages take there and back, one at a time.
#[derive(Serialize)]
pub(super) struct LatencyMeasured {
    /// In bytes.
    pub(super) message_size: u32,
    pub(super) round_trips: u64,
    pub(super) seconds: Percentiles,
}

impl Event for LatencyMeasured {
    const NAME: &'static str = "bench_latency";
}

impl fmt::Display for LatencyMeasured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "round trip  {}", self.seconds)
    }
}

/// How much has arrived, counted and checked where it arrived.
#[derive(Serialize)]
pub(super) struct FlowMeasured {
    /// From here: `upload` or `download`.
    direction: &'static str,
    /// In bytes.
    message_size: u32,
    messages: u64,
    bytes: u64,
    seconds: f64,
    bytes_per_second: f64,
    messages_per_second: f64,
}

impl FlowMeasured {
    pub(super) fn new(request: Request, count: Count) -> Self {
        let seconds = count.time.as_secs_f64();
        let per_second = |number: u64| if seconds > 0.0 { number as f64 / seconds } else { 0.0 };
        Self {
            direction: request.what.direction(),
            message_size: request.message_size,
            messages: count.messages,
            bytes: count.bytes,
            seconds,
            bytes_per_second: per_second(count.bytes),
            messages_per_second: per_second(count.messages),
        }
    }
}

impl Event for FlowMeasured {
    const NAME: &'static str = "bench_flow";
}

impl fmt::Display for FlowMeasured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<10}  {}, {:.0} messages/s of {} ({} in {:.2} s)",
            self.direction,
            rate(self.bytes_per_second),
            self.messages_per_second,
            counted(self.message_size, "byte"),
            self.messages,
            self.seconds
        )
    }
}

/// How many handshakes there were.
#[derive(Serialize)]
pub(super) struct HandshakesMeasured {
    /// How many at a time.
    pub(super) parallel: u16,
    pub(super) handshakes: u64,
    pub(super) handshakes_per_second: f64,
    /// From the beginning of the TCP connection to the acceptance by both.
    pub(super) seconds: Percentiles,
}

impl Event for HandshakesMeasured {
    const NAME: &'static str = "bench_handshakes";
}

impl fmt::Display for HandshakesMeasured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "handshakes  {:.0}/s; {}", self.handshakes_per_second, self.seconds)
    }
}
