//! The configuration, validated as a whole before anything starts.
//!
//! [`Config::load`] reads a TOML file; `HEIRLOOM__SECTION__KEY` variables override it, and flags override both. It
//! returns a consistent configuration, or every error at once, each with its line and a suggestion.
//! `examples/heirloom.toml` shows every setting with its default. [`Config::dev`] needs no file.

use std::path::PathBuf;
use std::time::Duration;

use crate::client::metadata::{LONGEST_ACCESS_TOKEN, grant_types_on};
use crate::client::{MetadataRules, PkcePolicy, Registration, TokenRules};
use crate::login::Bounds;
use crate::oauth::{Audience, GrantType, Origin, SigningAlgorithm};

mod accounts;
mod audiences;
mod clients;
mod colour;
mod database;
mod dev;
mod folders;
mod image;
mod issuer;
mod log;
mod logins;
mod logos;
mod metadata;
mod pages;
mod passwords;
mod problem;
mod section;
mod server;
mod sessions;
mod shared;
mod sources;
mod store;
mod throttle;
mod tokens;
mod tree;

pub use accounts::{Accounts, SignUp};
pub use audiences::{AccessTokenType, AudienceRules, OWN_SCOPES, ScopeRoles};
pub use clients::{MAX_SECRET, MIN_SECRET};
pub use colour::Colour;
pub use dev::{Dev, TokenOverrides, demo_redirect_uris};
pub use folders::{KeyEncryptionFiles, KeysIn};
pub use image::Image;
pub use log::{Log, LogFormat};
pub use logos::Logos;
pub use pages::{Language, Pages};
pub use passwords::Passwords;
pub use problem::{ConfigErrors, Place, Problem};
pub use server::{Server, Tls};
pub use sessions::Sessions;
pub use sources::{Flag, PREFIX, Sources};
pub use store::Store;
pub use throttle::Throttle;

use section::Section;

/// The default of how long a signing key is published before it signs.
pub const LEAD_TIME: Duration = Duration::from_hours(2);

/// All settings. No secrets: of the clients' secrets only digests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The issuer (RFC 8414 §2): a URL without query, fragment and trailing slash, byte for byte as in `iss`.
    pub issuer: String,
    /// The listener's settings.
    pub server: Server,
    /// The kind of the store, and where a database is.
    pub store: Store,
    /// The data folder.
    pub data: PathBuf,
    /// When the data folder's disk has less free space than this, in bytes, it counts as nearly full.
    pub nearly_full: u64,
    /// The keys folder: the signing keys, the refresh secrets and the peppers, unless they are in the database.
    pub keys: PathBuf,
    /// Whether the keys are in the keys folder or in the database.
    pub keys_in: KeysIn,
    /// How long a signing key is published before it signs.
    pub lead_time: Duration,
    /// The algorithm of new signing keys: it signs access tokens.
    pub algorithm: SigningAlgorithm,
    /// What ID tokens can be signed by: `algorithm`, RS256, and what else is set.
    pub id_token_algorithms: Vec<SigningAlgorithm>,
    /// The log's settings.
    pub log: Log,
    /// The token settings of a client that sets none itself. They are already applied to every [`Registration`].
    pub tokens: TokenRules,
    /// The audiences besides the issuer; at least one.
    pub audiences: Vec<AudienceRules>,
    /// The audience of a client that sets none itself.
    pub default_audience: Audience,
    /// For each scope, the roles of which a user must have one.
    pub scope_roles: ScopeRoles,
    /// Whether the password grant is on (RFC 9700 §2.4 advises against it).
    pub password_grant: bool,
    /// Who may make an account, and its first roles.
    pub accounts: Accounts,
    /// How the pages look.
    pub pages: Pages,
    /// The rules for passwords, and the hashing threads.
    pub passwords: Passwords,
    /// The limits on guessing and on frequent requests.
    pub throttle: Throttle,
    /// How many sessions a user may have, and how long ended ones are kept.
    pub sessions: Sessions,
    /// For how long people stay signed in at heirloom's own pages.
    pub logins: Bounds,
    /// The clients that the configuration declares.
    pub clients: Vec<Registration>,
    /// Warnings about files with secrets that other users may read.
    exposed: Vec<String>,
}

impl Config {
    /// Reads and validates a configuration.
    ///
    /// # Errors
    /// Every error.
    pub fn load(sources: &Sources) -> Result<Self, ConfigErrors> {
        let problems = problem::Problems::default();
        let Some(merged) = sources::merge(sources, &problems) else { return Err(problems.into_errors(0)) };
        let root = Section::root(merged.table, merged.place, &problems, &merged.folder);
        let config = Self::read(root, sources);
        look_at_file(sources, &problems);
        match config {
            Some(config) if problems.count() == 0 => Ok(Self { exposed: problems.take_warnings(), ..config }),
            Some(_) | None => Err(problems.into_errors(merged.syntax)),
        }
    }

    /// Reads the whole file. If there are errors, the result is not used.
    fn read(mut root: Section<'_>, sources: &Sources) -> Option<Self> {
        let issuer = issuer::issuer(&mut root);
        let server = server::server(&mut root, issuer.as_deref());
        let store = store::store(&mut root, sources);
        let ((data, nearly_full), keys) = folders::folders(&mut root, &store);
        let (algorithm, id_token_algorithms) = keys.algorithms;
        let log = log::log(&mut root);
        let rules = tokens::tokens(&mut root);
        let catalogue = audiences::audiences(&mut root, issuer.as_deref());
        let scope_roles = audiences::roles(&mut root, &catalogue);
        let password_grant = password_grant(&mut root);
        let accounts = accounts::accounts(&mut root);
        let pages = pages::pages(&mut root);
        let passwords = passwords::passwords(&mut root);
        let throttle = throttle::throttle(&mut root);
        let sessions = sessions::sessions(&mut root);
        let logins = logins::logins(&mut root);
        // Without a default audience there is an error, and the clients read below are not used.
        let default_audience = catalogue.default.clone().or_else(|| "none".parse().ok())?;
        let metadata_rules = MetadataRules {
            issuer: issuer.as_deref().and_then(Origin::of),
            grant_types: grant_types_on(password_grant),
            scopes: catalogue.scopes().collect(),
            audiences: catalogue.audiences.iter().map(|audience| &audience.name).collect(),
            default_audience,
            tokens: &rules,
            longest_access_token: LONGEST_ACCESS_TOKEN,
            logos: pages.logos.as_ref().map(Logos::found),
            id_token_algorithms: &id_token_algorithms,
            is_stored: false,
        };
        let clients = clients::clients(&mut root, &metadata_rules, sources.short_secrets);
        root.finish();
        Some(Self {
            issuer: issuer?,
            server,
            store,
            data,
            nearly_full,
            keys: keys.folder,
            keys_in: keys.place,
            lead_time: keys.lead_time,
            algorithm,
            id_token_algorithms,
            log,
            tokens: rules,
            audiences: catalogue.audiences,
            default_audience: catalogue.default?,
            scope_roles,
            password_grant,
            accounts,
            pages,
            passwords,
            throttle,
            sessions,
            logins,
            clients,
            exposed: Vec::new(),
        })
    }

    /// The algorithm by which ID tokens are signed and new access tokens are not, if there is one. It has keys of its own.
    #[must_use]
    pub fn id_tokens_alone(&self) -> Option<SigningAlgorithm> {
        self.id_token_algorithms.iter().copied().find(|algorithm| *algorithm != self.algorithm)
    }

    /// Warnings for the operator at the start.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = self.exposed.clone();
        let refreshing = self.clients.iter().filter(|client| {
            let has = |grant| client.metadata.grant_types.contains(&grant);
            has(GrantType::RefreshToken) && !has(GrantType::AuthorizationCode)
        });
        let refreshing: Vec<&str> = refreshing.map(|client| client.id.as_str()).collect();
        if self.password_grant {
            warnings.push(
                "the password grant is on: RFC 9700 §2.4 says that it must not be used. Clients see the passwords; \
                 register only your own with it"
                    .to_owned(),
            );
        } else if self.clients.is_empty() {
            warnings.push(
                "no client is declared: only those that an administrator registers can be used".to_owned(),
            );
        } else if !refreshing.is_empty() {
            warnings.push(format!(
                "nobody gets tokens through {}: give it redirect_uris, so that people sign in on heirloom's pages",
                refreshing.join(", ")
            ));
        }
        let has_legacy = |client: &&Registration| client.metadata.pkce == PkcePolicy::Legacy;
        warnings.extend(self.clients.iter().filter(has_legacy).map(|client| {
            format!(
                "the client {} has pkce = \"legacy\": heirloom can't keep codes away from it that somebody else has planted \
                 (RFC 9700 §4.5). Let it send a code challenge, or a nonce with pkce = \"optional\"",
                client.id
            )
        }));
        if self.issuer.starts_with("http:") {
            warnings.push("the issuer is not https: passwords and tokens can be read on the way".to_owned());
        }
        let everywhere = self.server.listen.iter().find(|address| address.ip().is_unspecified());
        if let Some(address) = everywhere
            && self.server.tls.is_none()
            && self.server.trusted_proxies.is_empty()
        {
            warnings.push(format!(
                "{address} is every address of this machine, without TLS and without a proxy in trusted_proxies: passwords \
                 and tokens can be read on the way. Set [server.tls], or listen only where your proxy connects and name it"
            ));
        }
        warnings
    }
}

/// Checks who may read or write the configuration file, because whoever can write it decides who may sign in.
fn look_at_file(sources: &Sources, problems: &problem::Problems) {
    let Some(mode) = section::mode_of(&sources.file) else { return };
    let path = sources.file.display();
    if mode & 0o002 != 0 {
        let place = Place::File(sources.file.to_string_lossy().into());
        let message = format!("everybody may write it (mode {mode:03o})");
        problems.note(&place, message, "run chmod o-w, and look at what is in it");
    } else if problems.has_inline_secret()
        && let Some(who) = section::readers(mode)
    {
        problems.warn(format!(
            "{path} holds clients' secrets, and {who} may read it (mode {mode:03o}): name files in secret_file, or run chmod 600"
        ));
    }
}

/// Reads `[grants]`.
fn password_grant(root: &mut Section<'_>) -> bool {
    let mut section = root.section("grants");
    let on = section.boolean("password").is_some_and(|at| at.value);
    section.finish();
    on
}
