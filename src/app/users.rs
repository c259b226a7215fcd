//! Changes, switches off and deletes accounts. They are made in [`super::sign_up`].

use super::accounts::Accounts;
use super::error::TokenError;
use super::repository::{Change, Loaded};
use crate::clock::Timestamp;
use crate::oauth::{Actor, KeptId, UserId};
use crate::password::hash::PasswordRecord;
use crate::password::policy::PolicyRefused;
use crate::password::pool::{NewPassword, PoolError, Source};
use crate::password::{Password, PasswordRefused};
use crate::store::{RecordChange, RecordKey};
use crate::user::email::EmailRefused;
use crate::user::name::NameRefused;
use crate::user::profile::DisplayNameRefused;
use crate::user::{self, Command, DisplayName, Email, Profile, User, UserEvent, Username, vault};

/// Why an account was not made or changed. The texts are fit for the person who asked.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// The name can't be a name.
    #[error(transparent)]
    Name(#[from] NameRefused),
    /// The password can't be a password.
    #[error(transparent)]
    Password(#[from] PasswordRefused),
    /// The password is too weak.
    #[error(transparent)]
    Weak(#[from] PolicyRefused),
    /// Somebody has the name.
    #[error("The name is taken.")]
    Taken,
    /// The e-mail address can't be one.
    #[error(transparent)]
    Email(#[from] EmailRefused),
    /// Somebody signs in with the e-mail address.
    #[error("The e-mail address is taken.")]
    EmailTaken,
    /// The display name can't be one.
    #[error(transparent)]
    DisplayName(#[from] DisplayNameRefused),
    /// Nobody may sign up.
    #[error("Nobody can sign up here.")]
    Closed,
    /// Who signs up needs an invitation.
    #[error("Signing up needs an invitation.")]
    NotInvited,
    /// The invitation's code is unknown, was used before, or is too old.
    #[error("The invitation is unknown, used or expired.")]
    Invitation,
    /// The account has been made of the invitation.
    #[error("The invitation was used: the account exists.")]
    InvitationUsed,
    /// The password of the account is another one.
    #[error("The password is wrong.")]
    WrongPassword,
    /// There is no such account.
    #[error("There is no such account.")]
    Unknown,
    /// It could not be done.
    #[error(transparent)]
    Failed(#[from] TokenError),
}

impl Accounts {
    /// Sets a new password, which ends all sessions but `keep`.
    ///
    /// # Errors
    /// [`UserError`], and nothing was changed.
    pub async fn set_password(
        &self,
        name: &str,
        password: &str,
        keep: Option<KeptId>,
    ) -> Result<(), UserError> {
        self.set_password_as(name, password, keep, None).await
    }

    /// As [`Accounts::set_password`], and records who did it.
    ///
    /// # Errors
    /// [`UserError`], and nothing was changed.
    pub async fn set_password_as(
        &self,
        name: &str,
        password: &str,
        keep: Option<KeptId>,
        by: Option<Actor>,
    ) -> Result<(), UserError> {
        let name: Username = name.parse()?;
        let id = self.user_id(&name).await?.ok_or(UserError::Unknown)?;
        self.replace_password((id, &name), password, keep, by).await
    }

    /// Sets a new password of the account `id`, which has the name.
    pub(super) async fn replace_password(
        &self,
        (id, name): (UserId, &Username),
        password: &str,
        keep: Option<KeptId>,
        by: Option<Actor>,
    ) -> Result<(), UserError> {
        let about = about(name, &self.profile(id).await?);
        let record = self.hash_new(about, password, Source::OPERATOR).await?;
        let records = vec![password_record(id, &record)];
        self.change_user(id, Command::ChangePassword { keep }, by, records).await
    }

    /// Switches an account off or on, sets its roles, or ends its sessions.
    ///
    /// # Errors
    /// [`UserError`], and nothing was changed.
    pub async fn change(&self, name: &str, command: Command) -> Result<(), UserError> {
        let id = self.user_id(&name.parse()?).await?.ok_or(UserError::Unknown)?;
        self.change_user(id, command, None, Vec::new()).await
    }

    /// Deletes an account: its sessions end, its name is free again, and its personal data are erased from the store.
    /// Its events, which have no personal data, stay.
    ///
    /// # Errors
    /// [`UserError`], and nothing was changed.
    pub async fn delete_user(&self, name: &str) -> Result<(), UserError> {
        let id = self.user_id(&name.parse()?).await?.ok_or(UserError::Unknown)?;
        self.erase(id, None, None).await
    }

    /// The name of a user; none if the account is deleted.
    ///
    /// # Errors
    /// [`TokenError`] if the store can't tell.
    pub async fn name_of(&self, id: UserId) -> Result<Option<String>, TokenError> {
        let name = self.repository.record(vault::display_name(id)).await?;
        Ok(name.map(|name| String::from_utf8_lossy(&name).into_owned()))
    }

    /// The account that somebody means who typed `typed` to sign in: found by its name or, where that is permitted, by
    /// its e-mail address.
    ///
    /// # Errors
    /// [`TokenError`] if the store can't tell.
    pub async fn account_named(&self, typed: &str) -> Result<Option<UserId>, TokenError> {
        if let Ok(name) = typed.parse::<Username>()
            && let Some(id) = self.user_id(&name).await?
        {
            return Ok(Some(id));
        }
        match typed.parse::<Email>() {
            Ok(address) if self.settings.accounts.login_with_email => self.address_owner(&address).await,
            Ok(_) | Err(_) => Ok(None),
        }
    }

    /// The key that counts an attempt to sign in: the normalised address, where people can sign in with one, or the
    /// normalised name. It does not depend on whether the account exists, so it reveals nothing; and an account with a
    /// name and an address has a counter for each.
    pub(super) fn sign_in_key(&self, typed: &str) -> String {
        let address = typed.parse::<Email>().ok().filter(|_| self.settings.accounts.login_with_email);
        match (address, typed.parse::<Username>()) {
            (Some(address), _) => address.key().to_owned(),
            (None, Ok(name)) => name.as_str().to_owned(),
            // It can't be anybody's name.
            (None, Err(_)) => typed.to_owned(),
        }
    }

    /// The id of the user who has a name.
    pub(super) async fn user_id(&self, name: &Username) -> Result<Option<UserId>, TokenError> {
        self.id_in(vault::by_name(name)).await
    }

    /// The id of the user who signs in with an e-mail address.
    pub(super) async fn address_owner(&self, address: &Email) -> Result<Option<UserId>, TokenError> {
        self.id_in(vault::by_address(address)).await
    }

    async fn id_in(&self, key: RecordKey) -> Result<Option<UserId>, TokenError> {
        match self.repository.record(key).await? {
            None => Ok(None),
            Some(id) => match <[u8; 16]>::try_from(id.as_slice()) {
                Ok(id) => Ok(Some(UserId::from(id))),
                Err(_) => Err(TokenError::Internal("a name leads to no id".to_owned())),
            },
        }
    }

    /// Decides a command on a user, and appends the events with vault records.
    pub(super) async fn change_user(
        &self,
        id: UserId,
        command: Command,
        by: Option<Actor>,
        records: Vec<RecordChange>,
    ) -> Result<(), UserError> {
        let decide = |loaded: Loaded<User>| async {
            let events = decided(&loaded, command.clone(), self.clock.now())?;
            let events = events.into_iter().map(|event| event.done_by(by)).collect();
            Ok(Change::of(loaded, events, ()).with(records.clone()))
        };
        self.repository.execute(&id, decide).await
    }

    /// Checks whether a new password is good enough; costs no hash.
    pub(super) async fn judge_new(
        &self,
        about: Vec<String>,
        password: &str,
        source: Source,
    ) -> Result<(), UserError> {
        let rules = NewPassword { policy: self.settings.password_policy, about };
        Ok(self.passwords.judge(Password::parse(password)?, rules, source).await?)
    }

    /// Hashes a new password, if it is good enough.
    pub(super) async fn hash_new(
        &self,
        about: Vec<String>,
        password: &str,
        source: Source,
    ) -> Result<PasswordRecord, UserError> {
        let rules = NewPassword { policy: self.settings.password_policy, about };
        Ok(self.passwords.hash_new(Password::parse(password)?, rules, source).await?)
    }
}

impl From<PoolError> for UserError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::NotAccepted(refused) => Self::Weak(refused),
            PoolError::Busy { .. }
            | PoolError::TooManyAtOnce { .. }
            | PoolError::Refused(_)
            | PoolError::NoRandomness(_)
            | PoolError::Lost => Self::Failed(error.into()),
        }
    }
}

/// The change that follows from `command` on an account.
pub(super) fn decided(
    loaded: &Loaded<User>,
    command: Command,
    now: Timestamp,
) -> Result<Vec<UserEvent>, UserError> {
    user::decide(loaded.state.as_ref(), command, now).map_err(|_| UserError::Unknown)
}

/// Words about a person that a new password must not consist of.
pub(super) fn about(name: &Username, profile: &Profile) -> Vec<String> {
    let words = [
        Some(name.as_str()),
        profile.email.as_ref().map(Email::as_str),
        profile.display_name.as_ref().map(DisplayName::as_str),
    ];
    words.into_iter().flatten().map(str::to_owned).collect()
}

/// The record of a password's hash.
pub(super) fn password_record(id: UserId, record: &PasswordRecord) -> RecordChange {
    // Writing to a vector can't fail.
    RecordChange::Put(vault::password(id), minicbor::to_vec(record).unwrap_or_default())
}
