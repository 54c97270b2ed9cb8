//! Writes captures of recorded sessions.

use std::path::Path;

use etherparse::PacketBuilder;
use serde_json::Value;

/// What one side sends at a time.
#[derive(Clone)]
pub(crate) struct Piece {
    pub(crate) from_dialer: bool,
    /// Of the first byte, in the direction.
    pub(crate) offset: usize,
    pub(crate) bytes: Vec<u8>,
}

/// A capture in the making. Each packet is a microsecond after the one before.
pub(crate) struct Capture {
    link: u32,
    ipv6: bool,
    first_sequence: u32,
    packets: Vec<Vec<u8>>,
}

pub(crate) const ETHERNET: u32 = 1;
pub(crate) const LOOPBACK: u32 = 0;
pub(crate) const RAW: u32 = 101;
pub(crate) const LINUX_SLL2: u32 = 276;

const DIALER_PORT: u16 = 40_000;
const LISTENER_PORT: u16 = 9732;

impl Capture {
    /// A capture that begins with the dialling.
    pub(crate) fn new(link: u32, ipv6: bool, first_sequence: u32) -> Self {
        let mut capture = Self {
            link,
            ipv6,
            first_sequence,
            packets: Vec::new(),
        };
        let before = first_sequence.wrapping_sub(1);
        capture.packet(true, before, &[], |tcp| tcp.syn = true);
        capture.packet(false, before, &[], |tcp| (tcp.syn, tcp.ack) = (true, true));
        capture
    }

    pub(crate) fn send(&mut self, piece: &Piece) {
        let sequence = self.first_sequence.wrapping_add(piece.offset as u32);
        self.packet(piece.from_dialer, sequence, &piece.bytes, |tcp| tcp.ack = true);
    }

    fn packet(&mut self, from_dialer: bool, sequence: u32, payload: &[u8], flags: impl Fn(&mut etherparse::TcpHeader)) {
        let (source, destination) = if from_dialer {
            (DIALER_PORT, LISTENER_PORT)
        } else {
            (LISTENER_PORT, DIALER_PORT)
        };
        let mut header = etherparse::TcpHeader::new(source, destination, sequence, 65_000);
        flags(&mut header);
        let mut packet = Vec::new();
        let ethernet = PacketBuilder::ethernet2([2; 6], [3; 6]);
        if self.ipv6 {
            let address = std::net::Ipv6Addr::LOCALHOST.octets();
            ethernet
                .ipv6(address, address, 64)
                .tcp_header(header)
                .write(&mut packet, payload)
                .unwrap();
        } else {
            let address = [127, 0, 0, 1];
            ethernet
                .ipv4(address, address, 64)
                .tcp_header(header)
                .write(&mut packet, payload)
                .unwrap();
        }
        let ip = packet.split_off(14);
        let link_header = match self.link {
            ETHERNET => packet,
            LOOPBACK => vec![2, 0, 0, 0],
            RAW => Vec::new(),
            LINUX_SLL2 => vec![0; 20],
            other => panic!("link type {other}"),
        };
        self.packets.push([link_header, ip].concat());
    }

    /// The packets as a pcap file.
    pub(crate) fn pcap(&self) -> Vec<u8> {
        let mut file = Vec::new();
        file.extend(0xa1b2_c3d4_u32.to_le_bytes());
        file.extend([2, 0, 4, 0]);
        for field in [0, 0, 262_144, self.link] {
            file.extend(field.to_le_bytes());
        }
        for (index, packet) in self.packets.iter().enumerate() {
            for field in [1_700_000_000, index as u32, packet.len() as u32, packet.len() as u32] {
                file.extend(field.to_le_bytes());
            }
            file.extend(packet);
        }
        file
    }

    /// The packets as a pcapng file, big-endian for a change.
    pub(crate) fn pcapng(&self) -> Vec<u8> {
        let mut file = block(
            0x0a0d_0d0a,
            &[
                0x1a, 0x2b, 0x3c, 0x4d, 0, 1, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255,
            ],
        );
        let [.., a, b] = self.link.to_be_bytes();
        file.extend(block(1, &[a, b, 0, 0, 0, 4, 0, 0]));
        for (index, packet) in self.packets.iter().enumerate() {
            let units = 1_700_000_000_000_000 + index as u64;
            let mut body = vec![0; 4];
            body.extend(units.to_be_bytes());
            body.extend((packet.len() as u32).to_be_bytes());
            body.extend((packet.len() as u32).to_be_bytes());
            body.extend(packet);
            body.resize(body.len().next_multiple_of(4), 0);
            file.extend(block(6, &body));
        }
        file
    }
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let size = (body.len() as u32 + 12).to_be_bytes();
    [&kind.to_be_bytes()[..], &size, body, &size].concat()
}

/// Both directions of a recorded session in pieces of so many bytes, one side after the other.
pub(crate) fn pieces(session: &Value, size: usize) -> Vec<Piece> {
    let direction = |name: &str, from_dialer| {
        let wire = hex::decode(session["wire"][name].as_str().unwrap()).unwrap();
        let chunks = wire.chunks(size).enumerate();
        let pieces = chunks.map(|(index, bytes)| Piece {
            from_dialer,
            offset: index * size,
            bytes: bytes.to_vec(),
        });
        pieces.collect::<Vec<_>>()
    };
    let (dialer, listener) = (
        direction("dialer_to_listener", true),
        direction("listener_to_dialer", false),
    );
    let mut pieces = Vec::new();
    for index in 0..dialer.len().max(listener.len()) {
        pieces.extend(dialer.get(index).cloned());
        pieces.extend(listener.get(index).cloned());
    }
    pieces
}

/// Writes the identity of a side.
pub(crate) fn write_identity(session: &Value, side: &str, path: &Path) {
    std::fs::write(path, session[side]["identity"].to_string()).unwrap();
}
