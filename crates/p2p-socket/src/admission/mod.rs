//! Whom a listener lets begin a handshake, so that strangers can't keep the others out.
//!
//! ```
//! use p2p_crypto::Role;
//! use p2p_framing::encoding::RawEncoding;
//! use p2p_socket::{Admission, Config, ConnectionOptions, NodeMetadata, authenticate};
//! use tokio::net::TcpListener;
//!
//! async fn serve(listener: TcpListener, config: Config) -> std::io::Result<()> {
//!     let admission = Admission::default();
//!     loop {
//!         let (stream, remote) = listener.accept().await?;
//!         // Before any work. A refused stream is dropped, and with it closed.
//!         let Ok(permit) = admission.admit(remote.ip()) else { continue };
//!         let config = config.clone();
//!         tokio::spawn(async move {
//!             let handshake = authenticate(stream, Role::Responder, remote, &config, NodeMetadata::default());
//!             let peer = match permit.run(handshake).await {
//!                 Ok(Ok(peer)) => peer,
//!                 Ok(Err(error)) if error.is_offence() => return permit.offence(),
//!                 _ => return,
//!             };
//!             let accepting = peer.accept(RawEncoding::default(), ConnectionOptions::default());
//!             let Ok(Ok(mut connection)) = permit.run(accepting).await else { return };
//!             drop(permit);
//!             while connection.recv().await.is_ok() {}
//!         });
//!     }
//! }
//! ```
//!
//! The decisions are made by [`AdmissionTable`], which knows neither sockets nor the time.

mod limits;
mod network;
mod offenders;
mod table;

use std::{
    fmt,
    future::Future,
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use crate::telemetry;

pub use self::{
    limits::AdmissionLimits,
    network::{Block, Network},
    table::{AdmissionTable, Admitted, Place},
};

/// Gives out permits to begin a handshake. Cheap to clone; clones share the limits.
///
/// # Security
///
/// Ask it right after accepting a connection, before anything is done or kept for it.
#[derive(Clone)]
pub struct Admission {
    table: Arc<Mutex<AdmissionTable<CancellationToken>>>,
}

impl Admission {
    /// Nobody is there yet.
    #[must_use]
    pub fn new(limits: &AdmissionLimits) -> Self {
        Self {
            table: Arc::new(Mutex::new(AdmissionTable::new(limits))),
        }
    }

    /// Lets a connection from `remote` begin its handshake. If there was no room, another one loses its permit:
    /// see [`AdmissionTable`] for which.
    ///
    /// # Errors
    ///
    /// [`Refused`] if the network of `remote` has offended too often lately.
    pub fn admit(&self, remote: IpAddr) -> Result<Permit, Refused> {
        let token = CancellationToken::new();
        let admitted = self.table().admit(remote, token.clone(), Instant::now().into_std());
        let admitted = admitted.inspect_err(telemetry::not_admitted)?;
        if let Some(displaced) = admitted.displaced {
            telemetry::displaced(Network::of(remote));
            displaced.cancel();
        }
        Ok(Permit {
            admission: self.clone(),
            remote,
            place: admitted.place,
            displaced: token,
        })
    }

    /// How many permits there are.
    #[must_use]
    pub fn half_open(&self) -> usize {
        self.table().half_open()
    }

    fn table(&self) -> MutexGuard<'_, AdmissionTable<CancellationToken>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Admission {
    fn default() -> Self {
        Self::new(&AdmissionLimits::default())
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission")
            .field("half_open", &self.half_open())
            .finish_non_exhaustive()
    }
}

/// A place among the half-open connections, given up when dropped. Keep it until the handshake has ended, accepting or
/// refusing included.
#[derive(Debug)]
#[must_use = "dropping it gives up the place"]
pub struct Permit {
    admission: Admission,
    remote: IpAddr,
    place: Place,
    displaced: CancellationToken,
}

impl Permit {
    /// Runs a part of the handshake for as long as the permit holds.
    ///
    /// # Errors
    ///
    /// [`Displaced`] if the place went to someone else. The handshake has been dropped then, which closes its
    /// transport.
    ///
    /// # Cancel safety
    ///
    /// That of `handshake`. The permit is kept.
    pub fn run<F: Future>(&self, handshake: F) -> impl Future<Output = Result<F::Output, Displaced>> {
        Run {
            handshake,
            displaced: self.displaced.cancelled(),
        }
    }

    /// Gives up the place, and remembers that the remote broke the protocol or let its deadline pass: see
    /// [`AuthenticateError::is_offence`](crate::AuthenticateError::is_offence).
    pub fn offence(self) {
        self.admission.table().offence(self.remote, Instant::now().into_std());
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission.table().release(self.place);
    }
}

pin_project! {
    /// See [`Permit::run`].
    struct Run<'a, F> {
        #[pin]
        handshake: F,
        #[pin]
        displaced: WaitForCancellationFuture<'a>,
    }
}

impl<F: Future> Future for Run<'_, F> {
    type Output = Result<F::Output, Displaced>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.handshake.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        this.displaced.poll(cx).map(|()| Err(Displaced))
    }
}

/// A network has offended too often lately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{network} has offended too often and is refused for another {wait:?}")]
#[non_exhaustive]
pub struct Refused {
    /// Who is refused.
    pub network: Network,
    /// How long, unless it offends again.
    pub wait: Duration,
}

/// The permit went to someone else before the handshake had ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there were too many half-open connections, and this one had to go")]
#[non_exhaustive]
pub struct Displaced;
