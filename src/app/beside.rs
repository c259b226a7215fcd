//! Signs beside an append: while the store writes and syncs, the processor has nothing better to do.
//!
//! What is signed is only answered once the append has landed, and is dropped if it has not. That would be in vain where
//! many requests present one and the same token, so it is done only if no other append of the session is under way.

use std::collections::HashSet;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;

use crate::oauth::SessionId;

/// The sessions of which an append is under way: no more than there are requests.
#[derive(Debug, Default)]
pub(super) struct Appending(Mutex<HashSet<SessionId>>);

/// An append under way; over when dropped.
struct UnderWay<'a> {
    all: &'a Appending,
    id: SessionId,
}

impl Appending {
    /// Waits for `append`; does `work` meanwhile, if no other append of the session is under way.
    pub(super) async fn beside<A, W>(
        &self,
        id: SessionId,
        append: impl Future<Output = A>,
        work: impl FnOnce() -> W,
    ) -> (A, Option<W>) {
        let Some(_under_way) = self.begin(id) else { return (append.await, None) };
        let mut append = pin!(append);
        // The first look hands it to the store.
        match poll_fn(|cx| Poll::Ready(append.as_mut().poll(cx))).await {
            Poll::Ready(appended) => (appended, None),
            Poll::Pending => {
                let done = work();
                (append.await, Some(done))
            }
        }
    }

    fn begin(&self, id: SessionId) -> Option<UnderWay<'_>> {
        let begun = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        begun.then(|| UnderWay { all: self, id })
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
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
            let beside = appending.beside(id(), append, || landed.send("landed").is_ok());
            assert_eq!(beside.await, (Ok("landed"), Some(true)));
        };
        first.await;

        let mut waiting = pin!(appending.beside(id(), pending::<()>(), || ()));
        assert!(poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx))).await.is_pending());
        let second = appending.beside(id(), ready("second"), || panic!("in vain"));
        assert_eq!(second.await, ("second", None));
    }

    #[tokio::test]
    async fn an_append_that_is_over_at_once_and_one_that_is_given_up_leave_nothing_behind() {
        let appending = Appending::default();
        assert_eq!(appending.beside(id(), ready(1), || panic!("in vain")).await, (1, None));
        {
            let mut given_up = pin!(appending.beside(id(), pending::<()>(), || ()));
            assert!(poll_fn(|cx| Poll::Ready(given_up.as_mut().poll(cx))).await.is_pending());
        }
        assert!(appending.0.lock().unwrap().is_empty());
    }
}
