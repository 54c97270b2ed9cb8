use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use bytes::Bytes;
use p2p_socket::{ConnectionError, Receiver};
use tokio::time::timeout;

use super::{
    ANSWER_TIMEOUT,
    events::{FileReceived, TransferStarted},
    incoming_file::{FileError, IncomingFile},
    message::{Digest, TransferMessage, unexpected},
};
use crate::{errors, exchange::is_orderly, failure::Failure, outbox::Outbox, report::Report, session::Tally};

/// Takes files into `directory` until the remote closes.
pub(crate) async fn receive(
    outbox: Outbox,
    receiver: Receiver<Bytes>,
    directory: &Path,
    tally: &Tally,
    report: &Report,
) -> Result<(), Failure> {
    let mut link = Link {
        outbox,
        receiver,
        tally,
    };
    loop {
        match link.next().await {
            Ok(TransferMessage::Offer { size, name }) => link.file(directory, &name, size, report).await?,
            Ok(_) => return Err(unexpected()),
            Err(Break::Ended(error)) if is_orderly(&error) => return Ok(()),
            Err(other) => return Err(other.into()),
        }
    }
}

struct Link<'a> {
    outbox: Outbox,
    receiver: Receiver<Bytes>,
    tally: &'a Tally,
}

impl Link<'_> {
    /// Takes one file, and answers.
    async fn file(&mut self, directory: &Path, name: &str, size: u64, report: &Report) -> Result<(), Failure> {
        report.event(&TransferStarted {
            name: name.to_owned(),
            size,
        });
        let started = Instant::now();
        self.send(&TransferMessage::Accept).await?;
        let mut file = IncomingFile::create(directory, name, size);
        let (digest, path) = match self.contents(&mut file, name, size).await {
            Ok(received) => received,
            Err(failure) => {
                file.abandon().await;
                return Err(failure);
            }
        };
        report.event(&FileReceived {
            file: path.display().to_string(),
            size,
            blake2b: hex::encode(digest),
            seconds: started.elapsed().as_secs_f64(),
        });
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.send(&TransferMessage::Done { digest, name }).await
    }

    /// Writes what comes to the end, and gives the digest and the final path.
    async fn contents(&mut self, file: &mut IncomingFile, name: &str, size: u64) -> Result<(Digest, PathBuf), Failure> {
        loop {
            let written = match self.next().await {
                Ok(TransferMessage::Data(data)) => file.write(data).await,
                Ok(TransferMessage::End(digest)) => match file.finish(digest).await {
                    Ok(path) => return Ok((digest, path)),
                    Err(error) => Err(error),
                },
                Ok(_) => return Err(unexpected()),
                Err(cause) => {
                    let cause = Failure::from(cause);
                    let message = format!(
                        "the transfer of {} was cut after {} of {size} bytes: {cause}",
                        name.escape_debug(),
                        file.received()
                    );
                    return Err(Failure {
                        phase: "transfer",
                        message,
                        ..cause
                    });
                }
            };
            if let Err(error) = written {
                return Err(self.refuse(&error).await);
            }
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
