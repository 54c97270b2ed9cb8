//! Why a command or one of its connections did not do what was asked for.

use std::{
    error::Error,
    fmt::{self, Write},
};

use serde::Serialize;

use crate::message_text::is_printable;

/// An error as it is told to the user: its phase, a stable name, and one sentence.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Failure {
    /// What was being done.
    pub(crate) phase: &'static str,
    /// A name in snake_case that stays the same from one version to the next.
    pub(crate) error: &'static str,
    /// The sentence.
    pub(crate) message: String,
    #[serde(skip)]
    pub(crate) exit_status: u8,
    /// Whether the remote broke the protocol of the handshake or let its deadline pass.
    #[serde(skip)]
    pub(crate) offence: bool,
}

impl Failure {
    /// The exit status of an error that has none of its own.
    pub(crate) const EXIT_STATUS: u8 = 1;

    /// The arguments are wrong.
    pub(crate) const EXIT_USAGE: u8 = 2;

    /// What shells report of a program that was ended by Ctrl-C: 128 + SIGINT.
    pub(crate) const EXIT_INTERRUPTED: u8 = 130;

    pub(crate) fn new(phase: &'static str, error: &'static str, message: impl Into<String>) -> Self {
        Self {
            phase,
            error,
            message: message.into(),
            exit_status: Self::EXIT_STATUS,
            offence: false,
        }
    }

    /// A failure with the text of `source` and of everything beneath it.
    pub(crate) fn caused_by(phase: &'static str, error: &'static str, source: &dyn Error) -> Self {
        Self::new(phase, error, sentence(source))
    }

    /// The user pressed Ctrl-C.
    pub(crate) fn interrupted(phase: &'static str) -> Self {
        Self::new(phase, "interrupted", "interrupted").with_exit_status(Self::EXIT_INTERRUPTED)
    }

    pub(crate) fn with_offence(self, offence: bool) -> Self {
        Self { offence, ..self }
    }

    pub(crate) fn with_exit_status(self, exit_status: u8) -> Self {
        Self { exit_status, ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.message.chars() {
            if c == '\n' || is_printable(c) {
                f.write_char(c)?;
            } else {
                // It would do something else to a terminal than to show itself.
                write!(f, "{}", c.escape_unicode())?;
            }
        }
        Ok(())
    }
}

/// The text of an error and of its sources, each once: some tell their source themselves.
pub(crate) fn sentence(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let cause = source.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        next = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_message_moves_the_cursor() {
        let failure = Failure::new(
            "config",
            "invalid_config",
            "no \x1b[2J\u{9b}\u{202e}, but é and\n'quotes'",
        );
        assert_eq!(
            failure.to_string(),
            "no \\u{1b}[2J\\u{9b}\\u{202e}, but é and\n'quotes'"
        );
    }
}
