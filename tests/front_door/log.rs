//! What the log says about secrets that were refused, and about proxies that are not in `trusted_proxies`.

use std::sync::{Arc, LazyLock, Mutex};

use heirloom::config::SignUp;
use reqwest::Method;
use serde_json::json;

use crate::own_account::{change_password, delete, sign_in};
use crate::sign_up::{person, sign_up};
use crate::support::{CONFIDENTIAL, PUBLIC, Server, Setup, USER};

/// The captured log of a server.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Captures what this thread logs from now on.
    pub(crate) fn capture(&self) -> tracing::subscriber::DefaultGuard {
        // Without the global subscriber, `tracing` would turn a line off for all threads when another test's thread
        // reaches it first.
        drop(Self::everywhere());
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || log.clone()).finish();
        tracing::subscriber::set_default(subscriber)
    }

    /// Captures what all threads log that have no subscriber of their own, at every level.
    pub(crate) fn everywhere() -> Self {
        static EVERYWHERE: LazyLock<Log> = LazyLock::new(|| {
            let log = Log::default();
            let writer = log.clone();
            tracing_subscriber::fmt()
                .with_env_filter("heirloom=trace,poem=trace,hyper=debug")
                .with_writer(move || writer.clone())
                .init();
            log
        });
        EVERYWHERE.clone()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// The lines that contain a text, since the last call.
    fn take(&self, text: &str) -> Vec<String> {
        let lines = std::mem::take(&mut *self.0.lock().unwrap());
        let lines = String::from_utf8(lines).unwrap();
        lines.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
    }
}

/// Asserts that there is one line, which contains all of `says` and no secret.
#[track_caller]
fn assert_one(lines: &[String], says: &[&str]) {
    assert_eq!(lines.len(), 1, "{lines:#?}");
    for text in says {
        assert!(lines[0].contains(text), "{text} is not in {}", lines[0]);
    }
    for text in ["canary", USER.1, "ann"] {
        assert!(!lines[0].contains(text), "{text} is in {}", lines[0]);
    }
}

fn behind_a_proxy(setup: &mut Setup) {
    setup.config.server.trusted_proxies = vec!["127.0.0.1".to_owned()];
    setup.config.accounts.registration = SignUp::Invite;
}

#[tokio::test]
async fn every_secret_that_is_refused_has_one_line_with_address_client_user_and_reason() {
    let server = Server::with(behind_a_proxy).await;
    let signed_in = sign_in(&server, USER.0, USER.1).await;
    let (token, id) = (signed_in.access_token(), signed_in.claims()["sub"].as_str().unwrap().to_owned());
    let user = format!("user.id={id}");
    let log = Log::default();
    let _capturing = log.capture();
    let from = async |path: &str, form: &[(&str, &str)]| {
        let request = server.client.post(format!("{}{path}", server.base));
        server.send(request.header("x-forwarded-for", "203.0.113.7").form(form)).await
    };
    let peer = "peer.address=203.0.113.7";
    let attempt = |name: &'static str| {
        [("grant_type", "password"), ("client_id", PUBLIC), ("username", name), ("password", "canary-1")]
    };
    from("/oauth/token", &attempt("ann")).await;
    assert_one(&log.take("sign-in"), &[peer, "client.id=web", &user, "reason=\"credentials\""]);
    from("/oauth/token", &attempt("canary-name")).await;
    let lines = log.take("sign-in");
    assert_one(&lines, &[peer, "client.id=web", "reason=\"credentials\""]);
    assert!(!lines[0].contains("user.id"), "{}", lines[0]);

    assert_eq!(change_password(&server, &token, "canary-2", "marble-kettle-57-orchid").await.status, 403);
    let says = ["peer.address=127.0.0.1", "client.id=web", &user, "reason=\"credentials\""];
    assert_one(&log.take("password change"), &says);
    assert_eq!(delete(&server, &token, "canary-3").await.status, 403);
    assert_one(&log.take("account deletion"), &says);

    for path in ["/oauth/token", "/oauth/revoke", "/oauth/introspect"] {
        let form =
            [("client_id", CONFIDENTIAL), ("client_secret", "canary-4"), ("grant_type", "x"), ("token", "x")];
        from(path, &form).await;
        let client = format!("client.id={CONFIDENTIAL}");
        assert_one(&log.take("client authentication failed"), &[peer, &client, "reason=\"client\""]);
    }
    let refresh = [("grant_type", "refresh_token"), ("client_id", PUBLIC), ("refresh_token", "canary-5")];
    from("/oauth/token", &refresh).await;
    assert_one(&log.take("refused"), &[peer, "client.id=web", "reason=\"not_a_token\""]);

    let mut body = person("canary-name", "canary@example.com");
    body["invitation"] = json!("canary-6");
    assert_eq!(sign_up(&server, &body).await.status, 422);
    assert_one(&log.take("sign-up"), &["peer.address=127.0.0.1", "reason=\"invitation\""]);
}

#[tokio::test]
async fn a_flood_of_refusals_is_counted_instead_of_written() {
    let server = Server::with(|setup| setup.config.throttle.account_attempts = 3).await;
    let log = Log::default();
    let _capturing = log.capture();
    for attempt in 0..200 {
        server.sign_in_as(USER.0, &format!("wrong {attempt}")).await;
        server.sign_in_as(&format!("nobody-{attempt}"), "wrong").await;
    }
    for secret in 0..100 {
        let form = [("grant_type", "password")];
        let request = server.token().basic_auth(CONFIDENTIAL, Some(format!("wrong {secret}")));
        server.send(request.form(&form)).await;
    }
    let lines = log.take("");
    let count = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
    // Three guesses at an existing account, and twenty at invented ones; then both are slowed down.
    assert_eq!((count("credentials"), count("throttled"), count("client authentication")), (23, 40, 20));
    assert_eq!(lines.len(), 83, "{lines:#?}");
    server.wait(60);
    server.app.refusals.say_left_out();
    let lines = log.take("more of them");
    assert_eq!(lines.len(), 4, "{lines:#?}");
    let left_out = |line: &String| -> u64 {
        let (_, number) = line.split_once("refusals=").unwrap();
        number.split(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!(lines.iter().map(left_out).sum::<u64>(), 400 + 100 - 83);
}

#[tokio::test]
async fn a_proxy_that_is_not_declared_is_told_of_once_an_hour() {
    let server = Server::with(|setup| {
        setup.config.server.trusted_proxies = vec!["192.0.2.0/24".to_owned()];
    })
    .await;
    let log = Log::default();
    let _capturing = log.capture();
    let get = async |header: &str, value: &str| {
        let url = format!("{}/.well-known/jwks.json", server.base);
        let request = server.client.request(Method::GET, url);
        assert_eq!(server.send(request.header(header, value)).await.status, 200);
        log.take("trusted_proxies")
    };
    assert_eq!(get("x-request-id", "1").await.len(), 0);
    let lines = get("x-forwarded-for", "203.0.113.7").await;
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains("peer.address=127.0.0.1") && lines[0].contains("[server] trusted_proxies"));
    assert!(!lines[0].contains("203.0.113.7"), "that is only what it says: {}", lines[0]);
    assert_eq!(get("forwarded", "for=203.0.113.7").await.len(), 0);
    server.wait(3599);
    assert_eq!(get("x-forwarded-for", "203.0.113.7").await.len(), 0);
    server.wait(1);
    assert_eq!(get("forwarded", "for=203.0.113.7").await.len(), 1);

    let server =
        server.restart(|setup| setup.config.server.trusted_proxies = vec!["127.0.0.1".to_owned()]).await;
    let request = server.client.get(format!("{}/.well-known/jwks.json", server.base));
    server.send(request.header("x-forwarded-for", "203.0.113.7")).await;
    assert_eq!(log.take("trusted_proxies").len(), 0, "this one is declared");
}
