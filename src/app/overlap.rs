//! Signs while an append is under way: the store writes and syncs then, and the processor has nothing better to do.
//!
//! What is signed is answered only if the append succeeds. That would often be wasted work where many requests present
//! the same token, so it is done only if no other append of the session is under way.

use std::collections::HashSet;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use crate::oauth::SessionId;

/// The sessions with an append under way.
#[derive(Debug, Default)]
pub(super) struct Overlap {
    under_way: Mutex<HashSet<SessionId>>,
}

/// An append that is under way until this is dropped.
struct UnderWay<'a> {
    overlap: &'a Overlap,
    id: SessionId,
}

impl Overlap {
    /// Waits for `append`, an append of the session `id`; does `work` meanwhile, if no other append of the session is under
    /// way.
    pub(super) async fn run<A, W>(
        &self,
        id: SessionId,
        append: impl Future<Output = A>,
        work: impl FnOnce() -> W,
    ) -> (A, Option<W>) {
        let Some(_under_way) = self.begin(id) else { return (append.await, None) };
        let mut append = pin!(append);
        // The first poll hands the append to the store.
        match poll_fn(|cx| Poll::Ready(append.as_mut().poll(cx))).await {
            Poll::Ready(appended) => (appended, None),
            Poll::Pending => {
                // Other requests hand in their appends first, so that they share the group; and signing for many in a
                // row is faster. A single request would only be delayed.
                if self.under_way().len() > 1 {
                    tokio::task::yield_now().await;
                }
                let done = work();
                (append.await, Some(done))
            }
        }
    }

    fn under_way(&self) -> MutexGuard<'_, HashSet<SessionId>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, id: SessionId) -> Option<UnderWay<'_>> {
        let begun = self.under_way().insert(id);
        begun.then(|| UnderWay { overlap: self, id })
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.overlap.under_way().remove(&self.id);
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
        let overlap = Overlap::default();
        let (landed, append) = oneshot::channel();
        let first = async {
            // The work is done before the append has landed: it is what lets it land.
            let both = overlap.run(id(), append, || landed.send("landed").is_ok());
            assert_eq!(both.await, (Ok("landed"), Some(true)));
        };
        first.await;

        let mut waiting = pin!(overlap.run(id(), pending::<()>(), || ()));
        assert!(poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx))).await.is_pending());
        let second = overlap.run(id(), ready("second"), || panic!("in vain"));
        assert_eq!(second.await, ("second", None));
    }

    #[tokio::test]
    async fn all_hand_in_their_appends_before_anybody_signs() {
        let (overlap, steps) = (Overlap::default(), Mutex::new(Vec::new()));
        let note = |step: &'static str| steps.lock().unwrap().push(step);
        let one = |number, append: [&'static str; 3]| {
            let [handed_in, signed, landed] = append;
            let mut first = true;
            let append = poll_fn(move |_| {
                note(if first { handed_in } else { landed });
                if std::mem::take(&mut first) { Poll::Pending } else { Poll::Ready(()) }
            });
            overlap.run(SessionId::from([number; 16]), append, move || note(signed))
        };
        let _another = overlap.begin(SessionId::from([3; 16]));
        tokio::join!(one(1, ["append 1", "sign 1", "end 1"]), one(2, ["append 2", "sign 2", "end 2"]));
        let steps = steps.into_inner().unwrap();
        assert_eq!(steps.len(), 6, "{steps:?}");
        assert_eq!(steps[..2], ["append 1", "append 2"], "{steps:?}");
    }

    #[tokio::test]
    async fn one_alone_signs_at_once() {
        let (overlap, mut signed) = (Overlap::default(), false);
        {
            let mut alone = pin!(overlap.run(id(), pending::<()>(), || signed = true));
            assert!(poll_fn(|cx| Poll::Ready(alone.as_mut().poll(cx))).await.is_pending());
        }
        assert!(signed);
    }

    #[tokio::test]
    async fn an_append_that_is_over_at_once_and_one_that_is_given_up_leave_nothing_behind() {
        let overlap = Overlap::default();
        assert_eq!(overlap.run(id(), ready(1), || panic!("in vain")).await, (1, None));
        {
            let mut given_up = pin!(overlap.run(id(), pending::<()>(), || ()));
            assert!(poll_fn(|cx| Poll::Ready(given_up.as_mut().poll(cx))).await.is_pending());
        }
        assert!(overlap.under_way().is_empty());
    }
}
