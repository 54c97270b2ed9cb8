//! The bandwidth options and the scheduler that obeys them.

use std::str::FromStr;

use p2p_io_scheduler::IoScheduler;

/// STAND-IN: becomes `p2p_io_scheduler::BytesPerSecond`, which parses itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BytesPerSecond(u64);

/// STAND-IN: becomes `IoScheduler::new(Limits { download, upload, ..Limits::default() })`.
pub(crate) fn scheduler(download: Option<BytesPerSecond>, upload: Option<BytesPerSecond>) -> IoScheduler {
    let _ = (download.map(|rate| rate.0), upload.map(|rate| rate.0));
    IoScheduler::default()
}

impl FromStr for BytesPerSecond {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim_end_matches("/s");
        let split = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        let (number, unit) = digits.split_at(split);
        let factor = match unit {
            "" | "B" => 1,
            "kB" => 1000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            _ => return Err(format!("invalid rate {text}")),
        };
        let number: u64 = number.parse().map_err(|_| format!("invalid rate {text}"))?;
        match number.checked_mul(factor) {
            Some(rate) if rate > 0 => Ok(Self(rate)),
            _ => Err(format!("invalid rate {text}")),
        }
    }
}
