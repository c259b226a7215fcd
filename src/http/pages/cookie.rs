//! The cookies of the pages: which browser it is, and who is signed in with it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use poem::Request;
use ring::digest;
use zeroize::Zeroizing;

use crate::http::cookies;
use crate::http::layers::issuer_path::path_of;

/// The longest life of a cookie, in seconds: 400 days, to which browsers shorten it (RFC 6265bis §5.5).
const LONGEST: u64 = 400 * 86_400;

/// A cookie of the pages. Scripts can't read it, and no other host can set it.
pub(in crate::http) struct PageCookie {
    name: String,
    secure: bool,
}

impl PageCookie {
    /// Who is signed in with the browser.
    pub(in crate::http) fn login(issuer: &str) -> Self {
        Self::named("login", issuer)
    }

    /// Which browser it is.
    pub(in crate::http) fn browser(issuer: &str) -> Self {
        Self::named("browser", issuer)
    }

    /// Another issuer on the same host has other cookies.
    fn named(name: &str, issuer: &str) -> Self {
        let secure = issuer.starts_with("https:");
        let path = path_of(issuer);
        let of_path = if path.is_empty() {
            String::new()
        } else {
            let digest = digest::digest(&digest::SHA256, path.as_bytes());
            format!("_{}", URL_SAFE_NO_PAD.encode(digest.as_ref().get(..9).unwrap_or_default()))
        };
        // RFC 6265bis §4.1.3.2: a cookie with this prefix can't be set by another host or over plain HTTP.
        let prefix = if secure { "__Host-" } else { "" };
        Self { name: format!("{prefix}heirloom_{name}{of_path}"), secure }
    }

    /// The value in a request. If there are several, none counts: over plain HTTP, another program on this host may
    /// have set one of them.
    pub(in crate::http) fn read(&self, request: &Request) -> Option<Zeroizing<String>> {
        let mut values = cookies::values(request, &self.name);
        values.next().filter(|_| values.next().is_none())
    }

    /// The `Set-Cookie` header that sets a value: for so many seconds, or until the browser is closed.
    pub(in crate::http) fn set(&self, value: &str, seconds: Option<u64>) -> String {
        let life = seconds.map_or_else(String::new, |seconds| format!("; Max-Age={}", seconds.min(LONGEST)));
        let secure = if self.secure { "; Secure" } else { "" };
        // Lax: the browser comes here from a client's page by a link or a redirect.
        format!("{}={value}; HttpOnly; SameSite=Lax{secure}; Path=/{life}", self.name)
    }

    /// The `Set-Cookie` header that deletes the cookie.
    pub(in crate::http) fn clear(&self) -> String {
        self.set("", Some(0))
    }
}

#[cfg(test)]
mod tests {
    use poem::http::header;

    use super::*;

    #[test]
    fn over_https_the_name_keeps_other_hosts_out() {
        let cookie = PageCookie::login("https://id.example.com");
        let set = "__Host-heirloom_login=v; HttpOnly; SameSite=Lax; Secure; Path=/";
        assert_eq!(cookie.set("v", None), set);
        assert_eq!(cookie.set("v", Some(60)), format!("{set}; Max-Age=60"));
        assert_eq!(cookie.set("v", Some(u64::MAX)), format!("{set}; Max-Age=34560000"));
        let cleared = "__Host-heirloom_login=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0";
        assert_eq!(cookie.clear(), cleared);
        let plain = PageCookie::browser("http://127.0.0.1:8080");
        assert_eq!(plain.set("v", None), "heirloom_browser=v; HttpOnly; SameSite=Lax; Path=/");
    }

    #[test]
    fn issuers_on_one_host_have_cookies_of_their_own() {
        let names =
            ["", "/a", "/b"].map(|path| PageCookie::login(&format!("https://id.example.com{path}")).name);
        assert!(names[0] != names[1] && names[1] != names[2] && names[0] != names[2], "{names:?}");
    }

    #[test]
    fn one_value_counts_and_several_do_not() {
        let cookie = PageCookie::browser("http://127.0.0.1:8080");
        let read = |line: &str| {
            let request = Request::builder().header(header::COOKIE, line).finish();
            cookie.read(&request).map(|value| value.to_string())
        };
        assert_eq!(read("a=b; heirloom_browser=v").as_deref(), Some("v"));
        assert_eq!(read("heirloom_browser=; heirloom_browser=v").as_deref(), Some("v"));
        for none in ["", "heirloom_browser=", "heirloom_browsers=v", "heirloom_browser=v; heirloom_browser=w"]
        {
            assert_eq!(read(none), None, "{none}");
        }
    }
}
