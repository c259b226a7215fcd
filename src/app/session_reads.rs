//! Reads a session with what it is judged by: its user and its login.
//!
//! Where several nodes share the store, reading it takes a round trip. So who the user is, and which login, is remembered
//! from the last time, and all are read at once. That only says what is worth reading: what was read is used if the
//! session names it, and what it names is read afterwards if it is another.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Repository;
use super::error::TokenError;
use super::repository::Loaded;
use crate::clock::Timestamp;
use crate::login::LogoutReason;
use crate::oauth::{LoginId, SessionId, UserId};
use crate::session::Session;
use crate::user::User;

/// Of how many sessions it is remembered at least, if there are so many; of twice as many at most. They take 8 MB.
const REMEMBERED: usize = 50_000;

/// A session as it was read, with its user and its login.
pub(super) struct SessionReading {
    /// The session.
    pub(super) session: Loaded<Session>,
    /// Its user; none if there is no such user, or the client acts for itself.
    pub(super) user: Option<User>,
    /// Why the login has ended with which it ends; none if that lives, or there is none.
    pub(super) login_end: Option<LogoutReason>,
}

/// Whom a session is judged by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Companions {
    user: Option<UserId>,
    login: Option<LoginId>,
}

/// The companions of the sessions that were read last.
#[derive(Default)]
pub(super) struct KnownCompanions(Mutex<Generations>);

/// When the younger half is full, the older one is forgotten.
#[derive(Default)]
struct Generations {
    younger: HashMap<SessionId, Companions>,
    older: HashMap<SessionId, Companions>,
}

impl Repository {
    /// Loads a session with its user and its login.
    pub(super) async fn session_reading(
        &self,
        id: SessionId,
        now: Timestamp,
    ) -> Result<SessionReading, TokenError> {
        let expected = self.companions().map(|known| known.of(id)).unwrap_or_default();
        let (session, read) = tokio::join!(self.session(id), self.read_companions(expected, now));
        let session = session?;
        let named = session.state.as_ref().map(Companions::of).unwrap_or_default();
        let (user, login_end) =
            if named == expected { read } else { self.read_companions(named, now).await }?;
        if let Some(known) = self.companions() {
            known.remember(id, named);
        }
        Ok(SessionReading { session, user, login_end })
    }

    async fn read_companions(
        &self,
        companions: Companions,
        now: Timestamp,
    ) -> Result<(Option<User>, Option<LogoutReason>), TokenError> {
        tokio::try_join!(self.user_if(companions.user), self.login_end(companions.login, now))
    }
}

impl Companions {
    fn of(session: &Session) -> Self {
        Self { user: session.started.user, login: session.started.online() }
    }
}

impl KnownCompanions {
    /// Nobody, if the session was not read lately.
    fn of(&self, id: SessionId) -> Companions {
        let generations = self.generations();
        let known = generations.younger.get(&id).or_else(|| generations.older.get(&id));
        known.copied().unwrap_or_default()
    }

    fn remember(&self, id: SessionId, companions: Companions) {
        let mut generations = self.generations();
        if generations.younger.len() >= REMEMBERED {
            generations.older = std::mem::take(&mut generations.younger);
        }
        generations.younger.insert(id, companions);
    }

    /// A poisoned lock is used anyway: what is remembered is checked.
    fn generations(&self) -> MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> SessionId {
        SessionId::from(u128::try_from(number).unwrap().to_be_bytes())
    }

    #[test]
    fn the_sessions_that_were_read_last_are_remembered_and_no_more() {
        let known = KnownCompanions::default();
        let user = Companions { user: Some(UserId::from([7; 16])), login: None };
        for number in 0..REMEMBERED * 5 {
            known.remember(id(number), user);
            known.remember(id(0), user);
        }
        let last = REMEMBERED * 5 - 1;
        assert!([0, last, last - REMEMBERED + 2].iter().all(|number| known.of(id(*number)) == user));
        assert_eq!(known.of(id(1)), Companions::default());
        let generations = known.generations();
        assert!(generations.younger.len() + generations.older.len() <= 2 * REMEMBERED);
    }
}
