//! Shows that a form comes from heirloom's own page in the same browser.
//!
//! Each form has a token: its id, and a MAC over it, the browser's cookie, what the form is about and which step it is. Another site
//! can't read the cookie and so has no token; a token of one browser, request or step is no good for another. In
//! addition a browser must say that the form was sent by a page of this origin.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use poem::Request;
use poem::http::{HeaderMap, header};
use ring::digest::{self, SHA256};

use super::cookie::PageCookie;
use crate::http::layers::issuer_path::path_of;
use crate::oauth::mac::Seal;
use crate::oauth::{MacKeys, Origin};
use crate::random::{NoRandomness, Random};

const SEAL: Seal = Seal { prefix: "hft_", label: "heirloom form token v2" };

/// A step that has a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Step {
    /// Signing in.
    Login,
    /// Making an account.
    SignUp,
    /// Allowing a client.
    Consent,
    /// Logging out.
    Logout,
    /// Changing one's own account.
    Account,
}

impl Step {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::SignUp => "signup",
            Self::Consent => "consent",
            Self::Logout => "logout",
            Self::Account => "account",
        }
    }
}

/// A browser, as its cookie names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::http) struct Browser {
    id: String,
    /// Whether the browser does not have the cookie yet.
    is_new: bool,
}

/// The length of an id, in bytes.
const ID: usize = 16;
/// The id of one form on one page. Each page that is shown has another, so a form that is sent twice is recognised.
pub(in crate::http) type FormId = [u8; ID];

impl Browser {
    /// The browser of a request. One without a cookie gets a new id.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub(in crate::http) fn of(
        request: &Request,
        issuer: &str,
        random: &Random,
    ) -> Result<Self, NoRandomness> {
        if let Some(known) = Self::known(request, issuer) {
            return Ok(known);
        }
        let id: [u8; ID] = random.bytes()?;
        Ok(Self { id: URL_SAFE_NO_PAD.encode(id), is_new: true })
    }

    /// The browser of a request, if it has the cookie.
    pub(in crate::http) fn known(request: &Request, issuer: &str) -> Option<Self> {
        let id = PageCookie::browser(issuer).read(request)?;
        let is_id = URL_SAFE_NO_PAD.decode(id.as_str()).is_ok_and(|bytes| bytes.len() == ID);
        is_id.then(|| Self { id: id.to_string(), is_new: false })
    }

    /// The `Set-Cookie` header, if the browser does not have the cookie yet.
    pub(in crate::http) fn cookie(&self, issuer: &str) -> Option<String> {
        self.is_new.then(|| PageCookie::browser(issuer).set(&self.id, None))
    }

    /// The token of a form. `about` is the sealed request, or on the person's own pages the login's id. Empty if every
    /// secret is compromised; then no form is accepted.
    pub(in crate::http) fn form_token(
        &self,
        keys: &MacKeys,
        (step, about): (Step, &str),
        form: FormId,
    ) -> String {
        let body = [&form[..], digest(&self.id, step, about).as_ref()].concat();
        keys.seal_text(SEAL, &body).unwrap_or_default()
    }

    /// The form that a token is of; `None` if it is not one of this browser, step and request.
    pub(in crate::http) fn has_sent(
        &self,
        token: &str,
        keys: &MacKeys,
        (step, about): (Step, &str),
    ) -> Option<FormId> {
        let body = keys.open_text(SEAL, token).ok()?;
        let (form, rest) = body.split_first_chunk::<ID>()?;
        (rest == digest(&self.id, step, about).as_ref()).then_some(*form)
    }
}

/// No part can contain the separator.
fn digest(browser: &str, step: Step, about: &str) -> digest::Digest {
    digest::digest(&SHA256, [browser, step.as_str(), about].join("\0").as_bytes())
}

/// Whether the browser says that a page of this issuer sent the request: by `Sec-Fetch-Site`, which it sends over TLS
/// and on loopback, or by `Origin`. A page can choose neither of them.
pub(in crate::http) fn is_from_own_page(headers: &HeaderMap, issuer: &str) -> bool {
    let Some(site) = only(headers, "sec-fetch-site") else { return false };
    let Some(origin) = only(headers, header::ORIGIN.as_str()) else { return false };
    match (site, origin) {
        ("same-origin", _) => true,
        ("", origin) => Origin::of(issuer).is_some_and(|own| own.as_str() == origin),
        (_, _) => false,
    }
}

/// A header's value; empty if it is missing, `None` if it is there more than once.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().map_or(Some(""), |value| value.to_str().ok());
    value.filter(|_| values.next().is_none())
}

/// The path below which the pages of an issuer are, with a slash at its end.
pub(in crate::http) fn base_of(issuer: &str) -> String {
    format!("{}/", path_of(issuer))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://id.example.com/auth";

    fn keys() -> MacKeys {
        MacKeys::new((1, &[1; 32]), [])
    }

    fn browser(id: &str) -> Browser {
        Browser { id: id.to_owned(), is_new: false }
    }

    #[test]
    fn a_token_is_good_for_its_browser_step_and_request_only() {
        let (keys, own) = (keys(), browser("AAAA"));
        let (login, form) = ((Step::Login, "har_x"), [7; 16]);
        let token = own.form_token(&keys, login, form);
        assert_eq!(own.has_sent(&token, &keys, login), Some(form));
        assert_eq!(browser("AAAB").has_sent(&token, &keys, login), None);
        assert_eq!(own.has_sent(&token, &keys, (Step::Consent, "har_x")), None);
        assert_eq!(own.has_sent(&token, &keys, (Step::Login, "har_y")), None);
        assert_eq!(own.has_sent("", &keys, login), None);
        let other_keys = MacKeys::new((1, &[2; 32]), []);
        assert_eq!(own.has_sent(&token, &other_keys, login), None);
        let nothing = MacKeys::of_nothing();
        assert_eq!(own.form_token(&nothing, (Step::Login, ""), form), "");
        assert_eq!(own.has_sent("", &nothing, (Step::Login, "")), None);
    }

    #[test]
    fn a_browser_gets_one_cookie_and_keeps_it() {
        let asked = |cookie: &str| Request::builder().header(header::COOKIE, cookie).finish();
        let new = Browser::of(&asked(""), ISSUER, &Random::system()).unwrap();
        let cookie = new.cookie(ISSUER).unwrap();
        let again =
            Browser::of(&asked(cookie.split(';').next().unwrap()), ISSUER, &Random::system()).unwrap();
        assert_eq!((again.id.as_str(), again.cookie(ISSUER)), (new.id.as_str(), None));
        // A value that is no id is replaced.
        let name = cookie.split('=').next().unwrap();
        for bad in ["x", "AAAA", "%00", "AAAAAAAAAAAAAAAAAAAAAA=="] {
            let request = asked(&format!("{name}={bad}"));
            assert_eq!(Browser::known(&request, ISSUER), None, "{bad}");
            assert!(Browser::of(&request, ISSUER, &Random::system()).unwrap().is_new);
        }
    }

    #[test]
    fn only_a_page_of_this_origin_may_send_a_form() {
        let is_own = |lines: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(*name, value.parse().unwrap());
            }
            is_from_own_page(&headers, ISSUER)
        };
        let own = ("origin", "https://id.example.com");
        assert!(is_own(&[own]));
        assert!(is_own(&[("sec-fetch-site", "same-origin")]));
        assert!(is_own(&[own, ("sec-fetch-site", "same-origin")]));
        assert!(!is_own(&[]));
        for site in ["cross-site", "same-site", "none", "Same-Origin"] {
            assert!(!is_own(&[own, ("sec-fetch-site", site)]), "{site}");
        }
        for origin in ["null", "https://evil.example", "http://id.example.com", "https://id.example.com:8443"]
        {
            assert!(!is_own(&[("origin", origin)]), "{origin}");
        }
        assert!(!is_own(&[own, own]));
        assert!(!is_own(&[own, ("origin", "https://evil.example")]));
        let site = ("sec-fetch-site", "same-origin");
        assert!(!is_own(&[site, site]));
    }
}
