//! Remembers by whom the sessions that were read last are judged.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::oauth::{LoginId, SessionId, UserId};
use crate::session::Session;

/// Of how many sessions it is remembered at least, if there are so many; of twice as many at most. They take 8 MB.
const REMEMBERED: usize = 50_000;

/// Whom a session is judged by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Companions {
    /// The user.
    pub(super) user: Option<UserId>,
    /// The login with which it ends.
    pub(super) login: Option<LoginId>,
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

impl Companions {
    /// Those that a session names.
    pub(super) fn of(session: &Session) -> Self {
        Self { user: session.started.user, login: session.started.online() }
    }
}

impl KnownCompanions {
    /// Nobody, if the session was not read lately.
    pub(super) fn of(&self, id: SessionId) -> Companions {
        let generations = self.generations();
        let known = generations.younger.get(&id).or_else(|| generations.older.get(&id));
        known.copied().unwrap_or_default()
    }

    /// Remembers those of a session.
    pub(super) fn remember(&self, id: SessionId, companions: Companions) {
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
