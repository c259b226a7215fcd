//! Reads a session with what it is judged by: its user and its login.
//!
//! Where several nodes share the store, reading it takes a round trip. So who the user is, and which login, is remembered
//! from the last time, and all are read at once. That only says what is worth reading: what was read is used if the
//! session names it, and what it names is read afterwards if it is another.

use super::Repository;
use super::companions::Companions;
use super::error::TokenError;
use super::repository::Loaded;
use crate::clock::Timestamp;
use crate::login::LogoutReason;
use crate::oauth::SessionId;
use crate::session::Session;
use crate::user::User;

/// A session as it was read, with its user and its login.
pub(super) struct SessionReading {
    /// The session.
    pub(super) session: Loaded<Session>,
    /// Its user; none if there is no such user, or the client acts for itself.
    pub(super) user: Option<User>,
    /// Why the login has ended with which it ends; none if that lives, or there is none.
    pub(super) login_end: Option<LogoutReason>,
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
