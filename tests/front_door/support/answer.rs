//! An answer of the server.

use heirloom::oauth::SessionId;
use serde_json::Value;

#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Answer {
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self { status, headers, text, json }
    }

    /// The `error` of the body, or "".
    pub(crate) fn error(&self) -> &str {
        self.json["error"].as_str().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The status and the `error`.
    pub(crate) fn outcome(&self) -> (u16, &str) {
        (self.status, self.error())
    }

    pub(crate) fn access_token(&self) -> String {
        self.field("access_token")
    }

    pub(crate) fn refresh_token(&self) -> String {
        self.field("refresh_token")
    }

    pub(crate) fn id_token(&self) -> String {
        self.field("id_token")
    }

    fn field(&self, name: &str) -> String {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.text)).to_owned()
    }

    /// The claims of the access token; the signature is not verified.
    pub(crate) fn claims(&self) -> Value {
        Self::part(&self.access_token(), 1)
    }

    /// A part of a JWT: 0 is the header, 1 the claims. The signature is not verified.
    pub(crate) fn part(token: &str, number: usize) -> Value {
        use base64::Engine as _;
        let encoded = token.split('.').nth(number).unwrap();
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(encoded).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    /// The `sid` of the access token.
    pub(crate) fn session(&self) -> SessionId {
        self.claims()["sid"].as_str().unwrap().parse().unwrap()
    }
}
