//! Eight connections join one by one: who has how much, over time.

use std::time::Duration;

use benches::plot::{Axis, Panel, figure};

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

    let seconds = sharing.duration.as_secs_f64();
    let mut panels = Vec::new();
    for (lines, title, unit) in [
        (bytes as fn(&Record) -> Lines, "bytes received", "MB"),
        (rates, "rate over half a join interval", "MB/s"),
    ] {
        let each = [(lines(&ours), "p2p-io-scheduler"), (lines(&theirs), PEER)];
        let values = each.iter().flat_map(|(lines, _)| lines.iter().flatten());
        let highest = values.map(|(_, value)| *value).fold(0.0, f64::max);
        panels.extend(each.map(|(lines, name)| Panel {
            title: format!("{name}: {title}"),
            x: Axis::linear("s", seconds),
            y: Axis::linear(unit, highest),
            lines,
            marks: false,
        }));
    }
    let names = MIXED_WRITE_BYTES.map(|size| format!("{size} B writes"));
    let title = format!(
        "Eight connections that always want more join one by one, sharing {} MB/s",
        BYTES_PER_SECOND as f64 / 1e6
    );
    figure(&title, &names, &panels)
}

/// Points of time and value for each connection.
type Lines = Vec<Vec<(f64, f64)>>;

fn bytes(record: &Record) -> Lines {
    let line = |connection: usize| {
        let point =
            |sample: &super::sharing::Sample| (sample.at.as_secs_f64(), sample.received[connection] as f64 / 1e6);
        record.samples.iter().map(point).collect()
    };
    (0..MIXED_WRITE_BYTES.len()).map(line).collect()
}

fn rates(record: &Record) -> Lines {
    let line = |connection: usize| {
        let windows = record.samples.windows(RATE_WINDOW_SAMPLES + 1).map(|window| {
            let (first, last) = (&window[0], &window[RATE_WINDOW_SAMPLES]);
            let bytes = last.received[connection] - first.received[connection];
            let (first, last) = (first.at.as_secs_f64(), last.at.as_secs_f64());
            (last, bytes as f64 / 1e6 / (last - first))
        });
        windows.collect()
    };
    (0..MIXED_WRITE_BYTES.len()).map(line).collect()
}
