//! Variables that look like options and are none.

use std::ffi::OsString;

use clap::Command;

use super::{CONFIG, file::names, variable};
use crate::{failure::Failure, log, suggestion::closest};

/// What all variables of options begin with.
const PREFIX: &str = "P2P_";

/// Tells of those variables that are of no option of any command, if there are some.
///
/// They are no error, unlike those of a file: the environment is not only ours. A cluster, for instance, sets `P2P_PORT`
/// beside a service of the name p2p.
pub(super) fn unknown(command: &Command, set: impl Iterator<Item = OsString>) -> Option<Failure> {
    let mut known = names(command);
    known.insert(CONFIG.to_owned());
    let mut unknown: Vec<_> = set
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| name.starts_with(PREFIX) && *name != log::FILTER)
        .filter(|name| !known.iter().any(|long| variable(long) == *name))
        .collect();
    unknown.sort();
    let told: Vec<_> = unknown
        .into_iter()
        .map(|name| {
            let word = name.strip_prefix(PREFIX).unwrap_or(&name);
            let known = known.iter().map(String::as_str).chain(["log"]);
            match closest(word, known).map(variable) {
                Some(meant) => format!("{name} (did you mean {meant}?)"),
                None => name,
            }
        })
        .collect();
    if told.is_empty() {
        return None;
    }
    let message = format!(
        "these environment variables are of no option and are ignored: {}",
        told.join(", ")
    );
    Some(Failure::new("config", "unknown_variable", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_variables_and_those_of_others_are_not_told() {
        let unknown = |set: &[&str]| {
            let set = set.iter().map(OsString::from);
            super::unknown(&crate::config::command(), set).map(|failure| failure.message)
        };
        let known = ["P2P_JSON", "P2P_CONFIG", "P2P_LOG", "P2P_MAX_UPLOAD", "P2P_FIRST_PORT"];
        assert_eq!(unknown(&known), None);
        assert_eq!(unknown(&["PATH", "p2p_json", "MY_P2P_JSON", "P2P"]), None);
        let told = unknown(&["P2P_WORMHOLE", "P2P_MAX_UPLAOD", "P2P_LOGG", "P2P_JSON"]).unwrap();
        assert!(
            told.ends_with(
                ": P2P_LOGG (did you mean P2P_LOG?), P2P_MAX_UPLAOD (did you mean P2P_MAX_UPLOAD?), P2P_WORMHOLE"
            ),
            "{told}"
        );
    }
}
