//! `p2p replay` notices whatever is changed in a recorded session.

mod common;
mod recorded;

use std::fs;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::recorded::{events, recorded, replay};

/// Replays many damaged sessions at once; each must differ, and is named by what was done to it.
#[derive(Default)]
struct Damaged {
    sessions: Vec<(String, Value)>,
}

impl Damaged {
    fn add(&mut self, what: &str, session: &str, damage: impl FnOnce(&mut Value)) {
        let mut record = recorded(session);
        damage(&mut record);
        assert_ne!(record, recorded(session), "{what}: nothing is damaged");
        self.sessions.push((format!("{what} of {session}"), record));
    }

    fn all_differ(self) {
        let directory = TempDir::new().unwrap();
        for (index, (_, record)) in self.sessions.iter().enumerate() {
            fs::write(directory.path().join(format!("{index:04}.json")), record.to_string()).unwrap();
        }
        let output = replay(&["--json"], directory.path());
        assert_eq!(output.status.code(), Some(1));
        let lines = events(&output);
        let replayed: Vec<_> = lines.iter().filter(|line| line["event"] == "replayed").collect();
        assert_eq!(replayed.len(), self.sessions.len());
        for ((what, _), line) in self.sessions.iter().zip(replayed) {
            assert_eq!(line["result"], "differs", "{what}: {line}");
        }
    }
}

/// Changes a wire and what the record says about it as a whole, so that only its meaning betrays the damage.
fn change_wire(record: &mut Value, direction: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut wire = hex::decode(record["wire"][direction].as_str().unwrap()).unwrap();
    change(&mut wire);
    record["wire"][direction] = hex::encode(&wire).into();
    record["wire_len"][direction] = wire.len().into();
    record["wire_sha256"][direction] = hex::encode(Sha256::digest(&wire)).into();
}

const DIRECTIONS: [&str; 2] = ["dialer_to_listener", "listener_to_dialer"];
const SIDES: [&str; 2] = ["dialer", "listener"];

#[test]
fn a_flipped_bit_anywhere_on_a_wire() {
    let mut damaged = Damaged::default();
    for direction in DIRECTIONS {
        let length = recorded("ack_small_both")["wire_len"][direction].as_u64().unwrap();
        for offset in 0..usize::try_from(length).unwrap() {
            damaged.add(&format!("bit at {offset} {direction}"), "ack_small_both", |record| {
                change_wire(record, direction, |wire| wire[offset] ^= 1 << (offset % 8));
            });
        }
    }
    damaged.all_differ();
}

#[test]
fn a_wire_that_is_cut_short_or_goes_on() {
    let mut damaged = Damaged::default();
    for session in [
        "ack_small_both",
        "nack_l_already_connected_1",
        "err_pow_dialer_weak",
        "nack_l_101",
    ] {
        for direction in DIRECTIONS {
            let length = recorded(session)["wire_len"][direction].as_u64().unwrap();
            for end in (0..usize::try_from(length).unwrap()).step_by(7) {
                damaged.add(&format!("{direction} cut at {end}"), session, |record| {
                    change_wire(record, direction, |wire| wire.truncate(end));
                });
            }
            for extra in [&[0][..], &[0, 0], &[0, 16], &[0; 40]] {
                damaged.add(&format!("{} more bytes {direction}", extra.len()), session, |record| {
                    change_wire(record, direction, |wire| wire.extend_from_slice(extra));
                });
            }
        }
    }
    damaged.all_differ();
}

#[test]
fn wires_that_are_not_what_the_record_says_of_them() {
    let mut damaged = Damaged::default();
    for direction in DIRECTIONS {
        damaged.add("length", "ack_empty", |record| record["wire_len"][direction] = 1.into());
        damaged.add("digest", "ack_empty", |record| {
            record["wire_sha256"][direction] = "00".repeat(32).into();
        });
        damaged.add("frame kind", "ack_empty", |record| {
            record["frames"][direction][1][0] = "ack".into();
        });
        damaged.add("frame offset", "ack_empty", |record| {
            record["frames"][direction][1][1] = 1.into();
        });
        damaged.add("frame size", "ack_empty", |record| {
            record["frames"][direction][1][2] = 1.into();
        });
        damaged.add("frame count", "ack_empty", |record| {
            record["frames"][direction].as_array_mut().unwrap().pop();
        });
    }
    damaged.add("swapped wires", "ack_small_both", |record| {
        for field in ["wire", "wire_len", "wire_sha256", "frames"] {
            swap(&mut record[field], DIRECTIONS);
        }
    });
    damaged.all_differ();
}

fn swap(object: &mut Value, [left, right]: [&str; 2]) {
    let (old_left, old_right) = (object[left].take(), object[right].take());
    object[left] = old_right;
    object[right] = old_left;
}

#[test]
fn other_keys_and_nonces() {
    let mut damaged = Damaged::default();
    let other = recorded("err_pow_dialer_weak")["dialer"]["identity"].clone();
    damaged.add("channel key", "ack_empty", |record| {
        record["channel_key"] = "07".repeat(32).into();
    });
    for side in SIDES {
        let nonce = format!("{side}_send_nonce");
        damaged.add(&nonce, "ack_empty", |record| record[&nonce] = "07".repeat(24).into());
        damaged.add("identity", "ack_empty", |record| {
            record[side]["identity"] = other.clone();
        });
        damaged.add("stamp", "ack_empty", |record| {
            record[side]["identity"]["proof_of_work_stamp"] = "07".repeat(24).into();
        });
    }
    damaged.add("swapped nonces", "ack_empty", |record| {
        swap(record, ["dialer_send_nonce", "listener_send_nonce"]);
    });
    damaged.add("swapped sides", "ack_small_both", |record| swap(record, SIDES));
    damaged.add("swapped identities", "ack_empty", |record| {
        let dialer = record["dialer"]["identity"].take();
        record["dialer"]["identity"] = record["listener"]["identity"].take();
        record["listener"]["identity"] = dialer;
    });
    damaged.all_differ();
}

#[test]
fn other_announcements_and_demands() {
    let mut damaged = Damaged::default();
    for side in SIDES {
        damaged.add("chain name", "chain_mainnet", |record| {
            record[side]["announced_version"]["chain_name"] = "TEZOS_MAINNEX".into();
        });
        damaged.add("chain name that is no text", "chain_mainnet", |record| {
            record[side]["announced_version"]["chain_name"] = json!({"invalid_utf8_string": [84, 255]});
        });
        for version in ["distributed_db_version", "p2p_version"] {
            damaged.add(version, "chain_mainnet", |record| {
                record[side]["announced_version"][version] = 0.into();
            });
        }
        damaged.add("port", "port_65535", |record| {
            record[side]["advertised_port"] = 9732.into();
        });
        damaged.add("difficulty", "pow_16", |record| {
            record[side]["required_difficulty"] = 255.5.into();
        });
        for flag in ["disable_mempool", "private_node"] {
            damaged.add(flag, "meta_1", |record| flip(&mut record[side]["metadata"][flag]));
        }
    }
    damaged.add("smaller chunks", "chunk_100", |record| {
        record["dialer"]["chunk_size"] = 99.into();
    });
    damaged.add("larger chunks", "chunk_100", |record| {
        record["dialer"]["chunk_size"] = 101.into();
    });
    damaged.add("smaller chunks", "ack_size_65514", |record| {
        for side in SIDES {
            record[side]["chunk_size"] = 65000.into();
        }
    });
    damaged.add("no difficulty", "err_pow_dialer_weak", |record| {
        record["listener"]["required_difficulty"] = 0.into();
    });
    damaged.all_differ();
}

fn flip(flag: &mut Value) {
    *flag = (!flag.as_bool().unwrap()).into();
}

#[test]
fn other_answers() {
    let mut damaged = Damaged::default();
    let session = "nack_l_already_connected_1";
    let plan = |motive: &str, points: &[&str]| json!({"motive": motive, "alternative_points": points});
    let points = &["10.0.0.1:9732"];
    damaged.add("accept", session, |record| {
        record["listener"]["action"] = "accept".into();
        record["listener"]["nack"] = Value::Null;
    });
    damaged.add("nack", "ack_empty", |record| {
        record["dialer"]["action"] = "nack".into();
        record["dialer"]["nack"] = plan("no_motive", &[]);
    });
    damaged.add("motive", session, |record| {
        record["listener"]["nack"] = plan("no_motive", points);
    });
    damaged.add("unknown motive", session, |record| {
        record["listener"]["nack"] = plan("unknown:-32768", points);
    });
    damaged.add("no point", session, |record| {
        record["listener"]["nack"] = plan("already_connected", &[]);
    });
    damaged.add("other point", session, |record| {
        record["listener"]["nack"] = plan("already_connected", &["[::1]:9732"]);
    });
    damaged.add("too many points", session, |record| {
        record["listener"]["nack"] = plan("already_connected", &["10.0.0.1:9732"; 101]);
    });
    damaged.add("few enough points", "nack_l_101", |record| {
        record["listener"]["nack"]["alternative_points"]
            .as_array_mut()
            .unwrap()
            .pop();
    });
    damaged.add("a version that knows no motive", session, |record| {
        record["dialer"]["announced_version"]["p2p_version"] = 0.into();
    });
    damaged.all_differ();
}

#[test]
fn other_messages() {
    let mut damaged = Damaged::default();
    let session = "ack_small_both";
    let message = |contents: &[u8]| json!({"size": contents.len(), "sha256": hex::encode(Sha256::digest(contents)), "hex": hex::encode(contents)});
    for side in SIDES {
        let sends = |record: &mut Value, change: &dyn Fn(&mut Vec<Value>)| {
            change(record[side]["sends"].as_array_mut().unwrap());
        };
        damaged.add("other message", session, |record| {
            sends(record, &|sends| sends[1] = message(b"other"));
        });
        damaged.add("missing message", session, |record| {
            sends(record, &|sends| drop(sends.pop()));
        });
        damaged.add("additional message", session, |record| {
            sends(record, &|sends| sends.push(message(b"")));
        });
        damaged.add("other order", session, |record| {
            sends(record, &|sends| sends.swap(0, 3));
        });
        damaged.add("other digest", session, |record| {
            sends(record, &|sends| sends[0]["sha256"] = "07".repeat(32).into());
        });
        damaged.add("endless pattern", session, |record| {
            sends(record, &|sends| {
                sends[0] = json!({"size": u64::MAX, "sha256": "07".repeat(32), "pattern": u64::MAX});
            });
        });
    }
    damaged.all_differ();
}

#[test]
fn other_outcomes() {
    let mut damaged = Damaged::default();
    let other = |field: &Value| match field {
        Value::Bool(flag) => json!(!flag),
        Value::Number(number) => json!(number.as_u64().unwrap() + 1),
        Value::Null => json!([]),
        Value::Array(points) if points.is_empty() => Value::Null,
        Value::Array(points) => json!(points[1..]),
        Value::String(text) if text == "already_connected" => json!("unknown:7"),
        Value::String(text) => json!(format!("{text}_")),
        Value::Object(_) => Value::Null,
    };
    let sessions = [
        "ack_small_both",
        "nack_l_remote_p2p0",
        "nack_l_already_connected_1",
        "nack_l_101",
        "err_myself",
    ];
    for session in sessions {
        for side in SIDES {
            let outcome = recorded(session)[side]["outcome"].as_array().unwrap().clone();
            for (index, event) in outcome.iter().enumerate() {
                damaged.add(&format!("{side} without event {index}"), session, |record| {
                    record[side]["outcome"].as_array_mut().unwrap().remove(index);
                });
                damaged.add(&format!("{side} with event {index} twice"), session, |record| {
                    record[side]["outcome"]
                        .as_array_mut()
                        .unwrap()
                        .insert(index, event.clone());
                });
                for (field, value) in event.as_object().unwrap() {
                    if matches!(field.as_str(), "event" | "phase" | "motive") && value != "already_connected" {
                        continue;
                    }
                    for (inner, value) in value.as_object().into_iter().flatten() {
                        damaged.add(&format!("{side} event {index} {field} {inner}"), session, |record| {
                            record[side]["outcome"][index][field][inner] = other(value);
                        });
                    }
                    if !value.is_object() {
                        damaged.add(&format!("{side} event {index} {field}"), session, |record| {
                            record[side]["outcome"][index][field] = other(value);
                        });
                    }
                }
            }
        }
    }
    damaged.all_differ();
}
