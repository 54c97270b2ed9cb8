//! How far the search for a proof of work has come, for people.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use p2p_crypto::Difficulty;

use crate::bars;

/// A bar on standard error if that is a terminal. A search has no end that is known before: the bar shows how likely it
/// was to be over by now.
pub(crate) struct SearchBar {
    bar: ProgressBar,
    difficulty: Difficulty,
    started: Instant,
}

impl SearchBar {
    /// How many steps the bar has: finer than any terminal shows.
    const STEPS: u64 = 10_000;

    pub(crate) fn start(difficulty: Difficulty) -> Self {
        let bar = ProgressBar::with_draw_target(Some(Self::STEPS), bars::target());
        if let Ok(style) = ProgressStyle::with_template("{elapsed:>3} [{bar:8}] {wide_msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self {
            bar,
            difficulty,
            started: Instant::now(),
        }
    }

    pub(crate) fn show(&self, attempts: u64) {
        let odds = odds(attempts, self.difficulty);
        // From 0 to 1, so that it fits.
        self.bar.set_position((odds * Self::STEPS as f64) as u64);
        self.bar
            .set_message(line(attempts, self.started.elapsed(), self.difficulty));
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// How likely so many attempts find a stamp, from 0 to 1.
fn odds(attempts: u64, difficulty: Difficulty) -> f64 {
    if attempts == 0 {
        return 0.0;
    }
    let miss = (-1.0 / difficulty.expected_attempts()).ln_1p();
    -(attempts as f64 * miss).exp_m1()
}

/// It fits beside the bar on a terminal of 80 columns.
fn line(attempts: u64, elapsed: Duration, difficulty: Difficulty) -> String {
    let rate = attempts as f64 / elapsed.as_secs_f64().max(1e-3);
    let expected = if rate > 0.0 {
        time(difficulty.expected_attempts() / rate)
    } else {
        "unknown".to_owned()
    };
    format!(
        "{}/s, {expected} on average, odds {:.1} %",
        count(rate),
        odds(attempts, difficulty) * 100.0
    )
}

/// A number with three digits and a word.
fn count(number: f64) -> String {
    let (scaled, word) = match number {
        ..1e3 => return format!("{number:.0}"),
        ..1e6 => (number / 1e3, "thousand"),
        ..1e9 => (number / 1e6, "million"),
        _ => (number / 1e9, "billion"),
    };
    format!("{scaled:.1} {word}")
}

fn time(seconds: f64) -> String {
    const YEAR: f64 = 365.25 * 86_400.0;
    // Two of each, so that none is told as one of many.
    const TWO_YEARS: f64 = 2.0 * YEAR;
    match seconds {
        ..1.0 => "below 1 s".to_owned(),
        ..120.0 => format!("{seconds:.0} s"),
        ..7_200.0 => format!("{:.0} min", seconds / 60.0),
        ..172_800.0 => format!("{:.0} h", seconds / 3_600.0),
        ..TWO_YEARS => format!("{:.0} days", seconds / 86_400.0),
        ..1e16 => format!("{} years", count(seconds / YEAR)),
        _ => "longer than the world has stood".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difficulty(value: f64) -> Difficulty {
        Difficulty::try_from(value).unwrap()
    }

    #[test]
    fn odds_are_those_of_independent_attempts() {
        assert_eq!(odds(0, Difficulty::NONE), 0.0);
        assert_eq!(odds(1, Difficulty::NONE), 1.0);
        assert!((odds(1, difficulty(1.0)) - 0.5).abs() < 1e-12);
        assert!((odds(3, difficulty(1.0)) - 0.875).abs() < 1e-12);
        let expected = 1 << 26;
        assert!((odds(expected, Difficulty::MAINNET) - (1.0 - (-1.0_f64).exp())).abs() < 1e-7);
        assert!(odds(u64::MAX, difficulty(256.0)) > 0.0);
    }

    #[test]
    fn a_line_tells_rate_expectation_and_odds() {
        assert_eq!(
            line(20_000_000, Duration::from_secs(2), Difficulty::MAINNET),
            "10.0 million/s, 7 s on average, odds 25.8 %"
        );
        // The bar and the time before it take 15 columns, and 3 stay free.
        let longest = line(999_949, Duration::from_secs(1), difficulty(59.0));
        assert!(longest.contains("thousand years") && longest.len() <= 62, "{longest}");
        assert!(line(0, Duration::ZERO, Difficulty::MAINNET).contains("unknown on average"));
    }

    #[test]
    fn times_are_told_in_the_unit_that_fits() {
        for (seconds, text) in [
            (0.4, "below 1 s"),
            (119.0, "119 s"),
            (600.0, "10 min"),
            (86_400.0, "24 h"),
            (864_000.0, "10 days"),
            (1e10, "317 years"),
            (1e13, "316.9 thousand years"),
            (1e60, "longer than the world has stood"),
        ] {
            assert_eq!(time(seconds), text);
        }
    }
}
