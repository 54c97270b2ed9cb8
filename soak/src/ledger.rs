//! What each end of each connection has sent and received, and whether it adds up.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hasher},
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use p2p_crypto::Role;

/// A digest of everything up to each message, so that one number tells whether a prefix arrived.
#[derive(Clone, Debug, Default)]
pub(crate) struct Messages {
    hasher: DefaultHasher,
    digests: Vec<u64>,
}

impl Messages {
    pub(crate) fn push(&mut self, message: &Bytes) {
        self.hasher.write_usize(message.len());
        self.hasher.write(message);
        self.digests.push(self.hasher.finish());
    }

    fn len(&self) -> usize {
        self.digests.len()
    }

    /// Whether `sent` begins with these.
    fn begin(&self, sent: &Self) -> bool {
        match self.digests.last() {
            None => true,
            last => last == sent.digests.get(self.len() - 1),
        }
    }
}

/// What one end has to say after its connection.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// Those that were queued.
    pub(crate) sent: Messages,
    pub(crate) received: Messages,
    /// It left in order and was told that everything was taken.
    pub(crate) flushed: bool,
    /// It left in a hurry, or was left so.
    pub(crate) aborted: bool,
}

impl Account {
    /// That of an end which never was a connection.
    pub(crate) fn aborted() -> Self {
        Self {
            aborted: true,
            ..Self::default()
        }
    }
}

/// A TCP connection: the address of the dialling end and of the listener.
pub(crate) type Link = (SocketAddr, SocketAddr);

/// The books of all connections.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Connections of which one end has reported.
    open: HashMap<Link, (Role, Account)>,
    totals: Totals,
    wrong: Vec<String>,
}

/// Sums over all connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) connections: u64,
    pub(crate) flushed: u64,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) lost: u64,
}

impl Ledger {
    /// Enters one end of a connection. When both are there they must agree.
    pub(crate) fn enter(&self, link: Link, role: Role, account: Account) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((other_role, other)) = state.open.remove(&link) else {
            state.open.insert(link, (role, account));
            return;
        };
        if other_role == role {
            state.wrong.push(format!("{link:?}: the same end twice"));
            return;
        }
        state.totals.connections += 1;
        for (from, to) in [(&account, &other), (&other, &account)] {
            state.totals.sent += from.sent.len() as u64;
            state.totals.received += to.received.len() as u64;
            state.totals.flushed += u64::from(from.flushed);
            match from.sent.len().checked_sub(to.received.len()) {
                Some(lost) if to.received.begin(&from.sent) => {
                    state.totals.lost += lost as u64;
                    if lost > 0 && from.flushed && !to.aborted {
                        state
                            .wrong
                            .push(format!("{link:?}: {lost} messages were flushed and lost"));
                    }
                }
                _ => state.wrong.push(format!("{link:?}: received what was not sent")),
            }
        }
    }

    /// Enters something that must not happen.
    pub(crate) fn complain(&self, complaint: String) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.wrong.push(complaint);
    }

    /// The sums, and everything that is wrong.
    pub(crate) fn close(&self) -> (Totals, Vec<String>) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut wrong = state.wrong.clone();
        let Totals {
            sent, received, lost, ..
        } = state.totals;
        if sent != received + lost {
            wrong.push(format!(
                "{sent} sent, {received} received and {lost} lost do not add up"
            ));
        }
        for (link, (role, _)) in &state.open {
            wrong.push(format!("{link:?}: only the {role:?} has reported"));
        }
        (state.totals.clone(), wrong)
    }
}
