//! Signs beside an append: while the store writes and syncs, the processor has nothing better to do. And says how long
//! an append may wait for others: as long as the processors are busy with those that came before it, or will be with those
//! that are expected. So the more requests there are at once, the more of them share a group and its sync.
//!
//! What is signed is only answered once the append has landed, and is dropped if it has not. That would be in vain where
//! many requests present one and the same token, so it is done only if no other append of the session is under way.

use std::collections::HashSet;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use crate::oauth::SessionId;

/// The longest that one request is taken to keep a processor: what took longer has waited for something else.
const LONGEST_WORK: Duration = Duration::from_millis(5);

/// After how long without an append nobody is expected.
const PAUSE: Duration = Duration::from_millis(100);

/// The appends that are under way, and what their requests take.
#[derive(Debug)]
pub(super) struct Appending {
    crowd: Mutex<Crowd>,
    /// How long a request keeps a processor, in nanoseconds: a moving average.
    work: AtomicU64,
    processors: u32,
}

#[derive(Debug, Default)]
struct Crowd {
    /// The sessions of which an append is under way: no more than there are requests.
    under_way: HashSet<SessionId>,
    /// How many are expected to be under way in a moment.
    expected: usize,
    /// When somebody asked for that last.
    last_asked: Option<Instant>,
}

/// An append under way; over when dropped.
struct UnderWay<'a> {
    all: &'a Appending,
    id: SessionId,
}

impl Appending {
    /// Waits for `append`; does `work` meanwhile, if no other append of the session is under way. `began` is when the
    /// request was taken up.
    pub(super) async fn overlap<A, W>(
        &self,
        (began, id): (Instant, SessionId),
        append: impl Future<Output = A>,
        work: impl FnOnce() -> W,
    ) -> (A, Option<W>) {
        let Some(_under_way) = self.begin(id) else { return (append.await, None) };
        let mut append = pin!(append);
        // The first look hands it to the store.
        match poll_fn(|cx| Poll::Ready(append.as_mut().poll(cx))).await {
            Poll::Ready(appended) => (appended, None),
            Poll::Pending => {
                let before = began.elapsed();
                // Others hand in their appends first: they come into the same group, and a processor that does the same
                // for many, one behind the other, does it faster. One alone would only be moved about.
                if self.crowd().under_way.len() > 1 {
                    tokio::task::yield_now().await;
                }
                let began = now();
                let done = work();
                self.learn(before.saturating_add(began.elapsed()));
                (append.await, Some(done))
            }
        }
    }

    /// How long the processors need for the requests whose appends are under way, or are expected to be in a moment.
    pub(super) fn slack(&self, now: Instant) -> Duration {
        let expected = u32::try_from(self.crowd().expect(now)).unwrap_or(u32::MAX);
        let each = Duration::from_nanos(self.work.load(Ordering::Relaxed));
        each.saturating_mul(expected).checked_div(self.processors).unwrap_or_default()
    }

    /// Takes in how long a request has kept a processor.
    fn learn(&self, took: Duration) {
        let took = u64::try_from(took.min(LONGEST_WORK).as_nanos()).unwrap_or(u64::MAX);
        let known = self.work.load(Ordering::Relaxed);
        // Of two that are taken in at one moment, one may be lost: it is an average.
        let next = if known == 0 { took } else { known.saturating_sub(known >> 4).saturating_add(took >> 4) };
        self.work.store(next, Ordering::Relaxed);
    }

    fn crowd(&self) -> MutexGuard<'_, Crowd> {
        self.crowd.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, id: SessionId) -> Option<UnderWay<'_>> {
        let begun = self.crowd().under_way.insert(id);
        begun.then(|| UnderWay { all: self, id })
    }
}

impl Crowd {
    /// How many are under way, or will be in a moment. Those whom a group has answered come back together: the first of
    /// them, who finds nobody, expects half of those that there were, or else it would be a group of its own. Fewer are
    /// expected with each who comes, so that it follows when they get fewer.
    fn expect(&mut self, now: Instant) -> usize {
        let here = self.under_way.len();
        let paused = self.last_asked.is_none_or(|asked| now.saturating_duration_since(asked) > PAUSE);
        self.expected = match here {
            _ if paused => here,
            0 => self.expected >> 1,
            _ => here.max(self.expected.saturating_sub(1)),
        };
        self.last_asked = Some(now);
        self.expected
    }
}

#[expect(clippy::disallowed_methods, reason = "measures the processor; decides nothing that is stored")]
pub(super) fn now() -> Instant {
    Instant::now()
}

impl Default for Appending {
    fn default() -> Self {
        let processors = thread::available_parallelism()
            .map_or(1, |number| u32::try_from(number.get()).unwrap_or(u32::MAX));
        Self { crowd: Mutex::default(), work: AtomicU64::new(0), processors }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.all.crowd().under_way.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::sync::oneshot;

    use super::*;

    fn id() -> SessionId {
        SessionId::from([1; 16])
    }

    #[tokio::test]
    async fn work_is_done_while_the_append_is_under_way_and_only_for_the_first_of_a_session() {
        let appending = Appending::default();
        let (landed, append) = oneshot::channel();
        let first = async {
            // The work is done before the append has landed: it is what lets it land.
            let beside = appending.overlap((now(), id()), append, || landed.send("landed").is_ok());
            assert_eq!(beside.await, (Ok("landed"), Some(true)));
        };
        first.await;

        let mut waiting = pin!(appending.overlap((now(), id()), pending::<()>(), || ()));
        assert!(poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx))).await.is_pending());
        let second = appending.overlap((now(), id()), ready("second"), || panic!("in vain"));
        assert_eq!(second.await, ("second", None));
    }

    #[tokio::test]
    async fn all_hand_in_their_appends_before_anybody_signs() {
        let (appending, steps) = (Appending::default(), Mutex::new(Vec::new()));
        let note = |step: &'static str| steps.lock().unwrap().push(step);
        let one = |number, append: [&'static str; 3]| {
            let [handed_in, signed, landed] = append;
            let mut first = true;
            let append = poll_fn(move |_| {
                note(if first { handed_in } else { landed });
                if std::mem::take(&mut first) { Poll::Pending } else { Poll::Ready(()) }
            });
            appending.overlap((now(), SessionId::from([number; 16])), append, move || note(signed))
        };
        let _another = appending.begin(SessionId::from([3; 16]));
        tokio::join!(one(1, ["append 1", "sign 1", "end 1"]), one(2, ["append 2", "sign 2", "end 2"]));
        let steps = steps.into_inner().unwrap();
        assert_eq!(steps.len(), 6, "{steps:?}");
        assert_eq!(steps[..2], ["append 1", "append 2"], "{steps:?}");
    }

    #[tokio::test]
    async fn one_alone_signs_at_once() {
        let (appending, mut signed) = (Appending::default(), false);
        {
            let mut alone = pin!(appending.overlap((now(), id()), pending::<()>(), || signed = true));
            assert!(poll_fn(|cx| Poll::Ready(alone.as_mut().poll(cx))).await.is_pending());
        }
        assert!(signed);
    }

    #[tokio::test]
    async fn an_append_that_is_over_at_once_and_one_that_is_given_up_leave_nothing_behind() {
        let appending = Appending::default();
        assert_eq!(appending.overlap((now(), id()), ready(1), || panic!("in vain")).await, (1, None));
        {
            let mut given_up = pin!(appending.overlap((now(), id()), pending::<()>(), || ()));
            assert!(poll_fn(|cx| Poll::Ready(given_up.as_mut().poll(cx))).await.is_pending());
        }
        assert!(appending.crowd().under_way.is_empty());
    }

    /// Two processors, and requests of 800 microseconds: each who is expected is another 400.
    fn with_work() -> (Appending, Instant) {
        let appending = Appending { processors: 2, ..Appending::default() };
        appending.learn(Duration::from_micros(800));
        (appending, now())
    }

    fn many(appending: &Appending, number: u8) -> Vec<Option<UnderWay<'_>>> {
        (0..number).map(|number| appending.begin(SessionId::from([number; 16]))).collect()
    }

    #[test]
    fn the_more_there_is_to_do_the_longer_an_append_may_wait() {
        let (appending, now) = with_work();
        assert_eq!(appending.slack(now), Duration::ZERO, "alone, nobody waits");
        let all = many(&appending, 3);
        assert_eq!(appending.slack(now), Duration::from_micros(1200));
        drop(all);
        // What takes long has waited for something else.
        appending.learn(Duration::from_hours(1));
        let _one = appending.begin(id());
        assert!(appending.slack(now + PAUSE * 2) < Duration::from_millis(1));
    }

    #[test]
    fn a_crowd_is_expected_back_but_not_for_long() {
        let (appending, now) = with_work();
        let slacks = |number| (0..number).map(|_| appending.slack(now).as_micros() / 400).collect::<Vec<_>>();
        let crowd = many(&appending, 8);
        assert_eq!(slacks(1), [8]);
        drop(crowd);
        assert_eq!(slacks(1), [4], "the first expects half of them");
        let one = appending.begin(id());
        assert_eq!(slacks(4), [3, 2, 1, 1], "and those behind it fewer each");
        drop(one);

        let crowd = many(&appending, 8);
        assert_eq!(slacks(1), [8]);
        drop(crowd);
        assert_eq!(slacks(5), [4, 2, 1, 0, 0], "alone again");

        let crowd = many(&appending, 8);
        assert_eq!(slacks(1), [8]);
        drop(crowd);
        assert_eq!(appending.slack(now + PAUSE * 2), Duration::ZERO, "nobody for a while");
    }
}
