//! Durations as people write them: `30s`, `10m`, `2h`, `14d`.

use std::time::Duration;

/// Parses a duration; `None` if the text is not one.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    humantime::parse_duration(text).ok()
}

/// Writes a duration in the form that [`parse_duration`] reads.
#[must_use]
pub fn duration_text(duration: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    if duration.is_zero() {
        return "0s".to_owned();
    }
    if duration.subsec_nanos() > 0 {
        return humantime::format_duration(duration).to_string();
    }
    let seconds = duration.as_secs();
    let fitting = UNITS.into_iter().find(|(unit, _)| seconds.is_multiple_of(*unit));
    fitting.map_or_else(
        || format!("{seconds}s"),
        |(unit, name)| format!("{}{name}", seconds.checked_div(unit).unwrap_or(seconds)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_they_are_read() {
        for text in ["0s", "30s", "90s", "10m", "36h", "14d"] {
            assert_eq!(duration_text(parse_duration(text).unwrap()), text);
        }
        assert_eq!(duration_text(Duration::from_millis(1500)), "1s 500ms");
        assert_eq!(parse_duration("soon"), None);
    }
}
