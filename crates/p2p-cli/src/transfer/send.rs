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
    events::{FileSent, TransferStarted},
    message::{MAX_MESSAGE, TransferMessage, unexpected},
    outgoing_file::OutgoingFile,
};
use crate::{
    dial::Target, errors, failure::Failure, outbox::Outbox, peer_options::PeerOptions, report::Report, session::Tally,
};

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
        let (file, size) = OutgoingFile::open(&self.file)?;
        let session = self.peer.session(None, MAX_MESSAGE, interrupt).await?;
        let peer = self.target.open(&session, report).await?;
        let name = self.file.file_name().unwrap_or_default().to_string_lossy();
        report.event(&TransferStarted {
            name: name.clone().into_owned(),
            size,
        });
        let started = Instant::now();
        let (sender, receiver, control) = peer.split();
        let tally = Tally::default();
        let mut outgoing = Outgoing {
            outbox: session.outbox(sender, &control),
            receiver,
            tally: &tally,
        };
        let name = name.into_owned();
        let outcome = async {
            outgoing.send(TransferMessage::Offer { size, name }.encode()).await?;
            outgoing.accepted(session.timeout).await?;
            let contents = OutgoingFile::read(file, size, &self.file);
            let (digest, remote_name) = outgoing.file(contents).await?;
            report.event(&FileSent {
                file: self.file.display().to_string(),
                remote_name,
                size,
                blake2b: hex::encode(digest),
                seconds: started.elapsed().as_secs_f64(),
            });
            Ok(())
        }
        .await;
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
    /// Waits for the receiver to take the offer, which needs no work of it.
    async fn accepted(&mut self, limit: Duration) -> Result<(), Failure> {
        match self.answer(limit).await? {
            TransferMessage::Accept => Ok(()),
            other => Err(premature(other)),
        }
    }

    /// Sends the contents and gives the digest that both sides agree on, and the name on the other side.
    async fn file(&mut self, mut contents: OutgoingFile) -> Result<([u8; 32], String), Failure> {
        loop {
            tokio::select! {
                biased;
                // Before everything is sent, the receiver has nothing to say but that it gives up.
                answer = self.receiver.recv() => return Err(match answer {
                    Ok(received) => TransferMessage::decode(received.message).map_or_else(|error| error, premature),
                    Err(error) => cut(&errors::connection(&error)),
                }),
                sent = send_next(&mut contents, &self.outbox) => match sent {
                    Ok(true) => self.tally.count_sent(),
                    Ok(false) => break,
                    Err(failure) if failure.error == "timeout" => return Err(cut(&failure)),
                    // The reason comes with what is received.
                    Err(_) => return Err(match self.answer(ANSWER_TIMEOUT).await {
                        Ok(answer) => premature(answer),
                        Err(error) => error,
                    }),
                },
            };
        }
        let digest = contents.digest().await?;
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
                "timeout",
                format!("the receiver has not answered for {} s", limit.as_secs_f64()),
            )),
        }
    }
}

/// Sends the next message of data; `false` at the end.
async fn send_next(contents: &mut OutgoingFile, outbox: &Outbox) -> Result<bool, Failure> {
    match contents.next().await {
        Some(message) => outbox.send(message).await.map(|()| true),
        None => Ok(false),
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
