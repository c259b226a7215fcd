//! `heirloom dev` with options for other tokens, as `tests/interop` starts it.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::answer::{Answer, decode};
use crate::support::{Dev, PATIENCE, heirloom, run, text};

fn start(folder: &std::path::Path, flags: &[&str]) -> Dev {
    let usual = ["dev", "--json", "--port", "0", "--data", text(folder)];
    Dev::with(heirloom(&[&usual, flags].concat()), folder)
}

/// The header (0) or the claims (1) of the access token.
fn part(answer: &Answer, which: usize) -> Value {
    serde_json::from_slice(&decode(answer.access_token().split('.').nth(which).unwrap())).unwrap()
}

#[tokio::test]
async fn access_tokens_last_as_long_as_asked_and_have_the_type_asked() {
    for (flags, life, typ) in
        [(&[][..], 600_i64, "at+jwt"), (&["--access-token", "7", "--typ", "JWT"], 7, "JWT")]
    {
        let folder = tempfile::tempdir().unwrap();
        let dev = start(folder.path(), flags);
        for client in [dev.public(), dev.confidential()] {
            let asked = Instant::now();
            let first = dev.caller.sign_in(client, dev.user()).await;
            let second = dev.caller.refresh(client, &first.refresh_token()).await;
            // `expires_in` counts from the answer, `exp` from the second in which the token was requested.
            let least = life.saturating_sub_unsigned(asked.elapsed().as_secs() + 1);
            for answer in [first, second] {
                let (header, claims) = (part(&answer, 0), part(&answer, 1));
                let left = answer.json["expires_in"].as_i64().unwrap();
                assert!((least..=life).contains(&left), "{left} of {life}");
                assert_eq!(header["typ"], typ);
                assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), life);
            }
        }
    }
}

#[tokio::test]
async fn the_demos_audience_can_be_the_url_of_a_resource_server() {
    let folder = tempfile::tempdir().unwrap();
    let dev = start(folder.path(), &["--audience", "http://127.0.0.1:3000/mcp"]);
    for client in [dev.public(), dev.confidential()] {
        let claims = part(&dev.caller.sign_in(client, dev.user()).await, 1);
        assert!(claims["aud"].to_string().contains("\"http://127.0.0.1:3000/mcp\""), "{claims}");
        assert!(!claims.to_string().contains("demo-api"), "{claims}");
    }
}

#[tokio::test]
async fn without_a_lead_time_a_new_key_signs_at_once_and_the_old_one_stays_published() {
    let folder = tempfile::tempdir().unwrap();
    let dev = start(folder.path(), &["--lead-time", "0"]);
    let old = dev.caller.sign_in(dev.public(), dev.user()).await.kid();
    run(&["keys", "rotate", "--data", text(folder.path())]).done();
    let deadline = Instant::now() + PATIENCE;
    let new = loop {
        let kid = dev.caller.sign_in(dev.public(), dev.user()).await.kid();
        if kid != old {
            break kid;
        }
        assert!(Instant::now() < deadline, "{kid} signs still");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let jwks = dev.caller.get("/.well-known/jwks.json").await;
    assert!(jwks.text.contains(&new) && jwks.text.contains(&old), "{}", jwks.text);
}

#[test]
fn what_is_not_a_trial_is_refused() {
    for flags in [["--access-token", "0"], ["--typ", "jwt"], ["--lead-time", "soon"], ["--audience", "a b"]] {
        let folder = tempfile::tempdir().unwrap();
        let refused = run(&[&["dev", "--port", "0", "--data", text(folder.path())][..], &flags].concat());
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.err.contains(flags[0]), "{refused:?}");
    }
}
