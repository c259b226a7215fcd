//! An HTTP client of one server, and the answers that it gets.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Answer {
    pub(crate) async fn of(response: reqwest::Response) -> reqwest::Result<Self> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Self { status, headers, text, json })
    }

    /// The status and the error code.
    pub(crate) fn outcome(&self) -> (u16, &str) {
        (self.status, self.json["error"].as_str().unwrap_or_default())
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn access_token(&self) -> String {
        self.field("access_token")
    }

    pub(crate) fn refresh_token(&self) -> String {
        self.field("refresh_token")
    }

    fn field(&self, name: &str) -> String {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.text)).to_owned()
    }

    /// The access token and the refresh token.
    pub(crate) fn pair(&self) -> (String, String) {
        (self.access_token(), self.refresh_token())
    }

    /// The `kid` in the access token's header.
    pub(crate) fn kid(&self) -> String {
        let token = self.access_token();
        let header: Value = serde_json::from_slice(&decode(token.split('.').next().unwrap())).unwrap();
        header["kid"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn decode(base64url: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(base64url).unwrap()
}

/// The bytes of a refresh token: key id 1, session 16, generation 4, nonce 16, MAC 32.
pub(crate) fn refresh_token_bytes(token: &str) -> Vec<u8> {
    let bytes = decode(token.strip_prefix("hrt_").unwrap());
    assert_eq!(bytes.len(), 69, "{token}");
    bytes
}

/// The generation of a refresh token.
pub(crate) fn generation(token: &str) -> u32 {
    u32::from_be_bytes(refresh_token_bytes(token)[17..21].try_into().unwrap())
}

/// An HTTP client of one server.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) base: String,
    pub(crate) http: reqwest::Client,
}

impl Caller {
    /// A caller of a server that speaks plain HTTP.
    pub(crate) fn plain(base: &str) -> Self {
        Self::with(base, |builder| builder)
    }

    /// A caller whose HTTP client has more settings.
    pub(crate) fn with(
        base: &str,
        more: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
    ) -> Self {
        // Only the first caller of the process can install it.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let builder = reqwest::Client::builder().no_proxy().timeout(super::support::PATIENCE);
        Self { base: base.to_owned(), http: more(builder).build().unwrap() }
    }

    pub(crate) fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    pub(crate) fn token(&self) -> reqwest::RequestBuilder {
        self.request(reqwest::Method::POST, "/oauth/token")
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        send(self.request(reqwest::Method::GET, path)).await
    }

    /// Refreshes as a client with or without a secret. It is an error if the connection fails.
    pub(crate) async fn try_refresh(&self, client: Client<'_>, token: &str) -> reqwest::Result<Answer> {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        Answer::of(self.as_client(client, &form).send().await?).await
    }

    pub(crate) async fn refresh(&self, client: Client<'_>, token: &str) -> Answer {
        self.try_refresh(client, token).await.unwrap()
    }

    pub(crate) async fn sign_in(&self, client: Client<'_>, (name, password): (&str, &str)) -> Answer {
        let form = [("grant_type", "password"), ("username", name), ("password", password)];
        send(self.as_client(client, &form)).await
    }

    fn as_client(&self, client: Client<'_>, form: &[(&str, &str)]) -> reqwest::RequestBuilder {
        match client {
            Client::Public(id) => {
                let form: Vec<_> = form.iter().copied().chain([("client_id", id)]).collect();
                self.token().form(&form)
            }
            Client::Confidential(id, secret) => self.token().basic_auth(id, Some(secret)).form(form),
        }
    }
}

/// The client that asks.
#[derive(Clone, Copy)]
pub(crate) enum Client<'a> {
    Public(&'a str),
    Confidential(&'a str, &'a str),
}

pub(crate) async fn send(request: reqwest::RequestBuilder) -> Answer {
    Answer::of(request.send().await.unwrap()).await.unwrap()
}
