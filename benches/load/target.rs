//! Where requests go, and how they are written.

use std::fmt::Write as _;
use std::net::SocketAddr;

use anyhow::Context as _;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands in a form as it is.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The password of those who hold the chains; it needs no encoding.
const CHAIN_PASSWORD: &str = "tulip-quartz-93-lantern";

/// An OAuth server, a client and a user of it.
pub(crate) struct Target {
    /// Its address.
    pub(crate) address: SocketAddr,
    /// The head of a token request, up to the length.
    token_head: String,
    /// The head of a sign-up, up to the length.
    sign_up_head: String,
    /// The whole request for the JWKS.
    pub(crate) jwks: Vec<u8>,
    /// The body of a sign-in.
    sign_in: String,
    /// The body of a sign-in of anybody, up to the name.
    sign_in_of: String,
    /// The body of a refresh, up to the token.
    refresh: String,
}

impl Target {
    /// What `heirloom dev --json` announced: its public client and its user.
    pub(crate) fn of_heirloom(announcement: &serde_json::Value) -> anyhow::Result<Self> {
        let text = |pointer: &str| {
            announcement.pointer(pointer).and_then(serde_json::Value::as_str).context(pointer.to_owned())
        };
        let (token, jwks) =
            (url::Url::parse(text("/token_endpoint")?)?, url::Url::parse(text("/jwks_uri")?)?);
        let host = token[url::Position::BeforeHost..url::Position::AfterPort].to_owned();
        let client = encoded(text("/public_client/client_id")?);
        let (user, password) = (encoded(text("/user/username")?), encoded(text("/user/password")?));
        Ok(Self {
            address: host.parse().context("the server is not on an address")?,
            token_head: format!(
                "POST {} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: ",
                token.path()
            ),
            sign_up_head: format!(
                "POST /account HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: "
            ),
            sign_in_of: format!(
                "grant_type=password&client_id={client}&scope=read%20write&password={CHAIN_PASSWORD}&username="
            ),
            jwks: format!("GET {} HTTP/1.1\r\nhost: {host}\r\n\r\n", jwks.path()).into_bytes(),
            sign_in: format!(
                "grant_type=password&client_id={client}&username={user}&password={password}&scope=read%20write"
            ),
            refresh: format!("grant_type=refresh_token&client_id={client}&refresh_token="),
        })
    }

    /// Writes a sign-in into `request`.
    pub(crate) fn write_sign_in(&self, request: &mut String) {
        self.write(request, &self.sign_in, "");
    }

    /// Writes a sign-up of `name` into `request`: who holds the chains. A user has a limited number of sessions, and the
    /// one who signs in all the time would end them.
    pub(crate) fn write_sign_up(&self, request: &mut String, name: &str) {
        let body =
            format!(r#"{{"username":"{name}","email":"{name}@example.com","password":"{CHAIN_PASSWORD}"}}"#);
        request.clear();
        // Writing to a string can't fail.
        let _ = write!(request, "{}{}\r\n\r\n{body}", self.sign_up_head, body.len());
    }

    /// Writes a sign-in of who signed up as `name` into `request`.
    pub(crate) fn write_sign_in_of(&self, request: &mut String, name: &str) {
        self.write(request, &self.sign_in_of, name);
    }

    /// Writes a refresh into `request`.
    pub(crate) fn write_refresh(&self, request: &mut String, token: &str) {
        self.write(request, &self.refresh, token);
    }

    fn write(&self, request: &mut String, body: &str, token: &str) {
        // What needs no encoding is sent as it lies.
        let pieces = || utf8_percent_encode(token, FORM);
        let length = body.len() + pieces().map(str::len).sum::<usize>();
        request.clear();
        request.push_str(&self.token_head);
        // Writing to a string can't fail.
        let _ = write!(request, "{length}\r\n\r\n{body}");
        request.extend(pieces());
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, FORM).to_string()
}
