//! The use cases, one file each: they load state, have it decided, append, and mint.

use std::sync::Arc;
use std::time::Duration;

use crate::client::Registration;
use crate::clock::{Clock, StepWatch, Timestamp};
use crate::config::{Accounts, TokenRules};
use crate::oauth::{Audience, RefreshTokenCodec};
use crate::password::policy::Policy;
use crate::password::pool::HashingPool;
use crate::random::Random;
use crate::store::Store;
use crate::throttle::Throttle;
use crate::throttle::bucket::Buckets;
use crate::token::{KeysFolder, RefreshSecrets, SigningKeys, Verifier};

pub mod access;
pub mod account;
pub mod admin;
mod aggregate;
pub mod assemble;
pub mod authenticate;
mod beside;
pub mod certificate;
pub mod clients;
pub mod devices;
pub mod error;
pub mod introspect;
pub mod invitations;
pub mod key_checks;
pub mod keys;
pub mod metrics;
pub mod mint;
pub mod outage;
mod pace;
mod password_check;
pub mod refresh;
pub mod refusals;
pub mod repository;
pub mod restore;
pub mod revoke;
pub mod scopes;
pub mod sign_in;
pub mod sign_up;
pub mod steady;
mod summaries;
pub mod sweep;
pub mod timeline;
pub mod users;
pub mod views;

pub use clients::Clients;
pub use error::TokenError;
pub use mint::TokenResponse;
use repository::Repository;
pub use scopes::ScopeCatalogue;

/// What the use cases work with.
pub struct App {
    /// What the operator has settled.
    pub settings: Settings,
    /// The clients.
    pub clients: Clients,
    /// Streams and records.
    pub store: Arc<dyn Store>,
    /// The aggregates in the store.
    repository: Repository,
    /// Where keys and secrets lie.
    pub(crate) keys_folder: KeysFolder,
    /// The signing keys.
    pub keys: Arc<SigningKeys>,
    /// The secrets under which refresh tokens are made.
    pub refresh_secrets: Arc<RefreshSecrets>,
    /// Makes and reads refresh tokens; replaced when the refresh secrets change.
    codec: std::sync::RwLock<Arc<RefreshTokenCodec>>,
    /// Hashes passwords.
    pub passwords: HashingPool,
    /// Counts failed sign-ins.
    pub throttle: Throttle,
    /// Counts sign-ups, by network alone.
    sign_ups: Throttle,
    /// What the log says of secrets that were refused.
    refusals: refusals::Refusals,
    /// When the log last told of a proxy that nobody declared.
    undeclared_proxy: std::sync::Mutex<Option<Timestamp>>,
    /// How requests at the token endpoint ended.
    pub(crate) token_requests: metrics::TokenRequests,
    /// Limits how often one session is refreshed.
    refreshes: Buckets,
    /// Sessions that are being appended to.
    appending: beside::Appending,
    /// Limits how often one user does what stays in the log.
    pace: pace::Pace,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Random,
    /// Verifies access tokens for heirloom's own API.
    own_tokens: Verifier,
    /// Verifies access tokens for whomever they are.
    any_tokens: Verifier,
    /// How the sweeper is getting on.
    pub sweeper: sweep::Sweeper,
    /// When this process started.
    pub process_started: Timestamp,
    /// Since when requests are answered, in milliseconds of the monotonic clock.
    answering_since: std::sync::atomic::AtomicU64,
    /// When an operator was last told that a client introspects what it may not know.
    introspection_hint: introspect::Hint,
    /// Notices that the wall clock jumps.
    clock_steps: StepWatch,
    /// How the listener's certificate is.
    certificate: std::sync::Mutex<Option<certificate::CertificateStatus>>,
    /// The epoch of the installation, as of the start.
    installation_epoch: std::sync::atomic::AtomicU32,
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
    /// The resource server of a client that names none.
    pub default_audience: Audience,
    /// The longest life of an access token: signing keys are published no longer.
    pub longest_access_token: Duration,
    /// Who may sign up, and what an account begins with.
    pub accounts: Accounts,
    /// How many sessions a user may have, and how long ended ones are kept.
    pub sessions: crate::config::Sessions,
}

impl App {
    /// The codec for refresh tokens, as of now.
    #[must_use]
    pub fn codec(&self) -> Arc<RefreshTokenCodec> {
        Arc::clone(&self.codec.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
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
