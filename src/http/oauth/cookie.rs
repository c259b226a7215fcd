//! Refresh tokens in a cookie that scripts can't read, and the check of `Origin` that this needs.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use poem::Request;
use poem::http::header;
use ring::digest;
use zeroize::Zeroizing;

use super::refusal::Refusal;
use crate::client::{Delivery, Registration};
use crate::http::cookies;
use crate::http::layers::issuer_path::path_of;
use crate::oauth::{ClientId, Origin};

/// The longest life of a cookie, in seconds: 400 days, to which browsers shorten it (RFC 6265bis §5.5).
const LONGEST: u64 = 400 * 86_400;

/// The cookie of one client.
pub(super) struct RefreshCookie {
    name: String,
    secure: bool,
}

impl RefreshCookie {
    /// The cookie of a client that gets its refresh tokens in one, after checking that the request comes from one of
    /// its own pages; `None` for every other client.
    ///
    /// # Errors
    /// [`Refusal`] if `Origin` is missing or not the client's. Browsers send the cookie with every request from a page
    /// of the same site; `Origin` is the header that a page can't choose.
    pub(super) fn of(
        client: &Registration,
        request: &Request,
        issuer_url: &str,
    ) -> Result<Option<Self>, Refusal> {
        match client.metadata.refresh_token_delivery {
            Delivery::Body => return Ok(None),
            Delivery::Cookie => {}
        }
        let issuer = Origin::of(issuer_url);
        let mut origins = request.headers().get_all(header::ORIGIN).iter();
        let origin = origins.next().and_then(|origin| origin.to_str().ok());
        // The issuer's own pages are the documentation. An issuer with a path shares its origin with other programs.
        let path = path_of(issuer_url);
        let documentation = issuer.as_ref().filter(|_| path.is_empty());
        let own = client.metadata.origins.iter().chain(documentation).any(|own| Some(own.as_str()) == origin);
        if !own || origins.next().is_some() {
            return Err(Refusal::request("The Origin is missing, or it is none of the client's."));
        }
        Ok(Some(Self::new(&client.id, &path, issuer.is_some_and(|issuer| issuer.is_https()))))
    }

    /// The cookie of a client of the issuer with this path. Another issuer on the same host has another cookie.
    fn new(client: &ClientId, path: &str, secure: bool) -> Self {
        let mut named = client.as_str().to_owned();
        if !path.is_empty() {
            // No client id contains this byte.
            named.push('\0');
            named.push_str(path);
        }
        let digest = digest::digest(&digest::SHA256, named.as_bytes());
        let hash = URL_SAFE_NO_PAD.encode(digest.as_ref().get(..12).unwrap_or_default());
        // RFC 6265bis §4.1.3.2: a cookie with this prefix can't be set by another host or over plain HTTP.
        let prefix = if secure { "__Host-" } else { "" };
        Self { name: format!("{prefix}heirloom_{hash}"), secure }
    }

    /// The token in a request's cookie. Other cookies and malformed ones are ignored.
    ///
    /// # Errors
    /// [`Refusal`] if the cookie is there more than once, because somebody else may have set one of them.
    pub(super) fn read(&self, request: &Request) -> Result<Option<Zeroizing<String>>, Refusal> {
        let mut values = self.values(request);
        let token = values.next();
        if values.next().is_some() {
            return Err(self.ambiguous());
        }
        Ok(token)
    }

    /// All tokens in a request's cookies: one, unless somebody has set another.
    ///
    /// # Errors
    /// [`Refusal`] if there are more than [`Self::MOST`]: signing out only some of them would look like success.
    pub(super) fn read_all(&self, request: &Request) -> Result<Vec<Zeroizing<String>>, Refusal> {
        let tokens: Vec<_> = self.values(request).take(Self::MOST.saturating_add(1)).collect();
        if tokens.len() <= Self::MOST {
            return Ok(tokens);
        }
        let refusal = Refusal::request(
            "The request has this client's cookie more often than can be signed out at once. Delete the cookies of this \
             host.",
        );
        Err(if self.secure { refusal.with_cookie(self.clear()) } else { refusal })
    }

    /// The most tokens that one request can sign out.
    const MOST: usize = 8;

    fn values<'a>(&'a self, request: &'a Request) -> impl Iterator<Item = Zeroizing<String>> + 'a {
        cookies::values(request, &self.name)
    }

    /// The error when the cookie is there more than once. With the prefix `__Host-` all of them are one cookie that can
    /// be cleared. Without it, another program on this machine may have set one under a path that heirloom can't clear:
    /// if only heirloom's own were cleared, the other would be taken for it.
    fn ambiguous(&self) -> Refusal {
        if self.secure {
            let refusal = Refusal::request(
                "The request has this client's cookie more than once. It was taken away: sign in again. If this comes \
                 back, delete the cookies of this site.",
            );
            return refusal.with_cookie(self.clear());
        }
        Refusal::request(
            "The request has this client's cookie more than once. Sign out (POST /oauth/revoke), or delete the cookies of \
             this host; then sign in again.",
        )
    }

    /// The `Set-Cookie` header that sets a token which lasts for `seconds`.
    pub(super) fn set(&self, token: &str, seconds: u64) -> String {
        self.built(token, seconds.min(LONGEST))
    }

    /// The `Set-Cookie` header that deletes the cookie.
    pub(super) fn clear(&self) -> String {
        self.built("", 0)
    }

    fn built(&self, value: &str, seconds: u64) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        format!("{}={value}; HttpOnly; SameSite=Strict{secure}; Path=/; Max-Age={seconds}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frozen::Frozen;

    fn read(lines: &[&[u8]]) -> Vec<String> {
        let mut request = Request::builder();
        for line in lines {
            request = request.header(header::COOKIE, *line);
        }
        let cookie = RefreshCookie { name: "__Host-heirloom_x".to_owned(), secure: true };
        let tokens = cookie.read_all(&request.finish()).ok().unwrap();
        tokens.iter().map(|token| token.to_string()).collect()
    }

    #[test]
    fn an_empty_one_is_passed_over_and_more_than_can_be_signed_out_are_refused() {
        let cookie = RefreshCookie { name: "heirloom_x".to_owned(), secure: false };
        let with = |line: String| Request::builder().header(header::COOKIE, line).finish();
        let read = cookie.read(&with("heirloom_x=; heirloom_x=t; heirloom_x= ".to_owned())).ok().unwrap();
        assert_eq!(read.as_deref().map(String::as_str), Some("t"));
        let many = |count| with("heirloom_x=; heirloom_x=t; ".repeat(count));
        assert_eq!(cookie.read_all(&many(8)).ok().unwrap().len(), 8);
        assert!(cookie.read_all(&many(9)).is_err());
    }

    #[test]
    fn issuers_on_one_host_have_cookies_of_their_own() {
        let client = "browser-app".parse().unwrap();
        let names = ["", "/a", "/b"].map(|path| RefreshCookie::new(&client, path, true).name);
        assert!(names[0] != names[1] && names[1] != names[2] && names[0] != names[2], "{names:?}");
    }

    #[test]
    fn what_browsers_have_from_an_earlier_release_is_read() {
        let mut frozen = Frozen::read("cookies.txt");
        let client: ClientId = "browser-app".parse().unwrap();
        for (name, path, secure) in
            [("https", "", true), ("https, issuer with a path", "/id", true), ("http", "", false)]
        {
            let set = RefreshCookie::new(&client, path, secure).set("hrt_token", 1_209_600);
            frozen.text(name, set.split(';').next().unwrap());
        }
        frozen.finish();
    }

    #[test]
    fn only_spaces_and_tabs_stand_around_a_name() {
        for line in
            ["__Host-heirloom_x=t", "a=b;\t __Host-heirloom_x \t= t ;c", "=;;=x; __Host-heirloom_x=t; y"]
        {
            assert_eq!(read(&[line.as_bytes()]), ["t"], "{line:?}");
        }
        let unicode =
            (char::MIN..=char::MAX).filter(|c| c.is_whitespace() || !c.is_ascii() && c.is_control());
        for space in unicode.filter(|c| !matches!(c, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r')) {
            for line in [format!("{space}__Host-heirloom_x=t"), format!("a=b; __Host-heirloom_x{space}=t")] {
                assert_eq!(read(&[line.as_bytes()]), [""; 0], "{space:?}");
            }
        }
        for other in
            ["__host-heirloom_x=t", "__Host-heirloom_xy=t", "__Host-heirloom_x", "%5F_Host-heirloom_x=t"]
        {
            assert_eq!(read(&[other.as_bytes()]), [""; 0], "{other}");
        }
        assert_eq!(read(&[b"\xA0__Host-heirloom_x=t", b"\x85__Host-heirloom_x=t"]), [""; 0]);
        assert_eq!(read(&[b"__Host-heirloom_x=a=b", b"__Host-heirloom_x=\xFF"]), ["a=b", "\u{FFFD}"]);
    }
}
