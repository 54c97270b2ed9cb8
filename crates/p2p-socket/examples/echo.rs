//! A server that sends everything back, and three clients that send the same message, encoded once.

use std::time::Duration;

use bytes::Bytes;
use p2p_crypto::{Difficulty, Identity, Role};
use p2p_framing::encoding::RawEncoding;
use p2p_socket::{
    ChainName, Config, Connection, ConnectionOptions, DisconnectionReason, Drain, NetworkVersion, NodeMetadata,
    authenticate,
};
use tokio::net::{TcpListener, TcpStream};

type Error = Box<dyn std::error::Error + Send + Sync>;

fn config() -> Config {
    let version = NetworkVersion::current(ChainName::from("ECHO"));
    Config::new(Identity::generate(Difficulty::NONE), version).required_difficulty(Difficulty::NONE)
}

async fn connect(stream: TcpStream, role: Role, config: &Config) -> Result<Connection<Bytes, NodeMetadata>, Error> {
    stream.set_nodelay(true)?;
    let remote = stream.peer_addr()?;
    let peer = authenticate(stream, role, remote, config, NodeMetadata::default()).await?;
    Ok(peer
        .accept(RawEncoding::default(), ConnectionOptions::default())
        .await?)
}

async fn serve(listener: TcpListener, config: Config) -> Result<(), Error> {
    loop {
        let (stream, address) = listener.accept().await?;
        let config = config.clone();
        tokio::spawn(async move {
            match echo(stream, &config).await {
                Ok(()) => println!("{address} is done"),
                Err(error) => println!("{address}: {error}"),
            }
        });
    }
}

async fn echo(stream: TcpStream, config: &Config) -> Result<(), Error> {
    let mut connection = connect(stream, Role::Responder, config).await?;
    while let Ok(received) = connection.recv().await {
        connection.send(received.message).await?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(serve(listener, config()));

    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(connect(TcpStream::connect(address).await?, Role::Initiator, &config()).await?);
    }
    let message = clients[0].encode(Bytes::from_static(b"hello to all of you"))?;
    for client in &clients {
        client.send_encoded(&message).await?;
    }
    for mut client in clients {
        let answer = client.recv().await?;
        println!("{} answers {:?}", client.info().peer_id, answer.message);
        client
            .close(
                DisconnectionReason::ExplicitRequest,
                Drain::Flush(Duration::from_secs(30)),
            )
            .await?;
    }
    server.abort();
    Ok(())
}
