//! The side of a measurement that asks for it.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::{task::JoinSet, time::timeout};

use super::{
    channel::{Channel, check},
    events::{FlowMeasured, HandshakesMeasured, LatencyMeasured},
    latency::Latencies,
    message::{Message, PAYLOAD, Request, What, unexpected},
    pattern::Pattern,
};
use crate::{
    dial::Target,
    failure::Failure,
    report::Report,
    session::{Session, Tally},
};

/// The size of the messages whose way there and back is timed, and of those that are counted, in bytes: what most messages
/// between nodes have.
const SMALL_MESSAGE: u32 = 100;

/// What to measure with.
pub(super) struct Plan {
    /// For each measurement.
    pub(super) duration: Duration,
    /// Of those by which the throughput is measured, in bytes.
    pub(super) message_size: u32,
    /// How many handshakes to have under way at a time.
    pub(super) parallel: u16,
}

/// Measures everything one after the other, and tells each at once.
pub(super) async fn measure(
    plan: &Plan,
    target: &Target,
    session: &Session,
    report: &Report,
) -> Result<ExitCode, Failure> {
    let quiet = report.errors_only();
    let doing = spinner(report);
    let peer = target.open(session, &quiet).await?;
    let (sender, receiver, control) = peer.split();
    // Kept until it is closed: with the last handle the connection would end.
    let mut channel = Channel { sender, receiver };
    // As at the end of a connection: what is in the queues and on the line has to arrive.
    let grace = session.close_timeout;
    let outcome = flows(plan, grace, &mut channel, &doing, report).await;
    if session
        .close(&control, outcome, &Tally::default(), &quiet)
        .await
        .is_err()
    {
        // It has told why.
        return Ok(ExitCode::FAILURE);
    }
    doing.set_message("handshakes");
    let limit = plan.duration + session.timeout * 2;
    let handshakes = timeout(limit, handshakes(plan, target, session, &quiet)).await;
    report.event(&handshakes.unwrap_or_else(|_| Err(late("the handshakes")))?);
    doing.finish_and_clear();
    Ok(ExitCode::SUCCESS)
}

/// What is being measured, on a terminal.
fn spinner(report: &Report) -> ProgressBar {
    let spinner = report.show(ProgressBar::new_spinner());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} measuring {msg}") {
        spinner.set_style(style);
    }
    spinner.enable_steady_tick(Duration::from_millis(200));
    spinner
}

/// Measures what flows. The rest of each measurement may take `grace` beyond its time.
async fn flows(
    plan: &Plan,
    grace: Duration,
    channel: &mut Channel,
    doing: &ProgressBar,
    report: &Report,
) -> Result<(), Failure> {
    doing.set_message("round trips");
    let Plan {
        duration, message_size, ..
    } = *plan;
    let limit = duration + grace;
    let latency = timeout(limit, latency(channel, duration)).await;
    report.event(&latency.unwrap_or_else(|_| Err(late("the latency")))?);
    for message_size in [message_size, SMALL_MESSAGE] {
        for what in [What::Upload, What::Download] {
            let request = Request {
                what,
                message_size,
                duration,
            };
            doing.set_message(format!("the {} in messages of {message_size} bytes", what.direction()));
            let measured = timeout(limit, flow(channel, request)).await;
            report.event(&measured.unwrap_or_else(|_| Err(late("the throughput")))?);
        }
    }
    Ok(())
}

/// Times messages that come back, one at a time.
async fn latency(channel: &mut Channel, duration: Duration) -> Result<LatencyMeasured, Failure> {
    let pattern = begin(
        channel,
        Request {
            what: What::Echo,
            message_size: SMALL_MESSAGE,
            duration,
        },
    )
    .await?;
    let mut latencies = Latencies::new();
    let started = Instant::now();
    // At least once, however busy the machine is.
    while latencies.count() == 0 || started.elapsed() < duration {
        let number = latencies.count();
        let sent = Instant::now();
        let message = pattern.message(PAYLOAD, number);
        let sending = channel.sender.send(message).await;
        sending.map_err(|error| crate::errors::send(&error))?;
        match channel.next().await? {
            Message::Payload(contents) => {
                latencies.record(sent.elapsed());
                check(pattern, &contents, number)?;
            }
            _ => return Err(unexpected()),
        }
    }
    channel.send(&Message::End).await?;
    Ok(LatencyMeasured {
        message_size: SMALL_MESSAGE,
        round_trips: latencies.count(),
        seconds: latencies.percentiles(),
    })
}

/// Lets messages flow one way. Whoever receives them counts.
async fn flow(channel: &mut Channel, request: Request) -> Result<FlowMeasured, Failure> {
    let pattern = begin(channel, request).await?;
    let count = match request.what {
        What::Upload => {
            channel.pour(pattern, request.duration).await?;
            match channel.next().await? {
                Message::Result(count) => count,
                _ => return Err(unexpected()),
            }
        }
        _ => channel.drain(pattern).await?,
    };
    Ok(FlowMeasured::new(request, count))
}

async fn begin(channel: &mut Channel, request: Request) -> Result<Pattern, Failure> {
    channel.send(&Message::Request(request)).await?;
    match channel.next().await? {
        Message::Ready => {}
        Message::Refuse { reason } => {
            let message = format!("the server refuses to measure: {}", reason.escape_debug());
            return Err(Failure::new("bench", "refused_by_server", message));
        }
        _ => return Err(unexpected()),
    }
    let size = usize::try_from(request.message_size).ok();
    size.and_then(Pattern::new).ok_or_else(unexpected)
}

/// Connects, shakes hands and parts, again and again, several at a time.
async fn handshakes(
    plan: &Plan,
    target: &Target,
    session: &Session,
    quiet: &Report,
) -> Result<HandshakesMeasured, Failure> {
    let started = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..plan.parallel {
        let (target, session, quiet) = (target.clone(), session.clone(), quiet.clone());
        let duration = plan.duration;
        workers.spawn(async move {
            let mut latencies = Latencies::new();
            while latencies.count() == 0 || started.elapsed() < duration {
                latencies.record(handshake(&target, &session, &quiet).await?);
            }
            Ok::<_, Failure>(latencies)
        });
    }
    let mut all = Latencies::new();
    while let Some(worker) = workers.join_next().await {
        let latencies = worker.map_err(|error| Failure::caused_by("bench", "bench_failed", &error))?;
        all.merge(&latencies?);
    }
    let seconds = started.elapsed().as_secs_f64();
    Ok(HandshakesMeasured {
        parallel: plan.parallel,
        handshakes: all.count(),
        handshakes_per_second: all.count() as f64 / seconds,
        seconds: all.percentiles(),
    })
}

/// One handshake, from the dialled connection to the acceptance by both. Gives its time; parting is not in it.
async fn handshake(target: &Target, session: &Session, quiet: &Report) -> Result<Duration, Failure> {
    let started = Instant::now();
    let peer = target.open(session, quiet).await?;
    let time = started.elapsed();
    let control = peer.control();
    drop(peer);
    // The next one must not find the place of this one taken.
    control.closed().await;
    Ok(time)
}

fn late(what: &str) -> Failure {
    let message = format!("{what} could not be measured: the remote has not done its part in time");
    Failure::new("bench", "timeout", message)
}
