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

/// What to add to a refusal by or of a remote of another network: which one it is, and the option for it.
///
/// # Security
///
/// The name is a stranger's, and people copy what they are told into a shell. So only a plain one is told as an option.
pub(crate) fn other_network(ours: &ChainName, announced: &ChainName) -> Option<String> {
    if ours == announced {
        return None;
    }
    let mut text = format!("; it announced the network {announced}, and we {ours}");
    let chain = announced.to_string();
    let known = KNOWN.iter().find(|(_, known)| *known == chain);
    let name = known.map_or(chain.as_str(), |(name, _)| name);
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.:".contains(c)) && !name.starts_with('-');
    if is_plain
        && name
            .parse::<Network>()
            .is_ok_and(|network| network.chain_name() == *announced)
    {
        text.push_str(&format!(": --network {name} may do better"));
    }
    Some(text)
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
    fn another_network_is_told_with_an_option_that_is_safe_to_copy() {
        let ours = ChainName::mainnet();
        let told = |announced: &str| other_network(&ours, &ChainName::from(announced));
        assert_eq!(told("TEZOS_MAINNET"), None);
        for (announced, option) in [
            ("TEZOS_ITHACANET_2022-01-25T15:00:00Z", "--network ghostnet may"),
            ("TEZOS", "--network sandbox may"),
            ("OURS", "--network OURS may"),
        ] {
            assert!(told(announced).unwrap().contains(option), "{announced}");
        }
        for announced in [
            "", "A;id", "$(id)", "A B", "-h", "'", "\u{202e}", "\n", "mainet", "Mainnet",
        ] {
            let told = told(announced).unwrap();
            assert!(!told.contains("--network"), "{told}");
            assert!(told.contains(&ChainName::from(announced).to_string()), "{told}");
        }
    }

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
