//! `heirloom keys` beside a running server.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{Dev, PATIENCE, files, run, set_mode, text};

/// The user that the server runs as when the tests, and so the commands, run as root.
const SERVICE: u32 = 61_184;

/// A `heirloom dev` that runs as another user than this process; `None` if this process is not root.
fn dev_of_a_service(folder: &Path) -> Option<Dev> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    chown(folder, Some(SERVICE), Some(SERVICE)).unwrap();
    // The service may not enter the folder in which the binary was built.
    let binary = folder.join("heirloom");
    fs::copy(env!("CARGO_BIN_EXE_heirloom"), &binary).unwrap();
    let id = SERVICE.to_string();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]).arg(&binary);
    command.args(["dev", "--json", "--port", "0", "--data", text(folder)]).env_clear();
    command
        .env("PATH", std::env::var_os("PATH").unwrap())
        .stdin(std::process::Stdio::null())
        .current_dir(folder);
    Some(Dev::with(command, folder))
}

#[tokio::test]
async fn a_key_that_root_rotates_beside_a_service_is_the_services() {
    let folder = tempfile::tempdir().unwrap();
    let Some(dev) = dev_of_a_service(folder.path()) else {
        eprintln!("not run: it takes root to have another user");
        return;
    };
    let keys = |words: &[&str]| run(&[&["keys"], words, &["--data", text(folder.path())]].concat());
    let first = dev.caller.sign_in(dev.public(), dev.user()).await;
    let old = first.kid();
    let said = keys(&["rotate", "--compromised", &old]).done();
    assert!(said.contains(&format!("the running server has withdrawn {old} and signs by ")), "{said}");
    assert_ne!(dev.caller.sign_in(dev.public(), dev.user()).await.kid(), old);
    let said = keys(&["rotate", "--refresh-secret", "--compromised", "1"]).done();
    assert!(said.ends_with("the running server makes refresh tokens by refresh secret 2\n"), "{said}");
    let refused = dev.caller.refresh(dev.public(), &first.refresh_token()).await;
    assert_eq!(refused.outcome(), (400, "invalid_grant"));
    for file in files(&folder.path().join("keys")) {
        let owner = fs::metadata(&file).unwrap().uid();
        assert_eq!(owner, SERVICE, "{}", file.display());
    }
}

#[tokio::test]
async fn a_key_that_the_server_cant_read_is_told_and_a_tombstone_stops_the_old_one_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut dev) = dev_of_a_service(folder.path()) else {
        eprintln!("not run: it takes root to have another user");
        return;
    };
    let keys = folder.path().join("keys");
    let run_keys = |words: &[&str]| run(&[&["keys"], words, &["--data", text(folder.path())]].concat());
    let signed_in = dev.caller.sign_in(dev.public(), dev.user()).await;
    let old = signed_in.kid();
    // Root writes a tombstone and a replacement without giving the files to the service, which so can read neither.
    let signing =
        files(&keys).into_iter().find(|file| file.extension().is_some_and(|end| end == "pem")).unwrap();
    let replacement = keys.join("signing-20270101T000000Z-mine.pem");
    fs::copy(&signing, &replacement).unwrap();
    let tombstone = format!("{}.compromised", text(&signing));
    fs::write(&tombstone, "").unwrap();
    for file in [replacement.as_path(), Path::new(&tombstone)] {
        chown(file, Some(0), Some(0)).unwrap();
        set_mode(file, 0o600);
    }
    fs::remove_file(signing).unwrap();

    // The compromised key signs nothing, even if no other key can replace it.
    let ready = async || dev.caller.get("/health/ready").await;
    let deadline = Instant::now() + PATIENCE;
    while ready().await.status != 503 {
        assert!(Instant::now() < deadline, "{}", dev.process.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!published(&dev).await.contains(&old));
    let refused = dev.caller.sign_in(dev.public(), dev.user()).await;
    assert_eq!(refused.outcome(), (503, "temporarily_unavailable"));
    let refused = dev.caller.refresh(dev.public(), &signed_in.refresh_token()).await;
    assert_eq!(refused.outcome(), (503, "temporarily_unavailable"), "and the token is not used up");

    fs::remove_file(&replacement).unwrap();
    let said = run_keys(&["rotate"]);
    assert!(said.done().contains("and signs by "), "the new one, since there is no other");
    assert_eq!(ready().await.status, 200);
    let again = dev.caller.refresh(dev.public(), &signed_in.refresh_token()).await;
    assert_eq!(again.status, 200);
    assert_ne!(again.kid(), old);

    // When the folder can't be read any more, the server keeps its keys and reports the problem.
    chown(&keys, Some(0), Some(0)).unwrap();
    dev.process.logged("keys.problem");
    let deadline = Instant::now() + PATIENCE;
    while ready().await.json["key_problems"].as_u64().is_none() {
        assert!(Instant::now() < deadline, "{}", dev.process.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(ready().await.status, 200);
    let told = run_keys(&["rotate"]);
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(
        told.err.contains("the running server does not publish") && told.err.contains("ermission denied"),
        "{told:?}"
    );
    chown(&keys, Some(SERVICE), Some(SERVICE)).unwrap();
}

/// The `kid`s in the JWKS, sorted.
async fn published(dev: &Dev) -> Vec<String> {
    let jwks = dev.caller.get("/.well-known/jwks.json").await;
    let keys = jwks.json["keys"].as_array().unwrap().clone();
    let mut kids: Vec<_> = keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect();
    kids.sort();
    kids
}

/// Waits until the JWKS has exactly these `kid`s.
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
    // Only the signing keys; the secrets are listed behind them.
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

    // A new key is published at once, so that caches learn of it, but does not sign yet.
    let said = keys(&["rotate"]);
    let (said, does) = said.split_once('\n').unwrap();
    let (second, when) = said.split_once(" signs from ").unwrap();
    assert!(when.ends_with('Z'), "{said}");
    assert_eq!(
        does,
        format!("the running server publishes it, and signs by {first}\n"),
        "what it does, not what it will"
    );
    until_published(&dev, &[&first, second]).await;
    assert_eq!(sign_in().await.kid(), first);
    let listed = signing_keys();
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines[0].starts_with(second) && lines[0].contains("published, signs from "), "{listed}");
    assert!(lines[1].starts_with(&first) && lines[1].ends_with("signs"), "{listed}");

    // A compromised key is replaced at once.
    let said = keys(&["rotate", "--compromised", &first]);
    assert!(said.contains(&format!("{first} is destroyed")), "{said}");
    let (third, _) = said.split_once(" signs from ").unwrap();
    assert!(
        said.ends_with(&format!("the running server has withdrawn {first} and signs by {third}\n")),
        "{said}"
    );
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
