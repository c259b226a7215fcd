//! Every page in every language, with harmless texts and with texts that try to become HTML.

use std::time::Duration;

use super::apps::{AppItem, AppsPage};
use super::consent::{ConsentClient, ConsentPage, Returns, ScopeLine};
use super::devices::{BrowserItem, DeviceDone, DeviceEnd, DeviceItem, DeviceLine, DevicePage, DevicesPage};
use super::drawing::Drawing;
use super::error::{ErrorKind, ErrorPage, Way};
use super::form_post::FormPostPage;
use super::login::{LoginError, LoginPage};
use super::logout::{AppLink, LogoutPage, LogoutState};
use super::own::{PasswordPage, ProfilePage};
use super::sign_up::{SignUpPage, SignUpTyped};
use super::{Account, FormFields, Mistakes, Shell, Tab, When};
use crate::app::timeline::Line;
use crate::app::{Language, PageSettings};
use crate::clock::Timestamp;
use crate::http::pages::Pages;

const NOW: Timestamp = Timestamp::from_seconds(4_102_444_800);

fn pages(language: Language, name: &str) -> Pages {
    let link = Some("https://www.example.com/?a=1&b=2".to_owned());
    let settings = PageSettings {
        name: name.to_owned(),
        language,
        imprint: link.clone(),
        privacy: link.clone(),
        help: link,
        ..PageSettings::default()
    };
    Pages::new(&settings, "https://id.example.com/auth").unwrap()
}

/// Every page, with `text` wherever a client, a person or the operator can choose one.
struct Gallery<'a> {
    pages: &'a Pages,
    text: &'a str,
}

impl<'a> Gallery<'a> {
    fn shell(&self) -> Shell<'a> {
        self.pages.shell(self.pages.languages.choose(None, None))
    }

    fn own(&self, tab: Tab) -> Shell<'a> {
        Shell { account: Some(Account { name: self.text, tab, log_out_token: self.text }), ..self.shell() }
    }

    fn form(&self, request: Option<&'a str>) -> FormFields<'a> {
        FormFields { action: "login", request, to: Some("devices"), token: self.text }
    }

    fn when(&self) -> When {
        When::new(NOW.before(Duration::from_hours(5)), NOW, self.shell().texts)
    }

    fn device(&self) -> DeviceItem {
        DeviceItem {
            id: "019d1c2e-7a31-7c55-9c0a-5f8a1f0e6b21".to_owned(),
            name: self.text.to_owned(),
            app: self.text.to_owned(),
            since: self.when(),
            used: self.when(),
            is_current: true,
        }
    }

    fn browser(&self, is_current: bool) -> BrowserItem {
        BrowserItem {
            id: "019d1c2e-7a31-7c55-9c0a-5f8a1f0e6b22".to_owned(),
            name: self.text.to_owned(),
            since: self.when(),
            keeps: true,
            apps: vec![self.text.to_owned(), self.text.to_owned()],
            is_current,
        }
    }

    fn logins(&self) -> Vec<String> {
        let errors = [
            LoginError::Username,
            LoginError::Password,
            LoginError::Credentials,
            LoginError::Throttled(Duration::from_secs(90)),
            LoginError::Stale,
            LoginError::Busy,
            LoginError::Failed,
        ];
        let errors = errors.into_iter().map(Some).chain([None]);
        let page = |error| LoginPage {
            shell: self.shell(),
            form: self.form(Some(self.text)),
            client_name: Some(self.text),
            client_logo: Some(self.text),
            username: self.text,
            with_email: true,
            keep: true,
            error,
            may_sign_up: true,
            reauthenticate: None,
        };
        let again = LoginPage { reauthenticate: Some(self.text), ..page(None) };
        let own = LoginPage { client_name: None, with_email: false, form: self.form(None), ..page(None) };
        let all = errors.map(page).chain([again, own]);
        all.map(|page| page.html()).collect()
    }

    fn steps(&self) -> Vec<String> {
        let sign_up = |is_closed| SignUpPage {
            shell: self.shell(),
            form: self.form(Some(self.text)),
            client_name: Some(self.text),
            typed: SignUpTyped {
                username: self.text,
                email: self.text,
                display_name: self.text,
                invitation: self.text,
            },
            is_closed,
            needs_invitation: true,
            min_length: 8,
            mistakes: Mistakes::one("username", self.text),
        };
        let scopes = ["openid", "profile", "email", "offline_access", "account", "admin", self.text];
        let scopes = scopes.map(|scope| ScopeLine { scope, resource: None }).into_iter();
        let consent = |returns| ConsentPage {
            shell: self.shell(),
            form: self.form(Some(self.text)),
            client: ConsentClient {
                name: self.text,
                logo: Some(self.text),
                website: Some(self.text),
                privacy: Some(self.text),
                terms: Some(self.text),
            },
            scopes: scopes
                .clone()
                .chain([ScopeLine { scope: self.text, resource: Some(self.text) }])
                .collect(),
            resource: Some(self.text),
            returns,
            account_name: self.text,
            may_switch: true,
        };
        let question = LogoutState::Question { form: self.form(None), name: self.text };
        let app = Some(AppLink { name: self.text, url: self.text });
        let logouts = [question, LogoutState::Done { app }, LogoutState::Done { app: None }];
        let logouts = logouts.map(|state| LogoutPage { shell: self.shell(), state }.html());
        let fields = [(self.text, self.text)];
        let posted =
            FormPostPage { shell: self.shell(), client_name: self.text, action: self.text, fields: &fields };
        let mut all = vec![sign_up(false).html(), sign_up(true).html(), posted.html()];
        all.extend([consent(Returns::Host(self.text)).html(), consent(Returns::Device).html()]);
        all.extend(logouts);
        all
    }

    fn errors(&self) -> Vec<String> {
        let kinds = [
            ErrorKind::Client,
            ErrorKind::RedirectUri,
            ErrorKind::Request,
            ErrorKind::Expired,
            ErrorKind::Form,
            ErrorKind::NotFound,
            ErrorKind::Method,
            ErrorKind::Busy,
            ErrorKind::Failed,
        ];
        let ways = [
            None,
            Some(Way::Account),
            Some(Way::Retry(self.text)),
            Some(Way::App { name: self.text, url: self.text }),
        ];
        let pages = kinds.into_iter().zip(ways.into_iter().cycle()).map(|(kind, way_forward)| ErrorPage {
            shell: self.shell(),
            kind,
            details: Some(self.text),
            way_forward,
        });
        pages.map(|page| page.html()).collect()
    }

    fn own_pages(&self) -> Vec<String> {
        let profile = ProfilePage {
            shell: self.own(Tab::Profile),
            form: self.form(None),
            username: self.text,
            display_name: self.text,
            email: self.text,
            with_email: true,
            is_saved: true,
            mistakes: Mistakes::one("email", self.text),
        };
        let password = PasswordPage {
            shell: self.own(Tab::Password),
            form: self.form(None),
            username: self.text,
            min_length: 8,
            is_changed: true,
            mistakes: Mistakes::one("old_password", self.text),
        };
        let devices = |devices: Vec<DeviceItem>, done| DevicesPage {
            shell: self.own(Tab::Devices),
            form: self.form(None),
            browsers: vec![self.browser(true), self.browser(false)],
            next_browser: Some(self.text.to_owned()),
            devices,
            next: Some(self.text.to_owned()),
            done,
            mistakes: Mistakes::one("", self.text),
        };
        let app = AppItem {
            id: self.text.to_owned(),
            name: self.text.to_owned(),
            scopes: vec![self.text.to_owned()],
            since: self.when(),
        };
        let apps = |apps: Vec<AppItem>, is_withdrawn| AppsPage {
            shell: self.own(Tab::Apps),
            form: self.form(None),
            apps,
            is_withdrawn,
        };
        let mut all = vec![profile.html(), password.html(), self.history(true), self.history(false)];
        all.push(devices(vec![self.device()], Some(DeviceDone::Ended)).html());
        all.push(devices(Vec::new(), Some(DeviceDone::EndedOthers)).html());
        all.push(devices(Vec::new(), Some(DeviceDone::EndedBrowser)).html());
        all.extend([apps(vec![app], true).html(), apps(Vec::new(), false).html()]);
        all
    }

    fn history(&self, is_over: bool) -> String {
        let kinds = [("signed_in", 1), ("refreshed", 1), ("refreshed", 17), ("reuse_detected", 1)];
        let kinds = kinds.into_iter().chain([("foreign_client_refused", 1), ("ended", 1)]);
        let (lines, marks): (Vec<_>, Vec<_>) = kinds
            .map(|(kind, count)| {
                let line = DeviceLine {
                    kind,
                    text: self.text.to_owned(),
                    app: (count == 1).then(|| self.text.to_owned()),
                    detail: self.text.to_owned(),
                    at: self.when(),
                    until: (count > 1).then(|| self.when()),
                };
                (line, Line { kind, at: NOW, last: NOW, count, text: String::new() })
            })
            .unzip();
        let page = DevicePage {
            shell: self.own(Tab::Devices),
            form: self.form(None),
            device: self.device(),
            label: Some(self.text.to_owned()),
            scopes: vec![self.text.to_owned()],
            expires: self.when(),
            end: is_over.then(|| DeviceEnd { text: self.text, at: Some(self.when()) }),
            lines,
            drawing: Drawing::of(&marks, !is_over),
            is_first: false,
            next: Some(7),
        };
        page.html()
    }

    fn all(&self) -> Vec<String> {
        [self.logins(), self.steps(), self.errors(), self.own_pages()].concat()
    }
}

/// The tags of a page with the names of their attributes: what a text must not be able to change.
fn skeleton(html: &str) -> Vec<String> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some((_, behind)) = rest.split_once('<') {
        let mut tag = String::new();
        let mut quoted = false;
        let end = behind.find(|c: char| {
            quoted ^= c == '"';
            if !quoted && c != '"' {
                tag.push(c);
            }
            !quoted && c == '>'
        });
        tags.push(tag);
        rest = &behind[end.expect("a tag that ends")..];
    }
    tags
}

/// Texts that try to become HTML, each in its own way.
const PROBES: [&str; 6] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</title></textarea><svg/onload=alert(1)>",
    "{{ 7*7 }}{% raw %}&lt;script&gt;",
    "<!-- -- > ]]> \u{202e}evil",
];

#[test]
fn no_text_that_somebody_chooses_becomes_html() {
    let harmless_pages = pages(Language::English, "plain");
    let harmless = Gallery { pages: &harmless_pages, text: "plain" }.all();
    for probe in PROBES {
        let probed = pages(Language::English, probe);
        let gallery = Gallery { pages: &probed, text: probe };
        for (page, plain) in gallery.all().iter().zip(&harmless) {
            assert_eq!(skeleton(page), skeleton(plain), "{probe}");
            let shown = page.replace(probe, "");
            assert!(probe.contains("{{") || shown.len() == page.len(), "{probe} stands there as it is");
        }
    }
}

#[test]
fn every_page_is_whole_in_every_language() {
    for language in Language::ALL {
        let pages = pages(language, "plain");
        for page in (Gallery { pages: &pages, text: "plain" }).all() {
            assert!(page.contains(&format!("<html lang=\"{}\">", language.tag())), "{page}");
            assert!(!page.contains('{') && !page.contains('}'), "a placeholder is left: {page}");
            assert!(page.matches("<h1").count() == 1 && page.contains("<main id=\"main\""), "{page}");
            let tags = skeleton(&page);
            let has = |word: &str| tags.iter().any(|tag| tag.contains(word));
            assert!(!has("script") && !has(" style=") && !has(" on"), "{page}");
            assert!(!page.contains("<title></title>") && !page.contains("> – plain<"), "{page}");
        }
    }
}

#[test]
fn an_error_is_named_in_the_title_the_summary_and_beside_its_field() {
    let pages = pages(Language::English, "plain");
    let page = &Gallery { pages: &pages, text: "plain" }.logins()[2];
    assert!(page.contains("<title>Error: Sign in"), "{page}");
    assert!(page.contains("role=\"alert\" tabindex=\"-1\" autofocus"), "{page}");
    assert!(page.contains("<a href=\"#username\">The username or password is not correct</a>"), "{page}");
    assert!(page.contains("aria-invalid=\"true\" aria-describedby=\"username-wrong\""), "{page}");
}
