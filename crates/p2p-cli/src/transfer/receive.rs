use std::{path::PathBuf, time::Instant};

use bytes::Bytes;
use p2p_socket::{ConnectionError, NodeMetadata, PeerInfo, Receiver};
use tokio::time::timeout;

use super::{
    ANSWER_TIMEOUT,
    bar::TransferBar,
    digest::Digest,
    events::{FileReceived, TransferStarted},
    incoming_file::{FileError, FileToCome, IncomingFile},
    message::{Offer, TransferMessage, other_version, unexpected},
    name::plain_name,
    reception::Reception,
    waiting_parts::Owner,
};
use crate::{
    errors, exchange::is_orderly, failure::Failure, outbox::Outbox, report::Report, session::Tally, units::counted,
};

/// Takes files of `remote` until it closes.
pub(crate) async fn receive(
    outbox: Outbox,
    receiver: Receiver<Bytes>,
    reception: &Reception,
    remote: &PeerInfo<NodeMetadata>,
    tally: &Tally,
    report: &Report,
) -> Result<(), Failure> {
    let mut link = Link {
        outbox,
        receiver,
        reception,
        owner: Owner::new(remote.connection_id.address, &remote.peer_id),
        tally,
    };
    loop {
        match link.next().await {
            Ok(TransferMessage::Offer(offer)) => link.file(offer, report).await?,
            Ok(TransferMessage::OfferOfVersion(version)) => {
                let reason = other_version(version);
                let failure = Failure::new("transfer", "other_version", reason.clone());
                link.send(&TransferMessage::Refuse { reason }).await?;
                return Err(failure);
            }
            Ok(_) => return Err(unexpected()),
            Err(Break::Ended(error)) if is_orderly(&error) => return Ok(()),
            Err(other) => return Err(other.into()),
        }
    }
}

struct Link<'a> {
    outbox: Outbox,
    receiver: Receiver<Bytes>,
    reception: &'a Reception,
    owner: Owner,
    tally: &'a Tally,
}

impl Link<'_> {
    /// Takes one file, and answers.
    async fn file(&mut self, offer: Offer, report: &Report) -> Result<(), Failure> {
        let started = Instant::now();
        let (size, name) = (offer.size, plain_name(&offer.name));
        let mut file = match self.agree(offer).await? {
            Ok(file) => file,
            Err(error) => return Err(self.refuse(&error).await),
        };
        let resumed_from = file.received();
        report.event(&TransferStarted {
            name: name.clone(),
            size,
            resumed_from,
        });
        let bar = TransferBar::start(report, &name, size, resumed_from);
        let received = self.contents(&mut file, &name, size, &bar).await;
        bar.finish();
        let (digest, path) = match received {
            Ok(received) => received,
            Err(Unfinished { failure, keep }) => {
                file.give_up(keep).await;
                return Err(failure);
            }
        };
        report.event(&FileReceived {
            file: path.display().to_string(),
            size,
            resumed_from,
            blake2b: hex::encode(digest),
            seconds: started.elapsed().as_secs_f64(),
        });
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.send(&TransferMessage::Done { digest, name }).await
    }

    /// Finds out from where the file is to come, and accepts it.
    async fn agree(&mut self, offer: Offer) -> Result<Result<IncomingFile, FileError>, Failure> {
        let mut file = match FileToCome::open(self.reception.clone(), offer, self.owner.clone()).await {
            Ok(file) => file,
            Err(error) => return Ok(Err(error)),
        };
        if file.held() > 0 {
            self.send(&TransferMessage::Held { length: file.held() }).await?;
            let prefix = match self.next().await? {
                TransferMessage::Prefix(digest) => digest,
                TransferMessage::Refuse { reason } => return Err(withdrawn(&reason)),
                _ => return Err(unexpected()),
            };
            file = match file.resume(prefix).await {
                Ok(file) => file,
                Err(error) => return Ok(Err(error)),
            };
        }
        self.send(&TransferMessage::Accept { offset: file.held() }).await?;
        Ok(Ok(file.start()))
    }

    /// Writes what comes to the end, and gives the digest and the final path.
    async fn contents(
        &mut self,
        file: &mut IncomingFile,
        name: &str,
        size: u64,
        bar: &TransferBar,
    ) -> Result<(Digest, PathBuf), Unfinished> {
        loop {
            let next = tokio::select! {
                biased;
                error = file.failed() => return Err(Unfinished::discard(self.refuse(&error).await)),
                next = self.next() => next,
            };
            let written = match next {
                Ok(TransferMessage::Data(data)) => file.write(data).await,
                Ok(TransferMessage::End(digest)) => match file.finish(digest).await {
                    Ok(path) => return Ok((digest, path)),
                    Err(error) => Err(error),
                },
                Ok(TransferMessage::Refuse { reason }) => return Err(Unfinished::discard(withdrawn(&reason))),
                Ok(_) => return Err(Unfinished::discard(unexpected())),
                Err(cause) => {
                    let cause = Failure::from(cause);
                    let message = format!(
                        "the transfer of {} was cut after {} of {}: {cause}",
                        name.escape_debug(),
                        file.received(),
                        counted(size, "byte")
                    );
                    return Err(Unfinished {
                        failure: Failure {
                            phase: "transfer",
                            message,
                            ..cause
                        },
                        keep: true,
                    });
                }
            };
            if let Err(error) = written {
                return Err(Unfinished::discard(self.refuse(&error).await));
            }
            bar.show(file.received());
        }
    }

    /// Tells the sender that its file is not kept. Gives what the user is told.
    async fn refuse(&mut self, error: &FileError) -> Failure {
        let reason = error.reason();
        // A sender that is gone needs no reason.
        let _ = self.send(&TransferMessage::Refuse { reason }).await;
        error.into()
    }

    async fn send(&self, message: &TransferMessage) -> Result<(), Failure> {
        self.outbox.send(message.encode()).await?;
        self.tally.count_sent();
        Ok(())
    }

    async fn next(&mut self) -> Result<TransferMessage, Break> {
        match timeout(ANSWER_TIMEOUT, self.receiver.recv()).await {
            Ok(Ok(received)) => {
                self.tally.count_received();
                TransferMessage::decode(received.message).map_err(Break::Failed)
            }
            Ok(Err(error)) => Err(Break::Ended(error)),
            Err(_) => Err(Break::Failed(Failure::new(
                "transfer",
                "timeout",
                format!("the remote has sent nothing for {} s", ANSWER_TIMEOUT.as_secs()),
            ))),
        }
    }
}

/// Why a file is not complete, and whether what is there is good to go on from.
struct Unfinished {
    failure: Failure,
    keep: bool,
}

impl Unfinished {
    fn discard(failure: Failure) -> Self {
        Self { failure, keep: false }
    }
}

fn withdrawn(reason: &str) -> Failure {
    let message = format!("the sender gave up: {}", reason.escape_debug());
    Failure::new("transfer", "withdrawn_by_sender", message)
}

/// Why there is no next message.
enum Break {
    Ended(ConnectionError),
    Failed(Failure),
}

impl From<Break> for Failure {
    fn from(cause: Break) -> Self {
        match cause {
            Break::Ended(error) => errors::connection(&error),
            Break::Failed(failure) => failure,
        }
    }
}
