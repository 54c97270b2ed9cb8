//! The whole terminal for a live view, given back at the end.

use std::{
    io::{self, IsTerminal, Write},
    sync::atomic::{AtomicBool, Ordering::SeqCst},
};

use console::{Term, truncate_str};

/// Standard output as a screen of its own, beside the one with the user's lines. They come back when this is dropped.
pub(crate) struct Screen {
    terminal: Term,
}

/// Whether the terminal is not as the user left it.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The alternate screen of xterm, and no cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// To the upper left corner, to the end of the line, to the end of the screen.
const HOME: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";

/// Around what shows as one: a synchronized update. A terminal that does not know it shows each part when it comes.
const BEGIN_UPDATE: &str = "\x1b[?2026h";
const END_UPDATE: &str = "\x1b[?2026l";

impl Screen {
    /// Takes the terminal, if standard output is one that can do this.
    pub(crate) fn take() -> Option<Self> {
        if !io::stdout().is_terminal() || console::is_dumb() {
            return None;
        }
        TAKEN.store(true, SeqCst);
        write(&mut io::stdout().lock(), ENTER);
        Some(Self {
            terminal: Term::stdout(),
        })
    }

    /// How many columns and rows there are now.
    pub(crate) fn size(&self) -> (usize, usize) {
        let (rows, columns) = self.terminal.size();
        (columns.into(), rows.into())
    }

    /// Shows these lines, cut to what fits, and nothing else.
    pub(crate) fn show(&self, lines: &[String]) {
        let (columns, rows) = self.size();
        let lines = lines
            .iter()
            .take(rows)
            .map(|line| format!("{}{CLEAR_LINE}", truncate_str(line, columns, "…")));
        // A newline after the last one would scroll.
        let text = lines.collect::<Vec<_>>().join("\r\n");
        let mut stdout = io::stdout().lock();
        if TAKEN.load(SeqCst) {
            write(
                &mut stdout,
                &format!("{BEGIN_UPDATE}{HOME}{text}{CLEAR_BELOW}{END_UPDATE}"),
            );
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back, for those who can not wait for a [`Screen`] to be dropped. Nothing is shown after it.
pub(crate) fn restore() {
    // Without the lock: someone may hold it for ever, stuck in writing to a pipe.
    if TAKEN.swap(false, SeqCst) {
        write(&mut io::stdout().lock(), LEAVE);
    }
}

/// A terminal that is gone needs nothing.
fn write(stdout: &mut impl Write, text: &str) {
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}
