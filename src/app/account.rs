//! What users do with their own account: read it, change it, change its password, delete it.

use std::net::IpAddr;

use super::access::LiveSession;
use super::account_rate_limits::AccountChange;
use super::accounts::Accounts;
use super::error::TokenError;
use super::logins::CurrentLogin;
use super::password_check::{Account, Proof, source};
use super::refusals::Secret;
use super::repository::{self, Loaded};
use super::users::{UserError, about, decided, password_record};
use crate::clock::Timestamp;
use crate::oauth::{Actor, KeptId, SessionEpoch, UserId};
use crate::password::Password;
use crate::password::pool::Source;
use crate::store::{RecordChange, StoreError};
use crate::throttle::Origin;
use crate::user::{Command, DisplayName, Email, Profile, User, Username, vault};

/// An account as its owner sees it. No `Debug`, since it has personal data.
pub struct OwnAccount {
    /// Its id.
    pub id: UserId,
    /// The name to sign in with.
    pub name: String,
    /// The rest.
    pub profile: Profile,
}

/// Changes to a profile, as they were typed. No `Debug`, since they have personal data.
#[derive(Default)]
pub struct ProfileChange {
    /// The e-mail address.
    pub email: FieldChange<String>,
    /// The display name.
    pub display_name: FieldChange<String>,
}

/// A change to one field.
#[derive(Clone, Default)]
pub enum FieldChange<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// It is taken away.
    Clear,
    /// It becomes this.
    Set(T),
}

impl Accounts {
    /// The account `id`.
    ///
    /// # Errors
    /// [`UserError::Unknown`] if it has been deleted.
    pub async fn own_account(&self, id: UserId) -> Result<OwnAccount, UserError> {
        let name = self.name_of(id).await?.ok_or(UserError::Unknown)?;
        Ok(OwnAccount { id, name, profile: self.profile(id).await? })
    }

    /// The profile of a user; empty if there is none.
    ///
    /// # Errors
    /// [`TokenError`] if the store can't tell.
    pub async fn profile(&self, id: UserId) -> Result<Profile, TokenError> {
        let kept = self.repository.record(vault::profile(id)).await?;
        Ok(kept.as_deref().map(Profile::decode).transpose()?.unwrap_or_default())
    }

    /// The roles of a user; empty if there is no such account.
    ///
    /// # Errors
    /// [`TokenError`] if the store can't tell.
    pub async fn roles_of(&self, id: UserId) -> Result<Vec<String>, TokenError> {
        Ok(self.repository.user(id).await?.state.map(|user| user.roles).unwrap_or_default())
    }

    /// When the profile of a user was last changed; `None` if that is not known.
    ///
    /// # Errors
    /// [`TokenError`] if the store can't tell.
    pub async fn profile_changed_at(&self, id: UserId) -> Result<Option<Timestamp>, TokenError> {
        Ok(self.repository.user(id).await?.state.and_then(|user| user.profile_changed_at))
    }

    /// Changes a profile. If people can sign in with their e-mail address, changing it reveals whether an address is
    /// taken, so that counts like a sign-up.
    ///
    /// # Errors
    /// [`UserError`], and nothing was changed.
    pub async fn change_profile(
        &self,
        id: UserId,
        change: ProfileChange,
        peer: IpAddr,
    ) -> Result<OwnAccount, UserError> {
        let email: FieldChange<Email> = change.email.parsed()?;
        let display_name: FieldChange<DisplayName> = change.display_name.parsed()?;
        if self.settings.accounts.login_with_email && matches!(email, FieldChange::Set(_)) {
            let counted = self.count_sign_up(peer).await?;
            self.sign_ups.failed(counted);
        }
        let (email, display_name) = (&email, &display_name);
        let decide = |loaded: Loaded<User>| async move {
            let OwnAccount { name, profile: before, .. } = self.own_account(id).await?;
            let after = Profile {
                email: email.clone().applied_to(before.email.clone()),
                display_name: display_name.clone().applied_to(before.display_name.clone()),
            };
            let mut records = Vec::new();
            if !matches!(email, FieldChange::Keep) {
                records = self.address_changes((id, &name.parse()?), &before, &after).await?;
            }
            if before != after {
                records.push(RecordChange::Put(vault::profile(id), after.encode()));
            }
            let account = OwnAccount { id, name, profile: after };
            if records.is_empty() {
                return Ok(repository::Change::none(loaded, account));
            }
            if !loaded.is_retry {
                self.rate_limits.count_change(id, AccountChange::Profile)?;
            }
            let events = decided(&loaded, Command::ChangeProfile, self.clock.now())?;
            Ok(repository::Change::of(loaded, events, account).with(records))
        };
        let changed = self.repository.execute(&id, decide).await;
        changed.map_err(|error| {
            let is_taken = matches!(error, UserError::Failed(TokenError::Store(StoreError::RecordExists)));
            if is_taken { UserError::EmailTaken } else { error }
        })
    }

    /// Sets another password, which ends all sessions and logins but `live`.
    ///
    /// # Errors
    /// [`UserError::WrongPassword`] if `old` is not the password; any other [`UserError`]. Nothing was changed then.
    pub async fn change_password(
        &self,
        live: &LiveSession,
        passwords: (&str, &str),
        peer: IpAddr,
    ) -> Result<(), UserError> {
        let id = live.user_id().ok_or(UserError::Unknown)?;
        let proof = Proof { of: Secret::PasswordToChange, client: Some(&live.registration.id), peer };
        let is_kept = |epoch| live.session.started.holds_in(live.id, epoch);
        self.change_password_but((id, live.id.into()), passwords, proof, is_kept).await
    }

    /// Sets another password at heirloom's own pages, which ends all sessions and logins but this login and the sessions
    /// that began from it.
    ///
    /// # Errors
    /// As [`Accounts::change_password`].
    pub async fn change_password_in(
        &self,
        login: &CurrentLogin,
        passwords: (&str, &str),
        peer: IpAddr,
    ) -> Result<(), UserError> {
        let proof = Proof { of: Secret::PasswordToChange, client: None, peer };
        let is_kept = |epoch| login.holds_in(epoch);
        self.change_password_but((login.user, login.id.into()), passwords, proof, is_kept).await
    }

    async fn change_password_but(
        &self,
        (id, keep): (UserId, KeptId),
        (old, new): (&str, &str),
        proof: Proof<'_>,
        is_kept: impl Fn(SessionEpoch) -> bool,
    ) -> Result<(), UserError> {
        let parsed = Password::parse(new)?;
        let OwnAccount { name, profile, .. } = self.own_account(id).await?;
        let name: Username = name.parse()?;
        self.rate_limits.has_password_changes_left(id, keep)?;
        // The new password is checked before the old one, because that needs no hash.
        let source = self.source_of_owner(&name, proof.peer);
        if let Err(refused) = self.judge_new(about(&name, &profile), new, source).await {
            if matches!(refused, UserError::Weak(_)) {
                self.rate_limits.count_refused_password(keep);
            }
            return Err(refused);
        }
        let proved = self.prove(id, (&name, old), proof).await?;
        // What was ended meanwhile must not be kept.
        if !is_kept(proved.state.session_epoch) {
            return Err(UserError::Unknown);
        }
        let record = self.passwords.hash(parsed, source).await?;
        self.rate_limits.count_change(proved.id, AccountChange::Password)?;
        let decide = |loaded: Loaded<User>| async {
            still_as_proved(&loaded, Some(proved.state.session_epoch))?;
            let events = decided(&loaded, Command::ChangePassword { keep: Some(keep) }, self.clock.now())?;
            let records = vec![password_record(proved.id, &record)];
            Ok(repository::Change::of(loaded, events, ()).with(records))
        };
        self.repository.execute(&proved.id, decide).await
    }

    /// Deletes the account: its sessions end, its personal data are erased from the store, and its name is free again.
    /// Its events, which have no personal data, stay.
    ///
    /// # Errors
    /// [`UserError::WrongPassword`] if `password` is not the password; any other [`UserError`]. Then the account still
    /// exists.
    pub async fn delete_own_account(
        &self,
        live: &LiveSession,
        password: &str,
        peer: IpAddr,
    ) -> Result<(), UserError> {
        let id = live.user_id().ok_or(UserError::Unknown)?;
        let name: Username = self.name_of(id).await?.ok_or(UserError::Unknown)?.parse()?;
        let proof = Proof { of: Secret::PasswordToDelete, client: Some(&live.registration.id), peer };
        let proved = self.prove(id, (&name, password), proof).await?;
        self.erase(id, Some(proved.state.session_epoch), None).await
    }

    /// Deletes an account. If `session_epoch` is given, only while it is unchanged.
    pub(super) async fn erase(
        &self,
        id: UserId,
        session_epoch: Option<SessionEpoch>,
        by: Option<Actor>,
    ) -> Result<(), UserError> {
        // Erased first, so that the owner can repeat a deletion that is interrupted here.
        self.sessions.forget_devices(id).await?;
        self.erase_account(id, session_epoch, by).await?;
        // Erased again, for sessions that were started meanwhile.
        self.sessions.forget_devices(id).await?;
        Ok(self.consents.forget(id, by).await?)
    }

    async fn erase_account(
        &self,
        id: UserId,
        session_epoch: Option<SessionEpoch>,
        by: Option<Actor>,
    ) -> Result<(), UserError> {
        // Any change to what is read here also changes the version that was loaded before.
        let decide = |loaded: Loaded<User>| async move {
            still_as_proved(&loaded, session_epoch)?;
            let OwnAccount { name, profile, .. } = self.own_account(id).await?;
            let name: Username = name.parse()?;
            let keys =
                [vault::by_name(&name), vault::display_name(id), vault::password(id), vault::profile(id)];
            let mut records = keys.map(RecordChange::Delete).to_vec();
            for address in name.as_str().parse().ok().into_iter().chain(profile.email) {
                // The address may belong to another account, if it was entered while addresses could not be used to
                // sign in.
                if self.address_owner(&address).await? == Some(id) {
                    records.push(RecordChange::Delete(vault::by_address(&address)));
                }
            }
            let events = decided(&loaded, Command::Delete, self.clock.now())?;
            let events = events.into_iter().map(|event| event.done_by(by)).collect();
            Ok(repository::Change::of(loaded, events, ()).with(records))
        };
        self.repository.execute(&id, decide).await
    }

    /// Checks an account's password; counted like a sign-in.
    async fn prove(
        &self,
        id: UserId,
        (name, password): (&Username, &str),
        proof: Proof<'_>,
    ) -> Result<Account, UserError> {
        match self.check_password(name.as_str(), password, proof).await {
            Ok(account) if account.id == id => Ok(account),
            Ok(_) | Err(TokenError::Credentials) => Err(UserError::WrongPassword),
            Err(error) => Err(error.into()),
        }
    }

    /// The source of the hashing job when the owner of an account, who has a session, changes the password.
    fn source_of_owner(&self, name: &Username, peer: IpAddr) -> Source {
        let origin = self.sign_ins.origin(self.sign_in_key(name.as_str()).as_bytes(), peer);
        source(Origin { known: true, ..origin })
    }

    /// The record changes from the sign-in names of one profile to those of another.
    async fn address_changes(
        &self,
        (id, name): (UserId, &Username),
        before: &Profile,
        after: &Profile,
    ) -> Result<Vec<RecordChange>, UserError> {
        let mut records = Vec::new();
        let wanted = self.addresses(name, after);
        let is_wanted = |address: &Email| wanted.iter().any(|wanted| wanted.key() == address.key());
        if let Some(old) = before.email.as_ref().filter(|old| !is_wanted(old))
            && self.address_owner(old).await? == Some(id)
        {
            records.push(RecordChange::Delete(vault::by_address(old)));
        }
        for address in &wanted {
            match self.address_owner(address).await? {
                None => {
                    let owner = id.as_bytes().to_vec();
                    records.push(RecordChange::Insert(vault::by_address(address), owner));
                }
                Some(owner) if owner == id => {}
                Some(_) => return Err(UserError::EmailTaken),
            }
        }
        Ok(records)
    }
}

/// [`StoreError::WrongExpectedVersion`] if the epoch was raised since a password was verified under `session_epoch`:
/// every change of the password raises it. The client may try again.
fn still_as_proved(loaded: &Loaded<User>, session_epoch: Option<SessionEpoch>) -> Result<(), UserError> {
    let now = loaded.state.as_ref().map(|user| user.session_epoch);
    if session_epoch.is_some() && session_epoch != now {
        return Err(TokenError::from(StoreError::WrongExpectedVersion).into());
    }
    Ok(())
}

impl FieldChange<String> {
    /// Parses the typed value, if there is one.
    fn parsed<T: std::str::FromStr>(self) -> Result<FieldChange<T>, T::Err> {
        Ok(match self {
            Self::Keep => FieldChange::Keep,
            Self::Clear => FieldChange::Clear,
            Self::Set(typed) => FieldChange::Set(typed.parse()?),
        })
    }
}

impl<T> FieldChange<T> {
    fn applied_to(self, before: Option<T>) -> Option<T> {
        match self {
            Self::Keep => before,
            Self::Clear => None,
            Self::Set(after) => Some(after),
        }
    }
}
