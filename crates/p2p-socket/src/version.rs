use std::{fmt, sync::Arc};

use bytes::{BufMut, BytesMut};
use p2p_framing::{DecodeError, WireReader, put_length_prefixed};

use crate::RejectionMotive;

/// The name of a network, usually printable but in truth any bytes. Octez: `Distributed_db_version.Name.t`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainName(Arc<[u8]>);

impl ChainName {
    /// The name of mainnet.
    #[must_use]
    pub fn mainnet() -> Self {
        Self::from("TEZOS_MAINNET")
    }

    /// The bytes of the name.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<&str> for ChainName {
    fn from(name: &str) -> Self {
        Self(name.as_bytes().into())
    }
}

impl From<String> for ChainName {
    fn from(name: String) -> Self {
        Self(name.into_bytes().into())
    }
}

impl From<&[u8]> for ChainName {
    fn from(name: &[u8]) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for ChainName {
    /// Everything that is not printable ASCII comes escaped: the name is a stranger's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.escape_ascii().fmt(f)
    }
}

impl fmt::Debug for ChainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// What a peer announces to speak. Octez: `Network_version.t`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NetworkVersion {
    /// The network.
    pub chain_name: ChainName,
    /// The version of the messages of the application.
    pub distributed_db_version: u16,
    /// The version of the peer-to-peer protocol.
    pub p2p_version: u16,
}

impl NetworkVersion {
    /// What a node of `chain_name` announces today: distributed db version 2, p2p version 1.
    #[must_use]
    pub fn current(chain_name: ChainName) -> Self {
        Self {
            chain_name,
            distributed_db_version: 2,
            p2p_version: 1,
        }
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        put_length_prefixed(out, self.chain_name.as_bytes());
        out.put_u16(self.distributed_db_version);
        out.put_u16(self.p2p_version);
    }

    pub(crate) fn decode(reader: &mut WireReader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            chain_name: ChainName::from(reader.length_prefixed()?),
            distributed_db_version: reader.u16()?,
            p2p_version: reader.u16()?,
        })
    }
}

impl fmt::Display for NetworkVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            chain_name,
            distributed_db_version,
            p2p_version,
        } = self;
        write!(
            f,
            "{chain_name} (distributed db {distributed_db_version}, p2p {p2p_version})"
        )
    }
}

/// The versions that we can speak, and the choice of one.
///
/// The handshake itself never compares versions: whoever has authenticated a peer decides between
/// [`accept`](crate::Authenticated::accept) and [`nack`](crate::Authenticated::nack) with the help of
/// [`select`](Self::select).
///
/// ```
/// use p2p_socket::{ChainName, NetworkVersion, RejectionMotive, SupportedVersions};
///
/// let ours = SupportedVersions::current(ChainName::mainnet());
/// let theirs = NetworkVersion { p2p_version: 7, ..ours.announced() };
/// assert_eq!(ours.select(&theirs)?.p2p_version, 1);
///
/// let stranger = NetworkVersion::current(ChainName::from("TEZOS"));
/// assert_eq!(ours.select(&stranger).unwrap_err().motive, RejectionMotive::UnknownChainName);
/// # Ok::<(), p2p_socket::NoCommonProtocol>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupportedVersions {
    chain_name: ChainName,
    distributed_db_versions: Vec<u16>,
    p2p_versions: Vec<u16>,
}

impl SupportedVersions {
    /// The sets that we support, in any order.
    ///
    /// # Errors
    ///
    /// [`NoVersions`] if one of the sets is empty.
    pub fn new(
        chain_name: ChainName,
        distributed_db_versions: impl Into<Vec<u16>>,
        p2p_versions: impl Into<Vec<u16>>,
    ) -> Result<Self, NoVersions> {
        let (distributed_db_versions, p2p_versions) = (distributed_db_versions.into(), p2p_versions.into());
        if distributed_db_versions.is_empty() || p2p_versions.is_empty() {
            return Err(NoVersions);
        }
        Ok(Self {
            chain_name,
            distributed_db_versions,
            p2p_versions,
        })
    }

    /// What nodes of `chain_name` support today: distributed db versions 0 to 2, p2p versions 0 and 1.
    #[must_use]
    pub fn current(chain_name: ChainName) -> Self {
        Self {
            chain_name,
            distributed_db_versions: vec![0, 1, 2],
            p2p_versions: vec![0, 1],
        }
    }

    /// What to announce: the greatest of each set.
    #[must_use]
    pub fn announced(&self) -> NetworkVersion {
        NetworkVersion {
            chain_name: self.chain_name.clone(),
            distributed_db_version: greatest(&self.distributed_db_versions),
            p2p_version: greatest(&self.p2p_versions),
        }
    }

    /// The version to speak with a remote that announced `remote`. Octez: `Network_version.select`.
    ///
    /// # Errors
    ///
    /// [`NoCommonProtocol`] with the motive for the nack: another chain name, or a version that is too old for us.
    pub fn select(&self, remote: &NetworkVersion) -> Result<NetworkVersion, NoCommonProtocol> {
        let refuse = |motive| NoCommonProtocol {
            motive,
            announced: remote.clone(),
        };
        if self.chain_name != remote.chain_name {
            return Err(refuse(RejectionMotive::UnknownChainName));
        }
        let distributed_db_version = select(&self.distributed_db_versions, remote.distributed_db_version)
            .ok_or_else(|| refuse(RejectionMotive::DeprecatedDistributedDbVersion))?;
        let p2p_version = select(&self.p2p_versions, remote.p2p_version)
            .ok_or_else(|| refuse(RejectionMotive::DeprecatedP2pVersion))?;
        Ok(NetworkVersion {
            chain_name: self.chain_name.clone(),
            distributed_db_version,
            p2p_version,
        })
    }
}

fn greatest(supported: &[u16]) -> u16 {
    supported.iter().copied().max().unwrap_or_default()
}

fn select(supported: &[u16], announced: u16) -> Option<u16> {
    let greatest = greatest(supported);
    if greatest <= announced {
        Some(greatest)
    } else {
        supported.contains(&announced).then_some(announced)
    }
}

/// A set of supported versions was empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at least one distributed db version and one p2p version must be supported")]
pub struct NoVersions;

/// The remote speaks nothing that we speak. Octez: `Rejected_no_common_protocol`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no common protocol with a peer that announced {announced}: {motive}")]
#[non_exhaustive]
pub struct NoCommonProtocol {
    /// What to tell the remote.
    pub motive: RejectionMotive,
    /// What the remote announced.
    pub announced: NetworkVersion,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> SupportedVersions {
        SupportedVersions::new(ChainName::from("TEST"), [1, 3], [0, 1]).unwrap()
    }

    fn select(distributed_db_version: u16, p2p_version: u16) -> Result<(u16, u16), RejectionMotive> {
        let remote = NetworkVersion {
            chain_name: ChainName::from("TEST"),
            distributed_db_version,
            p2p_version,
        };
        let chosen = ours().select(&remote).map_err(|error| error.motive)?;
        Ok((chosen.distributed_db_version, chosen.p2p_version))
    }

    #[test]
    fn takes_our_greatest_or_the_remotes_if_we_support_it() {
        assert_eq!(select(3, 1), Ok((3, 1)));
        assert_eq!(select(9, 9), Ok((3, 1)));
        assert_eq!(select(1, 0), Ok((1, 0)));
    }

    #[test]
    fn refuses_what_is_between_or_below() {
        assert_eq!(select(2, 1), Err(RejectionMotive::DeprecatedDistributedDbVersion));
        assert_eq!(select(0, 1), Err(RejectionMotive::DeprecatedDistributedDbVersion));
        let only_one = SupportedVersions::new(ChainName::from("TEST"), [1], [1]).unwrap();
        let remote = NetworkVersion {
            p2p_version: 0,
            ..only_one.announced()
        };
        assert_eq!(
            only_one.select(&remote).unwrap_err().motive,
            RejectionMotive::DeprecatedP2pVersion
        );
    }

    #[test]
    fn the_chain_name_comes_first() {
        let remote = NetworkVersion {
            chain_name: ChainName::from("TEST2"),
            distributed_db_version: 0,
            p2p_version: 0,
        };
        assert_eq!(
            ours().select(&remote).unwrap_err().motive,
            RejectionMotive::UnknownChainName
        );
    }

    #[test]
    fn an_empty_set_is_refused() {
        assert_eq!(SupportedVersions::new(ChainName::from(""), [], [1]), Err(NoVersions));
    }

    #[test]
    fn strange_names_print_escaped() {
        assert_eq!(ChainName::from(&b"a\x1b[31m\xff"[..]).to_string(), "a\\x1b[31m\\xff");
    }
}
