//! The configuration of `heirloom dev`: built here, without a file.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::audiences::usual_roles;
use super::{
    AccessTokenType, Accounts, AudienceRules, Config, LEAD_TIME, Log, OWN_SCOPES, Passwords, Server,
    Sessions, SignUp, Throttle, TokenRules,
};
use crate::client::{Authentication, Delivery, RefreshTokens, Registration, SecretDigest};
use crate::oauth::words::WordError;
use crate::oauth::{ClientId, GrantType, Origin, Scope, SigningAlgorithm};

/// What differs from one `heirloom dev` to another.
#[derive(Clone, Debug)]
pub struct Dev {
    /// Where it listens: loopback addresses, all with one port.
    pub listen: Vec<SocketAddr>,
    /// The port.
    pub port: u16,
    /// The folder of the store.
    pub data: PathBuf,
    /// The folder of the keys.
    pub keys: PathBuf,
    /// The public demo client.
    pub public_client: ClientId,
    /// The confidential demo client.
    pub confidential_client: ClientId,
    /// Its secret's digest.
    pub secret: SecretDigest,
}

/// What is tried out with tokens; where it is `None`, they are as they always are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trial {
    /// How long every client's access tokens last, in whole seconds.
    pub access_token: Option<Duration>,
    /// The `typ` of the access tokens for every audience.
    pub typ: Option<AccessTokenType>,
    /// How long a signing key is published before it signs.
    pub lead_time: Option<Duration>,
}

impl Config {
    /// A configuration for work on an installation's folders: nobody listens, and there are no clients.
    ///
    /// # Errors
    /// As [`Config::dev`].
    pub fn without_clients(data: &Path, keys: &Path) -> Result<Self, WordError> {
        let nobody: ClientId = "nobody".parse()?;
        let config = Self::dev(Dev {
            listen: Vec::new(),
            port: 0,
            data: data.to_owned(),
            keys: keys.to_owned(),
            public_client: nobody.clone(),
            confidential_client: nobody,
            secret: SecretDigest::of(""),
        })?;
        let accounts = Accounts::default();
        Ok(Self { clients: Vec::new(), password_grant: false, accounts, ..config })
    }

    /// With one more client, like the public one but for its refresh tokens, which it gets in a cookie: the app whose
    /// pages come from `origin`.
    #[must_use]
    pub fn with_browser_client(mut self, id: ClientId, origin: Origin) -> Self {
        let public =
            self.clients.iter().find(|client| client.authentication == Authentication::None).cloned();
        let browser = public.map(|public| Registration {
            id,
            name: "Demo (browser)".to_owned(),
            origins: vec![origin],
            delivery: Delivery::Cookie,
            ..public
        });
        self.clients.extend(browser);
        self
    }

    /// With what a trial wants of tokens.
    #[must_use]
    pub fn on_trial(mut self, trial: Trial) -> Self {
        if let Some(life) = trial.access_token {
            let lives = self.clients.iter_mut().map(|client| &mut client.lifetimes);
            for lifetimes in lives.chain([&mut self.tokens.lifetimes]) {
                lifetimes.access_token = life;
            }
        }
        if let Some(typ) = trial.typ {
            for audience in &mut self.audiences {
                audience.typ = typ;
            }
        }
        self.lead_time = trial.lead_time.unwrap_or(self.lead_time);
        self
    }

    /// The configuration of `heirloom dev`: two demo clients with every grant and scope, an audience `demo-api` with the
    /// scopes `read` and `write`, and anybody may sign up.
    ///
    /// # Errors
    /// None in practice: [`WordError`] if a fixed name were not what it should be.
    pub fn dev(dev: Dev) -> Result<Self, WordError> {
        let audience = AudienceRules {
            name: "demo-api".parse()?,
            scopes: ["read", "write"].into_iter().collect(),
            typ: AccessTokenType::AtJwt,
        };
        let tokens = TokenRules::default();
        let scopes: Scope =
            OWN_SCOPES.into_iter().chain(audience.scopes.words()).chain([Scope::OFFLINE_ACCESS]).collect();
        let client = |id: ClientId, name: &str, authentication: Authentication| Registration {
            id,
            name: name.to_owned(),
            retry_window: tokens.window(&authentication),
            revoke_access_tokens: true,
            authentication,
            grants: GrantType::ALL.to_vec(),
            scopes: scopes.clone(),
            default_audience: audience.name.clone(),
            refresh_tokens: RefreshTokens::Always,
            lifetimes: tokens.lifetimes,
            reuse: tokens.reuse,
            introspects: Vec::new(),
            introspects_usernames: false,
            origins: Vec::new(),
            delivery: Delivery::Body,
            disabled: false,
        };
        let hosts = ["127.0.0.1", "localhost", "[::1]"].map(|host| format!("{host}:{}", dev.port)).to_vec();
        let secret = Authentication::Secret(vec![dev.secret]);
        let clients = vec![
            client(dev.public_client, "Demo (public)", Authentication::None),
            client(dev.confidential_client, "Demo (confidential)", secret),
        ];
        Ok(Self {
            // By address: `localhost` is two addresses, of which another program may hold one.
            issuer: format!("http://127.0.0.1:{}", dev.port),
            server: Server { listen: dev.listen, hosts: Some(hosts), ..Server::default() },
            data: dev.data,
            nearly_full: super::server::nearly_full(None),
            keys: dev.keys,
            lead_time: LEAD_TIME,
            algorithm: SigningAlgorithm::default(),
            log: Log::default(),
            tokens,
            default_audience: audience.name.clone(),
            audiences: vec![audience],
            scope_roles: usual_roles(),
            password_grant: true,
            accounts: Accounts {
                registration: SignUp::Open,
                roles: vec!["user".to_owned()],
                ..Accounts::default()
            },
            passwords: Passwords::default(),
            throttle: Throttle { refresh_burst: 0, sign_in_burst: 0, change_burst: 0, ..Throttle::default() },
            sessions: Sessions::default(),
            clients,
            exposed: Vec::new(),
        })
    }
}
