//! The use cases: they load state, have it decided, append, and mint. Each is a method of a service, a struct with the few
//! parts that its use cases touch; [`App`] holds them all.

use std::sync::Arc;
use std::time::Duration;

use crate::client::{RefreshTokens, Registration, TokenRules};
use crate::clock::Clock;
use crate::config::Accounts as AccountRules;
use crate::oauth::{Audience, GrantType, Scope, SigningAlgorithm};
use crate::password::policy::Policy;
use crate::password::pool::HashingPool;
use crate::random::Random;
use crate::store::Store;
use crate::throttle::Throttle;

pub mod access;
pub mod account;
pub mod account_rate_limits;
pub mod accounts;
pub mod admin;
mod aggregate;
pub mod assemble;
mod attempts;
pub mod authenticate;
pub mod authorizations;
pub mod authorize;
pub mod backchannel_logout;
mod believed_time;
pub mod browsers;
pub mod certificate;
pub mod clients;
pub mod clock_guard;
mod companions;
pub mod consents;
pub mod devices;
pub mod error;
mod eviction;
pub mod grants;
mod hint;
pub mod introspect;
pub mod invitations;
pub mod key_checks;
pub mod keys;
pub mod logins;
pub mod metrics;
pub mod mint;
pub mod nodes;
pub mod outage;
mod overlap;
mod password_check;
pub mod refusals;
pub mod reindex;
pub mod repository;
pub mod restore;
pub mod revoke;
mod scope_refused;
pub mod scopes;
mod session_reads;
pub mod sessions;
pub mod shared_counters;
#[cfg(test)]
mod shared_counters_tests;
pub mod sign_up;
mod summaries;
pub mod sweep;
pub mod timeline;
pub mod tokens;
pub mod uptime;
pub mod users;
mod why_over;

pub use crate::config::{Colour, Image, Language, Logos, Pages as PageSettings};
pub use access::AccessTokens;
pub use accounts::Accounts;
pub use admin::Administration;
pub use admin::events::EventLog;
pub use authorizations::Authorizations;
pub use authorize::AuthorizationRequests;
pub use backchannel_logout::BackchannelLogout;
pub use clients::Clients;
pub use consents::Consents;
pub use error::TokenError;
pub use grants::Grants;
pub use keys::TokenKeys;
pub use logins::Logins;
pub use metrics::Monitoring;
pub use mint::TokenResponse;
pub use nodes::Nodes;
pub use refusals::RefusalLog;
pub use reindex::Indexes;
use repository::Repository;
pub use restore::InstallationEpoch;
pub use scopes::ScopeCatalogue;
pub use sessions::Sessions;
pub use shared_counters::SharedCounters;
pub use sweep::Sweeper;
pub use tokens::Tokens;
pub use uptime::Uptime;

/// The services: each has the few parts that its use cases touch.
pub struct App {
    /// What the operator has settled.
    pub settings: Arc<Settings>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Random,
    /// Streams and records.
    pub store: Arc<dyn Store>,
    /// This process among the others that share them.
    pub nodes: Arc<Nodes>,
    /// Hashes passwords.
    pub passwords: Arc<HashingPool>,
    /// Counts failed sign-ins.
    pub throttle: Arc<Throttle>,
    /// Shares these counters with other nodes, if there can be any.
    pub shared_counters: Option<Arc<SharedCounters>>,
    /// The keys folder, and what tokens are made with.
    pub keys: Arc<TokenKeys>,
    /// Finds and authenticates clients.
    pub clients: Arc<Clients>,
    /// Makes authorization codes.
    pub authorizations: Arc<Authorizations>,
    /// Answers token requests.
    pub grants: Arc<Grants>,
    /// Revokes and introspects tokens.
    pub tokens: Arc<Tokens>,
    /// Verifies access tokens for heirloom's own API.
    pub access_tokens: Arc<AccessTokens>,
    /// Accounts.
    pub accounts: Arc<Accounts>,
    /// Leads from a client's request to its answer.
    pub authorization_requests: Arc<AuthorizationRequests>,
    /// Sessions.
    pub sessions: Arc<Sessions>,
    /// Logins at heirloom's own pages.
    pub logins: Arc<Logins>,
    /// What people have allowed clients.
    pub consents: Arc<Consents>,
    /// What administrators and operators do.
    pub administration: Arc<Administration>,
    /// Tells clients that logins have ended.
    pub backchannel_logout: Arc<BackchannelLogout>,
    /// Reads the log.
    pub events: Arc<EventLog>,
    /// Ends and removes what is over.
    pub sweeper: Arc<Sweeper>,
    /// Tells those who watch the server how it is.
    pub monitoring: Arc<Monitoring>,
    /// What the log says of secrets that were refused.
    pub refusals: Arc<RefusalLog>,
    /// The epoch of the installation.
    pub installation: Arc<InstallationEpoch>,
    /// The indexes of sessions, logins and consents.
    pub indexes: Indexes,
    /// For how long requests have been answered.
    pub uptime: Arc<Uptime>,
}

/// What the operator has settled.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The issuer's URL, as in `iss`.
    pub issuer: String,
    /// Whether the password grant is on (RFC 9700 §2.4 says that it must not be used; it is off unless turned on).
    pub password_grant: bool,
    /// The scopes and their audiences.
    pub scopes: ScopeCatalogue,
    /// The rules for new passwords.
    pub password_policy: Policy,
    /// What holds for a client that sets nothing itself.
    pub tokens: TokenRules,
    /// What ID tokens can be signed by.
    pub id_token_algorithms: Vec<SigningAlgorithm>,
    /// The resource server of a client that names none.
    pub default_audience: Audience,
    /// The longest life of an access token: signing keys are published no longer.
    pub longest_access_token: Duration,
    /// Who may sign up, and what an account begins with.
    pub accounts: AccountRules,
    /// How many sessions a user may have, and how long ended ones are kept.
    pub sessions: crate::config::Sessions,
    /// How the pages look.
    pub pages: PageSettings,
    /// For how long people stay signed in at heirloom's own pages.
    pub logins: crate::login::Bounds,
}

/// Whether a client gets refresh tokens in a session with this scope.
fn gets_refresh_tokens(registration: &Registration, scope: &Scope) -> bool {
    let refreshable = match registration.metadata.refresh_tokens {
        RefreshTokens::Always => true,
        RefreshTokens::OfflineAccess => scope.contains(Scope::OFFLINE_ACCESS),
        RefreshTokens::Never => false,
    };
    refreshable && registration.metadata.grant_types.contains(&GrantType::RefreshToken)
}

/// What a client's registration says of its sessions.
#[must_use]
pub fn policy(registration: &Registration) -> crate::session::Policy {
    use crate::client::{RetryWindow, ReusePolicy};
    let metadata = &registration.metadata;
    let window = metadata.retry_window;
    crate::session::Policy {
        access_token: metadata.lifetimes.access_token,
        refresh_idle: metadata.lifetimes.refresh_idle,
        refresh_absolute: metadata.lifetimes.refresh_absolute,
        retry_window: window.duration(),
        retry_until_used: window == RetryWindow::UntilUsed,
        reuse_ends_family: metadata.reuse == ReusePolicy::EndFamily,
    }
}
