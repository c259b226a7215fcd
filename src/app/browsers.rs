//! The browsers in which a user is signed in at heirloom's own pages: listing them, and signing them out.

use super::account_rate_limits::AccountChange;
use super::error::TokenError;
use super::repository::{Change, Loaded};
use super::sessions::Sessions;
use crate::login::{Login, LogoutReason, Standing, Status, decide, index};
use crate::oauth::{LoginId, UserId};
use crate::session::{Device, EndReason};

/// A part of a list of logins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginsPage {
    /// The login after which the page begins.
    pub after: Option<LoginId>,
    /// How many logins are read.
    pub limit: usize,
}

/// A live login in a list.
#[derive(Clone, Debug)]
pub struct ListedLogin {
    /// Its id.
    pub id: LoginId,
    /// Its state.
    pub login: Login,
    /// What the browser said of itself when it began.
    pub device: Device,
}

impl Sessions {
    /// The live logins of a user, in the order in which they began, and the login after which the next page begins. It
    /// reads `limit` logins and leaves out those that are over, so a page can have fewer without being the last. When a
    /// login was last used stands in its cookie alone, so one that was left idle is listed until its time is over.
    ///
    /// # Errors
    /// [`TokenError`] if the store can't tell.
    pub async fn logins(
        &self,
        user: UserId,
        page: LoginsPage,
    ) -> Result<(Vec<ListedLogin>, Option<LoginId>), TokenError> {
        let after = page.after.map(|login| index::of_user(user, login));
        let keys = self.repository.scan(index::all_of_user(user), after, page.limit).await?;
        let next = if keys.len() == page.limit { keys.last() } else { None };
        let next = next.and_then(|(key, _)| index::login_of(key));
        let standing = self.login_standing(user).await?;
        let mut listed = Vec::with_capacity(keys.len());
        for id in keys.iter().filter_map(|(key, _)| index::login_of(key)) {
            let Some(login) = self.repository.login(id).await?.state else { continue };
            if decide::why_over(id, &login, &standing).is_none() {
                listed.push(ListedLogin { id, login, device: self.device(user, id).await? });
            }
        }
        Ok((listed, next))
    }

    /// Signs one of a user's own browsers out, with every session that began from its login: who signs a device out that
    /// is lost means all of it. `false` if the user has no such login; one that has ended already is not changed.
    ///
    /// # Errors
    /// [`TokenError`], and whether all has ended is unknown.
    pub async fn end_own_login(&self, user: UserId, id: LoginId) -> Result<bool, TokenError> {
        let end = |loaded: Loaded<Login>| async move {
            let Some(login) = loaded.state.as_ref().filter(|login| login.begun.user == user) else {
                return Ok::<_, TokenError>(Change::none(loaded, None));
            };
            if login.status == Status::Live && !loaded.is_retry {
                self.rate_limits.count_change(user, AccountChange::Sessions)?;
            }
            let events = decide::log_out(login, LogoutReason::Logout, None, self.clock.now());
            // Whoever knows the login is told of its end, and not once more of each session.
            let reason = if events.is_empty() { EndReason::User } else { EndReason::LoginEnded };
            Ok(Change::of(loaded, events, Some(reason)))
        };
        let Some(reason) = self.repository.execute(&id, end).await? else { return Ok(false) };
        let began_from_it = |session: &crate::session::Session| {
            session.started.login.as_ref().is_some_and(|login| login.id == id)
        };
        self.end_which(user, reason, began_from_it).await?;
        Ok(true)
    }

    /// What a user's logins are compared with.
    pub(super) async fn login_standing(&self, user: UserId) -> Result<Standing, TokenError> {
        let (user, installation_epoch) =
            tokio::try_join!(self.repository.user(user), self.installation.current())?;
        Ok(Standing {
            user: user.state.map(|user| user.session_epoch),
            installation_epoch,
            now: self.clock.now(),
        })
    }
}
