use std::{
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use bytes::Bytes;
use clap::Args;
use p2p_socket::Receiver;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{
    ANSWER_TIMEOUT,
    bar::TransferBar,
    digest::{Digest, Hasher},
    events::{FileSent, TransferStarted},
    message::{MAX_MESSAGE, Offer, TransferMessage, unexpected},
    outgoing_file::{OutgoingFile, Source},
};
use crate::{
    dial::Target, errors, failure::Failure, outbox::Outbox, peer_options::PeerOptions, report::Report, session::Tally,
};

/// The stable name of a receiver that does not answer.
const TIMEOUT: &str = "timeout";

/// How many bytes may wait to be sent: enough for any line to stay busy, and little enough that the bar, which counts what is
/// on its way, tells the truth.
const QUEUE: usize = 8 * MAX_MESSAGE;

#[derive(Debug, Args)]
pub(crate) struct Send {
    /// Where the peer listens.
    #[arg(value_name = "HOST:PORT")]
    target: Target,
    /// The file to send.
    file: PathBuf,
    #[command(flatten)]
    peer: PeerOptions,
}

impl Send {
    pub(crate) async fn run(self, report: &Report, interrupt: &CancellationToken) -> Result<ExitCode, Failure> {
        let source = Source::open(&self.file)?;
        let mut session = self.peer.session(None, MAX_MESSAGE, interrupt).await?;
        session.options.outgoing_queue = QUEUE;
        let peer = self.target.open(&session, report).await?;
        let (sender, receiver, control) = peer.split();
        let tally = Tally::default();
        let mut outgoing = Outgoing {
            outbox: session.outbox(sender, &control),
            receiver,
            tally: &tally,
        };
        let outcome = outgoing.file(&source, session.timeout, report).await;
        Ok(match session.close(&control, outcome, &tally, report).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        })
    }
}

struct Outgoing<'a> {
    outbox: Outbox,
    receiver: Receiver<Bytes>,
    tally: &'a Tally,
}

impl Outgoing<'_> {
    /// Sends a file, or what the receiver lacks of it.
    async fn file(&mut self, source: &Source, limit: Duration, report: &Report) -> Result<(), Failure> {
        let started = Instant::now();
        let size = source.size();
        let (resumed_from, prefix) = self.agree(source, limit).await?;
        report.event(&TransferStarted {
            name: source.name().to_owned(),
            size,
            resumed_from,
        });
        let bar = TransferBar::start(report, source.name(), size, resumed_from);
        let contents = source.read(resumed_from, prefix);
        let sent = self.contents(contents, resumed_from, &bar).await;
        bar.finish();
        let (digest, remote_name) = sent?;
        report.event(&FileSent {
            file: source.path().to_owned(),
            remote_name,
            size,
            resumed_from,
            blake2b: hex::encode(digest),
            seconds: started.elapsed().as_secs_f64(),
        });
        Ok(())
    }

    /// Offers a file. Gives from where on it is to come, and what has digested the bytes before.
    async fn agree(&mut self, source: &Source, limit: Duration) -> Result<(u64, Hasher), Failure> {
        let offer = Offer {
            size: source.size(),
            fingerprint: source.fingerprint().await?,
            name: source.name().to_owned(),
        };
        self.send(TransferMessage::Offer(offer).encode()).await?;
        // It needs no work of the receiver to answer that.
        let answer = self.answer(limit).await.map_err(|mut failure| {
            if failure.error == TIMEOUT {
                failure.message.push_str("; is it a `p2p listen --receive`?");
            }
            failure
        });
        let held = match answer? {
            TransferMessage::Accept { offset: 0 } => return Ok((0, Hasher::new())),
            TransferMessage::Held { length } if length <= source.size() => length,
            other => return Err(premature(other)),
        };
        let prefix = match source.prefix(held).await {
            Ok(prefix) => prefix,
            Err(failure) => return Err(self.withdraw(failure).await),
        };
        self.send(TransferMessage::Prefix(prefix.digest()).encode()).await?;
        match self.answer(ANSWER_TIMEOUT).await? {
            TransferMessage::Accept { offset } if offset == held => Ok((held, prefix)),
            // What is there is not of this file.
            TransferMessage::Accept { offset: 0 } => Ok((0, Hasher::new())),
            other => Err(premature(other)),
        }
    }

    /// Sends the contents from `offset` on and gives the digest that both sides agree on, and the name on the other side.
    async fn contents(
        &mut self,
        mut contents: OutgoingFile,
        offset: u64,
        bar: &TransferBar,
    ) -> Result<(Digest, String), Failure> {
        let mut sent_to = offset;
        loop {
            tokio::select! {
                biased;
                // Before everything is sent, the receiver has nothing to say but that it gives up.
                answer = self.receiver.recv() => return Err(match answer {
                    Ok(received) => TransferMessage::decode(received.message).map_or_else(|error| error, premature),
                    Err(error) => cut(&errors::connection(&error)),
                }),
                sent = send_next(&mut contents, &self.outbox) => match sent {
                    Ok(Some(size)) => {
                        self.tally.count_sent();
                        sent_to = sent_to.saturating_add(size);
                        bar.show(sent_to.saturating_sub(self.outbox.sender.queued_bytes() as u64));
                    }
                    Ok(None) => break,
                    Err(failure) if failure.error == "timeout" => return Err(cut(&failure)),
                    // The reason comes with what is received.
                    Err(_) => return Err(match self.answer(ANSWER_TIMEOUT).await {
                        Ok(answer) => premature(answer),
                        Err(error) => error,
                    }),
                },
            };
        }
        let digest = match contents.digest().await {
            Ok(digest) => digest,
            Err(failure) => return Err(self.withdraw(failure).await),
        };
        self.send(TransferMessage::End(digest).encode()).await?;
        match self.answer(ANSWER_TIMEOUT).await? {
            TransferMessage::Done { digest: theirs, name } if theirs == digest => Ok((digest, name)),
            TransferMessage::Done { digest: theirs, .. } => Err(Failure::new(
                "transfer",
                "wrong_digest",
                format!(
                    "the receiver has the digest {}, we have {}",
                    hex::encode(theirs),
                    hex::encode(digest)
                ),
            )),
            other => Err(premature(other)),
        }
    }

    /// Tells the receiver that the file can not be sent, so that it keeps nothing of it. Gives `failure` back.
    async fn withdraw(&self, failure: Failure) -> Failure {
        let reason = match failure.error {
            "file_changed" => "the file has changed while it was sent",
            _ => "the file can not be read",
        };
        let reason = reason.to_owned();
        // A receiver that is gone needs no reason.
        let _ = self.send(TransferMessage::Refuse { reason }.encode()).await;
        failure
    }

    async fn send(&self, message: Bytes) -> Result<(), Failure> {
        self.outbox.send(message).await.map_err(|failure| cut(&failure))?;
        self.tally.count_sent();
        Ok(())
    }

    async fn answer(&mut self, limit: Duration) -> Result<TransferMessage, Failure> {
        match timeout(limit, self.receiver.recv()).await {
            Ok(Ok(received)) => {
                self.tally.count_received();
                TransferMessage::decode(received.message)
            }
            Ok(Err(error)) => Err(cut(&errors::connection(&error))),
            Err(_) => Err(Failure::new(
                "transfer",
                TIMEOUT,
                format!("the receiver has not answered for {} s", limit.as_secs_f64()),
            )),
        }
    }
}

/// Sends the next message of data and gives the size of the data; `None` at the end.
async fn send_next(contents: &mut OutgoingFile, outbox: &Outbox) -> Result<Option<u64>, Failure> {
    match contents.next().await {
        Some(message) => {
            let size = message.len().saturating_sub(1) as u64;
            outbox.send(message).await.map(|()| Some(size))
        }
        None => Ok(None),
    }
}

/// An answer that comes before its time: an orderly refusal, or nonsense.
fn premature(answer: TransferMessage) -> Failure {
    match answer {
        TransferMessage::Refuse { reason } => Failure::new(
            "transfer",
            "refused_by_receiver",
            format!("the receiver gave up: {}", reason.escape_debug()),
        ),
        _ => unexpected(),
    }
}

fn cut(cause: &Failure) -> Failure {
    Failure {
        phase: "transfer",
        message: format!("the transfer was cut: {cause}"),
        ..cause.clone()
    }
}
