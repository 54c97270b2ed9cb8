use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_sink::Sink;

use super::{SendError, Sender, TrySendError};

/// What the [`Sink`] of a sender has begun.
#[derive(Default)]
pub(super) struct Sinking {
    /// The message that it has taken and for which there is no room yet.
    overflow: Option<Step>,
    flush: Option<Step>,
}

type Step = Pin<Box<dyn Future<Output = Result<(), SendError>> + Send + Sync>>;

/// Flushing waits as [`Sender::flush`] does; closing flushes and leaves the connection open for others.
impl<M: Send + 'static> Sink<M> for Sender<M> {
    type Error = SendError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        poll_step(&mut self.sinking.overflow, cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: M) -> Result<(), SendError> {
        // A flush that was begun before does not speak for this message.
        self.sinking.flush = None;
        match self.try_send(message) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(message)) => {
                let sender = self.clone();
                self.sinking.overflow = Some(Box::pin(async move { sender.send_encoded(&message).await }));
                Ok(())
            }
            Err(TrySendError::Failed(error)) => Err(error),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        ready!(self.as_mut().poll_ready(cx))?;
        if self.sinking.flush.is_none() {
            let sender = self.clone();
            self.sinking.flush = Some(Box::pin(async move { sender.flush().await }));
        }
        poll_step(&mut self.sinking.flush, cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.poll_flush(cx)
    }
}

fn poll_step(step: &mut Option<Step>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
    let Some(future) = step else {
        return Poll::Ready(Ok(()));
    };
    let result = ready!(future.as_mut().poll(cx));
    *step = None;
    Poll::Ready(result)
}
