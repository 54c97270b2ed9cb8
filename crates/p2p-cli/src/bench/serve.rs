//! The side of a measurement that waits for others.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Serialize;
use tokio::{net::TcpListener, time::timeout};

use super::{
    channel::{Channel, check},
    message::{Message, PAYLOAD, Request, What, other_version, unexpected},
    pattern::Pattern,
};
use crate::{
    failure::Failure,
    places::{PlaceLimits, Share},
    report::{Event, Report},
    server::{Guest, Server},
    session::{Session, Tally},
    units::counted,
};

/// Serves clients until the user interrupts, each for so long at most.
pub(super) async fn serve(
    listener: &TcpListener,
    session: Session,
    max_clients: usize,
    client_time: Duration,
    report: &Report,
) {
    // Handshakes come by the thousand: only what fails is worth a line, and what was measured.
    let limits = PlaceLimits {
        all: max_clients,
        // A client measures many handshakes at a time, and none stays for long.
        of_one_network: Share::All,
    };
    let server = Arc::new(Server::new(session, limits, report.errors_only()));
    let serve = {
        let (server, report) = (server.clone(), report.clone());
        move |guest: Guest| {
            let (server, report) = (server.clone(), report.of_connection(guest.number));
            async move { client(&server.session, guest, client_time, &report).await }
        }
    };
    server.run(listener, None, serve).await;
}

async fn client(session: &Session, guest: Guest, client_time: Duration, report: &Report) -> Result<(), Failure> {
    let remote = guest.remote.to_string();
    let started = Instant::now();
    let (sender, receiver, control) = guest.peer.split();
    let mut channel = Channel { sender, receiver };
    let mut measurements = 0;
    let served = timeout(client_time, measure(&mut channel, client_time, &mut measurements)).await;
    let outcome = served.unwrap_or_else(|_| {
        let message = format!("the client has had its {} s", client_time.as_secs_f64());
        Err(Failure::new("bench", "timeout", message))
    });
    if measurements > 0 {
        let stat = control.stat();
        report.event(&Served {
            remote_address: remote,
            measurements,
            bytes_sent: stat.total_sent,
            bytes_received: stat.total_received,
            seconds: started.elapsed().as_secs_f64(),
        });
    }
    session.close(&control, outcome, &Tally::default(), &guest.report).await
}

/// Measures whatever the client wants until it leaves.
async fn measure(channel: &mut Channel, client_time: Duration, measurements: &mut u64) -> Result<(), Failure> {
    loop {
        let request = match channel.next().await {
            Ok(Message::Request(request)) => request,
            Ok(Message::RequestOfVersion(version)) => return refuse(channel, other_version(version)).await,
            Ok(_) => return Err(unexpected()),
            Err(failure) if failure.error == "connection_closed" => return Ok(()),
            Err(failure) => return Err(failure),
        };
        let Request {
            what,
            message_size,
            duration,
        } = request;
        if duration > client_time {
            let reason = format!("no client is served for longer than {} s", client_time.as_secs_f64());
            return refuse(channel, reason).await;
        }
        let Some(pattern) = usize::try_from(message_size).ok().and_then(Pattern::new) else {
            return refuse(
                channel,
                format!("no messages of {} are measured", counted(message_size, "byte")),
            )
            .await;
        };
        channel.send(&Message::Ready).await?;
        match what {
            What::Upload => {
                let count = channel.drain(pattern).await?;
                channel.send(&Message::Result(count)).await?;
            }
            What::Download => channel.pour(pattern, duration).await?,
            What::Echo => echo(channel, pattern).await?,
        }
        *measurements += 1;
    }
}

async fn echo(channel: &mut Channel, pattern: Pattern) -> Result<(), Failure> {
    let mut number = 0;
    loop {
        match channel.next().await? {
            Message::Payload(contents) => {
                check(pattern, &contents, number)?;
                let answer = channel.sender.send(pattern.message(PAYLOAD, number)).await;
                answer.map_err(|error| crate::errors::send(&error))?;
                number += 1;
            }
            Message::End => return Ok(()),
            _ => return Err(unexpected()),
        }
    }
}

async fn refuse(channel: &Channel, reason: String) -> Result<(), Failure> {
    channel.send(&Message::Refuse { reason: reason.clone() }).await?;
    Err(Failure::new("bench", "refused", format!("refused a client: {reason}")))
}

/// A client has left, or had to.
#[derive(Serialize)]
struct Served {
    remote_address: String,
    measurements: u64,
    bytes_sent: u64,
    bytes_received: u64,
    seconds: f64,
}

impl Event for Served {
    const NAME: &'static str = "bench_served";
}

impl fmt::Display for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            remote_address,
            measurements,
            bytes_sent,
            bytes_received,
            seconds,
        } = self;
        write!(
            f,
            "{} with {remote_address} in {seconds:.1} s: sent {} on the wire, received {bytes_received}",
            counted(*measurements, "measurement"),
            counted(*bytes_sent, "byte"),
        )
    }
}
