//! How far a transfer has come, for people.

use std::time::Duration;

use console::truncate_str;
use indicatif::{ProgressBar, ProgressStyle};

use crate::report::Report;

/// How many columns the name of a file may take: a third of a narrow terminal.
const NAME_WIDTH: usize = 26;

/// A bar that goes when it is finished or dropped.
pub(super) struct TransferBar {
    bar: ProgressBar,
}

impl TransferBar {
    /// A bar for a file of `size` bytes, of which `done` have arrived earlier.
    pub(super) fn start(report: &Report, name: &str, size: u64, done: u64) -> Self {
        let bar = report.show(ProgressBar::new(size));
        let template = "{prefix} [{wide_bar}] {percent:>3} % {decimal_bytes_per_sec:>11} {eta:>4} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        let name = name.escape_debug().to_string();
        bar.set_prefix(truncate_str(&name, NAME_WIDTH, "…").into_owned());
        bar.set_position(done);
        // What was there before does not count for the rate.
        bar.reset_eta();
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar }
    }

    /// So many bytes have arrived or left, the earlier ones included.
    pub(super) fn show(&self, bytes: u64) {
        self.bar.set_position(bytes);
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for TransferBar {
    fn drop(&mut self) {
        self.finish();
    }
}
