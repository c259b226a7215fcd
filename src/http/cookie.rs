//! Refresh tokens in a cookie that scripts can't read, and the `Origin` that goes with it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cookie::{Cookie, SameSite};
use poem::Request;
use poem::http::header;
use ring::digest;
use zeroize::Zeroizing;

use super::refusal::Refusal;
use crate::app::App;
use crate::client::{Delivery, Registration};
use crate::oauth::{ClientId, Origin};

/// The cookie of one client.
pub(super) struct RefreshCookie {
    name: String,
    secure: bool,
}

impl RefreshCookie {
    /// The cookie of a client that gets its refresh tokens so, once it is sure that the request comes from one of its
    /// own pages; `None` for every other client.
    ///
    /// # Errors
    /// [`Refusal`] if the request has no `Origin`, or another's. Browsers send the cookie with whatever a page of the
    /// same site asks for: `Origin` is what a page can't choose.
    pub(super) fn of(client: &Registration, request: &Request, app: &App) -> Result<Option<Self>, Refusal> {
        match client.delivery {
            Delivery::Body => return Ok(None),
            Delivery::Cookie => {}
        }
        let issuer = Origin::of(&app.settings.issuer);
        let mut origins = request.headers().get_all(header::ORIGIN).iter();
        let origin = origins.next().and_then(|origin| origin.to_str().ok());
        // The issuer's own pages are the documentation.
        let own = client.origins.iter().chain(&issuer).any(|own| Some(own.as_str()) == origin);
        if !own || origins.next().is_some() {
            return Err(Refusal::request("The Origin is missing, or it is none of the client's."));
        }
        Ok(Some(Self::new(&client.id, issuer.is_some_and(|issuer| issuer.is_https()))))
    }

    fn new(client: &ClientId, secure: bool) -> Self {
        let digest = digest::digest(&digest::SHA256, client.as_str().as_bytes());
        let hash = URL_SAFE_NO_PAD.encode(digest.as_ref().get(..12).unwrap_or_default());
        // RFC 6265bis §4.1.3.2: with this prefix no other host and no plain HTTP can set it.
        let prefix = if secure { "__Host-" } else { "" };
        Self { name: format!("{prefix}heirloom_{hash}"), secure }
    }

    /// The token that a request brings. What else is in the headers, other cookies and garbage, is passed over.
    ///
    /// # Errors
    /// [`Refusal`] if the cookie is there twice with different values: one of the two was put there by somebody else.
    pub(super) fn read(&self, request: &Request) -> Result<Option<Zeroizing<String>>, Refusal> {
        let mut found: Option<Zeroizing<String>> = None;
        for line in request.headers().get_all(header::COOKIE) {
            let line = Zeroizing::new(String::from_utf8_lossy(line.as_bytes()).into_owned());
            for cookie in
                Cookie::split_parse(line.as_str()).flatten().filter(|cookie| cookie.name() == self.name)
            {
                if found.as_ref().is_some_and(|found| found.as_str() != cookie.value()) {
                    return Err(Refusal::request("The request has two different cookies of the same name."));
                }
                found = Some(Zeroizing::new(cookie.value().to_owned()));
            }
        }
        Ok(found.filter(|token| !token.is_empty()))
    }

    /// The header `Set-Cookie` that brings a token which lasts for so many seconds.
    pub(super) fn set(&self, token: &str, seconds: u64) -> String {
        self.built(token, i64::try_from(seconds).unwrap_or(i64::MAX))
    }

    /// The header `Set-Cookie` that takes it away.
    pub(super) fn clear(&self) -> String {
        self.built("", 0)
    }

    fn built(&self, value: &str, seconds: i64) -> String {
        Cookie::build((self.name.as_str(), value))
            .http_only(true)
            .secure(self.secure)
            .same_site(SameSite::Strict)
            .path("/")
            .max_age(cookie::time::Duration::seconds(seconds))
            .to_string()
    }
}
