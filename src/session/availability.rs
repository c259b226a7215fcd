//! How long requests have been answered, so that no retry window runs out while nobody could retry.

use std::time::Duration;

/// For how long requests were answered, as far back as the outage before the last one. What is not known counts as an
/// outage: then a window is open for longer, and nobody is signed out by mistake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Availability {
    /// How long requests have been answered since the last outage.
    pub up: Duration,
    /// How long that outage lasted.
    pub outage: Duration,
    /// How long requests had been answered when it began.
    pub up_before: Duration,
}

impl Availability {
    /// Requests have been answered for so long; nothing is known of the time before.
    #[must_use]
    pub const fn of(up: Duration) -> Self {
        Self { up, outage: Duration::ZERO, up_before: Duration::ZERO }
    }

    /// For how much of the last `time` requests were certainly answered.
    #[must_use]
    pub fn within(&self, time: Duration) -> Duration {
        let before = time.saturating_sub(self.up).saturating_sub(self.outage);
        time.min(self.up).saturating_add(before.min(self.up_before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_does_not_count_and_neither_does_what_is_not_known() {
        let seconds = Duration::from_secs;
        let availability = Availability { up: seconds(10), outage: seconds(100), up_before: seconds(50) };
        let counted = [(0, 0), (7, 7), (10, 10), (60, 10), (110, 10), (120, 20), (160, 60), (9999, 60)];
        for (time, answered) in counted {
            assert_eq!(availability.within(seconds(time)), seconds(answered), "{time}");
        }
        assert_eq!(Availability::of(seconds(10)).within(Duration::MAX), seconds(10));
        assert_eq!(Availability::of(Duration::MAX).within(Duration::MAX), Duration::MAX);
    }
}
