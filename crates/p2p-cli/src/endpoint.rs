//! A host with or without a port, as people write it.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    str::FromStr,
    time::Duration,
};

use tokio::{net::lookup_host, time::timeout};

use crate::{failure::Failure, network::DEFAULT_PORT};

/// Where to listen: an address of this machine and a port.
pub(crate) fn bind_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "an IP address, a colon and a port up to 65535 are expected: 127.0.0.1:9732, 0.0.0.0:9732 or [::]:9732"
            .to_owned()
    })
}

/// A host and a port, not yet looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    host: String,
    port: u16,
}

impl Endpoint {
    /// The addresses of the host, in the order of the system, at least one.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe; the system's lookup ends by itself.
    pub(crate) async fn resolve(&self, limit: Duration) -> Result<Vec<SocketAddr>, Failure> {
        let failed = |name, why: &dyn fmt::Display| {
            Failure::new("resolve", name, format!("can not look up {}: {why}", self.host))
        };
        if let Ok(address) = self.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, self.port)]);
        }
        match timeout(limit, lookup_host((self.host.as_str(), self.port))).await {
            Ok(Ok(addresses)) => {
                let addresses: Vec<_> = addresses.collect();
                if addresses.is_empty() {
                    return Err(failed("name_not_found", &"it has no address"));
                }
                Ok(addresses)
            }
            Ok(Err(error)) => Err(failed("name_not_found", &error)),
            Err(_) => Err(failed(
                "timeout",
                &format_args!("no answer within {} s", limit.as_secs_f64()),
            )),
        }
    }
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "HOST or HOST:PORT is expected, with a port from 1 to 65535 and IPv6 in brackets".to_owned();
        let (host, port) = match text.strip_prefix('[') {
            Some(bracketed) => {
                let (host, rest) = bracketed.split_once(']').ok_or_else(expected)?;
                host.parse::<Ipv6Addr>().map_err(|_| expected())?;
                let port = match rest {
                    "" => None,
                    rest => Some(rest.strip_prefix(':').ok_or_else(expected)?),
                };
                (host, port)
            }
            None if text.parse::<Ipv6Addr>().is_ok() => (text, None),
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let port = match port.map(str::parse::<u16>) {
            None => DEFAULT_PORT,
            Some(Ok(port)) if port > 0 => port,
            Some(_) => return Err(expected()),
        };
        if host.is_empty() {
            return Err(expected());
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.parse::<Ipv6Addr>() {
            Ok(address) => write!(f, "[{address}]:{}", self.port),
            Err(_) => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> String {
        text.parse::<Endpoint>().unwrap().to_string()
    }

    #[test]
    fn the_port_may_be_left_out_and_brackets_too_if_there_is_none() {
        assert_eq!(text("example.org"), "example.org:9732");
        assert_eq!(text("10.0.0.1:1"), "10.0.0.1:1");
        for ipv6 in ["::1", "[::1]", "[::1]:9732"] {
            assert_eq!(text(ipv6), "[::1]:9732");
        }
    }

    #[test]
    fn other_text_is_refused() {
        for wrong in [
            "",
            ":1",
            "a:",
            "a:0",
            "a:65536",
            "a:b",
            "a:1:2",
            "[::1",
            "[::1]9732",
            "[a]:1",
            "[::1]:",
        ] {
            assert!(wrong.parse::<Endpoint>().is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn addresses_need_no_lookup() {
        let endpoint: Endpoint = "[::1]:5".parse().unwrap();
        let addresses = endpoint.resolve(Duration::from_secs(1)).await.unwrap();
        assert_eq!(addresses, ["[::1]:5".parse().unwrap()]);
    }
}
