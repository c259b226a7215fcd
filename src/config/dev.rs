//! The configuration of `heirloom dev`, which has no file.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::audiences::usual_roles;
use super::logins;
use super::{
    AccessTokenType, Accounts, AudienceRules, Config, KeysIn, LEAD_TIME, Log, OWN_SCOPES, Pages, Passwords,
    Server, Sessions, SignUp, Store, Throttle,
};
use crate::client::metadata::{LONGEST_ACCESS_TOKEN, grant_types_on};
use crate::client::{
    ClientMetadata, Delivery, MetadataRules, Registration, SecretDigest, TokenEndpointAuthMethod, TokenRules,
};
use crate::oauth::ids::InvalidText;
use crate::oauth::{Audience, ClientId, GrantType, Origin, RedirectUri, Scope, SigningAlgorithm};

/// What differs between two runs of `heirloom dev`.
#[derive(Clone, Debug)]
pub struct Dev {
    /// Where the server listens: loopback addresses, all with one port.
    pub listen: Vec<SocketAddr>,
    /// The port of the issuer's URL.
    pub port: u16,
    /// The data folder.
    pub data: PathBuf,
    /// The keys folder.
    pub keys: PathBuf,
    /// The id of the public demo client.
    pub public_client: ClientId,
    /// The id of the confidential demo client.
    pub confidential_client: ClientId,
    /// The digest of the confidential client's secret.
    pub secret: SecretDigest,
}

/// Token settings for trying things out; `None` leaves the default.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokenOverrides {
    /// How long every client's access tokens last, in whole seconds.
    pub access_token: Option<Duration>,
    /// The `typ` of the access tokens for every audience.
    pub typ: Option<AccessTokenType>,
    /// How long a signing key is published before it signs.
    pub lead_time: Option<Duration>,
}

impl Config {
    /// A configuration for offline work on an installation's folders: it has no listeners and no clients.
    ///
    /// # Errors
    /// As [`Config::dev`].
    pub fn without_clients(data: &Path, keys: &Path) -> Result<Self, InvalidText> {
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

    /// Adds a client like the public one, except that it gets its refresh tokens in a cookie. Its pages come from
    /// `origin`.
    #[must_use]
    pub fn with_browser_client(mut self, id: ClientId, origin: Origin) -> Self {
        // The two pages of examples/browser.
        let pages = ["/", "/code"].map(|path| format!("{origin}{path}").parse());
        let public =
            self.clients.iter().find(|client| client.metadata.token_endpoint_auth_method.is_public());
        let browser = public.cloned().map(|public| Registration {
            id,
            metadata: ClientMetadata {
                client_name: "Demo (browser)".to_owned(),
                redirect_uris: pages.iter().flatten().cloned().collect(),
                post_logout_redirect_uris: pages.into_iter().flatten().collect(),
                origins: vec![origin],
                refresh_token_delivery: Delivery::Cookie,
                ..public.metadata
            },
            ..public
        });
        self.clients.extend(browser);
        self
    }

    /// Gives the demo's audience another name, such as the URL of a resource server (RFC 8707 §2).
    #[must_use]
    pub fn with_audience(mut self, name: &Audience) -> Self {
        for audience in &mut self.audiences {
            audience.name = name.clone();
        }
        for client in &mut self.clients {
            client.metadata.default_audience = name.clone();
        }
        self.default_audience = name.clone();
        self
    }

    /// Applies the token settings that override the defaults.
    #[must_use]
    pub fn with_overrides(mut self, trial: TokenOverrides) -> Self {
        if let Some(life) = trial.access_token {
            let lives = self.clients.iter_mut().map(|client| &mut client.metadata.lifetimes);
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

    /// The configuration of `heirloom dev`: two demo clients with every grant that fits them and every scope, an audience
    /// `demo-api` with the scopes `read` and `write`, and anybody may sign up.
    ///
    /// # Errors
    /// [`InvalidText`] if a fixed name were invalid, which does not happen.
    pub fn dev(dev: Dev) -> Result<Self, InvalidText> {
        const CONFIDENTIAL: TokenEndpointAuthMethod = TokenEndpointAuthMethod::ClientSecret;
        let audience = AudienceRules {
            name: "demo-api".parse()?,
            scopes: ["read", "write"].into_iter().collect(),
            typ: AccessTokenType::AtJwt,
        };
        let tokens = TokenRules::default();
        let scopes: Scope =
            OWN_SCOPES.into_iter().chain(audience.scopes.words()).chain([Scope::OFFLINE_ACCESS]).collect();
        let rules = MetadataRules {
            issuer: None,
            grant_types: grant_types_on(true),
            scopes: scopes.words().collect(),
            audiences: BTreeSet::from([&audience.name]),
            default_audience: audience.name.clone(),
            tokens: &tokens,
            longest_access_token: LONGEST_ACCESS_TOKEN,
            logos: None,
            id_token_algorithms: &[SigningAlgorithm::Rs256],
            is_stored: false,
        };
        // An address, because `localhost` is two addresses, one of which another program may use.
        let issuer = format!("http://127.0.0.1:{}", dev.port);
        let redirect_uris = demo_redirect_uris(&issuer);
        let metadata = |name: &str, method: TokenEndpointAuthMethod, id: &ClientId| ClientMetadata {
            client_name: name.to_owned(),
            scope: scopes.clone(),
            grant_types: grants_of(id, method),
            redirect_uris: redirect_uris.clone(),
            post_logout_redirect_uris: redirect_uris.clone(),
            ..rules.usual(method)
        };
        let hosts = ["127.0.0.1", "localhost", "[::1]"].map(|host| format!("{host}:{}", dev.port)).to_vec();
        let public = Registration {
            metadata: metadata("Demo (public)", TokenEndpointAuthMethod::None, &dev.public_client),
            id: dev.public_client,
            secrets: Vec::new(),
            disabled: false,
        };
        let confidential = Registration {
            metadata: metadata("Demo (confidential)", CONFIDENTIAL, &dev.confidential_client),
            id: dev.confidential_client,
            secrets: vec![dev.secret],
            disabled: false,
        };
        Ok(Self {
            issuer,
            server: Server { listen: dev.listen, hosts: Some(hosts), ..Server::default() },
            store: Store::Sled,
            data: dev.data,
            nearly_full: super::folders::nearly_full(None),
            keys: dev.keys,
            keys_in: KeysIn::Folder,
            lead_time: LEAD_TIME,
            algorithm: SigningAlgorithm::default(),
            id_token_algorithms: vec![SigningAlgorithm::default()],
            log: Log::default(),
            tokens,
            default_audience: audience.name.clone(),
            audiences: vec![audience],
            scope_roles: usual_roles(),
            password_grant: true,
            accounts: anybody_may_sign_up(),
            pages: Pages::default(),
            passwords: Passwords::default(),
            throttle: without_bursts(),
            sessions: Sessions::default(),
            logins: logins::usual(),
            clients: vec![public, confidential],
            exposed: Vec::new(),
        })
    }
}

fn anybody_may_sign_up() -> Accounts {
    Accounts { registration: SignUp::Open, roles: vec!["user".to_owned()], ..Accounts::default() }
}

/// The usual limits on guessing, and none on frequent requests.
fn without_bursts() -> Throttle {
    Throttle {
        refresh_burst: 0,
        sign_in_burst: 0,
        client_token_burst: 0,
        change_burst: 0,
        ..Throttle::default()
    }
}

/// Where the demo clients get their answers: the demo's own pages, and any port of this machine.
#[must_use]
pub fn demo_redirect_uris(issuer: &str) -> Vec<RedirectUri> {
    let own = ["/demo", "/docs/oauth2-redirect"].map(|path| format!("{issuer}{path}"));
    let any = ["http://127.0.0.1/callback", "http://[::1]/callback", "http://localhost/callback"];
    // The documentation may be open by this name.
    let docs = "http://localhost/docs/oauth2-redirect";
    let uris = own.iter().map(String::as_str).chain(any).chain([docs]);
    uris.filter_map(|uri| uri.parse().ok()).collect()
}

/// Every grant that fits a demo client. One with the id of a user can't act for itself: its tokens would have a user's `sub`.
fn grants_of(id: &ClientId, method: TokenEndpointAuthMethod) -> Vec<GrantType> {
    let acts_for_itself = !method.is_public() && !id.is_uuid();
    grant_types_on(true).into_iter().filter(|grant| acts_for_itself || !grant.is_confidential()).collect()
}
