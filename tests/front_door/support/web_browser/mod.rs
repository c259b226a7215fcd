//! A person's browser: cookies, redirects one at a time, forms, and the headers and refusals of a real one.
//!
//! It goes to heirloom's own pages only. What leads elsewhere (a redirect to a client, a form that is posted to one) is
//! handed to the test. It runs no script. Its clock is the server's.
//!
//! ```ignore
//! let mut browser = Browser::of(&server);
//! let page = browser.come_from("https://app.example/", &authorization_url).await; // a 303
//! let page = browser.follow(&page).await; // the page to log in
//! let form = page.form().set("username", "ann").set("password", "…");
//! let page = browser.submit(form).await; // a 303 again
//! let code = browser.sign_in(&authorization_url, USER).await.code().to_owned(); // or all of it
//! ```

pub(crate) mod cookies;
pub(crate) mod csp;
mod html;
mod page;
pub(crate) mod signing_in;

use std::sync::Arc;

use heirloom::clock::{Clock as _, ManualClock};
use reqwest::Method;
use reqwest::header::{COOKIE, HOST, ORIGIN, REFERER};
use url::Url;

pub(crate) use cookies::Cookie;
pub(crate) use page::{Form, Page};

use super::{Answer, Server};
use cookies::{Cookies, Sent};
use page::Navigation;

/// A browser with an empty cookie jar.
pub(crate) struct Browser {
    http: reqwest::Client,
    cookies: Cookies,
    issuer: Url,
    /// Where the issuer's origin really listens.
    base: Url,
    clock: Arc<ManualClock>,
    /// Sent with every request as `Accept-Language`.
    pub(crate) languages: String,
    /// Sent with every request as `User-Agent`; nothing if it is empty.
    pub(crate) user_agent: String,
}

impl Browser {
    /// A browser that knows the way to a server, whatever its issuer is called.
    pub(crate) fn of(server: &Server) -> Self {
        Self::at(&server.config.issuer, &server.base, Arc::clone(&server.clock))
    }

    /// A browser that finds the issuer's origin at the base.
    pub(crate) fn at(issuer: &str, base: &str, clock: Arc<ManualClock>) -> Self {
        // Only the first caller of the process can install it.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        Self {
            http: http.build().unwrap(),
            cookies: Cookies::default(),
            issuer: Url::parse(issuer).unwrap(),
            base: Url::parse(base).unwrap(),
            clock,
            languages: "en".to_owned(),
            user_agent: String::new(),
        }
    }

    /// From now on, the issuer's origin is found at this node.
    pub(crate) fn goes_to(&mut self, node: &Server) {
        self.base = Url::parse(&node.base).unwrap();
    }

    /// The URL of a path below the issuer.
    pub(crate) fn url(&self, path: &str) -> Url {
        Url::parse(&format!("{}{path}", self.issuer.as_str().trim_end_matches('/'))).unwrap()
    }

    /// Opens a URL as if it was typed. Follows no redirect.
    pub(crate) async fn open(&mut self, url: &Url) -> Page {
        let navigation = Navigation { site: "none", form_action: None, from: None };
        self.navigate(Method::GET, url, &[], navigation).await
    }

    /// Opens a URL that another site has sent the browser to. Follows no redirect.
    pub(crate) async fn come_from(&mut self, site: &str, url: &Url) -> Page {
        let from = Some(Url::parse(site).unwrap());
        let navigation = Navigation { site: "cross-site", form_action: None, from };
        self.navigate(Method::GET, url, &[], navigation).await
    }

    /// Sends a form that stands on another site's page. Follows no redirect.
    pub(crate) async fn post_from(&mut self, site: &str, url: &Url, fields: &[(&str, &str)]) -> Page {
        let fields: Vec<_> = fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let from = Some(Url::parse(site).unwrap());
        let navigation = Navigation { site: "cross-site", form_action: None, from };
        self.navigate(Method::POST, url, &fields, navigation).await
    }

    /// Follows a redirect, by one step.
    pub(crate) async fn follow(&mut self, page: &Page) -> Page {
        assert!(matches!(page.answer.status, 302 | 303), "a redirect that may keep the method: {page:?}");
        let to = page.leads_to();
        self.navigate(Method::GET, &to, &[], page.navigation.clone()).await
    }

    /// Clicks the link with this text.
    pub(crate) async fn click(&mut self, page: &Page, text: &str) -> Page {
        let links = page.links();
        let link = links.iter().find(|(_, shown)| shown == text);
        let (to, _) = link.unwrap_or_else(|| panic!("no link {text:?} in {links:?}"));
        let navigation =
            Navigation { site: site(&page.url, to), form_action: None, from: Some(page.url.clone()) };
        self.navigate(Method::GET, to, &[], navigation).await
    }

    /// Sends a form, unless the policy of its page forbids it; by its first button, if none was pressed. Follows no
    /// redirect.
    pub(crate) async fn submit(&mut self, mut form: Form) -> Page {
        form.press_first_button();
        form.insist_on_policy();
        let is_same = form.page.origin() == form.action.origin();
        let hides_origin = match form.referrer_policy.as_str() {
            "no-referrer" => true,
            "same-origin" => !is_same,
            _ => false,
        };
        let from = (!hides_origin).then(|| form.page.clone());
        let navigation =
            Navigation { site: site(&form.page, &form.action), form_action: form.policy.clone(), from };
        let (mut action, fields) = (form.action.clone(), form.fields());
        if form.is_post {
            return self.navigate(Method::POST, &action, &fields, navigation).await;
        }
        action.query_pairs_mut().clear().extend_pairs(fields);
        self.navigate(Method::GET, &action, &[], navigation).await
    }

    /// Sends a form that stands on another site, as an attacker's page does.
    pub(crate) async fn submit_from(&mut self, site: &str, mut form: Form) -> Page {
        form.page = Url::parse(site).unwrap();
        form.policy = None;
        form.referrer_policy = String::new();
        self.submit(form).await
    }

    /// A cookie of the issuer, if the browser has it.
    pub(crate) fn cookie(&self, name: &str) -> Option<&Cookie> {
        self.cookies.find(&self.issuer, name)
    }

    /// The names of the issuer's cookies.
    pub(crate) fn cookie_names(&self) -> Vec<&str> {
        self.cookies.names(&self.issuer)
    }

    /// Changes a cookie's value, or puts a cookie there, as who has the person's device may.
    pub(crate) fn plant(&mut self, name: &str, value: &str) {
        if let Some(cookie) = self.cookies.find_mut(&self.issuer, name) {
            value.clone_into(&mut cookie.value);
            return;
        }
        let secure = if self.issuer.scheme() == "https" { "; Secure" } else { "" };
        let header = format!("{name}={value}; Path=/; HttpOnly{secure}");
        self.cookies.keep(&self.issuer, &header, self.clock.now()).unwrap();
    }

    /// Drops a cookie.
    pub(crate) fn forget(&mut self, name: &str) -> Option<Cookie> {
        self.cookies.remove(&self.issuer, name)
    }

    /// Closes the browser and opens it again: cookies without an end are gone.
    pub(crate) fn close(&mut self) {
        self.cookies.close();
    }

    fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.issuer.origin()
    }

    async fn navigate(
        &mut self,
        method: Method,
        url: &Url,
        form: &[(String, String)],
        navigation: Navigation,
    ) -> Page {
        assert!(self.is_own(url), "{url} is not the server's: the test must look at `leads_to`");
        let (now, is_get) = (self.clock.now(), method == Method::GET);
        let mut at = url.clone();
        at.set_fragment(None);
        let host = at[url::Position::BeforeHost..url::Position::AfterPort].to_owned();
        let real = at.as_str().replacen(
            &at[..url::Position::AfterPort],
            self.base.as_str().trim_end_matches('/'),
            1,
        );
        let mut request = self
            .http
            .request(method, real)
            .header(HOST, host)
            .header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
            .header("accept-language", &self.languages)
            .header("sec-fetch-site", navigation.site)
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document")
            .header("sec-fetch-user", "?1");
        if !self.user_agent.is_empty() {
            request = request.header("user-agent", &self.user_agent);
        }
        if !is_get {
            // A page without a referrer has the origin `null` (Fetch §3.2, "append a request `Origin` header").
            let origin = navigation.from.as_ref().map(|from| from.origin().ascii_serialization());
            request = request.header(ORIGIN, origin.unwrap_or_else(|| "null".to_owned())).form(form);
        }
        if let Some(from) = navigation.from.as_ref().filter(|from| self.is_own(from)) {
            request = request.header(REFERER, from.as_str());
        }
        let sent = Sent { cross_site: navigation.site == "cross-site", is_get };
        if let Some(cookies) = self.cookies.header(url, sent, now) {
            request = request.header(COOKIE, cookies);
        }
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{url}");
        for header in answer.headers.get_all("set-cookie") {
            let header = header.to_str().unwrap();
            if let Err(why) = self.cookies.keep(url, header, now) {
                panic!("a browser refuses the cookie {header:?} of {url}: {why}");
            }
        }
        Page { url: url.clone(), answer, navigation }
    }
}

/// `Sec-Fetch-Site` of a request from a page.
fn site(from: &Url, to: &Url) -> &'static str {
    if from.origin() == to.origin() {
        "same-origin"
    } else if from.host_str() == to.host_str() && from.scheme() == to.scheme() {
        "same-site"
    } else {
        "cross-site"
    }
}
