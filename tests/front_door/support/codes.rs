//! Codes, for tests of what a client does with them: a person who is signed in at heirloom's own pages lets it begin.

use heirloom::app::authorizations::{Authorize, AuthorizeError};
use heirloom::app::logins::{CurrentLogin, TypedPassword};
use heirloom::oauth::SessionId;

use super::{Answer, CONFIDENTIAL, PUBLIC, SECRET, Server, USER};

/// Where codes are sent.
pub(crate) const REDIRECT_URI: &str = "https://app.example/callback";
/// The verifier and the challenge of RFC 7636, appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// The `nonce` of OpenID Connect.
pub(crate) const NONCE: &str = "n-0S6_WzA2Mj \"ö+";

/// What is asked of a person; tests override single values.
#[derive(Clone)]
pub(crate) struct Ask<'a> {
    pub(crate) client: &'a str,
    pub(crate) scope: &'a str,
    pub(crate) resource: Option<&'a str>,
    pub(crate) challenge: bool,
    pub(crate) session: u8,
}

impl Default for Ask<'_> {
    fn default() -> Self {
        Self { client: PUBLIC, scope: "openid read write", resource: None, challenge: true, session: 1 }
    }
}

impl Ask<'_> {
    /// The session that begins.
    pub(crate) fn id(&self) -> SessionId {
        SessionId::from([self.session; 16])
    }
}

impl Server {
    /// Signs the user in, in a browser.
    pub(crate) async fn log_in(&self) -> CurrentLogin {
        self.log_in_with_cookie().await.0
    }

    /// Signs the user in, and says what the browser's cookie is.
    pub(crate) async fn log_in_with_cookie(&self) -> (CurrentLogin, String) {
        let typed = TypedPassword {
            name: USER.0,
            password: USER.1,
            persistent: false,
            form: None,
            current: None,
            client: None,
            peer: "127.0.0.1".parse().unwrap(),
            user_agent: None,
        };
        self.app.logins.log_in(typed).await.unwrap()
    }

    /// The code of an authorization.
    pub(crate) async fn authorize(
        &self,
        login: &CurrentLogin,
        ask: Ask<'_>,
    ) -> Result<String, AuthorizeError> {
        let client =
            self.app.clients.known(&ask.client.parse().unwrap()).await.unwrap().unwrap().registration;
        let (scope, resource) = (ask.scope.parse().unwrap(), ask.resource.map(|name| name.parse().unwrap()));
        let grant = self.app.settings.scopes.grant(Some(&scope), resource.as_slice(), &client).unwrap();
        let asked = Authorize {
            id: ask.id(),
            by: login.authorizer(),
            client: &client,
            grant,
            redirect_uri: REDIRECT_URI,
            challenge: ask.challenge.then(|| CHALLENGE.parse().unwrap()),
            nonce: Some(NONCE),
            consent_since: None,
            kept_until: None,
            user_agent: Some("Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0"),
        };
        self.app.authorizations.authorize(asked).await
    }

    /// Signs the user in, and gets a code.
    pub(crate) async fn code(&self, ask: Ask<'_>) -> String {
        let login = self.log_in().await;
        self.authorize(&login, ask).await.unwrap()
    }

    /// Redeems a code with the public client.
    pub(crate) async fn redeem(&self, code: &str) -> Answer {
        self.redeem_with(code, &[("redirect_uri", REDIRECT_URI), ("code_verifier", VERIFIER)]).await
    }

    /// Redeems a code with the public client, and with these parameters.
    pub(crate) async fn redeem_with(&self, code: &str, more: &[(&str, &str)]) -> Answer {
        let form = [("grant_type", "authorization_code"), ("client_id", PUBLIC), ("code", code)];
        self.post(&[&form[..], more].concat()).await
    }

    /// Redeems a code with the confidential client.
    pub(crate) async fn redeem_confidential(&self, code: &str, more: &[(&str, &str)]) -> Answer {
        let form = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", REDIRECT_URI)];
        let form = [&form[..], more].concat();
        self.send(self.token().basic_auth(CONFIDENTIAL, Some(SECRET)).form(&form)).await
    }
}
