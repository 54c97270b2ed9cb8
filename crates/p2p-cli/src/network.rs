//! Networks by the names that people use for them.

use std::{fmt, str::FromStr};

use p2p_socket::ChainName;

use crate::suggestion::closest;

/// The port on which nodes of every network listen unless told otherwise.
pub(crate) const DEFAULT_PORT: u16 = 9732;

/// The chain names of the public networks and of the sandbox.
const KNOWN: [(&str, &str); 4] = [
    ("mainnet", "TEZOS_MAINNET"),
    ("ghostnet", "TEZOS_ITHACANET_2022-01-25T15:00:00Z"),
    ("shadownet", "TEZOS_SHADOWNET_2025-08-07T20:00:00Z"),
    ("sandbox", "TEZOS"),
];

/// A network: its usual name, or the chain name itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    chain: String,
}

impl Network {
    /// What its nodes announce.
    pub(crate) fn chain_name(&self) -> ChainName {
        ChainName::from(self.chain.as_str())
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("mainnet, ghostnet, shadownet, sandbox or a chain name is expected".to_owned());
        }
        if let Some((_, chain)) = KNOWN.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
            return Ok(Self {
                chain: (*chain).to_owned(),
            });
        }
        // Chain names are written in capitals. Whoever announces a misspelt one is refused everywhere.
        let names = KNOWN.iter().map(|(name, _)| *name);
        match closest(text, names).filter(|_| text.chars().any(char::is_lowercase)) {
            Some(closest) => Err(format!("there is no such network; did you mean {closest}?")),
            None => Ok(Self { chain: text.to_owned() }),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.chain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_names_stand_for_chain_names_and_others_for_themselves() {
        assert_eq!("mainnet".parse::<Network>().unwrap().chain_name(), ChainName::mainnet());
        assert_eq!("MainNet".parse::<Network>().unwrap().to_string(), "TEZOS_MAINNET");
        assert_eq!(
            "TEZOS_SOMETHING".parse::<Network>().unwrap().to_string(),
            "TEZOS_SOMETHING"
        );
        assert!("".parse::<Network>().is_err());
        assert_eq!("MAINET".parse::<Network>().unwrap().to_string(), "MAINET");
        for (slip, meant) in [("mainet", "mainnet"), ("ghosnet", "ghostnet"), ("sandobx", "sandbox")] {
            let error = slip.parse::<Network>().unwrap_err();
            assert!(error.contains(&format!("did you mean {meant}?")), "{error}");
        }
    }
}
