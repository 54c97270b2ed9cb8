//! What the tests of `p2p replay` share.
#![allow(dead_code, reason = "every test program uses its own part of it")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use serde_json::Value;

use crate::common::p2p;

pub(crate) fn recorded_sessions() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/sessions")
}

pub(crate) fn recorded(name: &str) -> Value {
    let text = fs::read_to_string(recorded_sessions().join(format!("{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

pub(crate) fn replay(options: &[&str], path: &Path) -> Output {
    p2p(["replay"]).args(options).arg(path).output().unwrap()
}

pub(crate) fn events(output: &Output) -> Vec<Value> {
    let lines = std::str::from_utf8(&output.stdout).unwrap().lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}
