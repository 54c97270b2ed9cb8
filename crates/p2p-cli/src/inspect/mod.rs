//! `p2p inspect`: open a captured session offline.
//!
//! It stands on p2p-crypto and p2p-framing alone: whoever dissects traffic needs no socket.

mod capture;
mod connections;
mod finding;
pub(crate) mod handshake;
mod reassembly;
mod session;

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use self::{
    capture::PacketCount,
    connections::{Connections, Count},
};
use crate::{
    failure::Failure,
    identity,
    report::{Event, Report},
    units::counted,
};

const AFTER_HELP: &str = "Examples:
  tcpdump -i lo -w session.pcap 'tcp port 9732'       capture, and end it with Ctrl-C
  p2p inspect session.pcap --identity identity.json
  tcpdump -i lo -U -w - 'tcp port 9732' | p2p inspect - --identity identity.json

The identity is that of either side of the connection. Only connections whose beginning was captured can be opened: the keys \
of a session come from its first messages. The times are in seconds from the first packet, with --json from the beginning \
of 1970.

Exit status: 0 if everything was opened, 10 if the capture can not be read, 11 if something in it could not be opened or \
there is no connection in it, 2 for a wrong usage, 3 to 5 for an unusable identity file as `p2p identity show` tells, 130 if \
interrupted.";

const UNREADABLE_CAPTURE: u8 = 10;
const NOT_ALL_OPENED: u8 = 11;

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Inspect {
    /// The capture, pcap or pcapng; - for standard input.
    #[arg(value_name = "CAPTURE")]
    capture: PathBuf,
    /// The identity file, with its secret, of one side of the connection.
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
    /// The largest message in bytes that is put together; of larger ones only the chunks are shown.
    #[arg(long, value_name = "BYTES", default_value_t = 16 * 1024 * 1024, value_parser = clap::value_parser!(u32).range(1..=1 << 30))]
    max_message: u32,
}

impl Inspect {
    pub(crate) async fn run(self, report: &Report, interrupt: &CancellationToken) -> Result<ExitCode, Failure> {
        let (report, interrupt) = (report.clone(), interrupt.clone());
        let inspecting = tokio::task::spawn_blocking(move || self.inspect(&report, &interrupt));
        inspecting
            .await
            .map_err(|error| Failure::caused_by("inspect", "inspection_failed", &error))?
    }

    fn inspect(&self, report: &Report, interrupt: &CancellationToken) -> Result<ExitCode, Failure> {
        let identity = identity::read(&self.identity)?;
        let input = open(&self.capture).map_err(|error| self.unreadable(&error))?;
        let max_message = usize::try_from(self.max_message).unwrap_or(usize::MAX);
        let mut connections = Connections::new(&identity, max_message, report);
        let read = capture::read(input, |segment| {
            connections.receive(segment);
            if interrupt.is_cancelled() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        connections.finish();
        // What could be read has been told.
        let packets = read.map_err(|error| self.unreadable(&error))?;
        let inspected = Inspected::new(packets, connections.count);
        report.event(&inspected);
        Ok(if inspected.connections > 0 && inspected.faults == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(NOT_ALL_OPENED)
        })
    }

    fn unreadable(&self, error: &dyn fmt::Display) -> Failure {
        let message = format!("can not read {}: {error}", self.capture.display());
        Failure::new("inspect", "unreadable_capture", message).with_exit_status(UNREADABLE_CAPTURE)
    }
}

fn open(path: &Path) -> io::Result<Box<dyn Read + Send>> {
    Ok(if path == Path::new("-") {
        Box::new(io::stdin())
    } else if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    } else {
        Box::new(File::open(path)?)
    })
}

/// The end of an inspection.
#[derive(Serialize)]
struct Inspected {
    packets: u64,
    tcp_segments: u64,
    connections: u64,
    skipped_segments: u64,
    frames_and_messages: u64,
    faults: u64,
}

impl Inspected {
    fn new(packets: PacketCount, count: Count) -> Self {
        Self {
            packets: packets.packets,
            tcp_segments: packets.segments,
            connections: count.connections,
            skipped_segments: count.skipped_segments,
            frames_and_messages: count.frames_and_messages,
            faults: count.faults,
        }
    }
}

impl Event for Inspected {
    const NAME: &'static str = "inspected";
}

impl fmt::Display for Inspected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            packets,
            connections,
            skipped_segments,
            faults,
            ..
        } = self;
        let [packets, connections, faults] = [(*packets, "packet"), (*connections, "connection"), (*faults, "fault")]
            .map(|(number, thing)| counted(number, thing));
        write!(f, "{packets}, {connections}, {faults}")?;
        if *skipped_segments > 0 {
            let segments = counted(*skipped_segments, "segment");
            write!(f, "; skipped {segments} of connections without their beginning")?;
        }
        Ok(())
    }
}
