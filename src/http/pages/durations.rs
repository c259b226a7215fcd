//! Times and durations in words.

use std::time::Duration;

use super::texts::{Text, Texts};
use crate::clock::Timestamp;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const MONTH: u64 = 30 * DAY;
const YEAR: u64 = 365 * DAY;

impl Texts {
    /// A duration to wait, rounded up to a whole unit.
    pub(in crate::http) fn duration(&self, wait: Duration) -> String {
        let texts = &self.time;
        let seconds = u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1);
        let (count, one, many) = if seconds < MINUTE {
            (seconds, &texts.second, &texts.seconds)
        } else if seconds < HOUR {
            (seconds.div_ceil(MINUTE), &texts.minute, &texts.minutes)
        } else {
            (seconds.div_ceil(HOUR), &texts.hour, &texts.hours)
        };
        counted(count, one, many)
    }

    /// How long ago `at` was, or in how long it will be, in words.
    pub(in crate::http) fn relative(&self, at: Timestamp, now: Timestamp) -> String {
        let texts = &self.time;
        if at > now {
            let seconds = at.since(now).as_secs().max(MINUTE);
            return largest(
                seconds,
                [
                    (YEAR, &texts.in_year, &texts.in_years),
                    (MONTH, &texts.in_month, &texts.in_months),
                    (DAY, &texts.in_day, &texts.in_days),
                    (HOUR, &texts.in_hour, &texts.in_hours),
                    (MINUTE, &texts.in_minute, &texts.in_minutes),
                ],
            )
            .unwrap_or_else(|| texts.now.as_str().to_owned());
        }
        largest(
            now.since(at).as_secs(),
            [
                (YEAR, &texts.year_ago, &texts.years_ago),
                (MONTH, &texts.month_ago, &texts.months_ago),
                (DAY, &texts.day_ago, &texts.days_ago),
                (HOUR, &texts.hour_ago, &texts.hours_ago),
                (MINUTE, &texts.minute_ago, &texts.minutes_ago),
            ],
        )
        .unwrap_or_else(|| texts.now.as_str().to_owned())
    }
}

/// The number of the largest unit that fits; `None` if none does.
fn largest(seconds: u64, units: [(u64, &Text, &Text); 5]) -> Option<String> {
    let (unit, one, many) = units.into_iter().find(|(unit, ..)| seconds >= *unit)?;
    Some(counted(seconds.checked_div(unit)?, one, many))
}

fn counted(count: u64, one: &Text, many: &Text) -> String {
    if count == 1 { one.as_str().to_owned() } else { many.with("count", count) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Language;
    use crate::http::pages::texts::Languages;

    const NOW: Timestamp = Timestamp::from_seconds(4_102_444_800);

    #[test]
    fn times_are_told_by_the_largest_unit_that_fits() {
        let languages = Languages::read(Language::English).unwrap();
        let texts = languages.choose(None, None);
        for (seconds, ago, ahead) in [
            (0, "just now", "just now"),
            (59, "just now", "in 1 minute"),
            (60, "1 minute ago", "in 1 minute"),
            (3599, "59 minutes ago", "in 59 minutes"),
            (3600, "1 hour ago", "in 1 hour"),
            (86_399, "23 hours ago", "in 23 hours"),
            (86_400, "1 day ago", "in 1 day"),
            (29 * 86_400, "29 days ago", "in 29 days"),
            (30 * 86_400, "1 month ago", "in 1 month"),
            (364 * 86_400, "12 months ago", "in 12 months"),
            (365 * 86_400, "1 year ago", "in 1 year"),
            (1000 * 86_400, "2 years ago", "in 2 years"),
        ] {
            let time = Duration::from_secs(seconds);
            assert_eq!(texts.relative(NOW.before(time), NOW), ago);
            assert_eq!(texts.relative(NOW.after(time), NOW), ahead);
        }
    }

    #[test]
    fn nobody_is_told_to_come_back_too_early() {
        let languages = Languages::read(Language::English).unwrap();
        let texts = languages.choose(None, None);
        for (millis, said) in [
            (0, "1 second"),
            (1_001, "2 seconds"),
            (59_000, "59 seconds"),
            (60_000, "1 minute"),
            (61_000, "2 minutes"),
            (3_600_000, "1 hour"),
            (3_601_000, "2 hours"),
        ] {
            assert_eq!(texts.duration(Duration::from_millis(millis)), said);
        }
    }
}
