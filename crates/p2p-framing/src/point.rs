#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use bytes::BytesMut;
use p2p_crypto::PeerId;

use crate::{DecodeError, WireReader, put_length_prefixed};

/// Where a peer listens: an address and a port. Octez: `P2p_point.Id.t`.
///
/// The text form is `1.2.3.4:9732` or `[2001:db8::1]:9732`, with IPv4-mapped addresses as IPv4. Reading also takes
/// leading zeros in the port, IPv4 in brackets, and a `#peer id` behind it, which must be a valid one and is dropped.
/// Host names are not points.
///
/// ```
/// use p2p_framing::Point;
///
/// let point: Point = "[::ffff:10.0.0.1]:09732".parse()?;
/// assert_eq!(point.to_string(), "10.0.0.1:9732");
/// # Ok::<(), p2p_framing::InvalidPoint>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Point(SocketAddr);

impl Point {
    /// The longest text accepted on the wire, in bytes: a full IPv6 address in brackets with a five-digit port.
    /// A remote can therefore not make us read more than 5 kB for a full list.
    pub const MAX_TEXT_SIZE: usize = 47;

    /// The address.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.0.ip()
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port()
    }

    /// Appends a `u32` length and the text.
    pub fn encode(&self, out: &mut BytesMut) {
        put_length_prefixed(out, self.to_string().as_bytes());
    }

    /// Reads a `u32` length and the text.
    ///
    /// # Errors
    ///
    /// [`DecodeError::NotEnoughData`] if it is cut short, [`DecodeError::InvalidPoint`] if it is not a point or
    /// longer than [`MAX_TEXT_SIZE`](Self::MAX_TEXT_SIZE).
    pub fn decode(reader: &mut WireReader<'_>) -> Result<Self, DecodeError> {
        let text = reader.length_prefixed()?;
        if text.len() > Self::MAX_TEXT_SIZE {
            return Err(InvalidPoint.into());
        }
        Ok(std::str::from_utf8(text).map_err(|_| InvalidPoint)?.parse()?)
    }
}

impl From<SocketAddr> for Point {
    fn from(address: SocketAddr) -> Self {
        Self(SocketAddr::new(address.ip().to_canonical(), address.port()))
    }
}

impl From<Point> for SocketAddr {
    fn from(point: Point) -> Self {
        point.0
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Point {
    type Err = InvalidPoint;

    fn from_str(text: &str) -> Result<Self, InvalidPoint> {
        let (point, peer_id) = match text.split_once('#') {
            Some((point, peer_id)) => (point, Some(peer_id)),
            None => (text, None),
        };
        let (address, port) = point.rsplit_once(':').ok_or(InvalidPoint)?;
        let address = parse_address(address).ok_or(InvalidPoint)?;
        let port = parse_port(port).ok_or(InvalidPoint)?;
        if peer_id.is_some_and(|peer_id| peer_id.parse::<PeerId>().is_err()) {
            return Err(InvalidPoint);
        }
        Ok(Self::from(SocketAddr::new(address, port)))
    }
}

fn parse_address(text: &str) -> Option<IpAddr> {
    match text.strip_prefix('[') {
        Some(bracketed) => {
            let text = bracketed.strip_suffix(']')?;
            text.parse::<Ipv6Addr>().map(IpAddr::V6).or_else(|_| text.parse()).ok()
        }
        None => text.parse::<Ipv4Addr>().map(IpAddr::V4).ok(),
    }
}

fn parse_port(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// A text that is not a point. Octez: `P2p_point.Id.parsing_error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid point: an IPv4 address or an IPv6 address in brackets, a colon and a port are expected")]
pub struct InvalidPoint;

/// At most 100 points, as a nack or an advertisement carries them.
///
/// # Security
///
/// A remote that sends more is refused by every Tezos node, and refused here, so that nobody can flood another's
/// list of known points with one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PointList(Vec<Point>);

impl PointList {
    /// The most points of a list.
    pub const MAX_LENGTH: usize = 100;

    /// Takes up to 100 points.
    ///
    /// # Errors
    ///
    /// [`TooManyPoints`] if there are more.
    pub fn new(points: Vec<Point>) -> Result<Self, TooManyPoints> {
        if points.len() > Self::MAX_LENGTH {
            Err(TooManyPoints)
        } else {
            Ok(Self(points))
        }
    }

    /// The points.
    #[must_use]
    pub fn as_slice(&self) -> &[Point] {
        &self.0
    }

    /// The points, to keep.
    #[must_use]
    pub fn into_vec(self) -> Vec<Point> {
        self.0
    }

    /// Appends the points one after the other, without a length of the whole.
    pub fn encode(&self, out: &mut BytesMut) {
        for point in &self.0 {
            point.encode(out);
        }
    }

    /// Reads points to the end of `bytes`.
    ///
    /// # Errors
    ///
    /// [`DecodeError::TooManyPoints`] at the 101st, or the first point's that is invalid.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = WireReader::new(bytes);
        let mut points = Vec::new();
        while !reader.is_empty() {
            if points.len() == Self::MAX_LENGTH {
                return Err(TooManyPoints.into());
            }
            points.push(Point::decode(&mut reader)?);
        }
        Ok(Self(points))
    }
}

impl TryFrom<Vec<Point>> for PointList {
    type Error = TooManyPoints;

    fn try_from(points: Vec<Point>) -> Result<Self, TooManyPoints> {
        Self::new(points)
    }
}

/// More than 100 points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {} points", PointList::MAX_LENGTH)]
pub struct TooManyPoints;
