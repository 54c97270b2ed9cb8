//! Listens in on the beginning of what a remote sends.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::BytesMut;
use p2p_framing::{ClearFrame, ClearFrameCodec};
use p2p_socket::ConnectionMessage;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::codec::Decoder;

/// As much as a connection message may have.
const MAX_HEARD: usize = ConnectionMessage::MAX_SIZE + ClearFrame::PREFIX_SIZE;

/// A stream that keeps what was read first.
#[derive(Debug)]
pub(super) struct Tap<T> {
    io: T,
    heard: Heard,
}

/// What was read first. Clones see the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard(Arc<Mutex<BytesMut>>);

impl<T> Tap<T> {
    pub(super) fn new(io: T) -> (Self, Heard) {
        let heard = Heard::default();
        (
            Self {
                io,
                heard: heard.clone(),
            },
            heard,
        )
    }
}

impl Heard {
    fn add(&self, bytes: &[u8]) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = MAX_HEARD.saturating_sub(heard.len());
        heard.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// The remote's connection message, if it has sent a proper one.
    pub(super) fn connection_message(&self) -> Option<ConnectionMessage> {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let frame = ClearFrameCodec::new(ConnectionMessage::MAX_SIZE).decode(&mut heard);
        ConnectionMessage::decode(frame.ok()??.body()).ok()
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Tap<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buffer);
        self.heard.add(&buffer.filled()[before..]);
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Tap<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_kept_than_a_connection_message_may_have() {
        let heard = Heard::default();
        heard.add(&[0xff; 2000]);
        heard.add(&[0xff; 2000]);
        assert_eq!(heard.0.lock().unwrap().len(), MAX_HEARD);
        assert_eq!(heard.connection_message(), None);
    }
}
