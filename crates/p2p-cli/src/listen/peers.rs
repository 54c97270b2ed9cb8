//! Who is connected to a listener.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
    time::Instant,
};

use bytes::Bytes;
use p2p_socket::{Control, NodeMetadata, Sender};
use tokio::sync::Notify;

use super::patience::Patience;
use crate::{report::Report, session::Tally};

/// Someone who is connected: to send standard input to, and to watch.
#[derive(Clone)]
pub(super) struct Connected {
    pub(super) sender: Sender<Bytes>,
    pub(super) control: Control<NodeMetadata>,
    pub(super) remote: SocketAddr,
    pub(super) tally: Arc<Tally>,
    pub(super) report: Report,
    pub(super) since: Instant,
    /// Set before it is closed because it does not read.
    pub(super) cut_off: Arc<AtomicBool>,
    pub(super) patience: Arc<Mutex<Patience>>,
}

impl Connected {
    /// How long it may still make others wait.
    pub(super) fn patience(&self) -> MutexGuard<'_, Patience> {
        self.patience.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who is connected now, by the numbers of the connections.
#[derive(Default)]
pub(super) struct Peers {
    by_number: Mutex<BTreeMap<u64, Connected>>,
    joined: Notify,
}

impl Peers {
    /// Adds someone until the place is dropped.
    pub(super) fn insert(&self, number: u64, peer: Connected) -> Registered<'_> {
        self.lock().insert(number, peer);
        self.joined.notify_waiters();
        Registered { peers: self, number }
    }

    /// Everyone who is connected.
    pub(super) fn all(&self) -> Vec<(u64, Connected)> {
        let peers = self.lock();
        peers.iter().map(|(number, peer)| (*number, peer.clone())).collect()
    }

    /// Everyone who is connected, once there is someone.
    pub(super) async fn wait_for_some(&self) -> Vec<(u64, Connected)> {
        loop {
            let joined = self.joined.notified();
            let all = self.all();
            if !all.is_empty() {
                return all;
            }
            joined.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Connected>> {
        self.by_number.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the peers, given up when dropped.
pub(super) struct Registered<'a> {
    peers: &'a Peers,
    number: u64,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.peers.lock().remove(&self.number);
    }
}
