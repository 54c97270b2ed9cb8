//! Where bars are drawn: on standard error, if that is a terminal.

use std::io;

use console::Term;
use indicatif::{ProgressDrawTarget, TermLike};

/// How often bars are drawn at most, in a second.
const RATE: u8 = 15;

/// How many columns stay free: a terminal shows a Ctrl-C as `^C` where the cursor is. At its edge that would begin another
/// line, and the bar would be left behind when it should go.
const MARGIN: u16 = 3;

/// The place for a bar.
pub(crate) fn target() -> ProgressDrawTarget {
    let terminal = Term::buffered_stderr();
    if terminal.is_term() {
        ProgressDrawTarget::term_like_with_hz(Box::new(Inset { terminal }), RATE)
    } else {
        ProgressDrawTarget::hidden()
    }
}

/// A terminal that seems to be a little narrower than it is.
#[derive(Debug)]
struct Inset {
    terminal: Term,
}

impl TermLike for Inset {
    fn width(&self) -> u16 {
        TermLike::width(&self.terminal).saturating_sub(MARGIN).max(1)
    }

    fn height(&self) -> u16 {
        TermLike::height(&self.terminal)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        TermLike::move_cursor_up(&self.terminal, n)
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        TermLike::move_cursor_down(&self.terminal, n)
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        TermLike::move_cursor_right(&self.terminal, n)
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        TermLike::move_cursor_left(&self.terminal, n)
    }

    fn write_line(&self, line: &str) -> io::Result<()> {
        TermLike::write_line(&self.terminal, line)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        TermLike::write_str(&self.terminal, text)
    }

    fn clear_line(&self) -> io::Result<()> {
        TermLike::clear_line(&self.terminal)
    }

    fn flush(&self) -> io::Result<()> {
        TermLike::flush(&self.terminal)
    }
}
