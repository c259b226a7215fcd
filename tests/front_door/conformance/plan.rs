//! The suite as a client: it sends requests, and checks what every module checks of an answer.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use heirloom::client::PkcePolicy;
use heirloom::oauth::{RedirectUri, Scope};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde_json::Value;
use url::Url;

use crate::support::web_browser::signing_in::{Arrival, Delivery};
use crate::support::web_browser::{Browser, Page};
use crate::support::{Answer, CONFIDENTIAL, PUBLIC, SECRET, Server, Setup, USER};

/// Where the suite is answered.
pub(super) const CALLBACK: &str = "https://suite.example/callback";
/// Where the suite is sent after signing out.
pub(super) const SIGNED_OUT: &str = "https://suite.example/signed-out";
pub(super) const STATE: &str = "state ü+%00&=";
pub(super) const NONCE: &str = "nonce ü+%00&=";
/// The issuer: the suite wants https.
pub(super) const ISSUER: &str = "https://id.example.com";

/// How answers come.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Mode {
    Query,
    FormPost,
}

/// A server, a person and a client.
pub(super) struct Plan {
    pub(super) server: Server,
    pub(super) browser: Browser,
    pub(super) mode: Mode,
}

/// What a code was redeemed for.
#[derive(Clone)]
pub(super) struct Tokens {
    pub(super) answer: Answer,
    /// The claims of the ID token, which was verified.
    pub(super) claims: Value,
}

impl Plan {
    pub(super) async fn start(mode: Mode) -> Self {
        Self::with(mode, |_| {}).await
    }

    pub(super) async fn with(mode: Mode, change: impl FnOnce(&mut Setup)) -> Self {
        let server = Server::with(|setup| {
            ISSUER.clone_into(&mut setup.config.issuer);
            for id in [CONFIDENTIAL, PUBLIC] {
                setup.client(id, |client| {
                    client.metadata.redirect_uris = vec![CALLBACK.parse::<RedirectUri>().unwrap()];
                    client.metadata.post_logout_redirect_uris = vec![SIGNED_OUT.parse().unwrap()];
                    let scope = "profile email offline_access read write".parse::<Scope>().unwrap();
                    client.metadata.scope = client.metadata.scope.union(&scope);
                });
            }
            // The suite's client knows no PKCE, but for one module; and no nonce in another.
            setup.client(CONFIDENTIAL, |client| client.metadata.pkce = PkcePolicy::Legacy);
            change(setup);
        })
        .await;
        Self { browser: Browser::of(&server), server, mode }
    }

    /// An authorization URL with the usual parameters, changed by `more`; one with the value "" is left out.
    pub(super) fn url(&self, more: &[(&str, &str)]) -> Url {
        let mut url = self.browser.url("/oauth/authorize");
        url.query_pairs_mut().extend_pairs(self.parameters(more));
        url
    }

    pub(super) fn parameters<'a>(&self, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let mut all = vec![
            ("response_type", "code"),
            ("client_id", CONFIDENTIAL),
            ("redirect_uri", CALLBACK),
            ("scope", "openid"),
            ("state", STATE),
            ("nonce", NONCE),
        ];
        if self.mode == Mode::FormPost {
            all.push(("response_mode", "form_post"));
        }
        all.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
        all.extend(more.iter().filter(|(_, value)| !value.is_empty()));
        all
    }

    /// Signs the person in, who is asked whatever is asked.
    pub(super) async fn authorize(&mut self, more: &[(&str, &str)]) -> Delivery {
        let url = self.url(more);
        let delivery = self.browser.sign_in(&url, USER).await;
        self.check(&delivery);
        delivery
    }

    /// Where the browser arrives without the person doing anything.
    pub(super) async fn begin(&mut self, more: &[(&str, &str)]) -> Arrival {
        let url = self.url(more);
        self.browser.begin(&url).await
    }

    /// The answer that the client gets without the person doing anything.
    pub(super) async fn silent(&mut self, more: &[(&str, &str)]) -> Delivery {
        let delivery = self.begin(more).await.delivery();
        self.check(&delivery);
        delivery
    }

    /// Fails unless the person is asked for the password.
    pub(super) async fn asked(&mut self, more: &[(&str, &str)]) -> Page {
        let page = self.begin(more).await.page();
        assert!(page.status() == 200 && page.form().has_kind("password"), "{page:?}");
        page
    }

    /// What is the same of each answer: where it goes, by which way, `state` and `iss` (RFC 9207).
    pub(super) fn check(&self, delivery: &Delivery) {
        assert_eq!(delivery.url.as_str().split('?').next(), Some(CALLBACK));
        assert_eq!(delivery.is_post, self.mode == Mode::FormPost, "{delivery:?}");
        if delivery.is_post {
            assert_eq!(delivery.url.query(), None, "a form leaves nothing in the URL");
        }
        assert_eq!((delivery.get("state"), delivery.get("iss")), (STATE, ISSUER));
        assert_eq!(delivery.url.fragment(), None);
    }

    /// Redeems a code as the suite's client, by HTTP Basic, without PKCE.
    pub(super) async fn redeem(&self, code: &str) -> Answer {
        self.redeem_with(code, &[]).await
    }

    pub(super) async fn redeem_with(&self, code: &str, more: &[(&str, &str)]) -> Answer {
        let mut form = vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", CALLBACK)];
        form.extend(more);
        self.server.send(self.server.token().basic_auth(CONFIDENTIAL, Some(SECRET)).form(&form)).await
    }

    /// Signs the person in, redeems the code and verifies what comes.
    pub(super) async fn tokens(&mut self, more: &[(&str, &str)]) -> Tokens {
        let delivery = self.authorize(more).await;
        let answer = self.redeem(delivery.code()).await;
        let nonce = self.parameters(more).into_iter().find(|(name, _)| *name == "nonce");
        self.verified(answer, nonce.map(|(_, nonce)| nonce), CONFIDENTIAL).await
    }

    /// Checks a token answer and its ID token as the suite does (OpenID Connect Core §3.1.3.7).
    pub(super) async fn verified(&self, answer: Answer, nonce: Option<&str>, client: &str) -> Tokens {
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.json["token_type"].as_str().map(str::to_lowercase).as_deref(), Some("bearer"));
        assert!(answer.json["expires_in"].is_u64(), "{}", answer.text);
        assert_eq!(answer.header("cache-control"), "no-store");
        let token =
            answer.json["id_token"].as_str().unwrap_or_else(|| panic!("no ID token: {}", answer.text));
        let claims = self.claims(token).await;
        let now = self.server.now().seconds();
        let time = |claim: &str| claims[claim].as_u64().unwrap_or_else(|| panic!("{claim} in {claims}"));
        assert_eq!(claims["iss"], ISSUER);
        assert_eq!(claims["aud"], client);
        assert!(claims["azp"].is_null() || claims["azp"] == client, "{claims}");
        assert_eq!(claims["nonce"].as_str(), nonce);
        assert!(time("iat") <= now && now - time("iat") < 5 && time("exp") > now, "{claims}");
        assert!(time("auth_time") <= now);
        let subject = claims["sub"].as_str().unwrap();
        assert!(!subject.is_empty() && subject.len() <= 255 && subject.is_ascii());
        assert_eq!(claims["at_hash"], at_hash(&answer.access_token()), "{claims}");
        Tokens { answer, claims }
    }

    /// The claims of an ID token that a key of the JWKS has signed with RS256.
    pub(super) async fn claims(&self, token: &str) -> Value {
        let keys = self.server.get("/.well-known/jwks.json").await;
        let keys: JwkSet = serde_json::from_str(&keys.text).unwrap();
        let header = decode_header(token).unwrap();
        assert_eq!(header.alg, jsonwebtoken::Algorithm::RS256);
        let key = keys.find(&header.kid.unwrap()).unwrap();
        let mut validation = Validation::new(header.alg);
        // The plan checks them by the clock of the test.
        validation.validate_exp = false;
        validation.validate_aud = false;
        decode::<Value>(token, &DecodingKey::from_jwk(key).unwrap(), &validation).unwrap().claims
    }

    pub(super) async fn userinfo(&self, access_token: &str) -> Answer {
        let request = self.server.client.get(format!("{}/oauth/userinfo", self.server.base));
        self.server.send(request.bearer_auth(access_token)).await
    }

    /// The metadata of OpenID Connect Discovery.
    pub(super) async fn metadata(&self) -> Value {
        self.server.get("/.well-known/openid-configuration").await.json
    }
}

/// OpenID Connect Core §3.1.3.6: the left half of the hash.
fn at_hash(access_token: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, access_token.as_bytes());
    URL_SAFE_NO_PAD.encode(&digest.as_ref()[..16])
}
