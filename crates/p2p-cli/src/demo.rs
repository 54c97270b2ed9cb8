//! `p2p demo`: two peers in one process, told in a few lines.

use std::{error::Error, fmt, io, net::SocketAddr, process::ExitCode, time::Duration};

use p2p_crypto::{Difficulty, Identity, Role};
use p2p_framing::{PointList, encoding::PostcardEncoding};
use p2p_socket::{
    AcceptError, AuthenticateError, Authenticated, ChainName, Config, Connection, ConnectionOptions,
    DisconnectionReason, Drain, NodeMetadata, RejectionMotive, SupportedVersions, authenticate,
};
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};

use crate::{
    failure::{Failure, sentence},
    report::{Event, Report},
};

/// Some thousand attempts: enough to be work, quick enough to wait for.
const DIFFICULTY: f64 = 12.0;
const CHAIN: &str = "DEMO";
/// How long anything may take: both are here, and a busy machine is no reason to fail.
const PATIENCE: Duration = Duration::from_secs(60);

/// The messages of the demonstration: any serde type will do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Message {
    Question { text: String, numbers: Vec<u64> },
    Answer(u64),
    Goodbye,
}

pub(crate) async fn run(report: &Report) -> Result<ExitCode, Failure> {
    let story = Story { report };
    match story.tell().await {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(Failure::new(
            "demo",
            "demo_failed",
            format!("the demonstration failed: {}", sentence(&*error)),
        )),
    }
}

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

struct Story<'a> {
    report: &'a Report,
}

impl Story<'_> {
    async fn tell(&self) -> Outcome<()> {
        let difficulty = Difficulty::try_from(DIFFICULTY)?;
        let identities =
            tokio::task::spawn_blocking(move || (Identity::generate(difficulty), Identity::generate(difficulty)));
        let (alice, bob) = identities.await?;
        self.say(
            "identities",
            format!("Alice is {}, Bob is {};", alice.peer_id(), bob.peer_id()),
        );
        self.say(
            "identities",
            format!("each has a proof of work of difficulty {DIFFICULTY} (the public networks demand 26)"),
        );
        let config = |identity| {
            let version = SupportedVersions::current(ChainName::from(CHAIN)).announced();
            Config::new(identity, version)
                .required_difficulty(difficulty)
                .handshake_timeout(PATIENCE)
        };
        let (alice, bob) = (config(alice), config(bob));
        let listener = TcpListener::bind("127.0.0.1:0").await?;

        let (to_bob, to_alice) = self.meet(&listener, &alice, &bob).await?;
        let (options, encoding) = (ConnectionOptions::default(), PostcardEncoding::<Message>::default());
        let (to_bob, to_alice) = tokio::try_join!(
            to_bob.accept(encoding, options.clone()),
            to_alice.accept(encoding, options)
        )?;
        self.say(
            "accepted",
            "both have accepted: from here on every byte is encrypted".to_owned(),
        );
        self.talk(to_bob, to_alice).await?;

        let (to_bob, to_alice) = self.meet(&listener, &alice, &bob).await?;
        self.refuse(to_bob, to_alice).await
    }

    /// Alice dials Bob, and each finds out who the other is.
    async fn meet(
        &self,
        listener: &TcpListener,
        alice: &Config,
        bob: &Config,
    ) -> Outcome<(
        Authenticated<TcpStream, NodeMetadata>,
        Authenticated<TcpStream, NodeMetadata>,
    )> {
        let address = listener.local_addr()?;
        let (dialled, accepted) = tokio::try_join!(TcpStream::connect(address), listener.accept())?;
        let (accepted, from) = accepted;
        let (to_bob, to_alice) = tokio::try_join!(
            hello(dialled, Role::Initiator, address, alice),
            hello(accepted, Role::Responder, from, bob),
        )?;
        self.say(
            "authenticated",
            format!(
                "Alice has dialled {address} and found {}, who announces {}",
                to_bob.info().peer_id,
                to_bob.info().announced_version
            ),
        );
        Ok((to_bob, to_alice))
    }

    /// Messages both ways, and an orderly end.
    async fn talk(&self, mut to_bob: Peer, mut to_alice: Peer) -> Outcome<()> {
        let numbers: Vec<u64> = (1..=1000).collect();
        let question = Message::Question {
            text: "What is the sum?".to_owned(),
            numbers,
        };
        to_bob.send(question).await?;
        let asked = to_alice.recv().await?;
        let Message::Question { text, numbers } = asked.message else {
            return Err("Bob expected a question".into());
        };
        let count = numbers.len();
        self.say(
            "received",
            format!("Alice asks \"{text}\" of {count} numbers, {} bytes", asked.encoded_size),
        );
        to_alice.send(Message::Answer(numbers.iter().sum())).await?;
        to_alice.send(Message::Goodbye).await?;
        let answer = to_bob.recv().await?;
        self.say(
            "received",
            format!("Bob says {:?}, {} bytes", answer.message, answer.encoded_size),
        );
        if (answer.message, to_bob.recv().await?.message) != (Message::Answer(500_500), Message::Goodbye) {
            return Err("Alice expected another answer".into());
        }
        let reason = || DisconnectionReason::user("the demonstration is over");
        let (to_bob_closed, to_alice_closed) = tokio::join!(
            to_bob.close(reason(), Drain::Flush(PATIENCE)),
            to_alice.close(reason(), Drain::Flush(PATIENCE)),
        );
        to_bob_closed.and(to_alice_closed)?;
        let stat = to_bob.stat();
        self.say(
            "closed",
            format!(
                "both have closed; Alice has sent {} bytes and received {}, handshake and encryption included",
                stat.total_sent, stat.total_received
            ),
        );
        Ok(())
    }

    /// The second time Bob has no room, and tells Alice where to try.
    async fn refuse(
        &self,
        to_bob: Authenticated<TcpStream, NodeMetadata>,
        to_alice: Authenticated<TcpStream, NodeMetadata>,
    ) -> Outcome<()> {
        let points = PointList::new(vec!["192.0.2.1:9732".parse()?, "[2001:db8::1]:9732".parse()?])?;
        let (refusing, refused) = tokio::join!(
            to_alice.nack(RejectionMotive::TooManyConnections, points.clone()),
            to_bob.accept(PostcardEncoding::<Message>::default(), ConnectionOptions::default()),
        );
        refusing?;
        match refused {
            Err(AcceptError::RejectedByNack {
                motive,
                points: Some(told),
            }) if told == points => {
                let told: Vec<String> = told.as_slice().iter().map(ToString::to_string).collect();
                let told = told.join(" and ");
                self.say(
                    "rejected_by_nack",
                    format!("Bob refuses Alice: {motive}; she might try {told}"),
                );
                Ok(())
            }
            Err(error) => Err(error.into()),
            Ok(_) => Err("Bob refused, and Alice was accepted".into()),
        }
    }

    fn say(&self, step: &'static str, text: String) {
        self.report.event(&Told { step, text });
    }
}

type Peer = Connection<Message, NodeMetadata>;

async fn hello(
    tcp: TcpStream,
    role: Role,
    remote: SocketAddr,
    config: &Config,
) -> Result<Authenticated<TcpStream, NodeMetadata>, AuthenticateError> {
    // A handshake is a ping-pong of small packets. Without this option it is slower, not wrong.
    let _: io::Result<()> = tcp.set_nodelay(true);
    authenticate(tcp, role, remote, config, NodeMetadata::default()).await
}

#[derive(Serialize)]
struct Told {
    step: &'static str,
    text: String,
}

impl Event for Told {
    const NAME: &'static str = "demo";
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
