//! What a connection does once it is accepted: print messages, send them back, or take files.

use std::{future::Future, path::PathBuf, time::Duration};

use bytes::Bytes;
use clap::Args;
use p2p_socket::{ConnectionError, Receiver};
use tokio::time::timeout;

use crate::{
    errors,
    events::{MessageReceived, MessageSent},
    failure::Failure,
    message_text::{MessageText, blake2b},
    outbox::Outbox,
    report::Report,
    session::{Peer, Session, Tally},
    transfer::{self, QuotaOptions, Reception},
    units::{counted, seconds_or_zero},
};

/// What to do with messages. Without one of the first two, standard input is sent and what comes is printed.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Message options")]
pub(crate) struct ExchangeOptions {
    /// Send every message back.
    #[arg(long, conflicts_with = "receive")]
    echo: bool,
    /// Take files of `p2p send` into this directory, which must exist.
    #[arg(long, value_name = "DIR")]
    receive: Option<PathBuf>,
    /// The largest message in bytes, of ours and the remote's; and the longest line of standard input.
    #[arg(long, value_name = "BYTES", default_value_t = 4 * 1024 * 1024, value_parser = clap::value_parser!(u32).range(1..=1 << 30))]
    max_message: u32,
    /// At the end of standard input, wait until so many messages have come before closing.
    #[arg(long, value_name = "N", conflicts_with_all = ["echo", "receive"])]
    expect: Option<u64>,
    /// At the end of standard input, wait until nothing has come for so long before closing, unless `--expect` tells
    /// what to wait for.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = seconds_or_zero)]
    linger: Duration,
    #[command(flatten)]
    quota: QuotaOptions,
}

impl ExchangeOptions {
    /// Fails if files can not be put where they are to be, and makes room there.
    pub(crate) fn prepare(self) -> Result<Exchange, Failure> {
        // On the command line they exclude each other, but one of them may come from a file.
        if self.echo && self.receive.is_some() {
            let message = "echo and receive can not be had together; one of them is in the configuration";
            return Err(Failure::new("usage", "wrong_usage", message).with_exit_status(Failure::EXIT_USAGE));
        }
        let activity = match self.receive {
            Some(directory) => Activity::Receive(Reception::prepare(directory, self.quota)?),
            None if self.echo => Activity::Echo,
            None => Activity::Print {
                expect: self.expect,
                linger: self.linger,
            },
        };
        let max_message = usize::try_from(self.max_message).unwrap_or(usize::MAX);
        Ok(Exchange { activity, max_message })
    }
}

/// What connections do with messages. Clones share what counts for all of them.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    activity: Activity,
    max_message: usize,
}

#[derive(Clone, Debug)]
enum Activity {
    Echo,
    Receive(Reception),
    Print { expect: Option<u64>, linger: Duration },
}

impl Exchange {
    /// The largest message in bytes.
    pub(crate) fn max_message(&self) -> usize {
        match self.activity {
            Activity::Receive(_) => transfer::MAX_MESSAGE,
            _ => self.max_message,
        }
    }

    /// Whether standard input is sent.
    pub(crate) fn sends_input(&self) -> bool {
        matches!(self.activity, Activity::Print { .. })
    }

    /// Does what the options say until the connection ends or should end, and closes it.
    ///
    /// `input` resolves at the end of what is to be sent. A remote that closes before that is an error if
    /// `input_must_end`.
    pub(crate) async fn run(
        &self,
        session: &Session,
        peer: Peer,
        tally: &Tally,
        input: impl Future<Output = Result<(), Failure>>,
        input_must_end: bool,
        report: &Report,
    ) -> Result<(), Failure> {
        let remote = peer.info().clone();
        let (sender, receiver, control) = peer.split();
        let outcome = match &self.activity {
            Activity::Echo => echo(session.outbox(sender, &control), receiver, tally, report).await,
            Activity::Receive(reception) => {
                let outbox = session.outbox(sender, &control);
                transfer::receive(outbox, receiver, reception, &remote, tally, report).await
            }
            Activity::Print { expect, linger } => {
                // Kept to the end: with the last sender the connection would be closed.
                let _sender = sender;
                let mut inbox = Inbox {
                    receiver,
                    tally,
                    report,
                };
                print(*expect, *linger, &mut inbox, input, input_must_end).await
            }
        };
        session.close(&control, outcome, tally, report).await
    }
}

/// Prints what comes until the connection ends, or until what is expected has come after the end of input.
async fn print(
    expect: Option<u64>,
    linger: Duration,
    inbox: &mut Inbox<'_>,
    input: impl Future<Output = Result<(), Failure>>,
    input_must_end: bool,
) -> Result<(), Failure> {
    tokio::select! {
        error = inbox.run() => {
            let orderly = is_orderly(&error) && !(input_must_end && matches!(error, ConnectionError::ClosedByPeer));
            return if orderly { Ok(()) } else { Err(errors::connection(&error)) };
        }
        result = input => result?,
    }
    let Some(expected) = expect else {
        return match timeout_of_silence(linger, inbox).await {
            None => Ok(()),
            Some(error) if is_orderly(&error) => Ok(()),
            Some(error) => Err(errors::connection(&error)),
        };
    };
    while inbox.tally.received() < expected {
        if let Err(error) = inbox.next().await {
            let cause = errors::connection(&error);
            let received = inbox.tally.received();
            let expected = counted(expected, "expected message");
            let message = format!("{cause} after {received} of {expected}");
            return Err(Failure { message, ..cause });
        }
    }
    Ok(())
}

/// Prints until nothing has come for so long, or the connection ends.
async fn timeout_of_silence(limit: Duration, inbox: &mut Inbox<'_>) -> Option<ConnectionError> {
    loop {
        match timeout(limit, inbox.next()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Some(error),
            Err(_) => return None,
        }
    }
}

/// Sends every message back. Nothing is received while the outgoing queue is full: the remote feels it.
async fn echo(outbox: Outbox, mut receiver: Receiver<Bytes>, tally: &Tally, report: &Report) -> Result<(), Failure> {
    let mut remote_listens = true;
    loop {
        let message = match receiver.recv().await {
            Ok(received) => {
                report_received(&received.message, received.encoded_size, tally, report);
                received.message
            }
            Err(error) if is_orderly(&error) => return Ok(()),
            Err(error) => return Err(errors::connection(&error)),
        };
        if remote_listens {
            match send(&outbox, message, tally, report).await {
                Ok(()) => {}
                // It did not wait for its last messages; what it sent before it left is still shown.
                Err(failure) if failure.error == "connection_closed" => remote_listens = false,
                Err(failure) => return Err(failure),
            }
        }
    }
}

/// Sends a message and tells that.
pub(crate) async fn send(outbox: &Outbox, message: Bytes, tally: &Tally, report: &Report) -> Result<(), Failure> {
    let size = message.len();
    outbox.send(message).await?;
    report.detail(&MessageSent {
        index: tally.count_sent(),
        size,
    });
    Ok(())
}

/// Whether a connection ended as connections should, or because the user wanted it.
pub(crate) fn is_orderly(error: &ConnectionError) -> bool {
    matches!(
        error,
        ConnectionError::ClosedByPeer | ConnectionError::ClosedLocally | ConnectionError::Cancelled
    )
}

/// Prints what comes.
struct Inbox<'a> {
    receiver: Receiver<Bytes>,
    tally: &'a Tally,
    report: &'a Report,
}

impl Inbox<'_> {
    async fn next(&mut self) -> Result<(), ConnectionError> {
        let received = self.receiver.recv().await?;
        report_received(&received.message, received.encoded_size, self.tally, self.report);
        Ok(())
    }

    async fn run(&mut self) -> ConnectionError {
        loop {
            if let Err(error) = self.next().await {
                return error;
            }
        }
    }
}

fn report_received(message: &Bytes, encoded_size: usize, tally: &Tally, report: &Report) {
    report.event(&MessageReceived {
        index: tally.count_received(),
        size: message.len(),
        encoded_size,
        blake2b: blake2b(message),
        content: MessageText::new(message),
    });
}
