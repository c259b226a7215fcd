//! Makes accounts: for people who sign up, where that is permitted, and for the operator. Invitations are in
//! [`super::invitations`].

use std::net::IpAddr;

use zeroize::Zeroizing;

use super::Settings;
use super::accounts::Accounts;
use super::attempts::Reserved;
use super::error::TokenError;
use super::invitations;
use super::password_check::source;
use super::refusals::{RefusedSecret, Secret};
use super::repository::Loaded;
use super::users::{UserError, about, password_record};
use crate::config::SignUp;
use crate::oauth::{Actor, UserId};
use crate::password::Password;
use crate::password::pool::Source;
use crate::store::{RecordChange, StoreError};
use crate::throttle::{Attempt, Origin};
use crate::user::vault::{self, Invitation};
use crate::user::{self, Command, Email, Profile, Username};

/// The fields of a sign-up, as they were typed. No `Debug`, since they have secrets.
pub struct NewAccount {
    /// The name to sign in with.
    pub name: String,
    /// The e-mail address.
    pub email: Option<String>,
    /// What the person likes to be called.
    pub display_name: Option<String>,
    /// The password.
    pub password: Zeroizing<String>,
    /// The code of an invitation.
    pub invitation: Option<Zeroizing<String>>,
}

/// A new account before it is made.
pub(super) struct Draft<'a> {
    pub(super) name: Username,
    pub(super) profile: Profile,
    pub(super) password: &'a str,
    /// Its roles; the roles of an invitation replace them.
    pub(super) roles: Vec<String>,
    /// The code of an invitation.
    pub(super) invitation: Option<&'a str>,
    /// Who makes it, if not its owner.
    pub(super) by: Option<Actor>,
    /// The source of the hashing job for its password.
    pub(super) source: Source,
}

impl Settings {
    /// Whether people may sign up.
    #[must_use]
    pub fn may_sign_up(&self) -> bool {
        self.accounts.registration != SignUp::Closed
    }

    /// Whether they need an invitation.
    #[must_use]
    pub fn needs_invitation(&self) -> bool {
        self.accounts.registration == SignUp::Invite
    }
}

impl Accounts {
    /// Makes an account for somebody who signs up, if [`SignUp`] permits it. Every attempt counts for the peer's
    /// network, unless the server is too busy to process it: a sign-up costs a hash, and reveals whether a name is
    /// taken.
    ///
    /// # Errors
    /// [`UserError`], and nothing was made.
    pub async fn sign_up(&self, new: NewAccount, peer: IpAddr) -> Result<UserId, UserError> {
        let accounts = &self.settings.accounts;
        match accounts.registration {
            SignUp::Closed => return Err(UserError::Closed),
            SignUp::Invite if new.invitation.is_none() => return Err(UserError::NotInvited),
            SignUp::Invite | SignUp::Open => {}
        }
        // Errors that need neither the store nor a hash come first, and don't count.
        let name = new.name.parse()?;
        let email = new.email.as_deref().map(str::parse).transpose()?;
        let display_name = new.display_name.as_deref().map(str::parse).transpose()?;
        Password::parse(&new.password)?;
        let counted = self.count_sign_up(peer).await?;
        let source = source(Origin { known: false, ..self.sign_ins.origin(new.name.as_bytes(), peer) });
        let draft = Draft {
            name,
            profile: Profile { email, display_name },
            password: &new.password,
            roles: accounts.roles.clone(),
            invitation: new.invitation.as_ref().map(|code| code.as_str()),
            by: None,
            source,
        };
        let made = self.make_account(draft).await;
        match &made {
            // Nothing was hashed.
            Err(UserError::Failed(TokenError::Busy { .. } | TokenError::Throttled { .. })) => {
                self.sign_ups.abandoned(counted).await;
            }
            Ok(_) | Err(_) => self.sign_ups.failed(counted),
        }
        match &made {
            Err(UserError::Invitation) => self.note_refused_sign_up(Secret::Invitation, "invitation", peer),
            Err(UserError::Failed(error)) if error.is_about_a_secret() => {
                self.note_refused_sign_up(Secret::SignUp, error.reason(), peer);
            }
            Ok(_) | Err(_) => {}
        }
        made
    }

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
        self.register_as(name, password, roles, None).await
    }

    /// As [`Accounts::register`], and records who did it.
    ///
    /// # Errors
    /// [`UserError`], and nothing was made.
    pub async fn register_as(
        &self,
        name: &str,
        password: &str,
        roles: Vec<String>,
        by: Option<Actor>,
    ) -> Result<UserId, UserError> {
        let profile = Profile::default();
        let (name, source) = (name.parse()?, Source::OPERATOR);
        self.make_account(Draft { name, profile, password, roles, invitation: None, by, source }).await
    }

    /// Makes an account, on the stream of its invitation if there is one: the stream's version ensures that an
    /// invitation is used only once.
    pub(super) async fn make_account(&self, draft: Draft<'_>) -> Result<UserId, UserError> {
        self.repository.has_room().map_err(TokenError::from)?;
        let Draft { name, profile, password, roles, invitation, by, source } = draft;
        // The code is checked first: without a valid one, nothing is revealed about names and addresses.
        let invited = match invitation {
            Some(code) => Some((code, self.invited(code).await?)),
            None => None,
        };
        let addresses = self.addresses(&name, &profile);
        if self.user_id(&name).await?.is_some() {
            return Err(UserError::Taken);
        }
        self.none_taken(&name, &addresses).await?;
        let hash = self.hash_new(about(&name, &profile), password, source).await?;
        let now = self.clock.now();
        let id = match invited {
            Some((_, Invitation { account, .. })) => account,
            None => UserId::from(self.random.uuid(now).map_err(TokenError::from)?),
        };
        let loaded = match invited {
            Some(_) => self.repository.user(id).await?,
            None => Loaded::new(),
        };
        let register = user::decide(loaded.state.as_ref(), Command::Register { roles }, now);
        let events = register.map_err(|_| UserError::Invitation)?;
        let events: Vec<_> = events.into_iter().map(|event| event.done_by(by)).collect();
        let mut records = vec![
            RecordChange::Insert(vault::by_name(&name), id.as_bytes().to_vec()),
            RecordChange::Put(vault::display_name(id), name.as_str().as_bytes().to_vec()),
            password_record(id, &hash),
        ];
        let claim = |address| RecordChange::Insert(vault::by_address(address), id.as_bytes().to_vec());
        records.extend(addresses.iter().map(claim));
        if profile != Profile::default() {
            records.push(RecordChange::Put(vault::profile(id), profile.encode()));
        }
        records
            .extend(invited.into_iter().flat_map(|(code, invitation)| invitations::used(code, invitation)));
        match self.repository.append(&id, loaded, &events, records).await {
            Ok(_) => {
                tracing::info!(user.id = %id, "account made");
                Ok(id)
            }
            Err(StoreError::RecordExists) => {
                self.none_taken(&name, &addresses).await?;
                Err(UserError::Taken)
            }
            Err(StoreError::WrongExpectedVersion) if invited.is_some() => Err(UserError::Invitation),
            Err(error) => Err(TokenError::from(error).into()),
        }
    }

    /// The addresses that an account signs in with: its name, if that is an address, so that nobody else can have it;
    /// and its e-mail address, where that is permitted.
    pub(super) fn addresses(&self, name: &Username, profile: &Profile) -> Vec<Email> {
        let own = name.as_str().parse::<Email>().ok();
        let email = profile.email.clone().filter(|email| {
            let is_name = own.as_ref().is_some_and(|own| own.key() == email.key());
            self.settings.accounts.login_with_email && !is_name
        });
        own.into_iter().chain(email).collect()
    }

    /// Counts, for the peer's network, a request that costs a hash or reveals whether a name is taken.
    pub(super) async fn count_sign_up(&self, peer: IpAddr) -> Result<Reserved<'_>, UserError> {
        let attempt = Attempt { account: b"", peer, password: self.sign_ups.digest(b"") };
        self.sign_ups.reserve(attempt).await.map_err(|error| {
            if error.is_about_a_secret() {
                self.note_refused_sign_up(Secret::SignUp, error.reason(), peer);
            }
            error.into()
        })
    }

    fn note_refused_sign_up(&self, secret: Secret, reason: &'static str, peer: IpAddr) {
        self.refusals.note(RefusedSecret { secret, reason, client: None, user: None, peer });
    }

    /// Fails if somebody signs in with one of these addresses.
    async fn none_taken(&self, name: &Username, addresses: &[Email]) -> Result<(), UserError> {
        let own = name.as_str().parse::<Email>().ok();
        for address in addresses {
            if self.address_owner(address).await?.is_some() {
                let is_name = own.as_ref().is_some_and(|own| own.key() == address.key());
                return Err(if is_name { UserError::Taken } else { UserError::EmailTaken });
            }
        }
        Ok(())
    }
}
