//! Assembles the services from the configuration and the keys folder.

use std::io;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, RwLock};

use super::account_rate_limits::AccountRateLimits;
use super::grants::client_credentials::ClientCredentialsGrant;
use super::grants::password::PasswordGrant;
use super::grants::refresh::RefreshGrant;
use super::hint::Hint;
use super::keys::codec;
use super::metrics::TokenRequests;
use super::mint::Mint;
use super::overlap::Overlap;
use super::{
    AccessTokens, Accounts, Administration, App, Clients, EventLog, Grants, Indexes, InstallationEpoch,
    Monitoring, RefusalLog, Repository, ScopeCatalogue, Sessions, Settings, Sweeper, TokenKeys, Tokens,
    Uptime,
};
use crate::clock::{Clock, StepWatch};
use crate::config::{AccessTokenType, Config};
use crate::oauth::ids::InvalidText;
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

/// What the services need besides the configuration.
pub struct Environment {
    /// Streams and records.
    pub store: Arc<dyn Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Random,
    /// The cost of a password's hash.
    pub cost: Cost,
}

/// Why the services can't be assembled. For the operator.
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
    Word(#[from] InvalidText),
}

impl App {
    /// Assembles the services. Keys and secrets must exist: if an existing store has lost them, the operator must know.
    /// [`make_keys`] makes those of a new store.
    ///
    /// # Errors
    /// [`AssembleError`].
    pub fn assemble(config: &Config, environment: Environment) -> Result<Self, AssembleError> {
        let settings = Arc::new(settings(config)?);
        let parts = Parts::of(config, &settings, environment)?;
        let Parts { repository, clock, random, .. } = &parts;
        let (sessions, keys) = (parts.sessions(), &parts.keys);
        let accounts = parts.accounts(&sessions, config)?;
        let access_tokens = Arc::new(parts.access_tokens(&sessions, config));
        let uptime = Arc::new(Uptime::new(Arc::clone(clock)));
        let events = Arc::new(EventLog { repository: repository.clone() });
        let requests = Arc::new(TokenRequests::default());
        let sweeper = Arc::new(parts.sweeper(&sessions, &events));
        let app = Self {
            grants: Arc::new(parts.grants(config, (&accounts, &sessions), &uptime, &requests)),
            tokens: Arc::new(Tokens {
                repository: repository.clone(),
                clients: Arc::clone(&parts.clients),
                sessions: Arc::clone(&sessions),
                accounts: Arc::clone(&accounts),
                verifier: Arc::clone(&access_tokens),
                keys: Arc::clone(keys),
                introspection_hint: Hint::default(),
                clock: Arc::clone(clock),
            }),
            administration: Arc::new(Administration {
                accounts: Arc::clone(&accounts),
                events: Arc::clone(&events),
                clients: Arc::clone(&parts.clients),
                sessions: Arc::clone(&sessions),
                repository: repository.clone(),
                settings: Arc::clone(&settings),
                clock: Arc::clone(clock),
                random: random.clone(),
            }),
            monitoring: Arc::new(parts.monitoring(requests, &sweeper)),
            indexes: Indexes { repository: repository.clone() },
            access_tokens,
            accounts,
            sessions,
            events,
            sweeper,
            uptime,
            settings,
            store: parts.store,
            clock: parts.clock,
            passwords: parts.passwords,
            throttle: parts.throttle,
            keys: parts.keys,
            clients: parts.clients,
            refusals: parts.refusals,
            installation: parts.installation,
        };
        Ok(app)
    }
}

/// What several services share.
struct Parts {
    store: Arc<dyn Store>,
    repository: Repository,
    settings: Arc<Settings>,
    clock: Arc<dyn Clock>,
    random: Random,
    passwords: Arc<HashingPool>,
    throttle: Arc<Throttle>,
    keys: Arc<TokenKeys>,
    clients: Arc<Clients>,
    refusals: Arc<RefusalLog>,
    rate_limits: Arc<AccountRateLimits>,
    installation: Arc<InstallationEpoch>,
}

impl Parts {
    fn of(
        config: &Config,
        settings: &Arc<Settings>,
        environment: Environment,
    ) -> Result<Self, AssembleError> {
        let Environment { store, clock, random, cost } = environment;
        let repository = Repository::of(Arc::clone(&store));
        let folder = || KeysFolder::at(&config.keys);
        let signing = SigningKeys::open(folder(), key_life(config), None, Arc::clone(&clock))?;
        let refresh_secrets = RefreshSecrets::open(folder(), IfMissing::Refuse, clock.now())?;
        let peppers = Peppers::open(folder(), IfMissing::Refuse, clock.now())?;
        let pool = PoolOptions {
            threads: usize::try_from(config.passwords.threads).unwrap_or(usize::MAX),
            queue: usize::try_from(config.passwords.queue).unwrap_or(usize::MAX),
            cost,
            ..PoolOptions::default()
        };
        Ok(Self {
            passwords: Arc::new(HashingPool::start(pool, hash_peppers(&peppers)?, random.clone())?),
            throttle: Arc::new(Throttle::new(limits(config), &random.bytes()?)),
            keys: Arc::new(TokenKeys {
                codec: RwLock::new(Arc::new(codec(&refresh_secrets, |_| true))),
                signing: Arc::new(signing),
                refresh_secrets: Arc::new(refresh_secrets),
                folder: folder(),
                repository: repository.clone(),
                settings: Arc::clone(settings),
                clock: Arc::clone(&clock),
            }),
            clients: Arc::new(Clients {
                declared: config.clients.iter().cloned().collect(),
                repository: repository.clone(),
                settings: Arc::clone(settings),
                clock: Arc::clone(&clock),
            }),
            refusals: Arc::new(RefusalLog::new(Arc::clone(&clock))),
            rate_limits: Arc::new(AccountRateLimits::new(&config.throttle, Arc::clone(&clock))),
            installation: Arc::new(InstallationEpoch {
                repository: repository.clone(),
                clock: Arc::clone(&clock),
                epoch: AtomicU32::default(),
            }),
            settings: Arc::clone(settings),
            store,
            repository,
            clock,
            random,
        })
    }

    fn sessions(&self) -> Arc<Sessions> {
        Arc::new(Sessions {
            repository: self.repository.clone(),
            clients: Arc::clone(&self.clients),
            installation: Arc::clone(&self.installation),
            rate_limits: Arc::clone(&self.rate_limits),
            settings: Arc::clone(&self.settings),
            clock: Arc::clone(&self.clock),
        })
    }

    fn accounts(&self, sessions: &Arc<Sessions>, config: &Config) -> Result<Arc<Accounts>, AssembleError> {
        Ok(Arc::new(Accounts {
            repository: self.repository.clone(),
            sessions: Arc::clone(sessions),
            passwords: Arc::clone(&self.passwords),
            throttle: Arc::clone(&self.throttle),
            sign_ups: Throttle::new(sign_up_limits(config), &self.random.bytes()?),
            rate_limits: Arc::clone(&self.rate_limits),
            refusals: Arc::clone(&self.refusals),
            settings: Arc::clone(&self.settings),
            clock: Arc::clone(&self.clock),
            random: self.random.clone(),
        }))
    }

    fn access_tokens(&self, sessions: &Arc<Sessions>, config: &Config) -> AccessTokens {
        let plain_jwt = config.audiences.iter().any(|audience| audience.typ == AccessTokenType::Jwt);
        let issuer = &config.issuer;
        AccessTokens {
            sessions: Arc::clone(sessions),
            settings: Arc::clone(&self.settings),
            signing: Arc::clone(&self.keys.signing),
            own: Verifier::new(issuer, issuer).allow_plain_jwt(plain_jwt),
            any: Verifier::for_any_audience(issuer).allow_plain_jwt(plain_jwt),
            clock: Arc::clone(&self.clock),
        }
    }

    fn grants(
        &self,
        config: &Config,
        (accounts, sessions): (&Arc<Accounts>, &Arc<Sessions>),
        uptime: &Arc<Uptime>,
        requests: &Arc<TokenRequests>,
    ) -> Grants {
        let mint = Arc::new(Mint {
            keys: Arc::clone(&self.keys),
            settings: Arc::clone(&self.settings),
            clock: Arc::clone(&self.clock),
        });
        let throttle = &config.throttle;
        Grants {
            password: PasswordGrant {
                repository: self.repository.clone(),
                clients: Arc::clone(&self.clients),
                accounts: Arc::clone(accounts),
                sessions: Arc::clone(sessions),
                installation: Arc::clone(&self.installation),
                keys: Arc::clone(&self.keys),
                mint: Arc::clone(&mint),
                settings: Arc::clone(&self.settings),
                clock: Arc::clone(&self.clock),
                random: self.random.clone(),
            },
            refresh_token: RefreshGrant {
                repository: self.repository.clone(),
                clients: Arc::clone(&self.clients),
                installation: Arc::clone(&self.installation),
                keys: Arc::clone(&self.keys),
                mint: Arc::clone(&mint),
                rate: Buckets::new(Rate { burst: throttle.refresh_burst, every: throttle.refresh_every }),
                overlap: Overlap::default(),
                clock_steps: StepWatch::since(self.clock.now(), self.clock.monotonic()),
                uptime: Arc::clone(uptime),
                settings: Arc::clone(&self.settings),
                clock: Arc::clone(&self.clock),
                random: self.random.clone(),
            },
            client_credentials: ClientCredentialsGrant {
                repository: self.repository.clone(),
                clients: Arc::clone(&self.clients),
                installation: Arc::clone(&self.installation),
                keys: Arc::clone(&self.keys),
                mint,
                rate: Buckets::new(Rate {
                    burst: throttle.client_token_burst,
                    every: throttle.client_token_every,
                }),
                settings: Arc::clone(&self.settings),
                clock: Arc::clone(&self.clock),
                random: self.random.clone(),
            },
            requests: Arc::clone(requests),
        }
    }

    fn sweeper(&self, sessions: &Arc<Sessions>, events: &Arc<EventLog>) -> Sweeper {
        Sweeper {
            progress: Mutex::default(),
            repository: self.repository.clone(),
            sessions: Arc::clone(sessions),
            events: Arc::clone(events),
            settings: Arc::clone(&self.settings),
            clock: Arc::clone(&self.clock),
        }
    }

    fn monitoring(&self, token_requests: Arc<TokenRequests>, sweeper: &Arc<Sweeper>) -> Monitoring {
        Monitoring {
            token_requests,
            passwords: Arc::clone(&self.passwords),
            throttle: Arc::clone(&self.throttle),
            sweeper: Arc::clone(sweeper),
            repository: self.repository.clone(),
            certificate: Mutex::default(),
            process_started: self.clock.now(),
            clock: Arc::clone(&self.clock),
        }
    }
}

/// Makes the keys and secrets that are missing in the keys folder of a new store.
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

/// Reads the keys folder of an existing store as [`App::assemble`] does, to find out before the store is opened whether
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

fn settings(config: &Config) -> Result<Settings, InvalidText> {
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

fn hash_peppers(peppers: &Peppers) -> Result<HashPeppers, KeyError> {
    let (current, newest) = peppers.current().ok_or_else(|| peppers.missing())?;
    let older = peppers.all().into_iter().map(|(id, secret)| (id, *secret.as_bytes()));
    Ok(HashPeppers::new((current, newest.as_bytes()), older))
}
