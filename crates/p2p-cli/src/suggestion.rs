//! What someone may have meant who wrote something else.

/// How much alike two words must be, from 0 to 1, for one to be a slip of the other.
const ALIKE: f64 = 0.85;

/// The known word that is most like this one, if one is like it at all.
pub(crate) fn closest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase().replace('_', "-");
    known
        .map(|known| (strsim::jaro_winkler(&word, known), known))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let known = ["max-upload", "max-download", "mainnet", "ghostnet"];
        let closest = |word| closest(word, known.into_iter());
        assert_eq!(closest("max_uplaod"), Some("max-upload"));
        assert_eq!(closest("MAX-DOWNLOAD"), Some("max-download"));
        assert_eq!(closest("mainet"), Some("mainnet"));
        assert_eq!(closest("TEZOS_MAINNET"), None);
        assert_eq!(closest("x"), None);
    }
}
