//! Every public type may move between threads and be shared by them, whatever the messages: of those only `Send` is asked.

use std::cell::Cell;

use p2p_socket::{admission::*, handshake::*, *};
use tokio::io::DuplexStream;

/// A message that is no more than `Send`.
type Message = Cell<u8>;

fn shared<T: Send + Sync + 'static>() {}
fn sent<T: Send + 'static>(_: T) {}

#[test]
fn every_public_type_is_send_and_sync() {
    shared::<AcceptError>();
    shared::<Ack>();
    shared::<AckExchange<()>>();
    shared::<Admission>();
    shared::<AdmissionLimits>();
    shared::<AdmissionTable<()>>();
    shared::<Admitted<()>>();
    shared::<AuthenticateError>();
    shared::<Authenticated<DuplexStream, ()>>();
    shared::<AuthenticatedPeer<()>>();
    shared::<ChainName>();
    shared::<CloseError>();
    shared::<Config>();
    shared::<Connection<Message, ()>>();
    shared::<ConnectionError>();
    shared::<ConnectionId>();
    shared::<ConnectionMessage>();
    shared::<ConnectionOptions>();
    shared::<Control<()>>();
    shared::<Direction>();
    shared::<DisconnectionReason>();
    shared::<Displaced>();
    shared::<Drain>();
    shared::<EncodedMessage<Message>>();
    shared::<End>();
    shared::<Established<()>>();
    shared::<HandshakeStep>();
    shared::<Hello<()>>();
    shared::<InvalidOptions>();
    shared::<LocalPeer<()>>();
    shared::<MemoryBudget>();
    shared::<MemoryBudgetExhausted>();
    shared::<MetadataExchange<()>>();
    shared::<NackError>();
    shared::<Network>();
    shared::<NetworkVersion>();
    shared::<NoCommonProtocol>();
    shared::<NoVersions>();
    shared::<NodeMetadata>();
    shared::<Packing>();
    shared::<PeerInfo<()>>();
    shared::<Permit>();
    shared::<Place>();
    shared::<Progress<(), ()>>();
    shared::<Received<u8>>();
    shared::<Receiver<Message>>();
    shared::<Refused>();
    shared::<RejectionMotive>();
    shared::<SendError>();
    shared::<Sender<Message>>();
    shared::<SupportedVersions>();
    shared::<TryRecvError>();
    shared::<TrySendError<Message>>();
    #[cfg(feature = "serde")]
    {
        shared::<InvalidSettings>();
        shared::<Settings>();
    }
}

#[tokio::test]
async fn every_future_is_send() {
    let config = {
        use p2p_crypto::{Difficulty, Identity};
        Config::new(
            Identity::generate(Difficulty::NONE),
            NetworkVersion::current(ChainName::from("TEST")),
        )
    };
    let address = "127.0.0.1:9732".parse().unwrap();
    let (stream, _) = tokio::io::duplex(1);
    let config: &'static Config = Box::leak(Box::new(config));
    sent(authenticate(stream, p2p_crypto::Role::Initiator, address, config, ()));

    // Never called: it only has to compile.
    async fn uses(peer: Authenticated<DuplexStream, ()>) {
        let encoding = p2p_framing::encoding::RawEncoding::default();
        let mut connection = peer.accept(encoding, ConnectionOptions::default()).await.unwrap();
        connection.send("".into()).await.unwrap();
        connection.send_flushed("".into()).await.unwrap();
        connection.recv().await.unwrap();
        connection.flush().await.unwrap();
        connection
            .close(DisconnectionReason::Unknown, Drain::Discard)
            .await
            .unwrap();
        connection.closed().await;
    }
    let _ = |peer| sent(uses(peer));
}
