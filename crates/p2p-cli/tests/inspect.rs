//! `p2p inspect` opens recorded sessions from captures that the tests write.

mod captured;
mod common;
mod recorded;

use std::path::Path;

use bytes::BytesMut;
use captured::{Capture, ETHERNET, LINUX_SLL2, LOOPBACK, Piece, RAW, pieces, write_identity};
use common::{Finished, run, text};
use p2p_crypto::{ChannelKey, Nonce, Sealer};
use p2p_framing::{
    ChunkSealer, ChunkSize, PointList,
    encoding::{ControlEncoding, ControlMessage, TaggedPayload, TaggedPayloadEncoding},
};
use recorded::recorded;
use serde_json::{Value, json};
use tokio_util::codec::Encoder;

/// A folder with the identity of the dialer of a session.
struct Bench {
    directory: tempfile::TempDir,
}

impl Bench {
    fn new(session: &Value, side: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        write_identity(session, side, &directory.path().join("identity.json"));
        Self { directory }
    }

    fn inspect(&self, file: &[u8]) -> Finished {
        let [capture, identity] = ["capture", "identity.json"].map(|name| self.directory.path().join(name));
        std::fs::write(&capture, file).unwrap();
        run(["--json", "inspect", text(&capture), "--identity", text(&identity)])
    }
}

fn capture_of(pieces: &[Piece]) -> Capture {
    let mut capture = Capture::new(ETHERNET, false, 1000);
    pieces.iter().for_each(|piece| capture.send(piece));
    capture
}

/// Kind, offset and size of the frames that a side sent, as recorded sessions list them.
fn frames(finished: &Finished, from: &str) -> Value {
    let findings = finished.events("finding").into_iter();
    let frames = findings.filter(|finding| finding["from"] == from && !finding["frame"].is_null());
    let row = |frame: Value| {
        let kind = match frame["frame"].as_str().unwrap() {
            "nack" => "ack",
            kind => kind,
        };
        json!([kind, frame["offset"], frame["size"]])
    };
    frames.map(row).collect()
}

fn faults(finished: &Finished) -> Vec<String> {
    let findings = finished.events("finding").into_iter();
    findings
        .filter_map(|finding| finding["fault"].as_str().map(str::to_owned))
        .collect()
}

#[test]
fn recorded_sessions_open_with_the_identity_of_either_side() {
    for name in [
        "chain_mainnet",
        "ack_small_both",
        "chunk_19",
        "meta_3",
        "nack_l_too_many_connections_30",
    ] {
        let session = recorded(name);
        for side in ["dialer", "listener"] {
            let inspected = Bench::new(&session, side).inspect(&capture_of(&pieces(&session, 50)).pcap());
            inspected.expect_success();
            for (from, direction) in [("initiator", "dialer_to_listener"), ("responder", "listener_to_dialer")] {
                assert_eq!(
                    frames(&inspected, from),
                    session["frames"][direction],
                    "{name} {direction}"
                );
            }
            let findings = inspected.events("finding");
            let hello = findings
                .iter()
                .find(|finding| finding["frame"] == "connection_message")
                .unwrap();
            assert_eq!(hello["peer_id"], session["dialer"]["identity"]["peer_id"]);
            assert_eq!(
                hello["chain_name"],
                session["dialer"]["announced_version"]["chain_name"]
            );
            let sent = findings.iter().filter(|finding| finding["message"].is_string());
            let expected = ["dialer", "listener"].map(|side| session[side]["sends"].as_array().unwrap().len());
            assert_eq!(sent.count(), expected.iter().sum::<usize>(), "{name}");
        }
    }
}

#[test]
fn a_nack_is_told_with_its_motive_and_points() {
    let session = recorded("nack_l_too_many_connections_30");
    let inspected = Bench::new(&session, "dialer").inspect(&capture_of(&pieces(&session, 1000)).pcap());
    let findings = inspected.events("finding");
    let nack = findings.iter().find(|finding| finding["frame"] == "nack").unwrap();
    assert_eq!((&nack["motive"], &nack["from"]), (&json!(1), &json!("responder")));
    assert_eq!(nack["points"].as_array().unwrap().len(), 30);
}

#[test]
fn order_repetition_format_and_link_make_no_difference() {
    let session = recorded("ack_small_both");
    let bench = Bench::new(&session, "listener");
    let in_order = pieces(&session, 37);
    let expected = frames(&bench.inspect(&capture_of(&in_order).pcap()), "initiator");

    // Neighbours change places, and every third comes again, longer than before.
    let mut shuffled = in_order.clone();
    shuffled.chunks_exact_mut(4).for_each(<[Piece]>::reverse);
    let again: Vec<_> = pieces(&session, 61).into_iter().step_by(3).collect();
    for (index, piece) in again.into_iter().enumerate() {
        shuffled.insert((index * 4).min(shuffled.len()), piece);
    }
    for (link, ipv6, first_sequence) in [
        (ETHERNET, true, 0),
        (LOOPBACK, false, u32::MAX - 20),
        (RAW, true, u32::MAX),
        (LINUX_SLL2, false, 1 << 31),
    ] {
        let mut capture = Capture::new(link, ipv6, first_sequence);
        shuffled.iter().for_each(|piece| capture.send(piece));
        for file in [capture.pcap(), capture.pcapng()] {
            let inspected = bench.inspect(&file);
            inspected.expect_success();
            assert_eq!(frames(&inspected, "initiator"), expected, "{link} {ipv6}");
        }
    }
}

#[test]
fn messages_of_nodes_are_told_as_what_they_are() {
    let session = recorded("chain_mainnet");
    let mut key = [0; 32];
    hex::decode_to_slice(session["channel_key"].as_str().unwrap(), &mut key).unwrap();
    let mut nonce = [0; 24];
    hex::decode_to_slice(session["dialer_send_nonce"].as_str().unwrap(), &mut nonce).unwrap();
    // Two chunks, metadata and ack, have been sealed before.
    let nonce = Nonce::from_bytes(nonce).incremented().incremented();
    let mut sealer = ChunkSealer::new(Sealer::new(ChannelKey::from_bytes(key), nonce), ChunkSize::MAX);
    let mut stream = BytesMut::new();
    let points = PointList::new(vec!["192.0.2.1:9732".parse().unwrap()]).unwrap();
    for message in [
        ControlMessage::Bootstrap,
        ControlMessage::Advertise(points),
        ControlMessage::Application(TaggedPayload {
            tag: 0x10,
            payload: vec![0xff; 3].into(),
        }),
        ControlMessage::Disconnect,
    ] {
        ControlEncoding::new(TaggedPayloadEncoding)
            .encode(message, &mut stream)
            .unwrap();
    }
    let mut wire = BytesMut::new();
    sealer.seal_run([&stream[..]], &mut wire).unwrap();
    let mut all = pieces(&session, 1000);
    all.push(Piece {
        from_dialer: true,
        offset: session["wire_len"]["dialer_to_listener"].as_u64().unwrap() as usize,
        bytes: wire.to_vec(),
    });

    let inspected = Bench::new(&session, "dialer").inspect(&capture_of(&all).pcap());
    inspected.expect_success();
    let findings = inspected.events("finding").into_iter();
    let messages: Vec<_> = findings.filter(|finding| finding["message"].is_string()).collect();
    let names: Vec<_> = messages
        .iter()
        .map(|message| message["message"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["bootstrap", "advertise", "application", "disconnect"]);
    assert_eq!(messages[1]["points"], json!(["192.0.2.1:9732"]));
    assert_eq!(messages[2]["payload"], "0xffffff");
    // Two packets of dialling and two of the handshake came before, each a microsecond after the other.
    let micros = messages[0]["time"].as_f64().unwrap() - 1_700_000_000.0;
    assert!((micros - 4e-6).abs() < 1e-6, "{micros}");
}

#[test]
fn with_the_identity_of_somebody_else_only_sizes_are_told() {
    let session = recorded("chain_mainnet");
    let bench = Bench::new(&session, "dialer");
    let file = bench.directory.path().join("identity.json");
    std::fs::remove_file(&file).unwrap();
    run(["identity", "generate", "--difficulty", "0", "--output", text(&file)]).expect_success();
    let inspected = bench.inspect(&capture_of(&pieces(&session, 1000)).pcap());
    assert_eq!(inspected.status, Some(11), "{inspected:?}");
    assert!(faults(&inspected)[0].contains("nothing can be opened"), "{inspected:?}");
    assert_eq!(
        frames(&inspected, "initiator"),
        json!([["connection_message", 0, 105], ["sealed", 105, 20], ["sealed", 125, 19]])
    );
}

#[test]
fn damage_is_told_where_it_is_and_the_other_direction_goes_on() {
    let session = recorded("ack_small_both");
    let bench = Bench::new(&session, "dialer");
    let mut damaged = pieces(&session, 4096);
    let metadata = damaged.iter_mut().find(|piece| piece.from_dialer).unwrap();
    metadata.bytes[110] ^= 1; // in the metadata, which begins at byte 107
    let inspected = bench.inspect(&capture_of(&damaged).pcap());
    assert_eq!(inspected.status, Some(11));
    assert!(
        faults(&inspected)[0].contains("decipher error in the chunk at byte 107"),
        "{inspected:?}"
    );
    assert_eq!(frames(&inspected, "responder"), session["frames"]["listener_to_dialer"]);

    let mut lacking = pieces(&session, 60);
    lacking.remove(4);
    let inspected = bench.inspect(&capture_of(&lacking).pcap());
    assert_eq!(inspected.status, Some(11));
    assert!(faults(&inspected)[0].contains("lacks a segment"), "{inspected:?}");
}

#[test]
fn files_that_are_no_captures_are_told_and_the_readable_part_of_one_is_not_lost() {
    let session = recorded("chain_mainnet");
    let bench = Bench::new(&session, "dialer");
    for file in [&b""[..], b"no capture at all, only text that is long enough"] {
        bench.inspect(file).expect_error(10, "neither a pcap nor a pcapng file");
    }
    let mut file = capture_of(&pieces(&session, 1000)).pcap();
    file.extend([0; 20]);
    let inspected = bench.inspect(&file);
    inspected.expect_error(10, "ends in the middle of a packet");
    assert_eq!(frames(&inspected, "initiator"), session["frames"]["dialer_to_listener"]);

    let mut file = capture_of(&[]).pcap();
    file[20] = 105;
    bench.inspect(&file).expect_error(10, "link type 105");
    run(["inspect", "/does/not/exist", "--identity", "/does/not/exist"]).expect_error(3, "/does/not/exist");
}

#[test]
fn a_connection_without_its_beginning_is_skipped_and_counted() {
    let session = recorded("chain_mainnet");
    let mut file = capture_of(&pieces(&session, 1000)).pcap();
    // Without the packet that dials: 24 bytes of header, 16 + 54 of the packet.
    file.drain(24..24 + 70);
    let inspected = Bench::new(&session, "dialer").inspect(&file);
    assert_eq!(inspected.status, Some(11));
    let end = &inspected.events("inspected")[0];
    assert_eq!((&end["connections"], &end["skipped_segments"]), (&json!(0), &json!(2)));
}

#[test]
fn people_read_one_line_for_each_frame() {
    let session = recorded("chain_mainnet");
    let bench = Bench::new(&session, "dialer");
    let capture = bench.directory.path().join("capture");
    std::fs::write(&capture, capture_of(&pieces(&session, 1000)).pcap()).unwrap();
    let identity = bench.directory.path().join("identity.json");
    let inspected = run(["inspect", text(&capture), "--identity", text(&identity)]);
    inspected.expect_success();
    let lines: Vec<_> = inspected.stdout.lines().collect();
    assert_eq!(lines.len(), 8, "{}", inspected.stdout);
    assert_eq!(lines[0], "[0]     0.000000  127.0.0.1:40000 dials 127.0.0.1:9732");
    assert!(lines[1].starts_with("[0]     0.000002  ->   105 bytes  connection message of id"));
    assert_eq!(lines[7], "4 packets, 1 connection, 0 faults");
}

#[test]
fn the_dissector_knows_no_socket() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/inspect");
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let source = std::fs::read_to_string(&path).unwrap();
        for layer in ["p2p_socket", "p2p_io_scheduler"] {
            assert!(!source.contains(layer), "{} needs {layer}", path.display());
        }
    }
}
