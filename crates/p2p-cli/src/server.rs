//! Taking connections: whom to admit, how many at a time, and how many of them failed.

use std::{future::Future, io, net::SocketAddr, num::NonZeroU64, sync::Arc, time::Duration};

use p2p_crypto::Role;
use p2p_socket::{Admission, AdmissionLimits, Displaced, Permit, Refused};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinError, JoinSet},
    time::{Instant, sleep},
};

use crate::{
    events,
    failure::Failure,
    places::{PlaceLimits, Places},
    report::Report,
    session::{Peer, Session},
};

/// Listens on an address.
pub(crate) async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Failure> {
    let failed = |error: io::Error| {
        let message = format!("can not listen on {address}: {error}");
        Failure::new("listen", "can_not_listen", message)
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// What all connections of a listener share.
pub(crate) struct Server {
    pub(crate) session: Session,
    pub(crate) report: Report,
    admission: Admission,
    places: Places,
}

/// Someone who was accepted.
pub(crate) struct Guest {
    /// Which connection it is, counted from 0.
    pub(crate) number: u64,
    pub(crate) remote: SocketAddr,
    pub(crate) peer: Peer,
    /// For the events of this connection.
    pub(crate) report: Report,
}

impl Server {
    /// How long to wait after the operating system refused to give a connection, because there are no file descriptors
    /// left for instance: long enough not to burn a core, short enough not to be felt.
    const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

    /// A server for so many accepted peers at a time.
    pub(crate) fn new(session: Session, limits: PlaceLimits, report: Report) -> Self {
        Self {
            session,
            report,
            admission: Admission::new(&admission_limits(descriptors())),
            places: Places::new(limits),
        }
    }

    /// Takes connections until there were so many, or the user interrupts, serves each peer with `serve`, and waits for
    /// them to end. Gives the number of those that failed.
    pub(crate) async fn run<S, F>(
        self: &Arc<Self>,
        listener: &TcpListener,
        connections: Option<NonZeroU64>,
        serve: S,
    ) -> u64
    where
        S: Fn(Guest) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let mut tasks = JoinSet::new();
        let mut failures = 0;
        let mut refused_before = false;
        let mut refusals = Refusals::default();
        let mut number = 0;
        while connections.is_none_or(|most| number < most.get()) {
            tokio::select! {
                () = self.session.interrupt.cancelled() => break,
                Some(ended) = tasks.join_next() => failures += self.count_failure(ended),
                accepted = listener.accept() => match accepted {
                    Ok((tcp, remote)) => {
                        refused_before = false;
                        match self.admission.admit(remote.ip()) {
                            Ok(permit) => {
                                tasks.spawn(self.clone().connection(permit, tcp, remote, number, serve.clone()));
                                number += 1;
                            }
                            Err(refused) => refusals.tell(&refused, &self.report),
                        }
                    }
                    Err(error) => {
                        // Told once, not five times a second.
                        if !std::mem::replace(&mut refused_before, true) {
                            let message = format!("can not take a connection now: {error}");
                            self.report.error(&Failure::new("listen", "can_not_take_connection", message));
                        }
                        sleep(Self::ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        while let Some(ended) = tasks.join_next().await {
            failures += self.count_failure(ended);
        }
        failures
    }

    fn count_failure(&self, ended: Result<Result<(), Failure>, JoinError>) -> u64 {
        match ended {
            Ok(Ok(())) => 0,
            Ok(Err(_)) => 1,
            Err(error) => {
                self.report
                    .error(&Failure::caused_by("session", "connection_failed", &error));
                1
            }
        }
    }

    async fn connection<S, F>(
        self: Arc<Self>,
        permit: Permit,
        tcp: TcpStream,
        remote: SocketAddr,
        number: u64,
        serve: S,
    ) -> Result<(), Failure>
    where
        S: Fn(Guest) -> F,
        F: Future<Output = Result<(), Failure>>,
    {
        let report = self.report.of_connection(number);
        // A place is taken before the remote is, and kept to the end.
        let mut place = None;
        let take_place = || {
            place = Some(self.places.take(remote.ip())?);
            Ok(())
        };
        let opened = permit
            .run(self.session.open(tcp, Role::Responder, remote, take_place, &report))
            .await;
        let opened = opened.unwrap_or_else(|Displaced { .. }| {
            let message = "too many connections had not finished their handshake, and this one had to go";
            Err(Failure::new("authenticate", "displaced", message))
        });
        let peer = match opened {
            Ok(peer) => peer,
            Err(failure) => {
                if failure.offence {
                    permit.offence();
                }
                if !self.session.interrupt.is_cancelled() {
                    report.error(&failure);
                }
                return Err(failure);
            }
        };
        drop(permit);
        let remote = SocketAddr::new(remote.ip().to_canonical(), remote.port());
        serve(Guest {
            number,
            remote,
            peer,
            report,
        })
        .await
    }
}

/// How many connections may be half-open in a process with so many file descriptors, if they are limited.
///
/// # Security
///
/// A newcomer can only displace who is silent once it has been taken, and that takes a descriptor. So the silent ones get no
/// more than a quarter of them.
fn admission_limits(descriptors: Option<u64>) -> AdmissionLimits {
    let limits = AdmissionLimits::default();
    let quarter = descriptors.and_then(|descriptors| usize::try_from(descriptors / 4).ok());
    AdmissionLimits {
        half_open: quarter.map_or(limits.half_open, |quarter| quarter.min(limits.half_open)),
        ..limits
    }
}

/// How many file descriptors this process may have.
#[cfg(unix)]
fn descriptors() -> Option<u64> {
    use rustix::process::{Resource, getrlimit};
    getrlimit(Resource::Nofile).current
}

#[cfg(not(unix))]
fn descriptors() -> Option<u64> {
    None
}

/// Connections that were refused, told once a second at most: a flood must not flood the output, too.
#[derive(Default)]
struct Refusals {
    untold: u64,
    told: Option<Instant>,
}

impl Refusals {
    const PAUSE: Duration = Duration::from_secs(1);

    fn tell(&mut self, refused: &Refused, report: &Report) {
        self.untold += 1;
        if self.told.is_some_and(|told| told.elapsed() < Self::PAUSE) {
            return;
        }
        self.told = Some(Instant::now());
        report.event(&events::Refused {
            count: std::mem::take(&mut self.untold),
            network: refused.network.to_string(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_open_connections_leave_most_descriptors_to_others() {
        for (descriptors, half_open) in [
            (Some(0), 0),
            (Some(32), 8),
            (Some(1024), 256),
            (Some(u64::MAX), AdmissionLimits::DEFAULT_HALF_OPEN),
            (None, AdmissionLimits::DEFAULT_HALF_OPEN),
        ] {
            assert_eq!(admission_limits(descriptors).half_open, half_open, "{descriptors:?}");
        }
    }
}
