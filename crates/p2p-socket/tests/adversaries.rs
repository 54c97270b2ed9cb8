//! What a remote gets that misbehaves: a table of remotes, played in both roles against the real driver.

mod common;
#[path = "common/misbehaviour.rs"]
mod misbehaviour;
#[path = "common/resets.rs"]
mod resets;

use std::{collections::BTreeSet, time::Duration};

use common::{ROLES, against, ours};
use misbehaviour::{Outcome, list, number, play, text};
use p2p_crypto::Role;
use p2p_socket::{Metadata, NodeMetadata};
use serde_json::Value;

fn rows() -> Vec<Value> {
    let rows: Vec<Value> = serde_json::from_str(include_str!("vectors/misbehaviours.json")).unwrap();
    assert!(rows.len() >= 120, "{} rows", rows.len());
    rows
}

/// How many bytes we send in the whole of each step: connection message, metadata, ack.
fn sent_in_steps() -> [usize; 3] {
    let (_, adversary) = against(Role::Initiator);
    [adversary.hello().len(), 20, 19]
}

/// What the remote must see of us after its part of the rules: the rest of the steps that we took.
fn expected_seen(row: &Value) -> usize {
    let taken = match text(&row["until"]) {
        "connected" => 0,
        "greeted" => 1,
        "authenticated" => 2,
        _ => 3,
    };
    let error = text(&row["error"]);
    let steps = match error.split_once('.').unwrap().0 {
        "Authenticate" if error.contains("connection message") => 1,
        "Authenticate"
            if ["Weak", "NotEnough", "TooLarge"]
                .iter()
                .any(|name| error.contains(name)) =>
        {
            1
        }
        "Authenticate" => 2,
        _ => 3,
    };
    sent_in_steps()[taken.min(steps)..steps].iter().sum()
}

#[tokio::test(start_paused = true)]
async fn every_misbehaviour_ends_as_it_must_in_both_roles() {
    let mut wrong = Vec::new();
    for row in rows() {
        let expected = Outcome {
            received: list(&row["received"]).iter().map(number).collect(),
            error: text(&row["error"]).into(),
            elapsed: match row["seconds"].as_u64() {
                Some(seconds) => Duration::from_secs(seconds),
                None if row["then"] == "close later" => Duration::from_secs(1),
                None => Duration::ZERO,
            },
            seen: None,
        };
        let seen = (row["then"] != "close" && row["then"] != "reset").then(|| expected_seen(&row));
        let expected = Outcome { seen, ..expected };
        for role in ROLES {
            let outcome = play(&row, role).await;
            if outcome != expected {
                wrong.push(format!("{} as {role:?}: {outcome:?}, not {expected:?}", row["name"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_names_are_unique() {
    let rows = rows();
    let names: BTreeSet<&str> = rows.iter().map(|row| text(&row["name"])).collect();
    assert_eq!(names.len(), rows.len());
}

/// The Octez name of one of our errors.
fn reference_name(error: &str) -> &'static str {
    let name = error.split_once('.').unwrap().1.split('(').next().unwrap();
    match name {
        "Timeout" => "utils.Timeout",
        "ConnectionClosed" | "ClosedByPeer" | "Truncated" | "Io" => "node.p2p_io_scheduler.connection_closed",
        "Decoding" => "decoding_error",
        "NotEnoughProofOfWork" => "node.p2p_socket.not_enough_proof_of_work",
        "WeakPublicKey" => "Error computing box_beforenm",
        "InvalidCiphertextSize" => "node.p2p_socket.invalid_incoming_ciphertext_size",
        "Decipher" => "node.p2p_socket.decipher_error",
        "Myself" => "node.p2p_socket.myself",
        "RejectedSocketConnection" => "node.p2p_socket.rejected_socket_connection",
        "InvalidAuthentication" => "node.p2p_socket.invalid_auth",
        "RejectedByNack" => "node.p2p_socket.rejected_by_nack",
        other => panic!("{other} has no Octez name: the row must say why it differs"),
    }
}

#[test]
fn every_recorded_reaction_of_the_reference_has_a_row_that_agrees_or_says_why_not() {
    let recorded: Vec<Value> = serde_json::from_str(include_str!("vectors/reactions.json")).unwrap();
    assert_eq!(recorded.len(), 60);
    let rows = rows();
    for reaction in recorded {
        let scenario = text(&reaction["scenario"]);
        let row = rows.iter().find(|row| row["reference"] == scenario);
        let row = row.unwrap_or_else(|| panic!("no row for {scenario}"));
        if row["differs"].is_string() {
            continue;
        }
        let events: Vec<&str> = list(&reaction["octez"]).iter().map(text).collect();
        let received: Vec<Value> = events
            .iter()
            .filter_map(|event| event.strip_prefix("recv(")?.strip_suffix(')')?.parse().ok())
            .collect();
        assert_eq!(list(&row["received"]), received, "{scenario}");
        let (error, last) = (text(&row["error"]), *events.last().unwrap());
        let stage = match error.split_once('.').unwrap().0 {
            "Authenticate" => ["error@authenticate[", "exception:"],
            "Accept" => ["error@accept["; 2],
            _ => ["app_end:error["; 2],
        };
        assert!(stage.iter().any(|stage| last.starts_with(stage)), "{scenario}: {last}");
        assert!(last.contains(reference_name(error)), "{scenario}: {last}, not {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_any_non_zero_byte_of_metadata_means() {
    for (plaintext, disable_mempool, private_node) in
        [([0, 1], false, true), ([0xff, 0xff], true, true), ([2, 0], true, false)]
    {
        for role in ROLES {
            let (io, mut adversary) = against(role);
            let (peer, ()) = tokio::join!(ours(io, role), async {
                adversary.greet().await;
                let metadata = adversary.seal(&plaintext);
                adversary.send(&metadata).await;
            });
            let peer = peer.unwrap();
            let expected = NodeMetadata {
                disable_mempool,
                private_node,
            };
            assert_eq!(peer.info().remote_metadata, expected);
            assert_eq!(peer.info().private_node, expected.is_private());
        }
    }
}
