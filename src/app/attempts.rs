//! Limits on attempts, as the use cases see them: counted by this node alone, or together with others.

use std::net::IpAddr;
use std::sync::Arc;

use super::error::TokenError;
use super::shared_counters::SharedCounters;
use crate::clock::Clock;
use crate::throttle::operation::{Counters, Operation};
use crate::throttle::shared::{SharedAttempt, SharedReservation};
use crate::throttle::{Attempt, Origin, PasswordDigest, Reservation, Throttle, Throttled};

/// Attempts of one kind.
pub(super) struct Attempts {
    throttle: Arc<Throttle>,
    /// If several nodes count together.
    shared: Option<(Arc<SharedCounters>, Counters)>,
    clock: Arc<dyn Clock>,
}

/// An attempt that may be hashed. Whoever made it reports how it ended; without a report it stays counted as a failure.
#[must_use = "say how the attempt ended"]
pub(super) enum Reserved<'a> {
    /// Counted by this node alone.
    Alone(Reservation<'a>),
    /// Counted by all nodes.
    Shared(SharedReservation<'a>),
}

impl Attempts {
    pub(super) const fn new(
        throttle: Arc<Throttle>,
        shared: Option<(Arc<SharedCounters>, Counters)>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { throttle, shared, clock }
    }

    /// The digest of a password, for [`Attempt::password`].
    pub(super) fn digest(&self, password: &[u8]) -> PasswordDigest {
        self.throttle.digest(password)
    }

    /// Where an attempt comes from, by what this node has heard so far.
    pub(super) fn origin(&self, account: &[u8], peer: IpAddr) -> Origin {
        self.throttle.origin(account, peer)
    }

    /// Counts `attempt` as a failure, before its password is hashed: see [`Throttle::reserve`].
    ///
    /// # Errors
    /// [`TokenError::Throttled`]; [`TokenError::Store`] if the other nodes can't be told.
    pub(super) async fn reserve(&self, attempt: Attempt<'_>) -> Result<Reserved<'_>, TokenError> {
        let Some((shared, counters)) = &self.shared else {
            let reserved = self.throttle.reserve(attempt, self.clock.now());
            return Ok(Reserved::Alone(reserved.map_err(throttled)?));
        };
        let attempt = self.throttle.shared(attempt, *counters);
        if attempt.is_repeat(self.clock.now()) {
            return Ok(Reserved::Shared(attempt.repeated()));
        }
        self.reserve_shared(shared, attempt).await
    }

    async fn reserve_shared<'a>(
        &'a self,
        shared: &Arc<SharedCounters>,
        attempt: SharedAttempt<'a>,
    ) -> Result<Reserved<'a>, TokenError> {
        // What is refused anyway is not told, so that a flood writes no more than may be hashed. The others may have taken
        // something back meanwhile.
        if attempt.look(shared.time(), self.clock.now()).is_err() {
            shared.hear().await?;
            if let Err(refused) = attempt.look(shared.time(), self.clock.now()) {
                return Err(throttled(attempt.refused(refused)));
            }
        }
        let (position, outcome) = shared.tell(attempt.operation()).await?;
        let outcome = outcome.ok_or_else(|| TokenError::Internal("an attempt was not decided".to_owned()))?;
        Ok(Reserved::Shared(attempt.decided(position, outcome).map_err(throttled)?))
    }

    /// The password was right: see [`Reservation::succeeded`].
    pub(super) async fn succeeded(&self, reserved: Reserved<'_>) {
        match reserved {
            Reserved::Alone(reservation) => reservation.succeeded(self.clock.now()),
            Reserved::Shared(reservation) => self.report(reservation.succeeded()).await,
        }
    }

    /// The password was wrong: see [`Reservation::failed`].
    pub(super) fn failed(&self, reserved: Reserved<'_>) {
        match reserved {
            Reserved::Alone(reservation) => reservation.failed(self.clock.now()),
            Reserved::Shared(reservation) => reservation.failed(self.clock.now()),
        }
    }

    /// Nothing was hashed: see [`Reservation::abandoned`].
    pub(super) async fn abandoned(&self, reserved: Reserved<'_>) {
        match reserved {
            Reserved::Alone(reservation) => reservation.abandoned(),
            Reserved::Shared(reservation) => {
                if let Some(report) = reservation.abandoned() {
                    self.report(report).await;
                }
            }
        }
    }

    /// Makes the network known to another name of an account: see [`Throttle::remember`].
    pub(super) async fn remember(&self, account: &[u8], peer: IpAddr) {
        match &self.shared {
            None => self.throttle.remember(account, peer, self.clock.now()),
            // All nodes know what this one knows.
            Some(_) if self.throttle.origin(account, peer).known => {}
            Some((_, counters)) => {
                self.report(self.throttle.shared_remember(account, peer, *counters)).await;
            }
        }
    }

    /// Tells the other nodes. If that fails now, it is done later: the outcome of the attempt is certain.
    async fn report(&self, report: Operation) {
        if let Some((shared, _)) = &self.shared
            && let Err(error) = shared.tell(report).await
        {
            tracing::info!(error = %error, "the other nodes are told later how an attempt to sign in ended");
        }
    }
}

const fn throttled(throttled: Throttled) -> TokenError {
    TokenError::Throttled { retry_after: throttled.retry_after }
}
