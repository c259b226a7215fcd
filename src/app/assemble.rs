//! Assembles the services from the configuration and the keys.

mod environment;
mod grants;
mod keys;
mod parts;
mod settings;
mod throttling;

use std::sync::Arc;

pub use self::environment::{AssembleError, Environment};
pub use self::keys::{make_keys, read_keys};
use self::parts::Parts;
use self::settings::settings;
use super::hint::Hint;
use super::metrics::TokenRequests;
use super::{Administration, App, EventLog, Indexes, Tokens};
use crate::config::Config;

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
        let consents = parts.consents(&sessions);
        let accounts = parts.accounts((&sessions, &consents));
        let access_tokens = Arc::new(parts.access_tokens(&sessions, config));
        let events = Arc::new(EventLog { repository: repository.clone() });
        let requests = Arc::new(TokenRequests::default());
        let sweeper = Arc::new(parts.sweeper(&sessions, &events));
        let authorizations = Arc::new(parts.authorizations());
        let app = Self {
            authorization_requests: Arc::new(parts.authorization_requests(&authorizations, &consents)),
            authorizations,
            grants: Arc::new(parts.grants((&accounts, &sessions), &requests)),
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
            backchannel_logout: Arc::new(parts.backchannel_logout()),
            logins: parts.logins(&accounts),
            indexes: Indexes { repository: repository.clone(), nodes: Arc::clone(&parts.nodes) },
            access_tokens,
            accounts,
            sessions,
            consents,
            events,
            sweeper,
            uptime: parts.uptime,
            settings,
            store: parts.store,
            nodes: parts.nodes,
            clock: parts.clock,
            random: parts.random,
            passwords: parts.passwords,
            throttle: parts.throttling.sign_ins,
            shared_counters: parts.throttling.shared,
            keys: parts.keys,
            clients: parts.clients,
            refusals: parts.refusals,
            installation: parts.installation,
        };
        Ok(app)
    }
}
