use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::SeqCst},
    },
    task::{Wake, Waker},
};

use atomic_waker::AtomicWaker;

/// Someone waits in `recv`, and tells when it no longer does: it alone is woken when there is something to read.
const RECEIVER_IS_THERE: u8 = 1;

/// The transport has become readable, and nobody has looked since.
const UNSEEN: u8 = 2;

/// Who is woken when there is something to do on a connection.
///
/// As a [`Wake`] it is the one waker under which the transport is ever read, whoever reads it: the choice between the
/// receiver, which then reads in its own task, and the driver is made when the transport has become readable. So the
/// receiver can come and go without touching the transport.
#[derive(Debug, Default)]
pub(crate) struct Wakers {
    driver: AtomicWaker,
    receiver: AtomicWaker,
    state: AtomicU8,
}

impl Wakers {
    pub(crate) fn set_driver(&self, waker: &Waker) {
        self.driver.register(waker);
    }

    /// There is something to send, or a request to close.
    pub(crate) fn wake_driver(&self) {
        self.driver.wake();
    }

    /// There is a message to receive, or none will come any more.
    pub(crate) fn wake_receiver(&self) {
        self.receiver.wake();
    }

    /// The driver is about to read, so it holds the lock of the reading end, unless it may leave that to the receiver:
    /// tells which.
    pub(crate) fn driver_reads(&self) -> bool {
        let reads = self.state.load(SeqCst) & RECEIVER_IS_THERE == 0;
        if reads {
            self.state.store(0, SeqCst);
        }
        reads
    }

    /// The receiver is about to look for a message, and wants to know of the next one if there is none.
    pub(crate) fn set_receiver(&self, waker: &Waker) {
        self.receiver.register(waker);
    }

    /// The receiver is about to read, so it holds the lock of the reading end. If it can be dropped without a word
    /// (`stays` is false), the driver will be woken beside it. Tells whether the transport has become readable since
    /// somebody last looked.
    pub(crate) fn receiver_reads(&self, stays: bool) -> bool {
        let state = if stays { RECEIVER_IS_THERE } else { 0 };
        self.state.swap(state, SeqCst) & UNSEEN != 0
    }

    /// The receiver wants to read and can't, because the driver is at it: it shall go on.
    pub(crate) fn receiver_is_kept_out(&self) {
        if self.state.fetch_and(!RECEIVER_IS_THERE, SeqCst) & UNSEEN != 0 {
            self.driver.wake();
        }
    }

    /// The receiver has not seen everything that there is to read.
    pub(crate) fn leave_unseen(&self) {
        self.state.fetch_or(UNSEEN, SeqCst);
    }

    /// The receiver has made room for more. The driver may look while it is still there, and would leave reading to it:
    /// then it has to look again when the receiver has left.
    pub(crate) fn room_is_made(&self) {
        self.leave_unseen();
        self.driver.wake();
    }

    /// The receiver has got a message or does not wait any longer: from now on the driver reads.
    pub(crate) fn receiver_leaves(&self) {
        drop(self.receiver.take());
        self.receiver_is_kept_out();
    }
}

impl Wake for Wakers {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let state = self.state.fetch_or(UNSEEN, SeqCst);
        self.receiver.wake();
        if state & RECEIVER_IS_THERE == 0 {
            self.driver.wake();
        }
    }
}

#[cfg(test)]
mod tests;
