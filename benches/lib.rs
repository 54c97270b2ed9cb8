//! Criterion benches, one file per layer, each with what one would take instead beside ours on the same work:
//! `cargo bench -p benches --bench crypto`, `framing`, `io_scheduler`, `socket`. With `--features peers`, libsodium is
//! among the peers.
//!
//! Reports take the same measurements in turns and set them against goals: `cargo xtask bench` runs them all, and
//! `cargo xtask bench crypto` runs `crypto_report.rs`. [`contest`] is how they measure, [`peers`] what they compare with,
//! and [`findings`] how they keep the [rows](report) that they find; [`plot`] and [`document`] bring those to the reader.

pub mod contest;
pub mod document;
pub mod findings;
pub mod options;
pub mod peers;
pub mod plot;
pub mod report;
pub mod statistics;
