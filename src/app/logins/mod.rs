//! The service for logins: signing in at heirloom's own pages, and out. Browsers have a cookie for it.

mod evict;
mod sweep;

use std::net::IpAddr;
use std::sync::Arc;

use super::accounts::Accounts;
use super::authorizations::Authorizer;
use super::error::TokenError;
use super::keys::TokenKeys;
use super::metrics::LoginOutcomes;
use super::password_check::{Account, Proof};
use super::refusals::Secret;
use super::repository::{Change, Loaded};
use super::restore::InstallationEpoch;
use super::{Repository, Settings};
use crate::clock::{Clock, Timestamp};
use crate::login::decide::{self, LogIn, Reauthenticate, Standing};
use crate::login::{Login, LoginCookie, LogoutReason};
use crate::oauth::{Actor, AuthenticationMethod, ClientId, LoginId, NotOpened, SessionEpoch, UserId};
use crate::random::Random;
use crate::session::{Device, LoginReference, device};
use crate::store::RecordChange;

/// Begins logins, finds the one of a browser, and ends them.
pub struct Logins {
    pub(super) repository: Repository,
    pub(super) accounts: Arc<Accounts>,
    pub(super) installation: Arc<InstallationEpoch>,
    pub(super) keys: Arc<TokenKeys>,
    pub(super) outcomes: Arc<LoginOutcomes>,
    pub(super) settings: Arc<Settings>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Random,
}

/// A live login, as a browser's cookie shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrentLogin {
    /// Its id.
    pub id: LoginId,
    /// Who is signed in.
    pub user: UserId,
    /// When they last proved who they are.
    pub auth_time: Timestamp,
    /// How they proved it.
    pub methods: Vec<AuthenticationMethod>,
    /// When it is over however much it is used.
    pub absolute_expiry: Timestamp,
    /// Whether its cookie stays when the browser is closed.
    pub persistent: bool,
    user_epoch: u32,
    cookie: LoginCookie,
    is_outdated: bool,
}

/// A name and a password that somebody typed at heirloom's own pages. No `Debug`, since it has secrets.
#[derive(Clone, Copy)]
pub struct TypedPassword<'a> {
    /// The name, or the e-mail address where people may sign in with it.
    pub name: &'a str,
    /// The password.
    pub password: &'a str,
    /// Whether the person wants to stay signed in when the browser is closed.
    pub persistent: bool,
    /// The form that was sent: the id of the login that begins by it. One that is sent twice begins one login.
    pub form: Option<LoginId>,
    /// The login that the browser had until now.
    pub current: Option<&'a CurrentLogin>,
    /// The client that sent the browser here.
    pub client: Option<&'a ClientId>,
    /// The browser's address.
    pub peer: IpAddr,
    /// The browser's `User-Agent` header, for the person's list of browsers.
    pub user_agent: Option<&'a str>,
}

/// How a login begins.
#[derive(Clone, Copy)]
struct Begin<'a> {
    /// The id that it gets, if that is free.
    form: Option<LoginId>,
    /// Whether the person wants to stay signed in when the browser is closed.
    persistent: bool,
    /// The login that it replaces.
    before: Option<&'a CurrentLogin>,
    /// What the browser said of itself.
    device: &'a Device,
}

impl Logins {
    /// The login of a browser that has this cookie; `None` if the cookie is not accepted, whatever the reason. That is no
    /// reason to delete the cookie: the browser may have got a newer one meanwhile.
    ///
    /// # Errors
    /// [`TokenError`] if the store can't tell, or the secret of the cookie can't be used.
    pub async fn current(&self, cookie: &str) -> Result<Option<CurrentLogin>, TokenError> {
        let cookie = match LoginCookie::open(&self.keys.mac_keys(), cookie) {
            Ok(cookie) => cookie,
            Err(NotOpened::Foreign) => return Ok(None),
            Err(NotOpened::SecretUnusable) => return Err(TokenError::SecretUnusable),
        };
        let Some(login) = self.repository.login(cookie.login).await?.state else { return Ok(None) };
        let standing = self.standing(login.begun.user).await?;
        let accepted = decide::accepts(&login, &cookie, &standing, self.settings.logins.idle);
        Ok(accepted.then(|| CurrentLogin::of(&login, cookie)))
    }

    /// Signs somebody in who has typed a name and a password. If the browser's login is live and the same person's, they
    /// have proved again who they are; else a new login begins, and the one before is logged out. Returns the login and
    /// its cookie's value.
    ///
    /// # Errors
    /// [`TokenError`], and nothing began. A wrong password, an unknown name and a switched-off account get the same
    /// [`TokenError::Credentials`] after the same work.
    pub async fn log_in(&self, typed: TypedPassword<'_>) -> Result<(CurrentLogin, String), TokenError> {
        let logged_in = self.log_in_uncounted(typed).await;
        self.outcomes.count(logged_in.as_ref());
        logged_in
    }

    async fn log_in_uncounted(&self, typed: TypedPassword<'_>) -> Result<(CurrentLogin, String), TokenError> {
        self.can_begin()?;
        let proof = Proof { of: Secret::Password, client: typed.client, peer: typed.peer };
        let account = self.accounts.check_password(typed.name, typed.password, proof).await?;
        if let Some(current) = typed.current.filter(|current| current.user == account.id)
            && let Some(again) = self.reauthenticate(current.id, (&account, typed)).await?
        {
            return self.with_cookie(again);
        }
        let device = &Device::new(typed.user_agent, None);
        let begin = Begin { form: typed.form, persistent: typed.persistent, before: typed.current, device };
        self.begin((account.id, account.state.session_epoch), begin).await
    }

    /// Signs in the person who has just made this account.
    ///
    /// # Errors
    /// [`TokenError`], and nothing began; [`TokenError::Credentials`] if the account is not active.
    pub async fn log_in_after_sign_up(
        &self,
        user: UserId,
        form: Option<LoginId>,
        current: Option<&CurrentLogin>,
        user_agent: Option<&str>,
    ) -> Result<(CurrentLogin, String), TokenError> {
        self.can_begin()?;
        let state = self.repository.user(user).await?.state.filter(crate::user::User::is_active);
        let state = state.ok_or(TokenError::Credentials)?;
        let device = &Device::new(user_agent, None);
        let begin = Begin { form, persistent: false, before: current, device };
        self.begin((user, state.session_epoch), begin).await
    }

    /// The login that has just begun by this form, for whoever sends it again with the same name and password; `None` if none
    /// has.
    ///
    /// # Errors
    /// [`TokenError`] if the store can't tell.
    pub async fn log_in_again(
        &self,
        form: LoginId,
        (name, password): (&str, &str),
        peer: IpAddr,
    ) -> Result<Option<(CurrentLogin, String)>, TokenError> {
        let now = self.clock.now();
        let begun = self.repository.login(form).await?.state;
        let begun = begun.filter(|login| decide::is_sent_twice(form, login, Some(form), now));
        let user = begun.map(|login| login.begun.user);
        // Somebody else's name would begin a login that no browser gets.
        if user.is_none() || self.accounts.account_named(name).await? != user {
            return Ok(None);
        }
        let form = Some(form);
        let (persistent, current, client, user_agent) = (false, None, None, None);
        let typed = TypedPassword { name, password, persistent, form, current, client, peer, user_agent };
        Ok(self.log_in(typed).await.ok().filter(|(login, _)| Some(login.id) == form))
    }

    /// The value of the cookie that replaces the one of `current`, if that is due: when a login was last used stands in its
    /// cookie.
    ///
    /// # Errors
    /// [`TokenError::NoKey`] if there is no secret to seal it with.
    pub fn renewed(&self, current: &CurrentLogin) -> Result<Option<String>, TokenError> {
        let now = self.clock.now();
        if !current.cookie.is_due(now) && !current.is_outdated {
            return Ok(None);
        }
        self.sealed(LoginCookie { used: now, ..current.cookie }).map(Some)
    }

    /// Ends a login; changes nothing if it has ended. Sessions without `offline_access` that began from it end with it.
    ///
    /// # Errors
    /// [`TokenError`], and whether it ended is unknown.
    pub async fn log_out(
        &self,
        id: LoginId,
        reason: LogoutReason,
        by: Option<Actor>,
    ) -> Result<(), TokenError> {
        let end = |loaded: Loaded<Login>| async move {
            let now = self.clock.now();
            let events = loaded.state.as_ref().map(|login| decide::log_out(login, reason, by, now));
            Ok::<_, TokenError>(Change::of(loaded, events.unwrap_or_default(), ()))
        };
        self.repository.execute(&id, end).await
    }

    /// Whether people may stay signed in when they close the browser.
    #[must_use]
    pub fn may_persist(&self) -> bool {
        self.settings.logins.persistent.is_some()
    }

    /// What begins must have room, and a cookie.
    fn can_begin(&self) -> Result<(), TokenError> {
        self.repository.has_room()?;
        if self.keys.mac_keys().can_seal() { Ok(()) } else { Err(TokenError::NoKey) }
    }

    async fn begin(
        &self,
        user: (UserId, SessionEpoch),
        Begin { form, persistent, before, device }: Begin<'_>,
    ) -> Result<(CurrentLogin, String), TokenError> {
        let command = LogIn {
            user,
            installation_epoch: self.installation.current().await?,
            methods: vec![AuthenticationMethod::Password],
            nonce: self.random.bytes()?.into(),
            persistent,
            bounds: self.settings.logins,
            now: self.clock.now(),
        };
        let began = match form {
            Some(form) => self.begin_as(form, &command, device).await?,
            None => None,
        };
        let (id, login) = match began {
            Some(began) => began,
            None => self.begin_anew(&command, device).await?,
        };
        if let Some(before) = before.filter(|before| before.id != id) {
            // The new login stands all the same: its cookie takes the place of the old one's.
            if let Err(error) = self.log_out(before.id, LogoutReason::Replaced, None).await {
                tracing::warn!(login.id = %before.id, error = %error, "a replaced login was not logged out");
            }
        }
        self.evict_beyond_the_limit(user, id).await;
        self.with_cookie((id, login))
    }

    /// Begins the login of a form, or finds it, if the form was sent a moment ago. `None` if the id was used for something
    /// else: somebody else's login, one that has ended, or one that is older.
    async fn begin_as(
        &self,
        form: LoginId,
        command: &LogIn,
        device: &Device,
    ) -> Result<Option<(LoginId, Login)>, TokenError> {
        let (user, epoch) = command.user;
        let standing =
            Standing { user: Some(epoch), installation_epoch: command.installation_epoch, now: command.now };
        let standing = &standing;
        let begin = |loaded: Loaded<Login>| async move {
            let Some(login) = loaded.state.clone() else {
                let events = decide::log_in(command.clone());
                let began = events.iter().fold(None, Login::apply);
                return Ok::<_, TokenError>(
                    Change::of(loaded, events, began).with(record_of(user, form, device)),
                );
            };
            let is_it = login.begun.user == user
                && decide::why_over(form, &login, standing).is_none()
                && decide::is_sent_twice(form, &login, Some(form), command.now);
            Ok(Change::none(loaded, is_it.then_some(login)))
        };
        let login = self.repository.execute(&form, begin).await?;
        Ok(login.map(|login| (form, login)))
    }

    async fn begin_anew(&self, command: &LogIn, device: &Device) -> Result<(LoginId, Login), TokenError> {
        let id = LoginId::from(self.random.uuid(command.now)?);
        let events = decide::log_in(command.clone());
        let records = record_of(command.user.0, id, device);
        Ok((id, self.repository.append(&id, Loaded::new(), &events, records).await?))
    }

    /// Records that the person of a login has proved again who they are; `None` if it is over.
    async fn reauthenticate(
        &self,
        id: LoginId,
        (account, typed): (&Account, TypedPassword<'_>),
    ) -> Result<Option<(LoginId, Login)>, TokenError> {
        let command = Reauthenticate {
            methods: vec![AuthenticationMethod::Password],
            nonce: self.random.bytes()?.into(),
            form: typed.form,
            persistent: typed.persistent,
            bounds: self.settings.logins,
            now: self.clock.now(),
        };
        let standing = Standing {
            user: Some(account.state.session_epoch),
            installation_epoch: self.installation.current().await?,
            now: command.now,
        };
        let (command, standing) = (&command, &standing);
        let again = |loaded: Loaded<Login>| async move {
            let live = loaded.state.clone();
            let Some(login) = live.filter(|login| decide::why_over(id, login, standing).is_none()) else {
                return Ok::<_, TokenError>(Change::none(loaded, None));
            };
            let events = decide::reauthenticate(id, &login, command.clone());
            let after = events.iter().fold(Some(login), Login::apply);
            Ok(Change::of(loaded, events, after.map(|login| (id, login))))
        };
        self.repository.execute(&id, again).await
    }

    fn with_cookie(&self, (id, login): (LoginId, Login)) -> Result<(CurrentLogin, String), TokenError> {
        let cookie = LoginCookie { login: id, nonce: login.nonce, used: self.clock.now() };
        Ok((CurrentLogin::of(&login, cookie), self.sealed(cookie)?))
    }

    fn sealed(&self, cookie: LoginCookie) -> Result<String, TokenError> {
        cookie.seal(&self.keys.mac_keys()).ok_or(TokenError::NoKey)
    }

    async fn standing(&self, user: UserId) -> Result<Standing, TokenError> {
        let (user, installation_epoch) =
            tokio::try_join!(self.repository.user(user), self.installation.current())?;
        Ok(Standing {
            user: user.state.filter(crate::user::User::is_active).map(|user| user.session_epoch),
            installation_epoch,
            now: self.clock.now(),
        })
    }
}

/// The record of what a browser said of itself, if it said anything.
fn record_of(user: UserId, login: LoginId, device: &Device) -> Vec<RecordChange> {
    let record = RecordChange::Put(device::record(user, login), device.encode());
    (!device.is_unknown()).then_some(record).into_iter().collect()
}

impl CurrentLogin {
    /// A cookie from before the person has proved again who they are is replaced by the current one.
    pub(in crate::app) fn of(login: &Login, cookie: LoginCookie) -> Self {
        Self {
            id: cookie.login,
            user: login.begun.user,
            auth_time: login.auth_time,
            methods: login.methods.clone(),
            absolute_expiry: login.life().absolute_expiry,
            persistent: login.life().persistent,
            user_epoch: login.begun.user_epoch,
            is_outdated: cookie.nonce != login.nonce,
            cookie: LoginCookie { nonce: login.nonce, ..cookie },
        }
    }

    /// Who lets a client begin.
    #[must_use]
    pub fn authorizer(&self) -> Authorizer {
        Authorizer {
            user: self.user,
            login: LoginReference { id: self.id, auth_time: self.auth_time, methods: self.methods.clone() },
            user_epoch: self.user_epoch,
            login_expiry: self.absolute_expiry,
        }
    }

    /// Whether it stays valid in this epoch of its user.
    pub(super) fn holds_in(&self, epoch: SessionEpoch) -> bool {
        epoch.covers(self.id, self.user_epoch)
    }
}
