//! How often the bytes of a message are copied on its way to many peers: part of `cargo xtask bench socket`.
//!
//! A program of its own, because counting makes copies slow. It counts on x86-64 only.
#![cfg_attr(not(target_arch = "x86_64"), allow(dead_code, unused_imports))]

mod connections;
#[cfg(target_arch = "x86_64")]
#[path = "copies/counter.rs"]
mod counter;

use std::{net::SocketAddr, process::ExitCode, sync::mpsc, thread};

use benches::{
    findings::{Findings, report},
    report::Row,
};
use bytes::Bytes;
use connections::fan_out::Encoding;
use connections::peers::{Channel, Ours, Peer};
use p2p_crypto::Role;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
};

const LAYER: &str = "p2p-socket";

const PEERS: usize = 1000;

const SIZE: usize = 1024;

fn main() -> ExitCode {
    report(LAYER, measure)
}

#[cfg(not(target_arch = "x86_64"))]
fn measure(_: &mut Findings) -> Result<(), String> {
    Ok(())
}

#[cfg(target_arch = "x86_64")]
fn measure(findings: &mut Findings) -> Result<(), String> {
    findings.part("copies", |options| {
        assert_counts();
        let mut fan_out = FanOut::start();
        let rounds = if options.quick { 3 } else { 10 };
        let mut rows = Vec::new();
        for (in_a_row, work) in [
            (1, "1 KiB to each of 1000 peers, encoded once"),
            (8, "8 messages of 1 KiB in a row to each of 1000 peers, encoded once"),
        ] {
            let once = fan_out.copies(Encoding::Once, in_a_row, rounds);
            let each = fan_out.copies(Encoding::Each, in_a_row, rounds);
            let row = Row::new(LAYER, format!("{work}: copies of its bytes"), once, "per peer");
            // A buffer that has just grown makes it a little more or less than a whole number.
            let met = (once * 100.0).round() <= 100.0;
            rows.push(row.beside("ours, encoded for each", each).goal("<= 1 copy", met));
        }
        Ok(rows)
    })
}

/// The counter counts, and copies are right.
#[cfg(target_arch = "x86_64")]
fn assert_counts() {
    let original: Vec<u8> = std::hint::black_box((0..SIZE).map(|place| (place % 251) as u8).collect());
    let before = counter::copied_here();
    let mut copy = std::hint::black_box(original.clone());
    assert_eq!(counter::copied_here() - before, SIZE as u64);
    // The compiler makes something else of a move whose bytes it can follow.
    let copy = std::hint::black_box(&mut copy);
    let before = counter::copied_here();
    copy.copy_within(..std::hint::black_box(SIZE - 3), 3);
    assert_eq!(counter::copied_here() - before, SIZE as u64 - 3);
    assert_eq!(copy[3..], original[..SIZE - 3]);
    copy.copy_within(3.., 0);
    assert_eq!(copy[..SIZE - 3], original[..SIZE - 3]);
}

/// Connections whose near ends live on this thread, and whose far ends on another.
struct FanOut {
    runtime: Runtime,
    here: Vec<<Ours as Peer>::Channel>,
    /// The size and number of the messages to receive on each.
    expected: mpsc::Sender<(usize, usize)>,
    received: mpsc::Receiver<()>,
}

#[cfg(target_arch = "x86_64")]
impl FanOut {
    fn start() -> Self {
        let (expected, to_expect) = mpsc::channel();
        let (tell_received, received) = mpsc::channel();
        let (tell_address, address) = mpsc::channel();
        thread::spawn(move || far_ends(&tell_address, &to_expect, &tell_received));
        let address = address.recv().expect("the other thread listens");
        let runtime = on_this_thread();
        let peer = Ours::new();
        let here = runtime.block_on(async {
            let mut here = Vec::new();
            for _ in 0..PEERS {
                let io = TcpStream::connect(address).await.expect("it listens");
                io.set_nodelay(true).expect("it is TCP");
                here.push(peer.connect(io, Role::Initiator, address).await);
            }
            here
        });
        Self {
            runtime,
            here,
            expected,
            received,
        }
    }

    /// How often each byte of a message is copied, for each peer, until the system has it: what more is copied when
    /// messages are [`SIZE`] bytes longer. Encoding once is done beforehand and does not count.
    fn copies(&mut self, encoding: Encoding, in_a_row: usize, rounds: usize) -> f64 {
        let mut copied = [0; 2];
        for _ in 0..rounds {
            for (copied, size) in copied.iter_mut().zip([SIZE, 2 * SIZE]) {
                *copied += self.copied(encoding, size, in_a_row);
            }
        }
        let more = copied[1].abs_diff(copied[0]) as f64;
        more / (rounds * in_a_row * PEERS * SIZE) as f64
    }

    /// How many bytes are copied to send messages to each of the peers.
    fn copied(&mut self, encoding: Encoding, size: usize, in_a_row: usize) -> u64 {
        let message = Bytes::from(vec![7; size]);
        self.expected.send((size, in_a_row)).expect("the other thread waits");
        let here = &self.here;
        let copied = self.runtime.block_on(async {
            let encoded = here[0].encode(message.clone()).expect("it is small");
            let before = counter::copied_here();
            for connection in here {
                for _ in 0..in_a_row {
                    match encoding {
                        Encoding::Once => connection.try_send_encoded(&encoded).expect("there is room"),
                        Encoding::Each => connection.try_send(message.clone()).expect("there is room"),
                    }
                }
            }
            for connection in here {
                connection.flush().await.expect("they are open");
            }
            counter::copied_here() - before
        });
        self.received.recv().expect("the other thread receives");
        copied
    }
}

/// All work of its connections is done by the thread that waits for it.
fn on_this_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn far_ends(
    tell_address: &mpsc::Sender<SocketAddr>,
    to_expect: &mpsc::Receiver<(usize, usize)>,
    tell_received: &mpsc::Sender<()>,
) {
    let peer = Ours::new();
    on_this_thread().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let address = listener.local_addr().expect("it is bound");
        tell_address.send(address).expect("the other thread waits");
        let mut there = Vec::new();
        for _ in 0..PEERS {
            let (io, remote) = listener.accept().await.expect("somebody dials");
            io.set_nodelay(true).expect("it is TCP");
            there.push(peer.connect(io, Role::Responder, remote).await);
        }
        while let Ok((size, count)) = to_expect.recv() {
            for connection in &mut there {
                for _ in 0..count {
                    connection.receive(size).await;
                }
            }
            tell_received.send(()).expect("the other thread waits");
        }
    });
}
