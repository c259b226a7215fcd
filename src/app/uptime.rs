//! How long requests have been answered.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::session::Availability;
use crate::store::Store;

/// An outage may go on for so long before the store counts it: a change that has no answer, or the next one that looks
/// whether changes are made, fails in that time.
pub(super) const UNNOTICED: Duration = Duration::from_secs(15);

/// How often a process looks whether it has stood still.
const LOOKS_EVERY: Duration = Duration::from_secs(1);
/// From then on it has: it was paused, or has had no processor.
const STOOD_STILL: Duration = Duration::from_secs(5);

/// When requests were answered: since the start of the process or the last time that the store failed to answer, and
/// before that. While nobody could retry, no retry window runs out.
pub struct Uptime {
    state: Mutex<State>,
    store: Arc<dyn Store>,
    /// Outages that are none of the store's.
    others: AtomicU64,
    clock: Arc<dyn Clock>,
}

/// Moments are of the monotonic clock.
#[derive(Default)]
struct State {
    /// Whether requests are answered.
    answers: bool,
    /// What was so at a moment, and goes on since.
    availability: Availability,
    at: Duration,
    /// When it was last seen that no outage had been counted since.
    looked: Duration,
    /// The outages that were taken in.
    outages: u64,
    /// When the process last ran, if somebody looks.
    ran: Option<Duration>,
}

impl Uptime {
    /// Requests are not answered yet. Those that are all the same find every retry window open.
    pub(super) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        let uptime = Self { state: Mutex::default(), store, others: AtomicU64::default(), clock };
        uptime.restart(false, Availability::default());
        uptime
    }

    /// Requests are answered from now on; `before` is what is known of the time before.
    pub fn begin(&self, before: Availability) {
        self.restart(true, before);
    }

    /// Notices from now on when the process stands still, while nobody is answered; never returns.
    pub async fn keep_looking(self: Arc<Self>) {
        loop {
            self.at(self.clock.monotonic());
            self.state().ran = Some(self.clock.monotonic());
            tokio::time::sleep(LOOKS_EVERY).await;
        }
    }

    /// Takes in that requests are not answered now, though the store would.
    pub(super) fn note_outage(&self) {
        self.others.fetch_add(1, Ordering::AcqRel);
    }

    /// New requests are not answered any more.
    pub fn end(&self) {
        self.state().answers = false;
    }

    /// For how long requests have been answered without an outage; `None` if they are not.
    pub(super) fn answered_for(&self) -> Option<Duration> {
        let availability = self.at(self.clock.monotonic());
        self.state().answers.then_some(availability.up)
    }

    /// How requests were answered until a moment of the monotonic clock. The first request after an outage of the store
    /// says when it ended: it was answered.
    pub(super) fn at(&self, monotonic: Duration) -> Availability {
        let outages = self.outages();
        let mut state = self.state();
        let stood_still = state.ran.is_some_and(|ran| monotonic.saturating_sub(ran) > STOOD_STILL);
        if state.outages != outages || stood_still {
            state.note_outage(monotonic);
            state.outages = outages;
            state.ran = state.ran.map(|ran| ran.max(monotonic));
        }
        state.looked = state.looked.max(monotonic);
        let Availability { up, .. } = state.availability;
        Availability { up: up.saturating_add(monotonic.saturating_sub(state.at)), ..state.availability }
    }

    fn restart(&self, answers: bool, availability: Availability) {
        let (now, outages) = (self.clock.monotonic(), self.outages());
        let mut state = self.state();
        *state = State { answers, availability, at: now, looked: now, outages, ran: state.ran };
    }

    fn outages(&self) -> u64 {
        self.store.outages().saturating_add(self.others.load(Ordering::Acquire))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes in that there was an outage until now.
    fn note_outage(&mut self, now: Duration) {
        let Availability { up, outage, up_before } = self.availability;
        let known = up.saturating_add(self.looked.saturating_sub(self.at)).saturating_sub(UNNOTICED);
        self.availability = if known.is_zero() {
            // The one before it was not over.
            let longer = up.saturating_add(now.saturating_sub(self.at));
            Availability { up: Duration::ZERO, outage: outage.saturating_add(longer), up_before }
        } else {
            let outage = now.saturating_sub(self.looked).saturating_add(UNNOTICED);
            Availability { up: Duration::ZERO, outage, up_before: known }
        };
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Up for 1000 s, and last seen without an outage at `looked`, in seconds since.
    fn state(looked: u64) -> State {
        let availability = Availability::of(seconds(1000));
        State { availability, at: seconds(50), looked: seconds(50 + looked), ..State::default() }
    }

    #[test]
    fn an_outage_began_some_time_before_it_was_noticed() {
        let mut state = state(100);
        state.note_outage(seconds(190));
        assert_eq!(state.at, seconds(190));
        let noticed = Availability { up: seconds(0), outage: seconds(55), up_before: seconds(1085) };
        assert_eq!(state.availability, noticed);
    }

    #[test]
    fn outages_that_follow_each_other_closely_are_one() {
        let mut state = state(100);
        let mut outage = 55;
        for (looked, noticed) in [(150, 190), (202, 207), (215, 222)] {
            state.looked = seconds(looked);
            state.note_outage(seconds(noticed));
            assert_eq!((state.availability.up, state.availability.up_before), (seconds(0), seconds(1085)));
            assert_eq!(state.availability.outage, seconds(outage), "{noticed}");
            outage += if noticed == 190 { 17 } else { 15 };
        }
        state.looked = seconds(300);
        state.note_outage(seconds(305));
        let next = Availability { up: seconds(0), outage: seconds(20), up_before: seconds(63) };
        assert_eq!(state.availability, next, "only the last one is known");
    }
}
