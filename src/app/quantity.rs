//! Counts, sizes and times as people write and read them.

use std::time::Duration;

/// How many threads can be asked for.
pub const THREADS: std::ops::RangeInclusive<usize> = 1..=1024;

/// Reads a count of threads.
pub fn threads(text: &str) -> Option<usize> {
    text.trim().parse().ok().filter(|count| THREADS.contains(count))
}

/// Reads a size: a number and K, M, G or T (thousands), with `i` powers of 1024, an optional B.
pub fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let unit = text[end..].trim().to_ascii_lowercase();
    let unit = unit.strip_suffix('b').unwrap_or(&unit);
    let (letter, base) = match unit.strip_suffix('i') {
        Some(letter) => (letter, 1024f64),
        None => (unit, 1000f64),
    };
    let power = match letter {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        _ => return None,
    };
    let bytes = number * base.powi(power);
    (1.0..1e18).contains(&bytes).then_some(bytes as u64)
}

/// Reads a length of time: a number and s, m, h, d, w or y (365 days); the unit must be said.
pub fn span(text: &str) -> Option<Duration> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let number: f64 = text[..end].parse().ok()?;
    let unit = match text[end..].trim() {
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        "w" => 604_800.0,
        "y" => 31_536_000.0,
        _ => return None,
    };
    let seconds = number * unit;
    (0.0..1e11).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

/// Returns a size in the largest unit in which it has a digit before the point.
pub fn show_size(bytes: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut at = 0;
    // What would be rounded to 1000 is 1.00 of the next.
    while value >= 999.5 && at + 1 < units.len() {
        value /= 1000.0;
        at += 1;
    }
    let digits = match (at, value) {
        (0, _) => 0,
        (_, value) if value < 9.995 => 2,
        (_, value) if value < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.digits$} {}", units[at])
}

/// Returns a length of time in the largest unit of which it has one at least.
pub fn show_span(seconds: u64) -> String {
    for (unit, name) in [(86_400, "d"), (3600, "h"), (60, "min")] {
        if seconds >= unit {
            return format!("{} {name}", seconds / unit);
        }
    }
    format!("{seconds} s")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn sizes_are_read_in_thousands_and_in_powers_of_two() {
        assert_eq!(size("500"), Some(500));
        assert_eq!(size("1.5GiB"), Some(1_610_612_736));
        assert_eq!(size("2 k"), Some(2000));
        assert_eq!(size("2TB"), Some(2_000_000_000_000));
        assert_eq!(size("x"), None);
        assert_eq!(size("0"), None);
        assert_eq!(threads("0"), None);
        assert_eq!(threads(" 8"), Some(8));
        assert_eq!(size("2 parsec"), None);
    }

    #[test]
    fn lengths_of_time_name_their_unit() {
        assert_eq!(span("30d"), Some(Duration::from_secs(30 * 86_400)));
        assert_eq!(span(" 1.5 h"), Some(Duration::from_secs(5400)));
        assert_eq!(span("0s"), Some(Duration::ZERO));
        assert_eq!((span("30"), span("d"), span("3 moons"), span("-1d")), (None, None, None, None));
    }

    #[test]
    fn what_is_shown_has_three_digits() {
        let shown: Vec<String> =
            [0, 999, 1000, 999_499, 999_500, 12_345_678, 5_000_000_000].map(show_size).into();
        assert_eq!(shown, ["0 B", "999 B", "1.00 kB", "999 kB", "1.00 MB", "12.3 MB", "5.00 GB"]);
        assert_eq!(
            [0, 59, 60, 7300, 200_000].map(show_span),
            ["0 s", "59 s", "1 min", "2 h", "2 d"]
        );
    }
}
