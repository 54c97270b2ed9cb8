//! The metrics are those of the documentation, and no others, and they count right.
#![cfg(feature = "metrics")]

mod common;
#[path = "common/lives.rs"]
mod lives;

use std::collections::{BTreeMap, BTreeSet};

use lives::{documented, live_all, names};
use metrics_util::{
    MetricKind,
    debugging::{DebugValue, DebuggingRecorder},
};

/// What was recorded, by name and labels in the notation of Prometheus.
async fn record() -> BTreeMap<String, (MetricKind, DebugValue)> {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    live_all().await;
    let text = |(key, _, _, value): (metrics_util::CompositeKey, _, _, DebugValue)| {
        let (kind, key) = key.into_parts();
        let labels: Vec<_> = key
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()))
            .collect();
        (format!("{}{{{}}}", key.name(), labels.join(",")), (kind, value))
    };
    snapshotter.snapshot().into_vec().into_iter().map(text).collect()
}

#[tokio::test(start_paused = true)]
async fn metrics_are_those_of_the_documentation() {
    let recorded: BTreeSet<_> = record()
        .await
        .into_iter()
        .map(|(key, (kind, _))| {
            let (name, labels) = key.trim_end_matches('}').split_once('{').unwrap();
            let labels = labels
                .split_terminator(',')
                .map(|label| label.split_once('=').unwrap().0.to_owned());
            (
                name.to_owned(),
                format!("{kind:?}").to_lowercase(),
                labels.collect::<BTreeSet<_>>(),
            )
        })
        .collect();
    let documented: BTreeSet<_> = documented("metric")
        .into_iter()
        .map(|row| {
            let labels = names(row[2]).into_iter().map(str::to_owned).collect();
            (names(row[0])[0].to_owned(), row[1].to_owned(), labels)
        })
        .collect();
    assert_eq!(recorded, documented);
}

#[tokio::test(start_paused = true)]
async fn counters_count() {
    let recorded = record().await;
    for (key, expected) in [
        ("authenticated_total{role=initiator}", 4),
        ("authenticated_total{role=responder}", 2),
        ("not_authenticated_total{role=responder,reason=decoding_error}", 1),
        ("not_authenticated_total{role=initiator,reason=timeout}", 1),
        ("refused_total{role=responder,motive=too_many_connections}", 1),
        ("accepted_total{role=initiator}", 3),
        ("accepted_total{role=responder}", 1),
        ("not_accepted_total{role=initiator,reason=rejected_by_nack}", 1),
        ("displaced_total{}", 1),
        ("not_admitted_total{}", 1),
        ("closed_total{reason=cancelled}", 1),
        ("closed_total{reason=closed_locally}", 1),
        ("sent_messages_total{}", 2),
        ("received_messages_total{}", 1),
        // The message of 38 bytes, its length, and the chunk around them.
        ("sent_bytes_total{}", 38 + 4 + 18),
        ("received_bytes_total{}", 38 + 4 + 18),
    ] {
        let value = recorded.get(&format!("p2p_socket_{key}")).map(|(_, value)| value);
        assert_eq!(value, Some(&DebugValue::Counter(expected)), "{key}: {recorded:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_open_in_the_end_and_every_handshake_took_its_time() {
    let recorded = record().await;
    let (_, open) = &recorded["p2p_socket_connections{}"];
    assert_eq!(open, &DebugValue::Gauge(0.0.into()));
    let (_, times) = &recorded["p2p_socket_handshake_seconds{role=initiator}"];
    let DebugValue::Histogram(times) = times else {
        panic!("{times:?}");
    };
    assert_eq!(times.len(), 3);
}
