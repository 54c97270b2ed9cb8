//! The table of `--top`, as lines of a terminal.

use std::time::Duration;

use console::{style, truncate_str};

use super::{ConnectionFlow, DirectionFlow, Flows};
use crate::{
    events::Listening,
    report::Aside,
    units::{age, bytes, rate},
};

/// What is above the table.
pub(super) struct Heading<'a> {
    pub(super) listening: &'a Listening,
    pub(super) up: Duration,
}

/// How many lines are above and below the connections, and for each of them.
const ABOVE: usize = 5;
const BELOW: usize = Aside::LINES + 1;
const PER_CONNECTION: usize = 2;

/// What shows so many connections as fit, the busiest first, on so many columns and rows.
pub(super) fn frame(
    heading: &Heading<'_>,
    flows: &Flows,
    aside: &[String],
    (columns, rows): (usize, usize),
) -> Vec<String> {
    let Listening { address, peer_id, .. } = heading.listening;
    let count = flows.connections.len();
    let mut lines = vec![
        format!(
            "{} on {address} as {peer_id}, up {}",
            style("p2p listen").bold(),
            age(heading.up)
        ),
        format!(
            "{count} connected, {} out, {} in, 10 s: {} out, {} in",
            rate(flows.outflow.now),
            rate(flows.inflow.now),
            rate(flows.outflow.average),
            rate(flows.inflow.average),
        ),
        String::new(),
        style(row("ADDRESS", "", "NOW", "10 s", "SHARE", "TOTAL", "QUEUE"))
            .bold()
            .to_string(),
        style(row("PEER ID", "", "", "", "", "", "AGE")).bold().to_string(),
    ];
    let room = rows.saturating_sub(ABOVE + BELOW);
    let shown = if count * PER_CONNECTION <= room {
        count
    } else {
        // One line says how many there are more.
        room.saturating_sub(1) / PER_CONNECTION
    };
    lines.extend(flows.connections.iter().take(shown).flat_map(pair));
    if shown < count {
        lines.push(format!("and {} more", count - shown));
    }
    let bottom = rows.saturating_sub(aside.len());
    while lines.len() < bottom {
        lines.push(String::new());
    }
    lines.truncate(bottom);
    let dim = |line: &String| style(truncate_str(line, columns, "…")).dim().to_string();
    lines.extend(aside.iter().map(dim));
    lines
}

/// The two lines of a connection: what goes out, and what comes in.
fn pair(connection: &ConnectionFlow) -> [String; 2] {
    let line = |label: &str, arrow: &str, flow: &DirectionFlow, last: &str| {
        row(
            label,
            arrow,
            &rate(flow.now),
            &rate(flow.average),
            &format!("{:.0} %", flow.share * 100.0),
            &bytes(flow.total as f64),
            last,
        )
    };
    let ConnectionFlow {
        remote_address,
        peer_id,
        queued,
        seconds,
        inflow,
        outflow,
        ..
    } = connection;
    [
        line(remote_address, "=>", outflow, &bytes(*queued as f64)),
        line(peer_id, "<=", inflow, &age(Duration::from_secs_f64(*seconds))),
    ]
}

/// 78 columns, so that it fits into a terminal of 80.
fn row(label: &str, arrow: &str, now: &str, average: &str, share: &str, total: &str, last: &str) -> String {
    let label = truncate_str(label, 30, "…");
    format!("{label:<30} {arrow:2} {now:>9} {average:>9} {share:>5} {total:>7} {last:>7}")
}

#[cfg(test)]
mod tests {
    use console::{measure_text_width, strip_ansi_codes};

    use super::{super::Sum, *};

    fn flow(now: f64) -> DirectionFlow {
        DirectionFlow {
            now,
            average: now / 2.0,
            share: 1.0,
            total: u64::MAX,
        }
    }

    fn flows(count: u64) -> Flows {
        let connection = |connection| ConnectionFlow {
            connection,
            remote_address: format!("[2001:db8:1111:2222:3333:4444:5555:6666]:{}", 50_000 + connection),
            incoming: true,
            peer_id: "idrfcKArNihFfiBkRQinWFyKxKQL3Y".to_owned(),
            seconds: 400.0,
            weight: 1,
            queued: 123_456,
            inflow: flow(999_499.0),
            outflow: flow(99_940.0),
        };
        let sum = || Sum { now: 1e6, average: 2e6 };
        Flows {
            connections: (0..count).map(connection).collect(),
            inflow: sum(),
            outflow: sum(),
        }
    }

    fn shown(count: u64, size: (usize, usize), aside: &[String]) -> Vec<String> {
        let listening = Listening {
            address: "127.0.0.1:9732".to_owned(),
            port: 9732,
            peer_id: "idrfcKArNihFfiBkRQinWFyKxKQL3Y".to_owned(),
        };
        let heading = Heading {
            listening: &listening,
            up: Duration::from_secs(5),
        };
        let lines = frame(&heading, &flows(count), aside, size);
        lines.iter().map(|line| strip_ansi_codes(line).into_owned()).collect()
    }

    #[test]
    fn a_terminal_of_80_columns_is_wide_enough() {
        let lines = shown(3, (80, 24), &["x".repeat(200)]);
        assert!(lines.iter().all(|line| measure_text_width(line) <= 80), "{lines:#?}");
        assert_eq!(lines.len(), 24);
        let out = &lines[ABOVE];
        assert!(out.starts_with("[2001:db8:") && out.contains("=> 99.9 kB/s"), "{out}");
        let incoming = &lines[ABOVE + 1];
        assert!(
            incoming.contains("<=  999 kB/s") && incoming.ends_with(" 6:40"),
            "{incoming}"
        );
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        for (count, rows, more) in [
            (7, 24, None),
            (8, 24, Some("and 2 more")),
            (1, 3, None),
            (5, 13, Some("and 4 more")),
        ] {
            let lines = shown(count, (80, rows), &["last".to_owned()]);
            assert_eq!(lines.len(), rows, "{lines:#?}");
            assert_eq!(lines.last().unwrap(), "last");
            let told = lines.iter().find(|line| line.starts_with("and "));
            assert_eq!(told.map(String::as_str), more, "{lines:#?}");
        }
    }
}
