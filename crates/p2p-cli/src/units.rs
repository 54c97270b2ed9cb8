//! Times, sizes and rates, as people write and read them.

use std::{fmt::Display, time::Duration};

/// The units of times that can be written.
const TIME_UNITS: [(&str, f64); 5] = [("ms", 1e-3), ("s", 1.0), ("min", 60.0), ("h", 3_600.0), ("d", 86_400.0)];

/// The longest time that can be written: a day.
const MAX_TIME: f64 = 86_400.0;

/// A time above zero and at most a day: a number of seconds, or one with a unit, as in `500ms`, `5s`, `1.5 min` and `1h`.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let expected =
        || "a time above 0 and up to a day is expected, in seconds or with a unit: 500ms, 5s, 2min or 1h".to_owned();
    let text = text.trim();
    let end_of_number = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end_of_number);
    let unit = match unit.trim() {
        "" => 1.0,
        unit => TIME_UNITS
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(unit))
            .map(|(_, size)| *size)
            .ok_or_else(expected)?,
    };
    match number.parse::<f64>().map(|number| number * unit) {
        Ok(seconds) if seconds > 0.0 && seconds <= MAX_TIME => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(expected()),
    }
}

/// A time as in [`seconds`], or 0 with or without a unit.
pub(crate) fn seconds_or_zero(text: &str) -> Result<Duration, String> {
    match text.trim().strip_prefix('0').map(str::trim_start) {
        Some(unit) if unit.is_empty() || TIME_UNITS.iter().any(|(name, _)| name.eq_ignore_ascii_case(unit)) => {
            Ok(Duration::ZERO)
        }
        _ => seconds(text),
    }
}

/// Three digits and a unit in powers of 1000: `0 B`, `999 B`, `1.23 kB`, `45.6 MB`.
pub(crate) fn bytes(number: f64) -> String {
    let mut scaled = number;
    for unit in ["B", "kB", "MB", "GB", "TB"] {
        // What would be rounded up to 1000 belongs to the next unit.
        if scaled < 999.5 {
            let digits = match scaled {
                _ if unit == "B" => 0,
                ..9.995 => 2,
                ..99.95 => 1,
                _ => 0,
            };
            return format!("{scaled:.digits$} {unit}");
        }
        scaled /= 1000.0;
    }
    format!("{scaled:.0} PB")
}

/// As [`bytes()`], a second.
pub(crate) fn rate(bytes_per_second: f64) -> String {
    format!("{}/s", bytes(bytes_per_second))
}

/// How long something has lasted, in few columns: `9 s`, `3:20`, `2:03 h`, `5 d`.
pub(crate) fn age(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{}:{:02}", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}:{:02} h", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// So many things: `0 bytes`, `1 byte`, `2 addresses`.
pub(crate) fn counted<N: Copy + Display + PartialEq + From<u8>>(number: N, thing: &str) -> String {
    let ending = match thing.ends_with('s') {
        _ if number == N::from(1) => "",
        true => "es",
        false => "s",
    };
    format!("{number} {thing}{ending}")
}

/// As [`counted`], and what they do: `1 takes us`, `2 take us`.
pub(crate) fn doing<N: Copy + Display + PartialEq + From<u8>>(number: N, verb: &str) -> String {
    let ending = if number == N::from(1) { "s" } else { "" };
    format!("{number} {verb}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_have_a_unit() {
        for (text, milliseconds) in [
            ("5", 5_000),
            ("0.1", 100),
            ("500ms", 500),
            ("5s", 5_000),
            (" 1.5 min ", 90_000),
            ("1h", 3_600_000),
            ("1 D", 86_400_000),
        ] {
            assert_eq!(seconds(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in [
            "",
            "s",
            "0",
            "0s",
            "-1",
            "1e3",
            "1 hour",
            "25h",
            "1.1.1",
            "5 minutes",
            "NaN",
        ] {
            let error = seconds(text).unwrap_err();
            assert!(error.contains("500ms, 5s, 2min or 1h"), "{text}: {error}");
        }
        for zero in ["0", "0s", " 0 ms "] {
            assert_eq!(seconds_or_zero(zero), Ok(Duration::ZERO), "{zero}");
        }
        assert_eq!(seconds_or_zero("0.5s"), Ok(Duration::from_millis(500)));
        assert!(seconds_or_zero("0 parsec").is_err());
        assert_eq!(seconds_or_zero("1s"), Ok(Duration::from_secs(1)));
        assert!(seconds_or_zero("-1").is_err());
    }

    #[test]
    fn bytes_have_three_digits() {
        for (number, text) in [
            (0.0, "0 B"),
            (999.0, "999 B"),
            (1_000.0, "1.00 kB"),
            (9_994.0, "9.99 kB"),
            (9_996.0, "10.0 kB"),
            (99_960.0, "100 kB"),
            (999_400.0, "999 kB"),
            (999_600.0, "1.00 MB"),
            (1.5e12, "1.50 TB"),
            (1e18, "1000 PB"),
        ] {
            assert_eq!(bytes(number), text);
        }
        assert_eq!(rate(1.5e6), "1.50 MB/s");
    }

    #[test]
    fn one_thing_is_no_plural() {
        for (number, bytes, addresses, take) in [
            (0_u64, "0 bytes", "0 addresses", "0 take"),
            (1, "1 byte", "1 address", "1 takes"),
            (2, "2 bytes", "2 addresses", "2 take"),
        ] {
            assert_eq!(counted(number, "byte"), bytes);
            assert_eq!(counted(number, "address"), addresses);
            assert_eq!(doing(number, "take"), take);
        }
    }

    #[test]
    fn ages_take_few_columns() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (200, "3:20"),
            (7_380, "2:03 h"),
            (450_000, "5 d"),
        ] {
            assert_eq!(age(Duration::from_secs(seconds)), text);
        }
    }
}
