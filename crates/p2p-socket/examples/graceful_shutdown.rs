//! A server that stops without losing anything: no new connections, then everything queued is sent, then the end.

use std::time::Duration;

use bytes::Bytes;
use p2p_crypto::{Difficulty, Identity, Role};
use p2p_framing::encoding::RawEncoding;
use p2p_socket::{
    ChainName, Config, Connection, ConnectionError, ConnectionOptions, DisconnectionReason, Drain, NetworkVersion,
    authenticate,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

type Error = Box<dyn std::error::Error + Send + Sync>;

const MESSAGES: usize = 1000;

/// How long remotes have to take what is theirs.
const PATIENCE: Duration = Duration::from_secs(60);

fn config() -> Config {
    let version = NetworkVersion::current(ChainName::from("SHUTDOWN"));
    Config::new(Identity::generate(Difficulty::NONE), version).required_difficulty(Difficulty::NONE)
}

async fn connect(stream: TcpStream, role: Role, config: &Config) -> Result<Connection<Bytes, ()>, Error> {
    stream.set_nodelay(true)?;
    let remote = stream.peer_addr()?;
    let peer = authenticate(stream, role, remote, config, ()).await?;
    Ok(peer
        .accept(RawEncoding::default(), ConnectionOptions::default())
        .await?)
}

/// Serves until `stop`; in a program, that is cancelled when `tokio::signal::ctrl_c()` resolves.
async fn serve(listener: TcpListener, stop: CancellationToken) -> Result<usize, Error> {
    let halt = CancellationToken::new();
    let config = config().cancellation(halt.clone());
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted?,
        };
        connections.spawn(serve_one(stream, config.clone(), stop.clone()));
    }
    drop(listener);
    println!("no new connections; {} to close", connections.len());

    let mut closed = 0;
    let all = async {
        while let Some(ended) = connections.join_next().await {
            match ended? {
                Ok(()) => closed += 1,
                Err(error) => println!("a connection was not closed in order: {error}"),
            }
        }
        Ok::<_, Error>(())
    };
    // Each has its limit. This one is for handshakes that are under way, and for our own mistakes.
    if tokio::time::timeout(2 * PATIENCE, all).await.is_err() {
        halt.cancel();
    }
    Ok(closed)
}

async fn serve_one(stream: TcpStream, config: Config, stop: CancellationToken) -> Result<(), Error> {
    let connection = connect(stream, Role::Responder, &config).await?;
    for number in 0..MESSAGES {
        connection.send(format!("message {number}").into()).await?;
    }
    stop.cancelled().await;
    let reason = DisconnectionReason::user("the server stops");
    Ok(connection.close(reason, Drain::Flush(PATIENCE)).await?)
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let stop = CancellationToken::new();
    let server = tokio::spawn(serve(listener, stop.clone()));

    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(connect(TcpStream::connect(address).await?, Role::Initiator, &config()).await?);
    }
    stop.cancel();
    for (number, mut client) in clients.into_iter().enumerate() {
        let mut received = 0;
        let end = loop {
            match client.recv().await {
                Ok(_) => received += 1,
                Err(end) => break end,
            }
        };
        println!("client {number} received {received} messages, then: {end}");
        assert_eq!(received, MESSAGES);
        assert!(matches!(end, ConnectionError::ClosedByPeer));
    }
    assert_eq!(server.await??, 3);
    Ok(())
}
