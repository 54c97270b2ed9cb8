//! Criterion benches, one file per layer, each with what one would take instead beside ours on the same work:
//! `cargo bench -p benches --bench crypto`, `framing`, `io_scheduler`, `socket`.
//!
//! What takes seconds rather than nanoseconds to measure is a report: `cargo xtask bench scheduler` runs
//! `scheduler_report.rs`, and so on. [`report`] is how reports show what they found.

pub mod report;
