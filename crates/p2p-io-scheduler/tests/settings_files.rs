//! Limits and options in configuration files.
#![cfg(feature = "serde")]

use p2p_io_scheduler::{ByteSize, BytesPerSecond, Limits, RegisterOptions, Weight};
use serde::{Deserialize, Serialize};

fn rate(bytes: u64) -> Option<BytesPerSecond> {
    Some(bytes.try_into().unwrap())
}

fn limits(text: &str) -> Result<Limits, String> {
    toml::from_str(text).map_err(|error| error.to_string())
}

#[track_caller]
fn complains(text: &str, words: &[&str]) {
    let error = limits(text).unwrap_err();
    for word in words {
        assert!(error.contains(word), "{text:?}: {error}");
    }
}

#[test]
fn rates_are_texts_or_numbers_and_may_be_left_out() {
    assert_eq!(limits(""), Ok(Limits::default()));
    let expected = Limits {
        download: rate(10_000_000),
        upload: rate(1200),
    };
    assert_eq!(limits("download = \"10 MB/s\"\nupload = 1200"), Ok(expected));
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_what_to_write() {
    complains(
        "upload = \"10 Mbit\"",
        &["line 1", "unknown unit \"Mbit\"", "write a rate such as \"10 MB/s\""],
    );
    complains("upload = \"fast\"", &["decimal number", "write a rate such as"]);
    complains(
        "upload = 0",
        &["at least one byte per second", "leave it out for no limit"],
    );
    complains("upload = -1", &["-1", "a rate such as \"10 MB/s\""]);
    complains("upload = true", &["a rate such as \"10 MB/s\""]);
    complains("uplaod = 1", &["unknown field `uplaod`", "`download`", "`upload`"]);
}

#[test]
fn options_have_sizes_and_a_weight() {
    let options = |text| toml::from_str::<RegisterOptions>(text);
    let expected = RegisterOptions {
        weight: Weight::new(1000).unwrap(),
        write_queue: 65_536,
        ..RegisterOptions::default()
    };
    assert_eq!(options("weight = 1000\nwrite_queue = \"64 KiB\""), Ok(expected));
    for (text, complaint) in [
        ("weight = 0", "a weight is a number from 1 to 1000, not 0"),
        ("weight = 1001", "a weight is a number from 1 to 1000, not 1001"),
        ("read_queue = \"1 KB/s\"", "write a size such as \"64 KiB\""),
        ("reed_queue = 1", "unknown field `reed_queue`"),
    ] {
        let error = options(text).unwrap_err().to_string();
        assert!(error.contains(complaint), "{text:?}: {error}");
    }
}

#[test]
fn what_is_written_reads_back() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct File {
        size: ByteSize,
        limits: Limits,
        options: RegisterOptions,
    }
    for bytes in [1, 1500, 1 << 20, i64::MAX as u64, u64::MAX] {
        let file = File {
            size: ByteSize::new(bytes),
            limits: Limits {
                download: rate(bytes),
                upload: None,
            },
            options: RegisterOptions {
                write_queue: 12_345_678,
                ..RegisterOptions::default()
            },
        };
        let text = toml::to_string(&file).unwrap();
        assert_eq!(toml::from_str::<File>(&text), Ok(file), "{text}");
    }
}
