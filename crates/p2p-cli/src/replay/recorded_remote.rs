//! A transport at whose other end a recorded remote says what it said, whatever it hears.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    dissect,
    record::{Frame, FrameKind},
};

/// When the remote says what it has to say. Both sides of the protocol talk at the same time, so either may be ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// All at once, before it has heard anything.
    Ahead,
    /// Each step of the handshake after ours, and its messages after our last one, in small pieces.
    Behind,
}

impl Delivery {
    pub(super) const ALL: [Self; 2] = [Self::Ahead, Self::Behind];
}

/// The first bytes of a remote that is behind come one by one.
const SINGLE_BYTES: usize = 256;

/// Then so many at a time.
const PIECE_SIZE: usize = 1021;

/// The recorded remote. A clone shares its state, and tells what it has heard.
#[derive(Clone, Debug)]
pub(super) struct RecordedRemote {
    tape: Arc<Mutex<Tape>>,
}

#[derive(Debug)]
struct Tape {
    delivery: Delivery,
    /// What the remote says.
    says: Bytes,
    /// Where each step of its handshake ends.
    steps: Vec<usize>,
    said: usize,
    heard: Vec<u8>,
    /// Our frames that have been heard to their end, and where the last of them ends.
    frames_heard: usize,
    frames_end: usize,
    /// Whether we have said everything.
    all_heard: bool,
    /// Whether our direction has ended.
    ended: bool,
    reader: Option<Waker>,
}

impl RecordedRemote {
    pub(super) fn new(says: Bytes, delivery: Delivery) -> Self {
        let steps = dissect::frames(&says)
            .0
            .iter()
            .filter(|Frame(kind, ..)| *kind != FrameKind::MessageChunk)
            .map(|Frame(_, offset, size)| offset + size)
            .collect();
        Self {
            tape: Arc::new(Mutex::new(Tape {
                delivery,
                says,
                steps,
                said: 0,
                heard: Vec::new(),
                frames_heard: 0,
                frames_end: 0,
                all_heard: false,
                ended: false,
                reader: None,
            })),
        }
    }

    /// Tells the remote that we have said everything, so that it says the rest and closes.
    pub(super) fn all_said(&self) {
        let mut tape = self.lock();
        tape.all_heard = true;
        tape.wake();
    }

    /// Every byte that we sent.
    pub(super) fn heard(&self) -> Vec<u8> {
        self.lock().heard.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Tape> {
        self.tape.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tape {
    /// How much the remote is ready to say by now.
    fn ready(&self) -> usize {
        if self.delivery == Delivery::Ahead || self.ended || self.all_heard {
            return self.says.len();
        }
        // A remote that never came to its answer may still end within a frame.
        let last = if self.answers() { self.steps[2] } else { self.says.len() };
        match self.frames_heard {
            0 => 0,
            heard => self.steps.get(heard - 1).copied().unwrap_or(last),
        }
    }

    /// Whether the remote came to its answer, behind which there may be messages in both directions.
    fn answers(&self) -> bool {
        self.steps.len() == 3
    }

    fn at_end(&self) -> bool {
        self.said == self.says.len() && (!self.answers() || self.all_heard || self.ended)
    }

    fn piece_size(&self) -> usize {
        match self.delivery {
            Delivery::Ahead => usize::MAX,
            Delivery::Behind if self.said < SINGLE_BYTES => 1,
            Delivery::Behind => PIECE_SIZE,
        }
    }

    fn count_frames(&mut self) {
        let unheard = self.heard.get(self.frames_end..).unwrap_or_default();
        for Frame(_, _, size) in dissect::frames(unheard).0 {
            self.frames_heard += 1;
            self.frames_end += size;
        }
    }

    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl AsyncRead for RecordedRemote {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut tape = self.lock();
        let size = tape
            .ready()
            .saturating_sub(tape.said)
            .min(tape.piece_size())
            .min(buffer.remaining());
        if size == 0 && buffer.remaining() > 0 && !tape.at_end() {
            tape.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        buffer.put_slice(&tape.says[tape.said..tape.said + size]);
        tape.said += size;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for RecordedRemote {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut tape = self.lock();
        if tape.ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let size = bytes.len().min(tape.piece_size().max(PIECE_SIZE));
        tape.heard.extend_from_slice(&bytes[..size]);
        tape.count_frames();
        tape.wake();
        Poll::Ready(Ok(size))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut tape = self.lock();
        tape.ended = true;
        tape.wake();
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Three steps of the handshake, and a message.
    const SESSION: &[u8] = b"\0\x01a\0\x01b\0\x01c\0\x01d";

    /// Everything that the remote says by now, and whether it has closed then.
    fn read(remote: &mut RecordedRemote) -> (Vec<u8>, bool) {
        let (mut said, mut bytes) = (Vec::new(), [0; 5]);
        loop {
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut *remote).poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer) {
                Poll::Pending => return (said, false),
                Poll::Ready(result) => result.unwrap(),
            }
            if buffer.filled().is_empty() {
                return (said, true);
            }
            said.extend_from_slice(buffer.filled());
        }
    }

    fn write(remote: &mut RecordedRemote, bytes: &[u8]) {
        let written = Pin::new(remote).poll_write(&mut Context::from_waker(Waker::noop()), bytes);
        assert_eq!(written.map(Result::unwrap), Poll::Ready(bytes.len()));
    }

    #[test]
    fn a_remote_that_is_ahead_closes_when_it_has_heard_everything() {
        let mut remote = RecordedRemote::new(Bytes::from_static(SESSION), Delivery::Ahead);
        assert_eq!(read(&mut remote), (SESSION.to_vec(), false));
        remote.all_said();
        assert_eq!(read(&mut remote), (vec![], true));
    }

    #[test]
    fn a_remote_that_is_behind_answers_every_step() {
        let mut remote = RecordedRemote::new(Bytes::from_static(SESSION), Delivery::Behind);
        for step in 0..3 {
            write(&mut remote, &[0, 2, 7]);
            assert_eq!(read(&mut remote), (vec![], false), "half a frame");
            write(&mut remote, &[7]);
            assert_eq!(read(&mut remote), (SESSION[3 * step..][..3].to_vec(), false));
        }
        write(&mut remote, &[0, 0]);
        assert_eq!(read(&mut remote), (vec![], false), "a message before all were heard");
        remote.all_said();
        assert_eq!(read(&mut remote), (SESSION[9..].to_vec(), true));
        assert_eq!(remote.heard(), b"\0\x02\x07\x07\0\x02\x07\x07\0\x02\x07\x07\0\0");
    }

    #[test]
    fn a_remote_without_an_answer_closes_instead() {
        for delivery in Delivery::ALL {
            let mut remote = RecordedRemote::new(Bytes::from_static(&SESSION[..7]), delivery);
            for _ in 0..3 {
                write(&mut remote, &[0, 0]);
            }
            assert_eq!(read(&mut remote), (SESSION[..7].to_vec(), true));
        }
    }

    #[test]
    fn a_remote_closes_when_we_do() {
        let mut remote = RecordedRemote::new(Bytes::from_static(SESSION), Delivery::Behind);
        let context = &mut Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut remote).poll_shutdown(context).is_ready());
        assert_eq!(read(&mut remote), (SESSION.to_vec(), true));
        assert!(matches!(
            Pin::new(&mut remote).poll_write(context, &[0]),
            Poll::Ready(Err(_))
        ));
    }
}
