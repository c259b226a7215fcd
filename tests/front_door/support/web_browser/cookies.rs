//! A cookie jar that keeps the rules of RFC 6265bis, as browsers do.

use std::collections::BTreeMap;
use std::time::Duration;

use heirloom::clock::Timestamp;
use url::Url;

/// A cookie that was kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cookie {
    pub(crate) value: String,
    pub(crate) path: String,
    pub(crate) secure: bool,
    pub(crate) http_only: bool,
    pub(crate) same_site: SameSite,
    /// When it is dropped. Without it, the browser drops it when it is closed.
    pub(crate) expires: Option<Timestamp>,
}

/// To which requests of other sites a cookie is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum SameSite {
    Strict,
    Lax,
    None,
}

/// What decides which cookies a request carries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) cross_site: bool,
    pub(crate) is_get: bool,
}

/// The cookies of one browser. Hosts are told apart, ports are not.
#[derive(Debug, Default)]
pub(crate) struct Cookies(BTreeMap<(String, String), Cookie>);

impl Cookies {
    /// Keeps the cookie of a `Set-Cookie` header, or drops the one that it expires. Says why it refuses one.
    pub(crate) fn keep(&mut self, url: &Url, header: &str, now: Timestamp) -> Result<(), String> {
        let mut parts = header.split(';').map(str::trim);
        let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).ok_or("it has no name")?;
        let mut cookie = Cookie {
            value: value.to_owned(),
            path: default_path(url),
            secure: false,
            http_only: false,
            same_site: SameSite::Lax,
            expires: None,
        };
        for attribute in parts {
            let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            match (key.to_ascii_lowercase().as_str(), value) {
                ("secure", _) => cookie.secure = true,
                ("httponly", _) => cookie.http_only = true,
                ("path", path) if path.starts_with('/') => path.clone_into(&mut cookie.path),
                ("samesite", "Strict") => cookie.same_site = SameSite::Strict,
                ("samesite", "Lax") => cookie.same_site = SameSite::Lax,
                ("samesite", "None") => cookie.same_site = SameSite::None,
                ("max-age", seconds) => {
                    let seconds: i64 = seconds.parse().map_err(|_| "its Max-Age is no number")?;
                    let life = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
                    cookie.expires = Some(now.after(life));
                }
                _ => return Err(format!("heirloom's cookies have no {attribute:?}")),
            }
        }
        let is_secure = url.scheme() == "https";
        let prefixed = ["__Host-", "__Secure-"].iter().any(|prefix| name.starts_with(prefix));
        if cookie.secure && !is_secure {
            return Err("it is Secure, and the connection is not".to_owned());
        }
        if prefixed && !cookie.secure {
            return Err("its prefix needs Secure".to_owned());
        }
        if name.starts_with("__Host-") && cookie.path != "/" {
            return Err("its prefix needs Path=/".to_owned());
        }
        if cookie.same_site == SameSite::None && !cookie.secure {
            return Err("SameSite=None needs Secure".to_owned());
        }
        let at = (host(url), name.to_owned());
        if self.0.get(&at).is_some_and(|old| old.secure) && !is_secure {
            return Err("a Secure cookie has the name".to_owned());
        }
        if cookie.expires.is_some_and(|end| end <= now) {
            self.0.remove(&at);
        } else {
            self.0.insert(at, cookie);
        }
        Ok(())
    }

    /// The `Cookie` header of a request, if it has one.
    pub(crate) fn header(&self, url: &Url, sent: Sent, now: Timestamp) -> Option<String> {
        let goes = |cookie: &Cookie| {
            let site = match cookie.same_site {
                SameSite::None => true,
                SameSite::Lax => !sent.cross_site || sent.is_get,
                SameSite::Strict => !sent.cross_site,
            };
            let expired = cookie.expires.is_some_and(|end| end <= now);
            let secure = !cookie.secure || url.scheme() == "https";
            site && !expired && secure && path_matches(url.path(), &cookie.path)
        };
        let sent = self.0.iter().filter(|((at, _), cookie)| *at == host(url) && goes(cookie));
        let pairs: Vec<_> = sent.map(|((_, name), cookie)| format!("{name}={}", cookie.value)).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// A cookie by its name.
    pub(crate) fn find(&self, url: &Url, name: &str) -> Option<&Cookie> {
        self.0.get(&(host(url), name.to_owned()))
    }

    pub(crate) fn find_mut(&mut self, url: &Url, name: &str) -> Option<&mut Cookie> {
        self.0.get_mut(&(host(url), name.to_owned()))
    }

    /// The names of a host's cookies.
    pub(crate) fn names(&self, url: &Url) -> Vec<&str> {
        self.0.keys().filter(|(at, _)| *at == host(url)).map(|(_, name)| name.as_str()).collect()
    }

    pub(crate) fn remove(&mut self, url: &Url, name: &str) -> Option<Cookie> {
        self.0.remove(&(host(url), name.to_owned()))
    }

    /// Drops what a browser drops when it is closed.
    pub(crate) fn close(&mut self) {
        self.0.retain(|_, cookie| cookie.expires.is_some());
    }
}

fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

/// RFC 6265 §5.1.4.
fn default_path(url: &Url) -> String {
    let folder = url.path().rsplit_once('/').map_or("", |(folder, _)| folder);
    if folder.is_empty() { "/".to_owned() } else { folder.to_owned() }
}

/// RFC 6265 §5.1.4.
fn path_matches(path: &str, of_cookie: &str) -> bool {
    path.strip_prefix(of_cookie)
        .is_some_and(|rest| rest.is_empty() || of_cookie.ends_with('/') || rest.starts_with('/'))
}
