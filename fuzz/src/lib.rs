//! What is fuzzed: functions that take any bytes and panic if a promise is broken.
//!
//! `cargo xtask fuzz` runs them under libFuzzer, which looks for inputs that reach new code. Each begins with the inputs
//! in `fuzz/seeds/NAME`, which `cargo test` runs, too.

mod adversary;
mod boxes;
mod chunks;
mod connections;
mod handshakes;
mod messages;
mod records;
mod script;
mod tampering;

/// One function to fuzz.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name on the command line, and that of its folder of seeds.
    pub name: &'static str,
    /// Panics if a promise is broken.
    pub run: fn(&[u8]),
}

/// Everything that is fuzzed.
pub const TARGETS: &[Target] = &[
    Target {
        name: "ack",
        run: records::ack,
    },
    Target {
        name: "bincode_messages",
        run: messages::bincode,
    },
    Target {
        name: "chunk_stream",
        run: chunks::run,
    },
    Target {
        name: "connection_message",
        run: records::connection_message,
    },
    Target {
        name: "connections",
        run: connections::run,
    },
    Target {
        name: "control_messages",
        run: messages::control,
    },
    Target {
        name: "handshake_initiator",
        run: handshakes::initiator,
    },
    Target {
        name: "handshake_responder",
        run: handshakes::responder,
    },
    Target {
        name: "identity_json",
        run: records::identity_json,
    },
    Target {
        name: "point",
        run: records::point,
    },
    Target {
        name: "postcard_messages",
        run: messages::postcard,
    },
    Target {
        name: "raw_messages",
        run: messages::raw,
    },
    Target {
        name: "sealed_boxes",
        run: boxes::run,
    },
    Target {
        name: "tampered_handshake",
        run: tampering::handshake,
    },
    Target {
        name: "tampered_stream",
        run: tampering::stream,
    },
];
