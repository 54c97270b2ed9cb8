//! One host sends to several others under one upload cap; `cargo xtask netns` runs it on hosts that are far apart.
//!
//! - `netns_peer receive ADDRESS`: takes one connection and prints how many bytes came over it.
//! - `netns_peer send RATE SECONDS ADDRESS…`: sends to all of them as much as it may, at `RATE` (such as `1MB/s`)
//!   together, and prints how long it really sent.
//! - Without arguments: one sender and three receivers on this host.

use std::error::Error;
use std::time::Duration;

use p2p_io_scheduler::{BytesPerSecond, IoScheduler, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Writes of these sizes, in turn.
const WRITE_BYTES: [usize; 4] = [64, 1000, 16_384, 65_536];

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match &arguments[..] {
        ["receive", address] => {
            let listener = TcpListener::bind(address).await?;
            println!("listening");
            println!("received {} bytes", receive(listener).await?);
        }
        ["send", rate, seconds, addresses @ ..] if !addresses.is_empty() => {
            let duration = Duration::try_from_secs_f64(seconds.parse()?)?;
            let sent = send(rate.parse()?, duration, addresses).await?;
            println!("sent for {:.3} s", sent.as_secs_f64());
        }
        [] => on_this_host().await?,
        _ => return Err("usage: netns_peer [receive ADDRESS | send RATE SECONDS ADDRESS…]".into()),
    }
    Ok(())
}

async fn receive(listener: TcpListener) -> Result<u64> {
    let (mut stream, _) = listener.accept().await?;
    let mut buffer = vec![0; 64 * 1024];
    let mut received = 0;
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(received),
            bytes => received += bytes as u64,
        }
    }
}

/// Sends for `duration`, and returns how long the last connection really did.
async fn send(rate: BytesPerSecond, duration: Duration, addresses: &[&str]) -> Result<Duration> {
    let scheduler = IoScheduler::new(Limits {
        upload: Some(rate),
        ..Limits::default()
    });
    let mut connections = Vec::new();
    for address in addresses {
        connections.push(scheduler.register(TcpStream::connect(address).await?)?);
    }
    let start = Instant::now();
    let senders: Vec<_> = connections
        .into_iter()
        .zip(WRITE_BYTES.into_iter().cycle())
        .map(|(mut connection, write_bytes)| {
            tokio::spawn(async move {
                let data = vec![0; write_bytes];
                let endless = async {
                    loop {
                        connection.write_all(&data).await?;
                    }
                };
                let ended: std::io::Result<()> = match tokio::time::timeout_at(start + duration, endless).await {
                    Ok(failure) => failure,
                    Err(_) => connection.shutdown().await,
                };
                ended.map(|()| start.elapsed())
            })
        })
        .collect();
    let mut longest = Duration::ZERO;
    for sender in senders {
        longest = longest.max(sender.await??);
    }
    Ok(longest)
}

async fn on_this_host() -> Result<()> {
    let (mut addresses, mut receivers) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        addresses.push(listener.local_addr()?.to_string());
        receivers.push(tokio::spawn(receive(listener)));
    }
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let sent = send("3MB/s".parse()?, Duration::from_secs(1), &addresses).await?;
    for receiver in receivers {
        println!("received {} bytes", receiver.await??);
    }
    println!("sent for {:.3} s", sent.as_secs_f64());
    Ok(())
}
