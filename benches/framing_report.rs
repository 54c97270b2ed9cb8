//! What chunks and messages cost beside the cryptography in them: `cargo xtask bench framing`.

use std::process::ExitCode;

use benches::contest::{Effort, contest, timed};
use benches::options::Options;
use benches::report::{Row, conclude, publish};
use bytes::{Bytes, BytesMut};
use p2p_crypto::{ChannelKey, InstructionSet, Nonce, Opener, Sealer};
use p2p_framing::encoding::RawEncoding;
use p2p_framing::{ChunkOpener, ChunkSealer, ChunkSize};
use tokio_util::codec::{Decoder, Encoder};

const LAYER: &str = "p2p-framing";

fn main() -> ExitCode {
    conclude(Options::parse(std::env::args().skip(1)).and_then(|options| publish(&rows(&options), &options)))
}

fn rows(options: &Options) -> Vec<Row> {
    let effort = Effort::new(options.quick);
    let goal = |set: &InstructionSet| match set.to_string().as_str() {
        "AVX-512" => Some(0.9),
        "AVX2" => Some(0.93),
        _ => None,
    };
    InstructionSet::available()
        .filter_map(|set| Some((set, goal(&set)?)))
        .map(|(set, goal)| stream_row(set, effort).at_least(goal))
        .collect()
}

/// Messages of 64 KiB, each encoded, sealed, opened and decoded before the next, beside sealing and opening as many
/// bytes in chunks of the same sizes.
fn stream_row(set: InstructionSet, effort: Effort) -> Row {
    const MESSAGE: usize = 65_536;
    const STREAM: usize = 4 + MESSAGE;
    let sealer = || Sealer::new(ChannelKey::from_bytes([1; 32]), Nonce::from_bytes([2; 24])).with_instruction_set(set);
    let opener = || Opener::new(ChannelKey::from_bytes([1; 32]), Nonce::from_bytes([2; 24])).with_instruction_set(set);

    let message: Bytes = (0..MESSAGE).map(|place| (place % 251) as u8).collect();
    let mut chunk_sealer = ChunkSealer::new(sealer(), ChunkSize::MAX);
    let mut chunk_opener = ChunkOpener::new(opener());
    let mut encoding = RawEncoding::default();
    let (mut wire, mut received) = (BytesMut::new(), BytesMut::new());
    let ours = || {
        let mut decoded = None;
        let elapsed = timed(|| {
            let written = chunk_sealer.seal_written(&mut wire, |out| encoding.encode(message.clone(), out));
            written.expect("nonces are left").expect("the message is not too large");
            let opened = chunk_opener.open_complete(&mut wire, |plaintext| received.extend_from_slice(plaintext));
            assert_eq!(opened, Ok(wire.len()));
            wire.clear();
            decoded = encoding.decode(&mut received).expect("the message is not too large");
        });
        assert!(decoded.is_some_and(|decoded| decoded == message) && received.is_empty());
        elapsed
    };

    let (mut sealer, mut opener) = (sealer(), opener());
    let mut data = vec![7; STREAM];
    let theirs = || {
        timed(|| {
            for chunk in data.chunks_mut(ChunkSize::MAX.max_plaintext()) {
                let tag = sealer.seal(chunk).expect("nonces are left");
                opener.open(chunk, &tag).expect("it was sealed so");
            }
        })
    };
    let outcome = contest(effort, ours, theirs);
    let amount = MESSAGE as f64 * 1e3;
    Row::new(
        LAYER,
        "encode and decode 64 KiB messages",
        amount / outcome.ours,
        "MB/s",
    )
    .beside("cryptography alone", amount / outcome.theirs)
    .ratio(outcome.ratio)
    .with(set.to_string())
}
