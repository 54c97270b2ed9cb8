//! Metadata and messages of one's own, described to serde: what peers say about themselves, and what they talk about.
//!
//! Needs the feature `postcard`; with `bincode` and `BincodeEncoding` it works the same.

use bytes::BytesMut;
use p2p_crypto::{Difficulty, Identity, Role};
use p2p_framing::{DecodeError, WireReader, encoding::PostcardEncoding, put_length_prefixed};
use p2p_socket::{ChainName, Config, Connection, ConnectionOptions, Metadata, NetworkVersion, authenticate};
use serde::{Deserialize, Serialize};
use tokio::io::DuplexStream;

type Error = Box<dyn std::error::Error + Send + Sync>;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Profile {
    nickname: String,
    languages: Vec<String>,
}

impl Metadata for Profile {
    fn encode(&self, out: &mut BytesMut) {
        let bytes = postcard::to_stdvec(self).expect("texts encode");
        put_length_prefixed(out, &bytes);
    }

    fn decode(reader: &mut WireReader<'_>) -> Result<Self, DecodeError> {
        postcard::from_bytes(reader.length_prefixed()?).map_err(|error| DecodeError::Payload(error.into()))
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Message {
    Ask { id: u64, question: String },
    Answer { id: u64, words: Vec<String> },
    Goodbye,
}

async fn connect(
    stream: DuplexStream,
    role: Role,
    profile: Profile,
) -> Result<(Profile, Connection<Message, Profile>), Error> {
    let version = NetworkVersion::current(ChainName::from("QUIZ"));
    let config = Config::new(Identity::generate(Difficulty::NONE), version).required_difficulty(Difficulty::NONE);
    let peer = authenticate(stream, role, "127.0.0.1:9732".parse()?, &config, profile).await?;
    // Here one may refuse a remote for what it says about itself.
    let theirs = peer.info().remote_metadata.clone();
    let encoding = PostcardEncoding::<Message>::new(64 * 1024);
    Ok((theirs, peer.accept(encoding, ConnectionOptions::default()).await?))
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let profile = |nickname: &str, languages: &[&str]| Profile {
        nickname: nickname.to_owned(),
        languages: languages.iter().map(|&language| language.to_owned()).collect(),
    };
    let (left, right) = tokio::io::duplex(4096);
    let ((_, asks), (asker, mut answers)) = tokio::try_join!(
        connect(left, Role::Initiator, profile("Ada", &["English"])),
        connect(right, Role::Responder, profile("Blaise", &["French", "Latin"])),
    )?;
    println!("{asker:?} asks {:?}", answers.info().local_metadata);
    assert_eq!(asker, profile("Ada", &["English"]));

    let question = "what counts?".to_owned();
    asks.send(Message::Ask { id: 7, question }).await?;
    match answers.recv().await?.message {
        Message::Ask { id, question } => {
            let words = question.split(' ').map(str::to_owned).collect();
            answers.send(Message::Answer { id, words }).await?;
        }
        other => return Err(format!("not a question: {other:?}").into()),
    }

    let mut asks = asks;
    let answer = asks.recv().await?;
    println!("{:?} took {} bytes", answer.message, answer.encoded_size);
    let words = vec!["what".to_owned(), "counts?".to_owned()];
    assert_eq!(answer.message, Message::Answer { id: 7, words });
    asks.send_flushed(Message::Goodbye).await?;
    assert_eq!(answers.recv().await?.message, Message::Goodbye);
    Ok(())
}
