//! `heirloom keys` beside a running server.

use std::time::{Duration, Instant};

use crate::support::{Dev, PATIENCE, run, text};

/// The kids in the JWKS, sorted.
async fn published(dev: &Dev) -> Vec<String> {
    let jwks = dev.caller.get("/.well-known/jwks.json").await;
    let keys = jwks.json["keys"].as_array().unwrap().clone();
    let mut kids: Vec<_> = keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect();
    kids.sort();
    kids
}

/// Waits until the JWKS holds exactly these.
async fn until_published(dev: &Dev, expected: &[&str]) {
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = published(dev).await;
        if found == expected {
            return;
        }
        assert!(Instant::now() < deadline, "{found:?}, not {expected:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_running_server_takes_in_new_keys_and_drops_compromised_ones() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path());
    let of_dev = ["--data", text(folder.path())];
    let keys = |words: &[&str]| run(&[&["keys"], words, &of_dev].concat()).done();
    // Without the secrets, which are listed behind the signing keys.
    let signing_keys = || {
        let listed = keys(&["list"]);
        listed
            .split_inclusive('\n')
            .filter(|line| line.chars().position(|c| c == ' ') == Some(43))
            .collect::<String>()
    };
    let sign_in = async || dev.caller.sign_in(dev.public(), dev.user()).await;

    let before = sign_in().await;
    let first = before.kid();
    let listed = signing_keys();
    assert!(listed.starts_with(&first) && listed.ends_with("signs\n"), "{listed}");
    assert_eq!(listed.lines().count(), 1, "{listed}");

    // Published at once, so that caches learn of it; it does not sign yet.
    let said = keys(&["rotate"]);
    let (second, when) = said.trim_end().split_once(" signs from ").unwrap();
    assert!(when.ends_with('Z'), "{said}");
    until_published(&dev, &[&first, second]).await;
    assert_eq!(sign_in().await.kid(), first);
    let listed = signing_keys();
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines[0].starts_with(second) && lines[0].contains("published, signs from "), "{listed}");
    assert!(lines[1].starts_with(&first) && lines[1].ends_with("signs"), "{listed}");

    // A compromised one is replaced at once.
    let said = keys(&["rotate", "--compromised", &first]);
    assert!(said.contains(&format!("{first} is withdrawn")), "{said}");
    let (third, _) = said.split_once(" signs from ").unwrap();
    until_published(&dev, &[second, third]).await;
    let after = dev.caller.refresh(dev.public(), &before.refresh_token()).await;
    assert_eq!(after.kid(), third);
    let retry = dev.caller.refresh(dev.public(), &before.refresh_token()).await;
    assert_eq!(retry.pair(), after.pair());
    assert_eq!(sign_in().await.kid(), third);
    assert!(keys(&["list"]).contains(&format!("{first}  ")), "it stays listed, as compromised");
    assert!(keys(&["list"]).contains("compromised: destroyed"));
}

#[tokio::test]
async fn a_retry_over_a_replaced_key_is_signed_by_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path());
    let token = dev.caller.sign_in(dev.public(), dev.user()).await.refresh_token();
    let first = dev.caller.refresh(dev.public(), &token).await;
    let compromised = first.kid();
    let said = run(&["keys", "rotate", "--compromised", &compromised, "--data", text(folder.path())]).done();
    let (new, _) = said.split_once(" signs from ").unwrap();
    until_published(&dev, &[new]).await;
    let retry = dev.caller.refresh(dev.public(), &token).await;
    assert_eq!(retry.kid(), new);
    assert_eq!(retry.refresh_token(), first.refresh_token());
}

#[test]
fn an_unknown_key_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path());
    let unknown = "A".repeat(43);
    let refused = run(&["keys", "rotate", "--compromised", &unknown, "--data", text(folder.path())]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.err.contains(&unknown), "{refused:?}");
    drop(dev);
}
