//! Puts the use cases together, out of the configuration and the keys folder.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use zeroize::Zeroizing;

use super::error::TokenError;
use super::key_checks::CheckedSecrets;
use super::pace::Pace;
use super::repository::Repository;
use super::{App, ScopeCatalogue, Settings};
use crate::clock::{Clock, StepWatch};
use crate::config::{AccessTokenType, Config};
use crate::oauth::RefreshTokenCodec;
use crate::oauth::words::WordError;
use crate::password::hash::{Cost, Peppers as HashPeppers};
use crate::password::policy::Policy;
use crate::password::pool::{HashingPool, PoolOptions};
use crate::random::{NoRandomness, Random};
use crate::store::Store;
use crate::throttle::bucket::{Buckets, Rate};
use crate::throttle::{self, Limit, Throttle};
use crate::token::{
    IfMissing, KeyError, KeyLife, KeysFolder, Peppers, RefreshSecrets, SigningKeys, TokenType, Verifier,
};

/// What the use cases stand on.
pub struct Ground {
    /// Streams and records.
    pub store: Arc<dyn Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Random,
    /// What a password's hash costs.
    pub cost: Cost,
}

/// Why the use cases can't be put together. For the operator.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// A key or a secret can't be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The hashing threads can't be started.
    #[error("the password hashing threads can't be started: {0}")]
    Threads(#[from] io::Error),
    /// There is no randomness.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// A name in the configuration can't be used.
    #[error(transparent)]
    Word(#[from] WordError),
}

impl App {
    /// Puts the use cases together. Keys and secrets must be there: that a store has lost them is for the operator to
    /// know; a new one gets them from [`make_keys`].
    ///
    /// # Errors
    /// [`AssembleError`].
    pub fn assemble(config: &Config, ground: Ground) -> Result<Self, AssembleError> {
        let Ground { store, clock, random, cost } = ground;
        let (now, monotonic) = (clock.now(), clock.monotonic());
        let folder = || KeysFolder::at(&config.keys);
        let if_missing = IfMissing::Refuse;
        let keys = SigningKeys::open(folder(), key_life(config), None, Arc::clone(&clock))?;
        let refresh_secrets = RefreshSecrets::open(folder(), if_missing, now)?;
        let peppers = Peppers::open(folder(), if_missing, now)?;
        let pool = PoolOptions {
            threads: usize::try_from(config.passwords.threads).unwrap_or(usize::MAX),
            queue: usize::try_from(config.passwords.queue).unwrap_or(usize::MAX),
            cost,
            ..PoolOptions::default()
        };
        let plain_jwt = config.audiences.iter().any(|audience| audience.typ == AccessTokenType::Jwt);
        let issuer = &config.issuer;
        Ok(Self {
            own_tokens: Verifier::new(issuer, issuer).allow_plain_jwt(plain_jwt),
            any_tokens: Verifier::for_any_audience(issuer).allow_plain_jwt(plain_jwt),
            settings: settings(config)?,
            clients: config.clients.iter().cloned().collect(),
            keys: Arc::new(keys),
            codec: RwLock::new(Arc::new(codec(&refresh_secrets, |_| true))),
            keys_folder: folder(),
            certificate: std::sync::Mutex::default(),
            installation_epoch: std::sync::atomic::AtomicU32::default(),
            refresh_secrets: Arc::new(refresh_secrets),
            passwords: HashingPool::start(pool, hash_peppers(&peppers)?, random.clone())?,
            throttle: Throttle::new(limits(config), &random.bytes()?),
            sign_ups: Throttle::new(sign_up_limits(config), &random.bytes()?),
            sweeper: super::sweep::Sweeper::default(),
            refusals: super::refusals::Refusals::default(),
            undeclared_proxy: std::sync::Mutex::default(),
            token_requests: super::metrics::TokenRequests::default(),
            appending: super::beside::Appending::default(),
            refreshes: Buckets::new(Rate {
                burst: config.throttle.refresh_burst,
                every: config.throttle.refresh_every,
            }),
            pace: Pace::new(&config.throttle),
            process_started: now,
            answering_since: AtomicU64::new(millis(monotonic)),
            introspection_hint: super::introspect::Hint::default(),
            clock_steps: StepWatch::since(now, monotonic),
            repository: Repository::of(Arc::clone(&store)),
            store,
            clock,
            random,
        })
    }

    /// Takes in what changes in the keys folder, looking at it once in `every`; never returns.
    pub async fn watch_keys(self: Arc<Self>, every: Duration) {
        let signing = Arc::clone(&self.keys).watch(every);
        let secrets = Arc::clone(&self.refresh_secrets);
        let (app, runtime) = (Arc::clone(&self), tokio::runtime::Handle::current());
        let reloaded = move |secrets: &RefreshSecrets| {
            let taken_in = runtime.block_on(app.take_in(secrets));
            taken_in.err().map(|error| KeyError::Unchecked(error.to_string()))
        };
        tokio::join!(signing, secrets.watch(every, reloaded));
    }

    /// Takes in the refresh secrets as they are now, but for those that are another secret than the data knows.
    ///
    /// # Errors
    /// [`TokenError`] if the data can't tell: then what is gone is dropped, and what is new is not used.
    pub(super) async fn take_in(&self, secrets: &RefreshSecrets) -> Result<(), TokenError> {
        let checked = self.check_refresh_secrets().await;
        let CheckedSecrets { good, foreign } = checked.as_ref().ok().cloned().unwrap_or_default();
        // By what the secrets are under the lock: somebody else may have taken in newer ones.
        let mut current = self.codec.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let before = current.secrets();
        let usable = |id| (before.contains(&id) || good.contains(&id)) && !foreign.contains(&id);
        *current = Arc::new(codec(secrets, usable));
        checked.map(drop)
    }

    /// Says that requests are answered from now on. Until then no retry window runs out: nobody could ask again.
    pub fn begin_to_answer(&self) {
        self.answering_since.store(millis(self.clock.monotonic()), Ordering::Relaxed);
    }

    /// For how long requests have been answered.
    pub(super) fn uptime(&self, monotonic: Duration) -> Duration {
        monotonic.saturating_sub(Duration::from_millis(self.answering_since.load(Ordering::Relaxed)))
    }
}

/// Makes what is missing in the keys folder, for a store that is new.
///
/// # Errors
/// A [`KeyError`] that names the file.
pub fn make_keys(config: &Config, clock: &Arc<dyn Clock>) -> Result<(), KeyError> {
    let folder = || KeysFolder::at(&config.keys);
    SigningKeys::open(folder(), key_life(config), Some(config.algorithm), Arc::clone(clock))?;
    RefreshSecrets::open(folder(), IfMissing::Create, clock.now())?;
    Peppers::open(folder(), IfMissing::Create, clock.now())?;
    Ok(())
}

/// Reads the keys folder of a store that is there, as [`App::assemble`] does: to know before the store is opened whether
/// it can be used.
///
/// # Errors
/// A [`KeyError`] that names the file.
pub fn read_keys(config: &Config, clock: &Arc<dyn Clock>) -> Result<(), KeyError> {
    let folder = || KeysFolder::at(&config.keys);
    SigningKeys::open(folder(), key_life(config), None, Arc::clone(clock))?;
    RefreshSecrets::open(folder(), IfMissing::Refuse, clock.now())?;
    Peppers::open(folder(), IfMissing::Refuse, clock.now())?;
    Ok(())
}

/// How long the signing keys of a configuration are published.
fn key_life(config: &Config) -> KeyLife {
    let lives = config.clients.iter().map(|client| client.metadata.lifetimes.access_token);
    let longest = lives.chain([config.tokens.lifetimes.access_token]).max();
    let usual = KeyLife::default();
    KeyLife {
        lead_time: config.lead_time,
        longest_access_token: longest.unwrap_or(usual.longest_access_token),
        ..usual
    }
}

fn settings(config: &Config) -> Result<Settings, WordError> {
    let mut scopes = ScopeCatalogue::new(config.issuer.parse()?, config.default_audience.clone());
    for audience in &config.audiences {
        let typ = match audience.typ {
            AccessTokenType::AtJwt => TokenType::AtJwt,
            AccessTokenType::Jwt => TokenType::Jwt,
        };
        scopes.declare(&audience.name, typ, &audience.scopes);
    }
    for (scope, roles) in &config.scope_roles {
        scopes.require(scope, roles.clone());
    }
    let min_length = usize::try_from(config.passwords.min_length).unwrap_or(usize::MAX);
    Ok(Settings {
        issuer: config.issuer.clone(),
        password_grant: config.password_grant,
        scopes,
        password_policy: Policy::new(min_length).unwrap_or_default(),
        tokens: config.tokens.clone(),
        default_audience: config.default_audience.clone(),
        longest_access_token: key_life(config).longest_access_token,
        accounts: config.accounts.clone(),
        sessions: config.sessions.clone(),
    })
}

fn limits(config: &Config) -> throttle::Settings {
    let usual = throttle::Settings::default();
    let free = |attempts: u32, limit: Limit| Limit { free: attempts, ..limit };
    throttle::Settings {
        account: free(config.throttle.account_attempts, usual.account),
        known_network: free(config.throttle.account_attempts, usual.known_network),
        network: free(config.throttle.network_attempts, usual.network),
        ..usual
    }
}

/// Sign-ups are counted by network alone: there is no account yet to count by.
fn sign_up_limits(config: &Config) -> throttle::Settings {
    let usual = throttle::Settings::default();
    let network = Limit { free: config.throttle.network_sign_ups, ..usual.network };
    throttle::Settings { network, network_cells: usual.network_cells, ..throttle::Settings::off() }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn codec(secrets: &RefreshSecrets, usable: impl Fn(u8) -> bool) -> RefreshTokenCodec {
    let usable: Vec<_> = secrets.all().into_iter().filter(|(id, _)| usable(*id)).collect();
    let Some((current, newest)) = usable.last().cloned() else { return RefreshTokenCodec::of_nothing() };
    let older = usable.into_iter().map(|(id, secret)| (id, Zeroizing::new(*secret.as_bytes())));
    RefreshTokenCodec::new((current, newest.as_bytes()), older)
}

fn hash_peppers(peppers: &Peppers) -> Result<HashPeppers, KeyError> {
    let (current, newest) = peppers.current().ok_or_else(|| peppers.missing())?;
    let older = peppers.all().into_iter().map(|(id, secret)| (id, *secret.as_bytes()));
    Ok(HashPeppers::new((current, newest.as_bytes()), older))
}
