//! What chunks and messages cost beside the cryptography in them: `cargo xtask bench framing`.

mod stream;

use std::process::ExitCode;

use benches::contest::{Effort, contest, timed};
use benches::findings::{Findings, report};
use benches::report::{Row, goal_for};
use bytes::Bytes;
use p2p_crypto::InstructionSet;
use stream::{Cryptography, MessageStream};

const LAYER: &str = "p2p-framing";

fn main() -> ExitCode {
    report(LAYER, measure)
}

fn measure(findings: &mut Findings) -> Result<(), String> {
    findings.part("stream", |options| {
        let goal = |set: &InstructionSet| goal_for(&set.to_string(), 0.9, 0.93);
        let rows = InstructionSet::available().filter_map(|set| Some((set, goal(&set)?)));
        Ok(rows
            .map(|(set, goal)| stream_row(set, Effort::new(options.quick)).at_least(goal))
            .collect())
    })
}

/// Messages of 64 KiB, each encoded, sealed, opened and decoded before the next, beside sealing and opening as many
/// bytes in chunks of the same sizes.
fn stream_row(set: InstructionSet, effort: Effort) -> Row {
    const MESSAGE: usize = 65_536;
    let message: Bytes = (0..MESSAGE).map(|place| (place % 251) as u8).collect();
    let mut stream = MessageStream::new(set);
    let ours = || {
        let mut decoded = None;
        let elapsed = timed(|| {
            stream.send(&message, 1);
            stream.open();
            decoded = stream.receive();
        });
        assert_eq!(decoded.as_ref(), Some(&message));
        assert_eq!(stream.receive(), None);
        elapsed
    };
    let mut cryptography = Cryptography::new(set, 4 + MESSAGE);
    let outcome = contest(effort, ours, || timed(|| cryptography.seal_and_open()));
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
