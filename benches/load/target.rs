//! Where requests are sent, and how they are written.

use std::cell::Cell;
use std::fmt::Write as _;
use std::net::{SocketAddr, ToSocketAddrs as _};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use super::connection::Connection;
use super::installation::{API, APP, CHALLENGE, CLIENT, REDIRECT_URI, VERIFIER};
use super::options::TargetOptions;
use super::seed::{CROWD, PASSWORD, user_name};

/// Characters that a form leaves as they are.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An OAuth server, with a client and users of it.
pub(crate) struct Target {
    /// Its address.
    pub(crate) address: SocketAddr,
    /// Whether it is the server of this crate, started here.
    pub(crate) is_heirloom: bool,
    /// The algorithm of its access tokens: `RS256`, `ES256`; `opaque` if they are not JWTs.
    pub(crate) algorithm: String,
    /// The head of a token request, up to the length.
    token_head: String,
    /// The body of a refresh, up to the token.
    refresh: String,
    /// The bodies of a sign-in, up to the user's name; the second one asks for every scope that a row needs.
    sign_in: [String; 2],
    /// The users that sign in by turns.
    users: Vec<String>,
    next_user: Cell<usize>,
    /// The whole request for the JWKS.
    pub(crate) jwks: Option<Vec<u8>>,
    /// The whole request of a client that gets a token for itself.
    pub(crate) client_credentials: Option<Vec<u8>>,
    /// The head of an introspection, up to the length.
    introspection_head: Option<String>,
    /// The head of a request to userinfo, up to the token.
    userinfo_head: Option<String>,
}

impl Target {
    /// heirloom, on an installation of [`super::installation`].
    pub(crate) fn of_heirloom(address: SocketAddr) -> Self {
        let basic = STANDARD.encode(format!("{}:{}", API.0, API.1));
        let sign_in = |scope: &str| {
            format!(
                "grant_type=password&client_id={CLIENT}&scope={}&password={PASSWORD}&username=",
                encoded(scope)
            )
        };
        Self {
            address,
            is_heirloom: true,
            algorithm: String::new(),
            token_head: post("/oauth/token", &address.to_string(), ""),
            refresh: format!("grant_type=refresh_token&client_id={CLIENT}&refresh_token="),
            sign_in: [sign_in("read write"), sign_in("read write profile")],
            users: (0..CROWD).map(user_name).collect(),
            next_user: Cell::default(),
            jwks: Some(get("/.well-known/jwks.json", &address.to_string()).into_bytes()),
            client_credentials: Some(with_body(
                &post("/oauth/token", &address.to_string(), &basic),
                "grant_type=client_credentials&scope=read",
            )),
            introspection_head: Some(post("/oauth/introspect", &address.to_string(), &basic)),
            userinfo_head: Some(with_token("/oauth/userinfo", &address.to_string())),
        }
    }

    /// Another server; its metadata (RFC 8414) say where its endpoints are.
    pub(crate) async fn discover(options: &TargetOptions) -> anyhow::Result<Self> {
        let url = options.target.as_ref().context("--target")?;
        anyhow::ensure!(
            url.scheme() == "http",
            "{url}: only plain http is driven, TLS would be measured with it"
        );
        let address = address_of(url)?;
        let metadata = metadata(url, address).await.unwrap_or_default();
        let endpoint = |name: &str| {
            let found = metadata.get(name).and_then(serde_json::Value::as_str);
            found.map(|text| Url::parse(text).with_context(|| format!("{name} in the metadata"))).transpose()
        };
        let token = match &options.token_path {
            Some(path) => url.join(path)?,
            None => {
                endpoint("token_endpoint")?.context("no metadata: say where tokens are with --token-path")?
            }
        };
        let host = host_of(url);
        let id = options.client_id.as_deref().context("--client-id")?;
        let secret = options.client_secret.as_deref();
        let basic = secret.map(|secret| STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret))));
        let in_header = basic.clone().filter(|_| !options.secret_in_body).unwrap_or_default();
        let mut client = String::new();
        if in_header.is_empty() {
            write!(client, "&client_id={}", encoded(id))?;
            if let Some(secret) = secret {
                write!(client, "&client_secret={}", encoded(secret))?;
            }
        }
        let scope = options.scope.as_deref().map(|scope| format!("&scope={}", encoded(scope)));
        let password = encoded(options.password.as_deref().context("--password")?);
        let sign_in =
            format!("grant_type=password{client}{}&password={password}&username=", scope.unwrap_or_default());
        anyhow::ensure!(!options.username.is_empty(), "--username");
        let token_head = post(token.path(), &host, &in_header);
        // Without a secret no client gets a token for itself (RFC 6749 §4.4).
        let client_credentials =
            secret.map(|_| with_body(&token_head, &format!("grant_type=client_credentials{client}")));
        let path_of = |name: &str| anyhow::Ok(endpoint(name)?.map(|url| url.path().to_owned()));
        Ok(Self {
            address,
            is_heirloom: false,
            algorithm: String::new(),
            token_head,
            client_credentials,
            refresh: format!("grant_type=refresh_token{client}&refresh_token="),
            sign_in: [sign_in.clone(), sign_in],
            users: options.username.iter().map(|name| encoded(name)).collect(),
            next_user: Cell::default(),
            jwks: path_of("jwks_uri")?.map(|path| get(&path, &host).into_bytes()),
            introspection_head: path_of("introspection_endpoint")?
                .zip(basic)
                .map(|(path, basic)| post(&path, &host, &basic)),
            userinfo_head: path_of("userinfo_endpoint")?.map(|path| with_token(&path, &host)),
        })
    }

    /// Whether it has introspection.
    pub(crate) const fn introspects(&self) -> bool {
        self.introspection_head.is_some()
    }

    /// Whether it has userinfo.
    pub(crate) const fn has_userinfo(&self) -> bool {
        self.userinfo_head.is_some()
    }

    /// Reads the algorithm from the header of an access token.
    pub(crate) fn learn_algorithm(&mut self, access: &str) {
        let header = access.split('.').next().and_then(|header| URL_SAFE_NO_PAD.decode(header).ok());
        let header = header.and_then(|json| serde_json::from_slice::<serde_json::Value>(&json).ok());
        let algorithm = header.and_then(|header| Some(header.get("alg")?.as_str()?.to_owned()));
        self.algorithm = algorithm.unwrap_or_else(|| "opaque".to_owned());
    }

    /// Checks that an access token is a JWT, if the server issues JWTs.
    pub(crate) fn check_access_token(&self, access: &str) -> anyhow::Result<()> {
        let is_jwt = access.bytes().filter(|byte| *byte == b'.').count() == 2;
        anyhow::ensure!(
            is_jwt || self.algorithm == "opaque" || self.algorithm.is_empty(),
            "the access token is no JWT"
        );
        Ok(())
    }

    /// Writes a sign-in of the next user into `request`.
    pub(crate) fn write_sign_in(&self, request: &mut String) {
        let [usual, _] = &self.sign_in;
        self.write(request, usual, self.next_user());
    }

    /// The same with every scope that a row needs.
    pub(crate) fn write_wide_sign_in(&self, request: &mut String) {
        let [_, wide] = &self.sign_in;
        self.write(request, wide, self.next_user());
    }

    /// The name of the next user.
    pub(crate) fn next_user(&self) -> &str {
        let next = self.next_user.get();
        self.next_user.set((next + 1) % self.users.len());
        self.users.get(next).map(String::as_str).unwrap_or_default()
    }

    /// Writes the redemption of a code into `request`.
    pub(crate) fn write_redemption(&self, request: &mut String, code: &str) {
        let redirect_uri = encoded(REDIRECT_URI);
        let body = format!(
            "grant_type=authorization_code&client_id={APP}&redirect_uri={redirect_uri}&code_verifier={VERIFIER}&code="
        );
        self.write(request, &body, code);
    }

    /// Writes a refresh of a session of [`APP`] into `request`.
    pub(crate) fn write_openid_refresh(&self, request: &mut String, token: &str) {
        self.write(request, &format!("grant_type=refresh_token&client_id={APP}&refresh_token="), token);
    }

    /// Writes a refresh into `request`.
    pub(crate) fn write_refresh(&self, request: &mut String, token: &str) {
        self.write(request, &self.refresh, token);
    }

    /// A refresh of a token that was never issued.
    pub(crate) fn any_refresh(&self) -> Vec<u8> {
        const LEN: usize = 96;
        let mut request = String::new();
        self.write_refresh(&mut request, &"x".repeat(LEN));
        request.into_bytes()
    }

    /// An introspection of an access token; none without the endpoint.
    pub(crate) fn introspection(&self, access: &str) -> Option<Vec<u8>> {
        Some(with_body(self.introspection_head.as_ref()?, &format!("token={}", encoded(access))))
    }

    /// A request to userinfo; none without the endpoint.
    pub(crate) fn userinfo(&self, access: &str) -> Option<Vec<u8>> {
        Some(format!("{}{access}\r\n\r\n", self.userinfo_head.as_ref()?).into_bytes())
    }

    fn write(&self, request: &mut String, body: &str, token: &str) {
        // Parts that need no encoding are not copied.
        let pieces = || utf8_percent_encode(token, FORM);
        let length = body.len() + pieces().map(str::len).sum::<usize>();
        request.clear();
        request.push_str(&self.token_head);
        // Writing to a string can't fail.
        let _ = write!(request, "{length}\r\n\r\n{body}");
        request.extend(pieces());
    }
}

/// Where a browser is sent to sign in to [`APP`].
pub(crate) fn authorize_path() -> String {
    let (scope, redirect_uri) = (encoded("openid read write"), encoded(REDIRECT_URI));
    format!(
        "/oauth/authorize?response_type=code&client_id={APP}&scope={scope}&redirect_uri={redirect_uri}\
         &code_challenge_method=S256&code_challenge={CHALLENGE}&state=xyz&nonce=n-0S6_WzA2Mj"
    )
}

/// A whole request: a head up to the length, and its body.
fn with_body(head: &str, body: &str) -> Vec<u8> {
    format!("{head}{}\r\n\r\n{body}", body.len()).into_bytes()
}

fn get(path: &str, host: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n")
}

fn with_token(path: &str, host: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer ")
}

fn post(path: &str, host: &str, basic: &str) -> String {
    let authorization =
        if basic.is_empty() { String::new() } else { format!("authorization: Basic {basic}\r\n") };
    format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\n{authorization}content-type: application/x-www-form-urlencoded\r\n\
         content-length: "
    )
}

fn host_of(url: &Url) -> String {
    url[url::Position::BeforeHost..url::Position::AfterPort].to_owned()
}

fn address_of(url: &Url) -> anyhow::Result<SocketAddr> {
    let host = url.host_str().with_context(|| format!("{url} has no host"))?;
    let port = url.port_or_known_default().unwrap_or(80);
    (host, port).to_socket_addrs()?.next().with_context(|| format!("{host} has no address"))
}

/// The metadata of the server with the issuer `url`.
async fn metadata(url: &Url, address: SocketAddr) -> anyhow::Result<serde_json::Value> {
    let issuer_path = url.path().trim_end_matches('/');
    let paths = [
        format!("/.well-known/oauth-authorization-server{issuer_path}"),
        format!("{issuer_path}/.well-known/openid-configuration"),
        format!("{issuer_path}/.well-known/oauth-authorization-server"),
    ];
    for path in paths {
        let mut connection = Connection::open(address).await?;
        let answer = connection.exchange(get(&path, &host_of(url)).as_bytes()).await?;
        if answer.status == 200 {
            return Ok(serde_json::from_slice(answer.body)?);
        }
    }
    anyhow::bail!("no metadata")
}

pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, FORM).to_string()
}
