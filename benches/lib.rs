//! Criterion benches, one file per layer, each with what one would take instead beside ours on the same work:
//! `cargo bench -p benches --bench crypto`, `framing`, `io_scheduler`, `socket`.
