//! Whatever happens at either end, queues keep order and bounds, and every byte arrives once.

mod common;

use std::collections::VecDeque;
use std::task::Poll;
use std::time::Duration;

use common::*;
use p2p_io_scheduler::Limits;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

/// What happens next at either end.
#[derive(Clone, Debug)]
enum Step {
    Write(usize),
    Flush,
    RemoteReads(usize),
    RemoteWrites(usize),
    Read(usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..80_usize).prop_map(Step::Write),
        Just(Step::Flush),
        (1..80_usize).prop_map(Step::RemoteReads),
        (0..80_usize).prop_map(Step::RemoteWrites),
        (0..40_usize).prop_map(Step::Read),
        (1..30_u64).prop_map(Step::Wait),
    ]
}

/// The bytes that were accepted at one end and have not arrived at the other.
#[derive(Default)]
struct Underway {
    bytes: VecDeque<u8>,
    next: u8,
    total: u64,
}

impl Underway {
    fn offer(&self, bytes: usize) -> Vec<u8> {
        (0..bytes).map(|i| self.next.wrapping_add(i as u8)).collect()
    }

    fn accepted(&mut self, bytes: usize) {
        self.bytes.extend(&self.offer(bytes));
        self.next = self.next.wrapping_add(bytes as u8);
        self.total += bytes as u64;
    }

    fn arrived(&mut self, bytes: &[u8]) {
        let expected: Vec<_> = self.bytes.drain(..bytes.len()).collect();
        assert_eq!(bytes, expected);
    }
}

async fn run(limits: Limits, pipe: usize, read_queue: usize, write_queue: usize, steps: &[Step]) {
    let (mut io, mut far) = connect(limits, pipe, read_queue, write_queue);
    let (mut sent, mut received) = (Underway::default(), Underway::default());
    for step in steps {
        match *step {
            Step::Write(bytes) => {
                let outcome = accepted(&mut io, &sent.offer(bytes));
                // Only a full queue makes a writer wait.
                assert!(outcome.is_some() || io.queued().write == write_queue);
                sent.accepted(outcome.unwrap_or(0));
            }
            Step::Flush => {
                if let Poll::Ready(flushed) = once(io.flush()) {
                    flushed.unwrap();
                    assert_eq!(io.queued().write, 0);
                }
            }
            Step::RemoteReads(bytes) => {
                let mut buf = vec![0; bytes];
                if let Poll::Ready(read) = once(far.read(&mut buf)) {
                    sent.arrived(&buf[..read.unwrap()]);
                }
            }
            Step::RemoteWrites(bytes) => {
                if let Poll::Ready(written) = once(far.write(&received.offer(bytes))) {
                    received.accepted(written.unwrap());
                }
            }
            Step::Read(bytes) => {
                let mut buf = vec![0; bytes];
                if let Poll::Ready(read) = once(io.read(&mut buf)) {
                    received.arrived(&buf[..read.unwrap()]);
                }
            }
            Step::Wait(milliseconds) => sleep(Duration::from_millis(milliseconds)).await,
        }
        let queued = io.queued();
        assert!(queued.write <= write_queue && queued.read <= read_queue);
        assert_eq!(io.stat().total_sent + queued.write as u64, sent.total);
        assert!(sent.bytes.len() - queued.write <= pipe, "the rest is in the pipe");
        let read = received.total - received.bytes.len() as u64;
        assert_eq!(io.stat().total_received, read + queued.read as u64);
    }

    // In the end, everything arrives.
    let remote = async {
        let mut rest = Vec::new();
        far.read_to_end(&mut rest).await.unwrap();
        far.shutdown().await.unwrap();
        rest
    };
    let (shutdown, rest) = tokio::join!(io.shutdown(), remote);
    shutdown.unwrap();
    sent.arrived(&rest);
    let mut rest = Vec::new();
    io.read_to_end(&mut rest).await.unwrap();
    received.arrived(&rest);
    assert!(sent.bytes.is_empty() && received.bytes.is_empty());
    let stat = io.stat();
    assert_eq!((stat.total_sent, stat.total_received), (sent.total, received.total));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bounds_order_and_bytes_hold_whatever_happens(
        limit in prop_oneof![Just(None), (1000..100_000_u64).prop_map(Some)],
        pipe in 1..100_usize,
        read_queue in 0..100_usize,
        write_queue in 0..100_usize,
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let limits = Limits { upload: limit.and_then(rate), download: limit.and_then(rate) };
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
            .block_on(run(limits, pipe, read_queue, write_queue, &steps));
    }
}
