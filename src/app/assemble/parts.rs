//! What several services share, and how each service is made of it.

use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, RwLock};

use super::environment::{AssembleError, Environment};
use super::keys::{hash_peppers, key_life, secret_lead_time};
use super::throttling::Throttling;
use crate::app::account_rate_limits::AccountRateLimits;
use crate::app::backchannel_logout::{DeliveryCounts, Requests};
use crate::app::keys::codec;
use crate::app::metrics::{LoginOutcomes, TokenRequests};
use crate::app::{
    AccessTokens, Accounts, BackchannelLogout, Clients, Consents, EventLog, InstallationEpoch, Logins,
    Monitoring, Nodes, RefusalLog, Repository, Sessions, Settings, Sweeper, TokenKeys, Uptime,
};
use crate::clock::Clock;
use crate::config::{AccessTokenType, Config};
use crate::password::pool::{HashingPool, PoolOptions};
use crate::random::Random;
use crate::store::Store;
use crate::throttle::operation::Counters;
use crate::token::{IfMissing, Peppers, RefreshSecrets, SigningKeys, Verifier};

/// What several services share.
pub(super) struct Parts {
    pub(super) store: Arc<dyn Store>,
    pub(super) nodes: Arc<Nodes>,
    pub(super) uptime: Arc<Uptime>,
    pub(super) repository: Repository,
    pub(super) settings: Arc<Settings>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Random,
    pub(super) passwords: Arc<HashingPool>,
    pub(super) throttling: Throttling,
    pub(super) keys: Arc<TokenKeys>,
    pub(super) clients: Arc<Clients>,
    pub(super) refusals: Arc<RefusalLog>,
    pub(super) rate_limits: Arc<AccountRateLimits>,
    pub(super) installation: Arc<InstallationEpoch>,
    pub(super) login_outcomes: Arc<LoginOutcomes>,
    pub(super) deliveries: Arc<DeliveryCounts>,
}

impl Parts {
    pub(super) fn of(
        config: &Config,
        settings: &Arc<Settings>,
        environment: Environment,
    ) -> Result<Self, AssembleError> {
        let Environment { store, cluster, exchange, keyring, clock, random, cost } = environment;
        let described = (config.server.name.as_deref(), config.shared_sections());
        let uptime = Arc::new(Uptime::new(Arc::clone(&store), Arc::clone(&clock)));
        let of_store = (Arc::clone(&store), Arc::clone(&uptime));
        let nodes = Nodes::new(cluster, of_store, described, Arc::clone(&clock), &random)?;
        let nodes = Arc::new(nodes);
        let repository = Repository::of(Arc::clone(&store), Arc::clone(nodes.node_clock()));
        let signing = SigningKeys::open(keyring.clone(), key_life(config), None, Arc::clone(&clock))?;
        let refresh_secrets = RefreshSecrets::open(keyring.clone(), IfMissing::Refuse, clock.now())?;
        let peppers = Peppers::open(keyring.clone(), IfMissing::Refuse, clock.now())?;
        let pool = PoolOptions {
            threads: usize::try_from(config.passwords.threads).unwrap_or(usize::MAX),
            queue: usize::try_from(config.passwords.queue).unwrap_or(usize::MAX),
            cost,
            ..PoolOptions::default()
        };
        let passwords = Arc::new(HashingPool::start(pool, hash_peppers(&peppers)?, random.clone())?);
        let secret_lead_time = secret_lead_time(config);
        let due = clock.now().before(secret_lead_time);
        let throttling = Throttling::new(config, exchange, &peppers, (&clock, &random))?;
        let rate_limits = AccountRateLimits::new(throttling.rate_limits.clone(), Arc::clone(&clock));
        Ok(Self {
            passwords: Arc::clone(&passwords),
            throttling,
            keys: Arc::new(TokenKeys {
                codec: RwLock::new(Arc::new(codec(&refresh_secrets, |_| true, due))),
                signing: Arc::new(signing),
                refresh_secrets: Arc::new(refresh_secrets),
                keyring,
                peppers: Arc::new(peppers),
                passwords,
                secret_lead_time,
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
            rate_limits: Arc::new(rate_limits),
            installation: Arc::new(InstallationEpoch {
                repository: repository.clone(),
                clock: Arc::clone(&clock),
                epoch: AtomicU32::default(),
            }),
            login_outcomes: Arc::default(),
            deliveries: Arc::default(),
            settings: Arc::clone(settings),
            store,
            nodes,
            uptime,
            repository,
            clock,
            random,
        })
    }

    pub(super) fn sessions(&self) -> Arc<Sessions> {
        Arc::new(Sessions {
            repository: self.repository.clone(),
            clients: Arc::clone(&self.clients),
            installation: Arc::clone(&self.installation),
            rate_limits: Arc::clone(&self.rate_limits),
            settings: Arc::clone(&self.settings),
            clock: Arc::clone(&self.clock),
        })
    }

    pub(super) fn consents(&self, sessions: &Arc<Sessions>) -> Arc<Consents> {
        Arc::new(Consents {
            repository: self.repository.clone(),
            clients: Arc::clone(&self.clients),
            sessions: Arc::clone(sessions),
            clock: Arc::clone(&self.clock),
        })
    }

    pub(super) fn logins(&self, accounts: &Arc<Accounts>) -> Arc<Logins> {
        Arc::new(Logins {
            repository: self.repository.clone(),
            accounts: Arc::clone(accounts),
            installation: Arc::clone(&self.installation),
            keys: Arc::clone(&self.keys),
            outcomes: Arc::clone(&self.login_outcomes),
            settings: Arc::clone(&self.settings),
            clock: Arc::clone(&self.clock),
            random: self.random.clone(),
        })
    }

    pub(super) fn accounts(&self, (sessions, consents): (&Arc<Sessions>, &Arc<Consents>)) -> Arc<Accounts> {
        Arc::new(Accounts {
            repository: self.repository.clone(),
            sessions: Arc::clone(sessions),
            consents: Arc::clone(consents),
            passwords: Arc::clone(&self.passwords),
            sign_ins: self.throttling.attempts(Counters::SignIns),
            sign_ups: self.throttling.attempts(Counters::SignUps),
            rate_limits: Arc::clone(&self.rate_limits),
            refusals: Arc::clone(&self.refusals),
            settings: Arc::clone(&self.settings),
            clock: Arc::clone(&self.clock),
            random: self.random.clone(),
        })
    }

    pub(super) fn backchannel_logout(&self) -> BackchannelLogout {
        BackchannelLogout {
            repository: self.repository.clone(),
            clients: Arc::clone(&self.clients),
            installation: Arc::clone(&self.installation),
            keys: Arc::clone(&self.keys),
            settings: Arc::clone(&self.settings),
            counts: Arc::clone(&self.deliveries),
            nodes: Arc::clone(&self.nodes),
            requests: Requests::default(),
            clock: Arc::clone(&self.clock),
            random: self.random.clone(),
        }
    }

    pub(super) fn access_tokens(&self, sessions: &Arc<Sessions>, config: &Config) -> AccessTokens {
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

    pub(super) fn sweeper(&self, sessions: &Arc<Sessions>, events: &Arc<EventLog>) -> Sweeper {
        Sweeper {
            progress: Mutex::default(),
            nodes: Arc::clone(&self.nodes),
            repository: self.repository.clone(),
            sessions: Arc::clone(sessions),
            events: Arc::clone(events),
            settings: Arc::clone(&self.settings),
            clock: Arc::clone(&self.clock),
        }
    }

    pub(super) fn monitoring(
        &self,
        token_requests: Arc<TokenRequests>,
        sweeper: &Arc<Sweeper>,
    ) -> Monitoring {
        Monitoring {
            token_requests,
            logins: Arc::clone(&self.login_outcomes),
            deliveries: Arc::clone(&self.deliveries),
            passwords: Arc::clone(&self.passwords),
            throttle: Arc::clone(&self.throttling.sign_ins),
            sweeper: Arc::clone(sweeper),
            nodes: Arc::clone(&self.nodes),
            repository: self.repository.clone(),
            certificate: Mutex::default(),
            process_started: self.clock.now(),
            clock: Arc::clone(&self.clock),
        }
    }
}
