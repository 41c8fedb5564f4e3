//! Numbers and times as people read them.

use indicatif::{BinaryBytes, HumanCount};
use jiff::{Timestamp, tz::TimeZone};
use std::borrow::Cow;
use std::time::{Duration, SystemTime};

/// `1.23 GiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    BinaryBytes(bytes).to_string()
}

/// `1,234,567`.
pub(crate) fn count(count: u64) -> String {
    HumanCount(count).to_string()
}

/// `1 pack`, `1,234 packs`: how many of what a plural names.
pub(crate) fn counted(number: u64, plural: &str) -> String {
    if number != 1 {
        return format!("{} {plural}", count(number));
    }
    // Of the words the last plural one counts: "index runs", "packs read".
    let mut words: Vec<Cow<'_, str>> = plural.split(' ').map(Cow::Borrowed).collect();
    if let Some(word) = words.iter_mut().rfind(|word| word.ends_with('s')) {
        *word = match word.strip_suffix("ies") {
            Some(stem) => Cow::Owned(format!("{stem}y")),
            None => Cow::Owned(word.trim_end_matches('s').to_owned()),
        };
    }
    format!("1 {}", words.join(" "))
}

/// `0.4 s`, `3 min 12 s`, `2 h 05 min`.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{:.1} s", duration.as_secs_f64()),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// In the time zone of this host: `2026-11-20 09:04:05`.
pub(crate) fn local_time(time: SystemTime) -> String {
    match Timestamp::try_from(time) {
        Ok(time) => time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => "out of range".into(),
    }
}

/// As RFC 3339 in UTC with milliseconds: `2026-11-20T08:04:05.000Z`.
pub(crate) fn utc_time(time: SystemTime) -> String {
    match Timestamp::try_from(time) {
        Ok(time) => format!("{time:.3}"),
        Err(_) => "out of range".into(),
    }
}

/// Text from elsewhere, in which nothing can steer a terminal.
pub(crate) fn tame(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(escaped).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_as_people_read_them() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1536), "1.50 KiB");
        assert_eq!(count(1_234_567), "1,234,567");
        for (number, plural, text) in [
            (0, "packs", "0 packs"),
            (1, "packs", "1 pack"),
            (1, "index runs", "1 index run"),
            (1, "packs read", "1 pack read"),
            (1, "entries", "1 entry"),
            (1_234, "files", "1,234 files"),
        ] {
            assert_eq!(counted(number, plural), text);
        }
        for (millis, text) in [(420, "0.4 s"), (59_900, "59.9 s"), (192_000, "3 min 12 s"), (7_500_000, "2 h 05 min")] {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_500);
        assert_eq!(utc_time(time), "1970-01-01T00:00:01.500Z");
        assert_eq!(tame("a\\b\x1b[0m\n"), "a\\b\\u{1b}[0m\\n");
    }
}
