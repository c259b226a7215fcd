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
