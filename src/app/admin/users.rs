//! Reads and changes accounts for administrators.

use super::Administration;
use crate::app::error::TokenError;
use crate::app::users::UserError;
use crate::oauth::role::is_role;
use crate::oauth::{Actor, UserId};
use crate::user::{Command, Status, Username, vault};

/// The most roles that a user has.
pub const MAX_ROLES: usize = 32;

/// An account. Has a redacted `Debug`: it holds a name.
#[derive(Clone, PartialEq, Eq)]
pub struct UserDetails {
    /// Its id.
    pub id: UserId,
    /// Its name; none once it is deleted.
    pub name: Option<String>,
    /// Whether it can be used.
    pub status: Status,
    /// Its roles.
    pub roles: Vec<String>,
}

impl std::fmt::Debug for UserDetails {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "UserDetails({}, …)", self.id)
    }
}

/// A role that can't be one. The text is fit for the administrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("A role has 1 to 64 letters, digits or any of . _ : -, and a user has at most {MAX_ROLES}.")]
pub struct BadRole;

/// Checks roles, and leaves out those that are listed twice.
///
/// # Errors
/// [`BadRole`].
pub fn parse_roles(listed: Vec<String>) -> Result<Vec<String>, BadRole> {
    let mut roles = Vec::new();
    for role in listed {
        if !is_role(&role) {
            return Err(BadRole);
        }
        if !roles.contains(&role) {
            roles.push(role);
        }
    }
    if roles.len() > MAX_ROLES { Err(BadRole) } else { Ok(roles) }
}

impl Administration {
    /// An account by its id, deleted ones too; none if there never was one.
    ///
    /// # Errors
    /// [`TokenError`] if the store can't tell.
    pub async fn user_details(&self, id: UserId) -> Result<Option<UserDetails>, TokenError> {
        let Some(user) = self.repository.user(id).await?.state else { return Ok(None) };
        let name = self.accounts.name_of(id).await?;
        Ok(Some(UserDetails { id, name, status: user.status, roles: user.roles }))
    }

    /// At most `limit` accounts whose names begin with `prefix`, in the order of their names, behind the name `after`.
    ///
    /// # Errors
    /// [`UserError::Name`] if `prefix` can't be the beginning of a name.
    pub async fn find_users(
        &self,
        prefix: &str,
        after: Option<&Username>,
        limit: usize,
    ) -> Result<Vec<UserDetails>, UserError> {
        let prefix = if prefix.is_empty() { String::new() } else { prefix.parse::<Username>()?.to_string() };
        let after = after.map(vault::by_name);
        let page = self.repository.scan(vault::names_with(&prefix), after, limit).await;
        let skip = vault::names().as_bytes().len();
        let mut found = Vec::new();
        for (key, id) in page.map_err(TokenError::from)? {
            let name = String::from_utf8_lossy(key.as_bytes().get(skip..).unwrap_or_default()).into_owned();
            let Ok(id) = <[u8; 16]>::try_from(id.as_slice()).map(UserId::from) else {
                return Err(TokenError::Internal("a name leads to no id".to_owned()).into());
            };
            let user = self.repository.user(id).await?.state.unwrap_or_default();
            found.push(UserDetails { id, name: Some(name), status: user.status, roles: user.roles });
        }
        Ok(found)
    }

    /// Switches an account off or on, sets its roles, or ends its sessions.
    ///
    /// # Errors
    /// [`UserError`], and nothing was changed.
    pub async fn administer_user(&self, id: UserId, command: Command, by: Actor) -> Result<(), UserError> {
        self.accounts.change_user(id, command, Some(by), Vec::new()).await
    }

    /// Sets an account's password, which ends all its sessions.
    ///
    /// # Errors
    /// [`UserError`], and nothing was changed.
    pub async fn administer_password(&self, id: UserId, password: &str, by: Actor) -> Result<(), UserError> {
        // By its id throughout, because its name may become somebody else's meanwhile.
        let name = self.accounts.name_of(id).await?.ok_or(UserError::Unknown)?;
        self.accounts.replace_password((id, &name.parse()?), password, None, Some(by)).await
    }

    /// Deletes an account, as [`Accounts::delete_user`](crate::app::accounts::Accounts::delete_user) does; of one that is not made yet, withdraws the invitation.
    ///
    /// # Errors
    /// [`UserError`], and nothing was changed.
    pub async fn administer_deletion(&self, id: UserId, by: Actor) -> Result<(), UserError> {
        if self.accounts.name_of(id).await?.is_some() {
            return self.accounts.erase(id, None, Some(by)).await;
        }
        match self.repository.user(id).await?.state.map(|user| user.status) {
            Some(Status::Invited) => self.accounts.withdraw_invitation(id, by).await,
            Some(Status::Active | Status::Disabled | Status::Deleted | Status::Withdrawn) | None => {
                Err(UserError::Unknown)
            }
        }
    }

    /// The id of the account with a name.
    ///
    /// # Errors
    /// [`UserError`].
    pub async fn find_user(&self, name: &str) -> Result<UserId, UserError> {
        self.accounts.user_id(&name.parse()?).await?.ok_or(UserError::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_short_words_each_once() {
        let roles = |listed: &[&str]| parse_roles(listed.iter().map(ToString::to_string).collect());
        assert_eq!(roles(&["admin", "user", "admin"]), Ok(vec!["admin".to_owned(), "user".to_owned()]));
        for bad in ["", "two words", "a\u{1b}", "ä", &"a".repeat(65)] {
            assert_eq!(roles(&[bad]), Err(BadRole), "{bad:?}");
        }
        let many: Vec<String> = (0..33).map(|number| format!("r{number}")).collect();
        assert_eq!(parse_roles(many), Err(BadRole));
    }
}
