//! Reads TCP segments from a capture, pcap or pcapng.

use std::{io::Read, net::IpAddr, net::SocketAddr, ops::ControlFlow, time::Duration};

use etherparse::{LaxNetSlice, LaxSlicedPacket, TransportSlice};
use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError, create_reader};

/// The buffer of the reader, in bytes: a packet must fit into it. Capture tools write at most 256 KiB of each.
const BUFFER: usize = 1024 * 1024;

/// A segment of a TCP connection.
#[derive(Debug)]
pub(super) struct Segment<'a> {
    /// Since the beginning of 1970.
    pub(super) time: Duration,
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) sequence: u32,
    pub(super) syn: bool,
    pub(super) ack: bool,
    pub(super) fin: bool,
    pub(super) rst: bool,
    pub(super) payload: &'a [u8],
}

/// How many packets there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PacketCount {
    pub(super) packets: u64,
    /// Those with a TCP segment.
    pub(super) segments: u64,
}

/// Why a capture can not be read on.
#[derive(Debug, thiserror::Error)]
pub(super) enum CaptureError {
    #[error("neither a pcap nor a pcapng file")]
    NotACapture,
    #[error("it ends in the middle of a packet")]
    Truncated,
    #[error("its link type {0} is none that is understood: Ethernet, raw IP, BSD loopback and Linux cooked are")]
    LinkType(i32),
    #[error("damaged: {0}")]
    Damaged(String),
}

/// Hands every TCP segment to `sink`, in the order of the capture, until that breaks.
///
/// What was read before an error has been handed out.
pub(super) fn read<R: Read + Send>(
    input: R,
    mut sink: impl FnMut(&Segment<'_>) -> ControlFlow<()>,
) -> Result<PacketCount, CaptureError> {
    let mut reader = create_reader(BUFFER, input).map_err(|error| CaptureError::of(&error, true))?;
    let mut count = PacketCount::default();
    let mut interfaces = Interfaces::default();
    loop {
        let (size, block) = match reader.next() {
            Ok(next) => next,
            Err(PcapError::Eof) => return Ok(count),
            Err(PcapError::Incomplete(_)) => {
                reader.refill().map_err(|error| CaptureError::of(&error, false))?;
                continue;
            }
            Err(error) => return Err(CaptureError::of(&error, false)),
        };
        if let Some(packet) = interfaces.packet(&block)? {
            count.packets += 1;
            if let Some(segment) = packet.segment() {
                count.segments += 1;
                if sink(&segment).is_break() {
                    return Ok(count);
                }
            }
        }
        reader.consume(size);
    }
}

impl CaptureError {
    fn of(error: &PcapError<&[u8]>, first: bool) -> Self {
        match error {
            _ if first => Self::NotACapture,
            PcapError::HeaderNotRecognized => Self::NotACapture,
            PcapError::UnexpectedEof | PcapError::Eof | PcapError::Incomplete(_) => Self::Truncated,
            PcapError::ReadError => Self::Damaged("it can not be read on".to_owned()),
            PcapError::BufferTooSmall => Self::Damaged(format!("it has a packet of more than {BUFFER} bytes")),
            _ => Self::Damaged("it has something that is no packet".to_owned()),
        }
    }
}

/// What the headers of the capture say of the packets.
#[derive(Default)]
struct Interfaces {
    /// Of a pcap file.
    legacy: Option<(Linktype, bool)>,
    /// Of the current section of a pcapng file: link type, time offset in seconds, time units a second.
    sections: Vec<(Linktype, i64, u64)>,
}

/// The most interfaces of a section. Capture tools write a handful.
///
/// # Security
///
/// A capture is a file of strangers, perhaps: it must not make us hold more than some kilobytes of headers.
const MAX_INTERFACES: usize = 1024;

struct Packet<'a> {
    time: Duration,
    link: Linktype,
    data: &'a [u8],
}

impl Interfaces {
    /// The packet of a block, if it is one.
    fn packet<'a>(&mut self, block: &'a PcapBlockOwned<'_>) -> Result<Option<Packet<'a>>, CaptureError> {
        let whole = |data: &'a [u8], length: u32| data.get(..length as usize).unwrap_or(data);
        match block {
            PcapBlockOwned::LegacyHeader(header) => {
                check_link(header.network)?;
                self.legacy = Some((header.network, header.is_nanosecond_precision()));
                Ok(None)
            }
            PcapBlockOwned::Legacy(packet) => Ok(self.legacy.map(|(link, nanoseconds)| Packet {
                time: time(
                    packet.ts_sec.into(),
                    packet.ts_usec.into(),
                    if nanoseconds { 1_000_000_000 } else { 1_000_000 },
                ),
                link,
                data: whole(packet.data, packet.caplen),
            })),
            PcapBlockOwned::NG(Block::SectionHeader(_)) => {
                self.sections.clear();
                Ok(None)
            }
            PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
                check_link(interface.linktype)?;
                if self.sections.len() >= MAX_INTERFACES {
                    return Err(CaptureError::Damaged(format!("more than {MAX_INTERFACES} interfaces")));
                }
                let resolution = interface.ts_resolution().filter(|units| *units > 0);
                self.sections.push((
                    interface.linktype,
                    interface.ts_offset(),
                    resolution.unwrap_or(1_000_000),
                ));
                Ok(None)
            }
            PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                let Some((link, offset, resolution)) = self.sections.get(packet.if_id as usize) else {
                    return Err(CaptureError::Damaged(
                        "a packet of an interface without description".to_owned(),
                    ));
                };
                let units = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                let seconds = (units / resolution).saturating_add_signed(*offset);
                Ok(Some(Packet {
                    time: time(seconds, units % resolution, *resolution),
                    link: *link,
                    data: whole(packet.data, packet.caplen),
                }))
            }
            PcapBlockOwned::NG(Block::SimplePacket(packet)) => Ok(self.sections.first().map(|(link, ..)| Packet {
                time: Duration::ZERO,
                link: *link,
                data: whole(packet.data, packet.origlen),
            })),
            PcapBlockOwned::NG(_) => Ok(None),
        }
    }
}

/// `part` of so many parts of a second, on top of `seconds`.
fn time(seconds: u64, part: u64, parts: u64) -> Duration {
    let nanoseconds = u128::from(part) * 1_000_000_000 / u128::from(parts);
    Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanoseconds as u64))
}

const LINUX_SLL2: Linktype = Linktype(276);

/// What stands in front of the IP header, in bytes.
fn link_header(link: Linktype) -> Option<usize> {
    match link {
        Linktype::RAW | Linktype::IPV4 | Linktype::IPV6 => Some(0),
        Linktype::NULL | Linktype::LOOP => Some(4),
        Linktype::LINUX_SLL => Some(16),
        LINUX_SLL2 => Some(20),
        _ => None,
    }
}

fn check_link(link: Linktype) -> Result<(), CaptureError> {
    if link == Linktype::ETHERNET || link_header(link).is_some() {
        Ok(())
    } else {
        Err(CaptureError::LinkType(link.0))
    }
}

impl<'a> Packet<'a> {
    /// The TCP segment in it, if there is one that is not fragmented.
    fn segment(&self) -> Option<Segment<'a>> {
        let sliced = match link_header(self.link) {
            None => LaxSlicedPacket::from_ethernet(self.data).ok()?,
            Some(size) => LaxSlicedPacket::from_ip(self.data.get(size..)?).ok()?,
        };
        let (source, destination): (IpAddr, IpAddr) = match sliced.net? {
            LaxNetSlice::Ipv4(ip) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
            LaxNetSlice::Ipv6(ip) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
            LaxNetSlice::Arp(_) => return None,
        };
        let Some(TransportSlice::Tcp(tcp)) = sliced.transport else {
            return None;
        };
        Some(Segment {
            time: self.time,
            source: SocketAddr::new(source, tcp.source_port()),
            destination: SocketAddr::new(destination, tcp.destination_port()),
            sequence: tcp.sequence_number(),
            syn: tcp.syn(),
            ack: tcp.ack(),
            fin: tcp.fin(),
            rst: tcp.rst(),
            payload: tcp.payload(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_exact_in_any_unit() {
        assert_eq!(time(1, 5, 1_000_000), Duration::new(1, 5_000));
        assert_eq!(time(1, 5, 1_000_000_000), Duration::new(1, 5));
        assert_eq!(
            time(0, u64::from(u32::MAX), 1),
            Duration::from_nanos(u64::from(u32::MAX) * 1_000_000_000)
        );
        assert_eq!(time(0, 1, 2), Duration::from_millis(500));
    }

    #[test]
    fn what_is_no_capture_is_refused() {
        for text in [&b""[..], b"no capture at all, only text that is long enough"] {
            assert!(matches!(
                read(text, |_| ControlFlow::Continue(())),
                Err(CaptureError::NotACapture)
            ));
        }
    }
}
