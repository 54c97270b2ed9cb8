//! Two connections of one node share its upload cap by weight, which is changed on the way.

use std::time::Duration;

use bytes::Bytes;
use p2p_crypto::{Difficulty, Identity, Role};
use p2p_framing::encoding::RawEncoding;
use p2p_io_scheduler::{IoScheduler, Limits, Weight};
use p2p_socket::{ChainName, Config, Connection, ConnectionOptions, NetworkVersion, authenticate};
use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};

type Error = Box<dyn std::error::Error + Send + Sync>;

fn config() -> Config {
    let version = NetworkVersion::current(ChainName::from("BANDWIDTH"));
    Config::new(Identity::generate(Difficulty::NONE), version).required_difficulty(Difficulty::NONE)
}

async fn connect(stream: TcpStream, role: Role, config: &Config) -> Result<Connection<Bytes, ()>, Error> {
    let remote = stream.peer_addr()?;
    let peer = authenticate(stream, role, remote, config, ()).await?;
    // What is queued has been taken by the connection, but not sent yet: a small queue shows the cap to the sender.
    let options = ConnectionOptions {
        outgoing_queue: 64 * 1024,
        ..ConnectionOptions::default()
    };
    Ok(peer.accept(RawEncoding::default(), options).await?)
}

async fn receive_all(listener: TcpListener) -> Result<(), Error> {
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            let mut connection = connect(stream, Role::Responder, &config()).await?;
            while connection.recv().await.is_ok() {}
            Ok::<_, Error>(())
        });
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let remotes = tokio::spawn(receive_all(listener));

    let scheduler = IoScheduler::new(Limits {
        upload: Some("500 kB/s".parse()?),
        ..Limits::default()
    });
    let config = config().scheduler(scheduler.clone());
    let mut controls = Vec::new();
    for _ in 0..2 {
        let connection = connect(TcpStream::connect(address).await?, Role::Initiator, &config).await?;
        let (sender, receiver, control) = connection.split();
        controls.push(control);
        tokio::spawn(async move {
            let _receiver = receiver;
            while sender.send(Bytes::from_static(&[0; 4096])).await.is_ok() {}
        });
    }

    for weight in [1, 3] {
        controls[1].scheduled().set_weight(weight.try_into()?);
        let before = [0, 1].map(|index: usize| controls[index].stat().total_sent);
        sleep(Duration::from_secs(1)).await;
        let [first, second] = [0, 1].map(|index: usize| controls[index].stat().total_sent - before[index]);
        let ratio = second as f64 / first as f64;
        println!("weights 1 and {weight}: {first} and {second} bytes in a second, 1 to {ratio:.2}");
    }
    assert_eq!(controls[0].scheduled().weight(), Weight::ONE);

    // At once for all, whatever is queued.
    scheduler.shutdown(Duration::ZERO).await;
    for control in &controls {
        control.closed().await;
        println!("closed: {}", control.closing_reason().ok_or("no reason")?);
    }
    remotes.abort();
    Ok(())
}
