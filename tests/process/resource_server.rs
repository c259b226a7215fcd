//! `examples/resource_server` beside a running server.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use heirloom::clock::{Clock as _, SystemClock};
use heirloom::token::{AccessTokenClaims, KeyLife, Keyring, SigningKeys, TokenType};

use crate::answer::{Answer, Caller, send};
use crate::support::{Dev, PATIENCE, Process, run, text};

/// The example, which cargo builds together with the tests.
fn example() -> PathBuf {
    let folder = std::env::current_exe().unwrap();
    let example = folder.parent().unwrap().parent().unwrap().join("examples/resource_server");
    assert!(
        example.exists(),
        "`cargo test` builds the example; for this test alone run `cargo build --examples`"
    );
    example
}

fn start(dev: &Dev, folder: &std::path::Path) -> (Process, Caller) {
    let mut command = Command::new(example());
    command.args(["--issuer", &dev.caller.base, "--port", "0"]);
    let process = Process::start(command, &folder.join("resource-server-log"));
    let caller = Caller::plain(process.line().trim());
    (process, caller)
}

async fn ask(server: &Caller, path: &str, token: &str) -> Answer {
    send(server.request(reqwest::Method::GET, path).bearer_auth(token)).await
}

#[tokio::test]
async fn the_example_gives_each_role_its_content_and_says_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path());
    let (_process, server) = start(&dev, folder.path());
    assert_eq!(server.get("/public").await.json["content"], "for everybody");
    let none = server.get("/user").await;
    assert_eq!((none.status, none.header("www-authenticate")), (401, r#"Bearer realm="example""#));

    let token = dev.caller.sign_in(dev.public(), dev.user()).await.access_token();
    assert_eq!(ask(&server, "/user", &token).await.json["content"], "for every user");
    for path in ["/moderator", "/admin"] {
        let refused = ask(&server, path, &token).await;
        assert_eq!(refused.status, 403);
        assert!(refused.header("www-authenticate").contains(r#"error="insufficient_scope""#));
    }

    let mut bent = token.clone().into_bytes();
    let last = bent.len() - 10;
    bent[last] = if bent[last] == b'A' { b'B' } else { b'A' };
    let bent = String::from_utf8(bent).unwrap();
    let expired = expired(&dev, folder.path());
    for (token, says) in [("nonsense", "not valid"), (&bent, "not valid"), (&expired, "expired")] {
        let refused = ask(&server, "/user", token).await;
        let challenge = refused.header("www-authenticate");
        assert_eq!(refused.status, 401);
        assert!(challenge.contains(r#"error="invalid_token""#) && challenge.contains(says), "{challenge}");
    }
}

#[tokio::test]
async fn the_example_asks_for_the_keys_again_when_one_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path());
    let (_process, server) = start(&dev, folder.path());
    let before = dev.caller.sign_in(dev.public(), dev.user()).await;
    assert_eq!(ask(&server, "/user", &before.access_token()).await.status, 200);
    run(&["keys", "rotate", "--compromised", &before.kid(), "--data", text(folder.path())]).done();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let after = dev.caller.sign_in(dev.public(), dev.user()).await;
        if after.kid() != before.kid() && ask(&server, "/user", &after.access_token()).await.status == 200 {
            break;
        }
        assert!(Instant::now() < deadline, "the new key is not known");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(ask(&server, "/user", &before.access_token()).await.status, 401, "the old key is gone");
}

/// An access token like the server's own, but expired.
fn expired(dev: &Dev, folder: &std::path::Path) -> String {
    let keys = Keyring::in_folder(folder.join("keys"));
    let keys = SigningKeys::open(keys, KeyLife::default(), None, Arc::new(SystemClock)).unwrap();
    let now = SystemClock.now().seconds();
    let claims = AccessTokenClaims {
        iss: &dev.caller.base,
        sub: "somebody",
        aud: &["demo-api"],
        client_id: "demo-public",
        scope: "read",
        sid: "a session",
        jti: "an id",
        iat: now - 700,
        exp: now - 100,
        auth_time: Some(now - 700),
        roles: &["user"],
    };
    keys.signer().unwrap().sign(TokenType::AtJwt, &claims).unwrap()
}
