use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// The addresses that are counted as one: an IPv4 address, or an IPv6 network of 64 bits.
///
/// Whoever has one IPv6 address has its whole /64. An IPv4-mapped address counts as the IPv4 address.
///
/// ```
/// use p2p_socket::admission::Network;
///
/// let of = |text: &str| Network::of(text.parse().unwrap());
/// assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
/// assert_eq!(of("2001:db8::1").to_string(), "2001:db8::/64");
/// assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network(IpAddr);

impl Network {
    const IPV6_BITS: u32 = 64;

    /// The network to which an address belongs.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => IpAddr::V6(mask(address, Self::IPV6_BITS)),
        })
    }

    /// Whether this is our own machine. `::1` alone is in its /64, of which nothing else can be routed.
    pub(super) fn is_loopback(self) -> bool {
        match self.0 {
            IpAddr::V4(address) => address.is_loopback(),
            IpAddr::V6(address) => address == mask(Ipv6Addr::LOCALHOST, Self::IPV6_BITS),
        }
    }

    /// The neighbourhood of the network.
    #[must_use]
    pub fn block(self) -> Block {
        Block(match self.0 {
            IpAddr::V4(address) => {
                let [first, second, third, _] = address.octets();
                IpAddr::V4(Ipv4Addr::new(first, second, third, 0))
            }
            IpAddr::V6(address) => IpAddr::V6(mask(address, Block::IPV6_BITS)),
        })
    }
}

/// Networks that often have one owner: an IPv4 /24, or an IPv6 /48, which is what a site is given.
///
/// ```
/// use p2p_socket::admission::Network;
///
/// let block = |text: &str| Network::of(text.parse().unwrap()).block().to_string();
/// assert_eq!(block("192.0.2.1"), "192.0.2.0/24");
/// assert_eq!(block("2001:db8:1:2::3"), "2001:db8:1::/48");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Block(IpAddr);

impl Block {
    const IPV4_BITS: u32 = 24;
    const IPV6_BITS: u32 = 48;
}

fn mask(address: Ipv6Addr, bits: u32) -> Ipv6Addr {
    Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (u128::BITS - bits)))
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => address.fmt(f),
            IpAddr::V6(address) => write!(f, "{address}/{}", Self::IPV6_BITS),
        }
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(address) = self;
        let bits = if address.is_ipv4() {
            Self::IPV4_BITS
        } else {
            Self::IPV6_BITS
        };
        write!(f, "{address}/{bits}")
    }
}
