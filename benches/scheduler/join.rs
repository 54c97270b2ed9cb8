//! Eight connections join one by one: who has how much, over time.

use std::time::Duration;

use super::plot::{Panel, figure};
use super::sharing::{Limiter, MIXED_WRITE_BYTES, PEER, Record, Sharing};

const BYTES_PER_SECOND: u64 = 2_000_000;

/// Over which time a rate is taken.
const RATE_WINDOW_SAMPLES: usize = 10;

/// The figure as SVG.
pub(crate) async fn plot(join_interval: Duration) -> String {
    let mut sharing = Sharing::new(BYTES_PER_SECOND, MIXED_WRITE_BYTES, join_interval * 10);
    sharing.join_interval = join_interval;
    sharing.sample_interval = sharing.duration / 200;
    let ours = sharing.run(Limiter::Ours).await;
    let theirs = sharing.run(Limiter::Theirs).await;

    let highest = |panel: &Panel| panel.lines.iter().flatten().map(|point| point.1).fold(0.0, f64::max);
    let seconds = sharing.duration.as_secs_f64();
    let mut panels = Vec::new();
    for lines in [bytes, rates] {
        let mut row = [(&ours, "p2p-io-scheduler"), (&theirs, PEER)].map(|(record, name)| lines(record, name));
        let top = row.iter().map(highest).fold(0.0, f64::max);
        for panel in &mut row {
            panel.limits = (seconds, nice(top));
        }
        panels.extend(row);
    }
    let names = MIXED_WRITE_BYTES.map(|size| format!("{size} B writes"));
    let title = format!(
        "Eight connections that always want more join one by one, sharing {} MB/s",
        BYTES_PER_SECOND as f64 / 1e6
    );
    figure(&title, &names, &panels)
}

fn bytes(record: &Record, name: &str) -> Panel {
    let line = |connection: usize| {
        let point =
            |sample: &super::sharing::Sample| (sample.at.as_secs_f64(), sample.received[connection] as f64 / 1e6);
        record.samples.iter().map(point).collect()
    };
    Panel {
        title: format!("{name}: bytes received"),
        unit: "MB",
        limits: (0.0, 0.0),
        lines: (0..MIXED_WRITE_BYTES.len()).map(line).collect(),
    }
}

fn rates(record: &Record, name: &str) -> Panel {
    let line = |connection: usize| {
        let windows = record.samples.windows(RATE_WINDOW_SAMPLES + 1).map(|window| {
            let (first, last) = (&window[0], &window[RATE_WINDOW_SAMPLES]);
            let bytes = last.received[connection] - first.received[connection];
            let (first, last) = (first.at.as_secs_f64(), last.at.as_secs_f64());
            (last, bytes as f64 / 1e6 / (last - first))
        });
        windows.collect()
    };
    Panel {
        title: format!("{name}: rate over half a join interval"),
        unit: "MB/s",
        limits: (0.0, 0.0),
        lines: (0..MIXED_WRITE_BYTES.len()).map(line).collect(),
    }
}

/// The next round number, so that a fifth of it can be read.
fn nice(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    [1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0]
        .map(|digit| digit * power)
        .into_iter()
        .find(|nice| *nice >= value)
        .unwrap_or(value)
}
