//! Connections that are made again when they are lost.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::super::StoreError;
use super::connect::Connector;
use super::open_error::OpenError;
use super::servers::Carrier;
use super::session::Session;
use crate::random::Random;

/// The pause before the first attempt to connect again; each later one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause, so that a database that is back is soon used.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Several connections for the same.
pub(super) struct Links(Vec<Arc<Link>>);

/// Where the present connection is, if there is one.
struct Link {
    state: Mutex<Result<Arc<Session>, Arc<str>>>,
    /// Whether what is not answered in time is cancelled. A change never is: one that waits for a standby would be committed
    /// without it.
    cancels: bool,
}

impl Links {
    /// Connects `number` times, and has `tasks` keep it so.
    pub(super) async fn open(
        connector: &Arc<Connector>,
        number: usize,
        tasks: &mut JoinSet<()>,
    ) -> Result<Self, OpenError> {
        Self::open_for(false, connector, number, tasks).await
    }

    /// As [`open`](Self::open), for statements that change nothing of what was acknowledged: what is not answered in time is
    /// cancelled.
    pub(super) async fn open_to_cancel(
        connector: &Arc<Connector>,
        number: usize,
        tasks: &mut JoinSet<()>,
    ) -> Result<Self, OpenError> {
        Self::open_for(true, connector, number, tasks).await
    }

    async fn open_for(
        cancels: bool,
        connector: &Arc<Connector>,
        number: usize,
        tasks: &mut JoinSet<()>,
    ) -> Result<Self, OpenError> {
        let mut links = Vec::with_capacity(number);
        for _ in 0..number {
            links.push(Link::open(cancels, connector, tasks).await?);
        }
        Ok(Self(links))
    }

    /// The first connection that is there.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] at once while there is none.
    pub(super) fn session(&self) -> Result<Arc<Session>, StoreError> {
        self.session_of(0)
    }

    /// The connection of one of those who share them, from 0, and another one only while that is down. So one that gives
    /// no answer holds up only one of them.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] at once while there is none.
    pub(super) fn session_of(&self, user: usize) -> Result<Arc<Session>, StoreError> {
        let in_turn = self.0.iter().cycle().skip(user).take(self.0.len());
        let mut last = Err(StoreError::Unavailable("the store is closed".to_owned()));
        for link in in_turn {
            last = link.session();
            if last.is_ok() {
                break;
            }
        }
        last
    }
}

impl Link {
    async fn open(
        cancels: bool,
        connector: &Arc<Connector>,
        tasks: &mut JoinSet<()>,
    ) -> Result<Arc<Self>, OpenError> {
        let (session, carrier) = connector.connect().await?;
        let session = Arc::new(session);
        let link = Arc::new(Self { state: Mutex::new(Ok(Arc::clone(&session))), cancels });
        tasks.spawn(Arc::clone(&link).keep(Arc::clone(connector), session, carrier));
        Ok(link)
    }

    fn session(&self) -> Result<Arc<Session>, StoreError> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.clone().map_err(|why| StoreError::Unavailable(why.to_string()))
    }

    async fn keep(self: Arc<Self>, connector: Arc<Connector>, session: Arc<Session>, carrier: Carrier) {
        let (mut session, mut carrier) = (session, carrier);
        loop {
            let why = tokio::select! {
                why = carrier.closed() => why,
                () = session.useless() => "the connection was given up".to_owned(),
            };
            tracing::warn!(store.failure = why, "lost a connection to PostgreSQL");
            self.set(Err(why.into()));
            if self.cancels {
                session.cancel().await;
            }
            drop(carrier);
            (session, carrier) = self.reconnect(&connector).await;
            self.set(Ok(Arc::clone(&session)));
            tracing::info!("connected to PostgreSQL again");
        }
    }

    async fn reconnect(&self, connector: &Connector) -> (Arc<Session>, Carrier) {
        let (random, mut pause) = (Random::system(), FIRST_PAUSE);
        let mut logged = None;
        loop {
            // Nodes that lost the database together come back one by one.
            sleep(jittered(pause, &random)).await;
            pause = longer(pause);
            match connector.connect().await {
                Ok((session, carrier)) => return (Arc::new(session), carrier),
                Err(error) => {
                    let why = error.to_string();
                    if logged.as_ref() != Some(&why) {
                        tracing::warn!(store.failure = why, "can't connect to PostgreSQL");
                    }
                    self.set(Err(why.as_str().into()));
                    logged = Some(why);
                }
            }
        }
    }

    fn set(&self, state: Result<Arc<Session>, Arc<str>>) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

/// The pause after `pause`.
fn longer(pause: Duration) -> Duration {
    pause.saturating_mul(2).min(LONGEST_PAUSE)
}

/// Between half and all of `pause`.
fn jittered(pause: Duration, random: &Random) -> Duration {
    let [byte] = random.bytes::<1>().unwrap_or([u8::MAX]);
    let part = u32::from(byte).saturating_add(256);
    pause.saturating_mul(part).checked_div(512).unwrap_or(pause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_stay_at_two_seconds() {
        let pauses = std::iter::successors(Some(FIRST_PAUSE), |pause| Some(longer(*pause))).take(8);
        let millis: Vec<u128> = pauses.map(|pause| pause.as_millis()).collect();
        assert_eq!(millis, [50, 100, 200, 400, 800, 1600, 2000, 2000]);
    }

    #[test]
    fn pauses_differ_and_are_never_longer_than_they_may_be() {
        let (random, pause) = (Random::system(), Duration::from_millis(512));
        let pauses: Vec<Duration> = (0..64).map(|_| jittered(pause, &random)).collect();
        assert!(pauses.iter().all(|one| *one >= pause / 2 && *one < pause));
        assert!(pauses.iter().any(|one| *one != pauses[0]));
    }
}
