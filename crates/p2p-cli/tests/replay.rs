//! `p2p replay` finds recorded sessions equal to our own work, and tells what is not a session.

mod common;
mod recorded;

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::recorded::{events, recorded, recorded_sessions, replay};

/// How many sessions are kept beside this test.
const RECORDED: usize = 56;

/// Replays `content` alone; the result of its line.
fn replay_text(content: impl AsRef<[u8]>) -> Value {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), content).unwrap();
    let output = replay(&["--json"], file.path());
    let lines = events(&output);
    assert_eq!(lines[0]["event"], "replayed", "{lines:?}");
    let equal = lines[0]["result"] == "equal";
    assert_eq!(output.status.code(), Some(if equal { 0 } else { 1 }), "{lines:?}");
    assert_eq!(output.stderr.is_empty(), equal);
    lines[0].clone()
}

#[test]
fn every_recorded_session_is_equal() {
    let output = replay(&[], &recorded_sessions());
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), RECORDED + 1, "{text}");
    assert!(lines[..RECORDED].iter().all(|line| line.starts_with("ok  ")), "{text}");
    assert_eq!(lines[0], "ok  ack_empty  handshake only, no message");
    assert_eq!(lines[RECORDED], format!("{RECORDED} equal, 0 different, 0 unreadable"));
}

#[test]
fn the_events_of_an_equal_session() {
    let output = replay(&["--json"], &recorded_sessions().join("meta_3.json"));
    let lines = events(&output);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(
        (&lines[0]["event"], &lines[0]["name"]),
        (&json!("replayed"), &json!("meta_3"))
    );
    assert_eq!(
        (&lines[0]["result"], &lines[0]["differences"]),
        (&json!("equal"), &json!([]))
    );
    let summary = json!({"event": "summary", "equal": 1, "different": 0, "unreadable": 0});
    assert_eq!(lines[1], summary);
}

#[test]
fn files_that_are_no_session() {
    let mut session = recorded("ack_empty");
    session["dialer"]["identity"]["secret_key"] = "07".repeat(32).into();
    let foreign_key = session.to_string();
    let mut session = recorded("ack_empty");
    session["dialer"]["chunk_size"] = 18.into();
    let small_chunks = session.to_string();
    let truncated = &recorded("ack_empty").to_string()[..700];
    let deep = "[".repeat(100_000);
    for text in [
        "",
        "{}",
        "null",
        "[]",
        "\"\"",
        "{\"name\": 1}",
        truncated,
        &foreign_key,
        &small_chunks,
        &deep,
    ] {
        let line = replay_text(text);
        assert_eq!(line["result"], "unreadable", "{line}");
        assert_eq!(line["differences"].as_array().unwrap().len(), 1, "{line}");
    }
    assert_eq!(replay_text([0xff, 0xfe])["result"], "unreadable");
}

#[test]
fn a_session_without_any_of_its_fields() {
    fn remove_each(record: &Value, path: &str, without: &mut dyn FnMut(String, Value)) {
        let pointer = record.pointer(path).unwrap();
        for field in pointer.as_object().into_iter().flat_map(|object| object.keys()) {
            let mut damaged = record.clone();
            damaged
                .pointer_mut(path)
                .unwrap()
                .as_object_mut()
                .unwrap()
                .remove(field);
            let inner = format!("{path}/{field}");
            without(inner.clone(), damaged);
            remove_each(record, &inner, without);
        }
    }
    let directory = TempDir::new().unwrap();
    let (mut removed, mut optional) = (Vec::new(), 0);
    remove_each(&recorded("nack_l_v6_1"), "", &mut |field, record| {
        let file = directory.path().join(format!("{:04}.json", removed.len()));
        fs::write(file, record.to_string()).unwrap();
        removed.push(field);
    });
    let output = replay(&["--json"], directory.path());
    for (line, field) in events(&output).iter().zip(&removed) {
        let comment =
            ["/name", "/note", "/recorded_from"].contains(&field.as_str()) || field.ends_with("identity/peer_id");
        optional += usize::from(comment);
        assert_eq!(
            line["result"],
            if comment { "equal" } else { "unreadable" },
            "without {field}: {line}"
        );
    }
    assert_eq!(optional, 5);
}

#[test]
fn paths_that_lead_nowhere() {
    let empty = TempDir::new().unwrap();
    for path in [empty.path(), &empty.path().join("missing.json")] {
        let output = replay(&[], path);
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.starts_with(&format!("UNREADABLE {}", path.display())), "{text}");
        assert!(text.ends_with("0 equal, 0 different, 1 unreadable\n"), "{text}");
        assert_eq!(String::from_utf8(output.stderr).unwrap().lines().count(), 1);
    }
}

/// A note is anybody's text: it must not reach the terminal's control.
#[test]
fn notes_are_printed_without_control_characters() {
    let mut session = recorded("ack_empty");
    session["note"] = "\u{1b}[2Jgone\n".into();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), session.to_string()).unwrap();
    let output = replay(&[], file.path());
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), text.lines().count()), (Some(0), 2), "{text}");
    assert!(!text.contains('\u{1b}'));
}
