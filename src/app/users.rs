//! Accounts: made, changed, switched off and deleted.

use super::App;
use super::error::TokenError;
use super::load::Loaded;
use crate::clock::Timestamp;
use crate::oauth::{SessionId, UserId};
use crate::password::hash::PasswordRecord;
use crate::password::policy::PolicyRefused;
use crate::password::pool::{NewPassword, PoolError};
use crate::password::{Password, PasswordRefused};
use crate::store::{Expected, RecordChange, StoreError};
use crate::user::name::NameRefused;
use crate::user::{self, Command, Username, vault};

/// How often a change is decided again because the account has changed meanwhile.
const ATTEMPTS: usize = 8;

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
    /// There is no such account.
    #[error("There is no such account.")]
    Unknown,
    /// It could not be done.
    #[error(transparent)]
    Failed(#[from] TokenError),
}

/// An account, for lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: UserId,
    /// Whether it can be used.
    pub active: bool,
    /// Its roles.
    pub roles: Vec<String>,
}

impl App {
    /// Makes an account.
    ///
    /// # Errors
    /// [`UserError`], and nothing was made.
    pub async fn register(
        &self,
        name: &str,
        password: &str,
        roles: Vec<String>,
    ) -> Result<UserId, UserError> {
        self.has_room().map_err(TokenError::from)?;
        let name: Username = name.parse()?;
        if self.user_id(&name).await?.is_some() {
            return Err(UserError::Taken);
        }
        let record = self.hash_new(&name, password).await?;
        let now = self.clock.now();
        let id = UserId::from(self.random.uuid(now).map_err(TokenError::from)?);
        let events = user::decide(None, Command::Register { roles }, now).map_err(|_| UserError::Taken)?;
        let records = vec![
            RecordChange::Insert(vault::by_name(&name), id.as_bytes().to_vec()),
            RecordChange::Put(vault::display_name(id), name.as_str().as_bytes().to_vec()),
            password_record(id, &record),
        ];
        let new = Loaded { state: None, expected: Expected::NoStream };
        match self.append_user(id, new, &events, records).await {
            Ok(()) => Ok(id),
            Err(StoreError::RecordExists) => Err(UserError::Taken),
            Err(error) => Err(TokenError::from(error).into()),
        }
    }

    /// Sets a new password, which ends all sessions but `keep`.
    ///
    /// # Errors
    /// [`UserError`], and nothing was changed.
    pub async fn set_password(
        &self,
        name: &str,
        password: &str,
        keep: Option<SessionId>,
    ) -> Result<(), UserError> {
        let name: Username = name.parse()?;
        let id = self.user_id(&name).await?.ok_or(UserError::Unknown)?;
        let record = self.hash_new(&name, password).await?;
        let records = vec![password_record(id, &record)];
        self.change_user(id, Command::ChangePassword { keep }, records).await
    }

    /// Switches an account off or on, sets its roles, or ends its sessions.
    ///
    /// # Errors
    /// [`UserError`], and nothing was changed.
    pub async fn change(&self, name: &str, command: Command) -> Result<(), UserError> {
        let id = self.user_id(&name.parse()?).await?.ok_or(UserError::Unknown)?;
        self.change_user(id, command, Vec::new()).await
    }

    /// Deletes an account: its sessions end, its name is free, and what was personal is gone from the store. Its events,
    /// which say nothing of the person, stay.
    ///
    /// # Errors
    /// [`UserError`], and nothing was changed.
    pub async fn delete_user(&self, name: &str) -> Result<(), UserError> {
        let name: Username = name.parse()?;
        let id = self.user_id(&name).await?.ok_or(UserError::Unknown)?;
        let keys = [vault::by_name(&name), vault::display_name(id), vault::password(id)];
        self.change_user(id, Command::Delete, keys.map(RecordChange::Delete).to_vec()).await?;
        Ok(self.forget_devices(id).await?)
    }

    /// At most `limit` accounts in the order of their names, behind the name `after`.
    ///
    /// # Errors
    /// [`UserError`].
    pub async fn list_users(&self, after: Option<&Username>, limit: usize) -> Result<Vec<Listed>, UserError> {
        let prefix = vault::names();
        let skip = prefix.as_bytes().len();
        let page =
            self.store.scan(prefix, after.map(vault::by_name), limit).await.map_err(TokenError::from)?;
        let mut listed = Vec::with_capacity(page.len());
        for (key, id) in page {
            let name = String::from_utf8_lossy(key.as_bytes().get(skip..).unwrap_or_default()).into_owned();
            let Ok(id) = <[u8; 16]>::try_from(id.as_slice()).map(UserId::from) else {
                return Err(TokenError::Internal("a name leads to no id".to_owned()).into());
            };
            let user = self.load_user(id).await?.state.unwrap_or_default();
            listed.push(Listed { name, id, active: user.is_active(), roles: user.roles });
        }
        Ok(listed)
    }

    /// The name of a user; none if the account is deleted.
    ///
    /// # Errors
    /// [`TokenError`] if the store can't tell.
    pub async fn name_of(&self, id: UserId) -> Result<Option<String>, TokenError> {
        let name = self.store.record(vault::display_name(id)).await?;
        Ok(name.map(|name| String::from_utf8_lossy(&name).into_owned()))
    }

    /// Who has a name.
    pub(super) async fn user_id(&self, name: &Username) -> Result<Option<UserId>, TokenError> {
        match self.store.record(vault::by_name(name)).await? {
            None => Ok(None),
            Some(id) => match <[u8; 16]>::try_from(id.as_slice()) {
                Ok(id) => Ok(Some(UserId::from(id))),
                Err(_) => Err(TokenError::Internal("a name leads to no id".to_owned())),
            },
        }
    }

    pub(super) async fn change_user(
        &self,
        id: UserId,
        command: Command,
        records: Vec<RecordChange>,
    ) -> Result<(), UserError> {
        for _ in 0..ATTEMPTS {
            let loaded = self.load_user(id).await?;
            let now: Timestamp = self.clock.now();
            let events =
                user::decide(loaded.state.as_ref(), command.clone(), now).map_err(|_| UserError::Unknown)?;
            if events.is_empty() {
                return Ok(());
            }
            match self.append_user(id, loaded, &events, records.clone()).await {
                Err(StoreError::WrongExpectedVersion) => {}
                Err(error) => return Err(TokenError::from(error).into()),
                Ok(()) => return Ok(()),
            }
        }
        Err(TokenError::from(StoreError::WrongExpectedVersion).into())
    }

    async fn hash_new(&self, name: &Username, password: &str) -> Result<PasswordRecord, UserError> {
        let password = Password::parse(password)?;
        let about = vec![name.as_str().to_owned()];
        let rules = NewPassword { policy: self.settings.password_policy, about };
        self.passwords.hash_new(password, rules).await.map_err(|error| match error {
            PoolError::NotAccepted(refused) => UserError::Weak(refused),
            PoolError::Busy { .. } | PoolError::Refused(_) | PoolError::NoRandomness(_) | PoolError::Lost => {
                UserError::Failed(error.into())
            }
        })
    }
}

/// The record of a password's hash.
pub(super) fn password_record(id: UserId, record: &PasswordRecord) -> RecordChange {
    // Writing to a vector can't fail.
    RecordChange::Put(vault::password(id), minicbor::to_vec(record).unwrap_or_default())
}
