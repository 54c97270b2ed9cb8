//! Criterion benches, one file per layer, each with what one would take instead beside ours on the same work:
//! `cargo bench -p benches --bench crypto`, `framing`, `io_scheduler`, `socket`. With `--features peers`, libsodium is
//! among the peers.
//!
//! Reports take the same measurements in turns and set them against goals: `cargo xtask bench` runs them all, and
//! `cargo xtask bench crypto` runs `crypto_report.rs`. [`contest`] is how they measure, [`peers`] what they compare with
//! and [`report`] how they show what they found.

pub mod contest;
pub mod options;
pub mod peers;
pub mod report;
