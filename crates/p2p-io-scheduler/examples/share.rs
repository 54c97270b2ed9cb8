//! Eight connections over loopback TCP share one upload cap by weight for two seconds, and their shares are shown.
//!
//! `cargo run --release -p p2p-io-scheduler --example share -- [CAP]`, where `CAP` is a rate such as `20MB/s`.

use std::error::Error;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use p2p_io_scheduler::{BytesPerSecond, IoScheduler, Limits, RegisterOptions, ScheduledHandle, Weight};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

const CONNECTIONS: [(u32, usize); 8] = [
    (1, 64),
    (1, 1000),
    (1, 16_384),
    (1, 65_536),
    (2, 64),
    (2, 65_536),
    (4, 1000),
    (4, 65_536),
];

const BAR_WIDTH: f64 = 48.0;

#[tokio::main]
async fn main() -> ExitCode {
    match share().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("share: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn share() -> Result<(), Box<dyn Error>> {
    let cap: BytesPerSecond = std::env::args().nth(1).as_deref().unwrap_or("20MB/s").parse()?;
    let scheduler = IoScheduler::new(Limits {
        upload: Some(cap),
        ..Limits::default()
    });
    println!("8 connections that always want more share {cap}");

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move { tokio::io::copy(&mut stream, &mut tokio::io::sink()).await });
        }
    });

    let mut connections = Vec::new();
    let mut writers = Vec::new();
    for (weight, message) in CONNECTIONS {
        let weight = Weight::new(weight).ok_or("a weight is positive")?;
        let options = RegisterOptions {
            weight,
            ..RegisterOptions::default()
        };
        let mut io = scheduler.register_with(TcpStream::connect(address).await?, options)?;
        connections.push((io.handle(), message));
        writers.push(tokio::spawn(async move {
            let message = vec![0; message];
            // Ends when the scheduler is shut down.
            while io.write_all(&message).await.is_ok() {}
        }));
    }

    let start = Instant::now();
    for step in 1..=8 {
        tokio::time::sleep_until(start + Duration::from_millis(250) * step).await;
        show(&connections, step > 1);
    }
    let total = scheduler.global_stat().total_sent;
    let used = total as f64 / start.elapsed().as_secs_f64() / cap.get() as f64;
    println!(
        "together {:.1} MB in 2 s: {:.1} % of the cap",
        total as f64 / 1e6,
        used * 100.0
    );

    scheduler.shutdown(Duration::ZERO).await;
    for writer in writers {
        writer.await?;
    }
    Ok(())
}

/// The shares since the start; on a terminal, over those shown before.
fn show(connections: &[(ScheduledHandle, usize)], again: bool) {
    let (up, clear) = if std::io::stdout().is_terminal() {
        (format!("\x1b[{}A", connections.len()), "\x1b[K")
    } else {
        ("\n".to_owned(), "")
    };
    if again {
        print!("{up}");
    }
    let total: u64 = connections
        .iter()
        .map(|(connection, _)| connection.stat().total_sent)
        .sum();
    for (connection, message) in connections {
        let share = connection.stat().total_sent as f64 / total.max(1) as f64;
        let bar = "█".repeat((share * BAR_WIDTH * 4.0) as usize);
        println!(
            "{clear}weight {}, {message:>5} B messages {:5.2} % {bar}",
            connection.weight().get(),
            share * 100.0
        );
    }
    let _ = std::io::stdout().flush();
}
