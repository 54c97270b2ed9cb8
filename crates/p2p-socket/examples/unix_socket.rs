//! The same protocol over a Unix socket: any reliable stream does.

#[cfg(unix)]
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    use std::net::{Ipv6Addr, SocketAddr};

    use p2p_crypto::{Difficulty, Identity, Role};
    use p2p_framing::encoding::RawEncoding;
    use p2p_socket::{ChainName, Config, ConnectionOptions, NetworkVersion, authenticate};
    use tokio::net::{UnixListener, UnixStream};

    let config = || {
        let version = NetworkVersion::current(ChainName::from("LOCAL"));
        Config::new(Identity::generate(Difficulty::NONE), version).required_difficulty(Difficulty::NONE)
    };
    // There is no IP address, and the peer id says who it is.
    let nowhere = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));

    // Not where `TMPDIR` says: the path of a socket must be short.
    let directory = tempfile::tempdir_in("/tmp")?;
    let path = directory.path().join("peer.socket");
    let listener = UnixListener::bind(&path)?;
    let server = async {
        let (stream, _) = listener.accept().await?;
        let peer = authenticate(stream, Role::Responder, nowhere, &config(), ()).await?;
        let mut connection = peer
            .accept(RawEncoding::default(), ConnectionOptions::default())
            .await?;
        let received = connection.recv().await?;
        println!("{} says {:?}", connection.info().peer_id, received.message);
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(received.message)
    };
    let client = async {
        let stream = UnixStream::connect(&path).await?;
        let peer = authenticate(stream, Role::Initiator, nowhere, &config(), ()).await?;
        let connection = peer
            .accept(RawEncoding::default(), ConnectionOptions::default())
            .await?;
        connection.send_flushed("hello from next door".into()).await?;
        // Until the server has closed.
        connection.closed().await;
        Ok(())
    };
    let (message, ()) = tokio::try_join!(server, client)?;
    assert_eq!(message, "hello from next door");
    Ok(())
}

#[cfg(not(unix))]
fn main() {
    println!("there are no Unix sockets here");
}
