//! Back-channel logout: clients are told that a login has ended.

pub(crate) mod endings;
mod failures;
mod restarts;

use heirloom::client::{ConsentPolicy, Registration};
use serde_json::Value;

use crate::authorize::{CALLBACK, request};
use crate::support::codes::VERIFIER;
use crate::support::receiver::Receiver;
use crate::support::web_browser::Browser;
use crate::support::web_browser::signing_in::Arrival;
use crate::support::{Answer, PUBLIC, Server, Setup, USER};

/// The clients that are told.
pub(crate) const APPS: [&str; 3] = ["app-1", "app-2", "app-3"];
/// A client that has no `backchannel_logout_uri`.
const QUIET: &str = "quiet";

/// A server with three clients that are told of logouts, and one that is not.
pub(crate) struct Scene {
    pub(crate) server: Server,
    pub(crate) apps: [Receiver; 3],
}

impl Scene {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Setup)) -> Self {
        let apps = [Receiver::start().await, Receiver::start().await, Receiver::start().await];
        let server = Server::with(|setup| {
            add_apps(setup, &apps);
            change(setup);
        })
        .await;
        Self { server, apps }
    }

    /// A browser in which a person has signed in to these clients by one login, and the tokens of each.
    pub(crate) async fn signed_in<const N: usize>(&self, clients: [&str; N]) -> (Browser, [Answer; N]) {
        self.signed_in_as(USER, clients).await
    }

    pub(crate) async fn signed_in_as<const N: usize>(
        &self,
        person: (&str, &str),
        clients: [&str; N],
    ) -> (Browser, [Answer; N]) {
        let mut browser = Browser::of(&self.server);
        let mut tokens = Vec::new();
        for client in clients {
            tokens.push(self.sign_in_to(&mut browser, client, person, "openid read").await);
        }
        (browser, tokens.try_into().unwrap_or_else(|_| panic!("as many as clients")))
    }

    /// Signs in to a client, in this browser.
    pub(crate) async fn sign_in_to(
        &self,
        browser: &mut Browser,
        client: &str,
        person: (&str, &str),
        scope: &str,
    ) -> Answer {
        let url = request(browser, &[("client_id", client), ("scope", scope)]);
        let code = browser.sign_in(&url, person).await.code().to_owned();
        self.redeem(client, &code).await
    }

    /// The tokens for a code.
    async fn redeem(&self, client: &str, code: &str) -> Answer {
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", client),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        let tokens = self.server.post(&form).await;
        assert_eq!(tokens.status, 200, "{}", tokens.text);
        tokens
    }

    /// Delivers all that is due.
    pub(crate) async fn deliver(&self) {
        self.server.app.backchannel_logout.deliver_due().await.unwrap();
    }

    /// Delivers all that is due, and returns which logins each client was told of.
    pub(crate) async fn told(&self) -> [Vec<Value>; 3] {
        self.deliver().await;
        self.apps.each_ref().map(Receiver::logins)
    }

    /// Stops the server, and starts it again, with a changed setup.
    async fn restart(self, change: impl FnOnce(&mut Setup)) -> Self {
        Self { server: self.server.restart(change).await, apps: self.apps }
    }
}

/// The login that an ID token names.
pub(crate) fn sid(tokens: &Answer) -> Value {
    Answer::part(&tokens.id_token(), 1)["sid"].clone()
}

/// Adds the clients.
fn add_apps(setup: &mut Setup, apps: &[Receiver; 3]) {
    let web = setup.config.clients.iter().find(|client| client.id.as_str() == PUBLIC).unwrap().clone();
    let named = |id: &str, uri: Option<String>| {
        let mut client = Registration { id: id.parse().unwrap(), ..web.clone() };
        client.metadata.redirect_uris = vec![CALLBACK.parse().unwrap()];
        client.metadata.consent = ConsentPolicy::Implied;
        client.metadata.backchannel_logout_uri = uri.map(|uri| uri.parse().unwrap());
        let more = "openid offline_access account email profile".parse().unwrap();
        client.metadata.scope = client.metadata.scope.union(&more);
        client
    };
    let told = APPS.iter().zip(apps).map(|(id, app)| named(id, Some(app.uri())));
    setup.config.clients.extend(told.chain([named(QUIET, None)]));
}

#[tokio::test]
async fn three_apps_sign_in_by_one_password_and_its_login_ends_those_that_are_online() {
    let scene = Scene::start().await;
    let mut browser = Browser::of(&scene.server);
    let mut tokens = Vec::new();
    for (client, scope) in APPS.into_iter().zip(["openid read", "openid read", "openid read offline_access"])
    {
        let asked = request(&browser, &[("client_id", client), ("scope", scope)]);
        let arrival = browser.begin(&asked).await;
        let asks = matches!(&arrival, Arrival::Page(page) if page.url.path() == "/login");
        assert_eq!(asks, client == APPS[0], "{client}: {arrival:?}");
        let code = browser.finish(arrival, USER).await.code().to_owned();
        tokens.push(scene.redeem(client, &code).await);
    }
    assert!(tokens.iter().all(|one| sid(one) == sid(&tokens[0])));
    let page = browser.open(&browser.url("/logout")).await;
    assert!(browser.submit(page.form_to("/logout")).await.status() < 400);
    for (client, (app, goes_on)) in APPS.into_iter().zip(tokens.iter().zip([false, false, true])) {
        let token = app.refresh_token();
        let form =
            [("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", token.as_str())];
        let answer = scene.server.post(&form).await;
        assert_eq!(answer.status == 200, goes_on, "{client}: {}", answer.text);
    }
    assert!(scene.told().await.iter().all(|app| app.len() == 1), "each is told");
}
