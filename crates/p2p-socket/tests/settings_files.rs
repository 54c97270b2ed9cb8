//! Settings in configuration files.
#![cfg(feature = "serde")]

use std::time::Duration;

use p2p_crypto::{Difficulty, Identity};
use p2p_framing::{ChunkSize, MAX_RECEIVED_CHUNK_SIZE};
use p2p_io_scheduler::ByteSize;
use p2p_socket::{AdmissionLimits, ChainName, ConnectionOptions, Packing, Settings};

const NAME: &str = "chain_name = \"TEST\"\n";

fn read(rest: &str) -> Result<Settings, String> {
    toml::from_str(&format!("{NAME}{rest}")).map_err(|error| error.to_string())
}

/// What is wrong with a file, when it is read or when it is used.
fn complaint(rest: &str) -> String {
    match read(rest) {
        Ok(settings) => settings
            .config(Identity::generate(Difficulty::NONE))
            .unwrap_err()
            .to_string(),
        Err(error) => error,
    }
}

#[track_caller]
fn complains(rest: &str, words: &[&str]) {
    let error = complaint(rest);
    for word in words {
        assert!(error.contains(word), "{rest:?}: {error}");
    }
}

#[track_caller]
fn is_fine(rest: &str) {
    read(rest)
        .unwrap()
        .config(Identity::generate(Difficulty::NONE))
        .unwrap();
}

#[test]
fn only_the_chain_name_is_asked_for() {
    assert_eq!(read(""), Ok(Settings::new(ChainName::from("TEST"))));
    let error = toml::from_str::<Settings>("").unwrap_err().to_string();
    assert!(error.contains("missing field `chain_name`"), "{error}");
}

#[test]
fn every_setting_is_read() {
    let settings = read(
        r#"
        required_difficulty = 20.5
        advertised_port = 9732
        handshake_timeout = "1m 30s"
        memory_budget = "1 GiB"
        [limits]
        download = "10 MB/s"
        [connection]
        chunk_size = "16 KiB"
        packing = "one_message_per_chunk"
        incoming_queue = 1000000
        outgoing_queue = "1 MiB"
        [admission]
        half_open = 10
        half_open_per_network = 3
        offences = 4
        forgiveness = "500ms"
        remembered_offenders = 5
        "#,
    )
    .unwrap();
    let mut expected = Settings::new(ChainName::from("TEST"));
    expected.required_difficulty = Difficulty::try_from(20.5).unwrap();
    expected.advertised_port = Some(9732);
    expected.handshake_timeout = Duration::from_secs(90);
    expected.memory_budget = Some(ByteSize::new(1 << 30));
    expected.limits.download = Some("10 MB/s".parse().unwrap());
    expected.connection = ConnectionOptions {
        chunk_size: ChunkSize::new(16 * 1024).unwrap(),
        packing: Packing::OneMessagePerChunk,
        incoming_queue: 1_000_000,
        outgoing_queue: 1 << 20,
    };
    expected.admission = AdmissionLimits {
        half_open: 10,
        half_open_per_network: 3,
        offences: 4,
        forgiveness: Duration::from_millis(500),
        remembered_offenders: 5,
    };
    assert_eq!(settings, expected);
    let written = toml::to_string(&expected).unwrap();
    assert_eq!(toml::from_str::<Settings>(&written), Ok(expected), "{written}");
}

#[test]
fn a_config_has_what_the_file_says() {
    let settings = read("advertised_port = 9732\nmemory_budget = \"32 MiB\"").unwrap();
    let config = format!("{:?}", settings.config(Identity::generate(Difficulty::NONE)).unwrap());
    for words in [
        "advertised_port: Some(9732)",
        "handshake_timeout: 5s",
        "Difficulty(26)",
        "33554432",
    ] {
        assert!(config.contains(words), "{words}: {config}");
    }
}

#[test]
fn unknown_fields_are_refused_at_every_level() {
    complains(
        "handshake_timout = \"5s\"",
        &["line 2", "unknown field `handshake_timout`", "`handshake_timeout`"],
    );
    complains(
        "[connection]\nqueue = 1",
        &["line 3", "unknown field `queue`", "`incoming_queue`"],
    );
    complains("[admission]\nbanned = 1", &["unknown field `banned`", "`half_open`"]);
    complains("[limits]\nrate = 1", &["unknown field `rate`", "`upload`"]);
}

#[test]
fn wrong_units_and_types_are_told_with_what_to_write() {
    complains("handshake_timeout = 5", &["integer `5`", "a time such as \"5s\""]);
    complains(
        "handshake_timeout = \"5 parsecs\"",
        &["parsecs", "write a time such as \"5s\""],
    );
    complains(
        "memory_budget = \"1 lot\"",
        &["unknown unit \"lot\"", "write a size such as \"64 KiB\""],
    );
    complains("[limits]\nupload = \"10 MBit\"", &["write a rate such as \"10 MB/s\""]);
    complains("required_difficulty = 257", &["a number from 0 to 256, not 257"]);
    complains("advertised_port = 65536", &["65536"]);
    complains(
        "[connection]\npacking = \"loose\"",
        &["`loose`", "`packed`", "`one_message_per_chunk`"],
    );
    complains(
        "[connection]\nchunk_size = 18",
        &["invalid chunk size 18", "between 19 and 65535"],
    );
    complains(
        "[connection]\nchunk_size = \"64 KiB\"",
        &["invalid chunk size 65536", "between 19 and 65535"],
    );
}

#[test]
fn contradictions_are_told_at_their_limits() {
    let min = 2 * MAX_RECEIVED_CHUNK_SIZE;
    is_fine(&format!("[connection]\nincoming_queue = {min}"));
    complains(
        &format!("[connection]\nincoming_queue = {}", min - 1),
        &["[connection]", "incoming queue", &min.to_string()],
    );
    is_fine("[connection]\nchunk_size = 1000\noutgoing_queue = 1000");
    complains(
        "[connection]\nchunk_size = 1000\noutgoing_queue = 999",
        &["999 B", "write at least \"1 kB\"", "smaller chunk_size"],
    );
    is_fine("memory_budget = \"16 MiB\"");
    complains(
        "memory_budget = \"16777215\"",
        &["16777215 B", "write at least \"16 MiB\"", "smaller queues"],
    );
    is_fine("[admission]\nhalf_open = 16");
    complains(
        "[admission]\nhalf_open = 15",
        &["half_open_per_network = 16", "write at most 15"],
    );
    is_fine("handshake_timeout = \"1ns\"");
    complains("handshake_timeout = \"0s\"", &["handshake_timeout", "\"5s\""]);
}

#[test]
fn a_chain_name_that_is_no_text_is_not_written() {
    let settings = Settings::new(ChainName::from(&b"\xff"[..]));
    let error = toml::to_string(&settings).unwrap_err().to_string();
    assert!(error.contains("\\xff"), "{error}");
}
