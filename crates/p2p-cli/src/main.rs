//! The command-line tool `p2p`.

fn main() {}
