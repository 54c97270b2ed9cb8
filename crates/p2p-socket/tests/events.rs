//! The events and the span are those of the documentation, and no others; none carries a secret.

mod common;
#[path = "common/lives.rs"]
mod lives;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex},
};

use lives::{documented, live_all, names};
use tracing_subscriber::{Layer, layer, layer::SubscriberExt as _, registry::LookupSpan};

/// An event, or a span when it begins.
#[derive(Clone, Debug, Default)]
struct Seen {
    name: String,
    target: String,
    level: String,
    fields: BTreeMap<String, String>,
    span: Option<String>,
}

#[derive(Clone, Default)]
struct Watch(Arc<Mutex<Vec<Seen>>>);

impl Seen {
    fn new(metadata: &tracing::Metadata<'_>) -> Self {
        Self {
            name: metadata.name().to_owned(),
            target: metadata.target().to_owned(),
            level: metadata.level().to_string().to_lowercase(),
            ..Self::default()
        }
    }
}

impl tracing::field::Visit for Seen {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        match field.name() {
            "message" => self.name = text,
            name => drop(self.fields.insert(name.to_owned(), text)),
        }
    }
}

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Watch {
    fn on_new_span(&self, attributes: &tracing::span::Attributes<'_>, _: &tracing::Id, _: layer::Context<'_, S>) {
        let mut seen = Seen::new(attributes.metadata());
        attributes.record(&mut seen);
        self.0.lock().unwrap().push(seen);
    }

    fn on_event(&self, event: &tracing::Event<'_>, context: layer::Context<'_, S>) {
        let mut seen = Seen::new(event.metadata());
        event.record(&mut seen);
        seen.span = context.event_span(event).map(|span| span.name().to_owned());
        self.0.lock().unwrap().push(seen);
    }
}

async fn watch() -> Vec<Seen> {
    let watch = Watch::default();
    let subscriber = tracing_subscriber::registry().with(watch.clone());
    let _guard = tracing::subscriber::set_default(subscriber);
    live_all().await;
    let seen = watch.0.lock().unwrap().clone();
    seen.into_iter().filter(|seen| seen.target.starts_with("p2p")).collect()
}

#[tokio::test(start_paused = true)]
async fn events_are_those_of_the_documentation() {
    let seen: BTreeSet<_> = watch()
        .await
        .into_iter()
        .filter(|seen| seen.target == "p2p_socket" && seen.name != "connection")
        .map(|seen| (seen.name, seen.level, seen.fields.into_keys().collect::<BTreeSet<_>>()))
        .collect();
    let documented: BTreeSet<_> = documented("event")
        .into_iter()
        .map(|row| {
            let fields = names(row[2]).into_iter().map(str::to_owned).collect();
            (names(row[0])[0].to_owned(), row[1].to_owned(), fields)
        })
        .collect();
    assert_eq!(seen, documented);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_connection_is_told_in_its_span() {
    let seen = watch().await;
    let spans: Vec<_> = seen.iter().filter(|seen| seen.name == "connection").collect();
    assert_eq!(spans.len(), 4);
    for span in spans {
        assert_eq!((span.target.as_str(), span.level.as_str()), ("p2p_socket", "debug"));
        assert_eq!(span.fields.keys().collect::<Vec<_>>(), ["peer_id", "role"]);
    }
    for name in ["sending failed", "receiving ended", "closed"] {
        let told: Vec<_> = seen.iter().filter(|seen| seen.name == name).collect();
        assert!(
            told.iter().all(|seen| seen.span.as_deref() == Some("connection")),
            "{told:?}"
        );
    }
    let closed: Vec<_> = seen.iter().filter(|seen| seen.name == "closed").collect();
    let reasons: Vec<_> = closed.iter().map(|seen| seen.fields["reason"].as_str()).collect();
    assert_eq!(reasons.len(), 4, "once each: {closed:?}");
    for reason in ["closed_locally", "connection_closed", "cancelled"] {
        assert!(
            reasons.contains(&format!("{reason:?}").as_str()),
            "{reason}: {reasons:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_scheduler_has_one_event() {
    let seen = watch().await;
    let below: BTreeSet<_> = seen
        .iter()
        .filter(|seen| seen.target == "p2p_io_scheduler")
        .map(|seen| {
            (
                seen.name.as_str(),
                seen.level.as_str(),
                seen.fields.keys().map(String::as_str).collect(),
            )
        })
        .collect();
    assert_eq!(
        below,
        BTreeSet::from([("connection ends", "debug", vec!["connection", "reason"])])
    );
    assert!(
        seen.iter()
            .all(|seen| ["p2p_socket", "p2p_io_scheduler"].contains(&seen.target.as_str()))
    );
}

#[tokio::test(start_paused = true)]
async fn no_event_carries_a_secret_or_a_message() {
    let text = format!("{:?}", watch().await).to_lowercase();
    assert!(text.contains("peer_id"));
    for seed in [1_u8, 2] {
        // The secret keys of the peers are one byte over and over.
        for secret in [hex::encode([seed; 8]), format!("{:?}", [seed; 8])] {
            assert!(!text.contains(secret.trim_matches(['[', ']'])), "{secret}");
        }
    }
    assert!(!text.contains(lives::SECRET_MESSAGE));
}
