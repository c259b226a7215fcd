//! Keys that don't belong to the data, and data that were restored from a backup: heirloom notices, and says what to
//! do.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use heirloom::store::sled::{SledOptions, SledStore};
use rustix::process::Signal;

use crate::answer::Client;
use crate::production::{Installation, PHONE, USER};
use crate::support::{Dev, Ended, file_named, files, heirloom, run, set_mode, text};

/// Runs `heirloom serve --check` on the installation.
fn check(installation: &Installation) -> Ended {
    run(&["serve", "--check", "--config", text(&installation.config())])
}

/// The file with a bit flipped in the byte at `at`, such that it still looks like base64.
fn flipped(whole: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    let bit = (0..8).find(|bit| (bytes[at] ^ (1 << bit)).is_ascii_alphanumeric()).unwrap();
    bytes[at] ^= 1 << bit;
    bytes
}

fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    files(folder).into_iter().map(|path| (path.clone(), fs::read(path).unwrap_or_default())).collect()
}

fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

#[test]
fn one_flipped_bit_in_a_key_or_secret_is_refused_by_the_start_and_by_check() {
    let installation = Installation::new();
    installation.add_user();
    let keys = installation.path("keys");
    assert_eq!(check(&installation).code, Some(0), "{:?}", check(&installation));
    let before = contents(&installation.path("data"));
    for beginning in ["refresh-", "pepper-", "signing-"] {
        let file = file_named(&keys, beginning);
        let name = file.file_name().unwrap().to_str().unwrap();
        let whole = fs::read(&file).unwrap();
        for at in [whole.len() / 4, whole.len() / 2, whole.len() * 3 / 4] {
            fs::write(&file, flipped(&whole, at)).unwrap();
            let refused = check(&installation);
            assert_eq!(refused.code, Some(1), "{name} {at} {refused:?}");
            assert!(refused.err.contains(name), "{name} {at} {refused:?}");
        }
        let refused = installation.fails_to_serve();
        assert_eq!(refused.code, Some(1), "{name} {refused:?}");
        assert!(refused.err.contains(name) && !refused.err.contains("listening"), "{name} {refused:?}");
        if beginning != "signing-" {
            assert!(
                refused.err.contains("is not the") && refused.err.contains("Restore the keys folder"),
                "{refused:?}"
            );
            // Commands on the folder refuse as well, because they would hash a password with the wrong pepper.
            let refused = installation.command(&["user", "password", USER.0], "tulip-quartz-94-lantern\n");
            assert_eq!(refused.code, Some(1), "{refused:?}");
            assert!(refused.err.contains(name), "{refused:?}");
        }
        fs::write(&file, whole).unwrap();
    }
    let known = contents(&installation.path("data"));
    let changed = known.keys().filter(|path| before.get(*path) != known.get(*path)).count();
    assert!(changed < known.len());
    let before = contents(&installation.path("data"));
    assert_eq!(check(&installation).code, Some(0));
    assert_eq!(before, contents(&installation.path("data")), "a check changes nothing");
    let process = installation.serve();
    let beside = check(&installation);
    assert_eq!(beside.code, Some(0), "{beside:?}");
    assert!(beside.out.contains("not checked: the ports"), "it says what it could not look at: {beside:?}");
    drop(process);
}

#[tokio::test]
async fn keys_of_other_data_and_an_older_keys_folder_are_refused() {
    let (ours, theirs) = (Installation::new(), Installation::new());
    ours.add_user();
    theirs.add_user();
    let (keys, away) = (ours.path("keys"), ours.path("away"));
    copy(&keys, &away);
    fs::remove_dir_all(&keys).unwrap();
    copy(&theirs.path("keys"), &keys);
    let refused = ours.fails_to_serve();
    assert!(refused.err.contains("pepper-001-") && refused.err.contains("refresh-001-"), "{refused:?}");

    // Our own keys again. A pepper is added and used, and then the keys folder is replaced by an older copy, without
    // it.
    fs::remove_dir_all(&keys).unwrap();
    copy(&away, &keys);
    ours.command(&["keys", "rotate", "--pepper"], "").done();
    let process = ours.serve();
    assert_eq!(ours.caller().sign_in(PHONE, USER).await.status, 200, "hashed again under the new one");
    process.signal(Signal::TERM);
    process.end();
    let newest = file_named(&keys, "pepper-002-");
    let name = newest.file_name().unwrap().to_str().unwrap().to_owned();
    fs::rename(&newest, ours.path("kept")).unwrap();
    for refused in [ours.fails_to_serve(), check(&ours)] {
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.err.contains(&name) && refused.err.contains("older than the data"), "{refused:?}");
    }
    // If the pepper is lost for good, a tombstone makes a start possible.
    fs::write(keys.join(format!("{name}.compromised")), "").unwrap();
    drop(ours.serve());
    fs::remove_file(keys.join(format!("{name}.compromised"))).unwrap();
    fs::rename(ours.path("kept"), &newest).unwrap();

    // If an older pepper that passwords still need is missing, the log says how many passwords need it.
    let first = file_named(&keys, "pepper-001-");
    fs::remove_file(&first).unwrap();
    ours.command(&["keys", "rotate", "--pepper"], "").done();
    let mut process = ours.serve();
    drop(process.logged("listening"));
    drop(process);
    fs::remove_file(&newest).unwrap();
    let mut process = ours.serve();
    let told = process.logged("a pepper is missing");
    assert!(told.contains(&name) && told.contains("passwords=1"), "{told}");
}

#[tokio::test]
async fn data_from_a_backup_are_started_by_a_decision_which_ends_every_session() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let dev = Dev::start(folder.path());
    let port = dev.port();
    let (id, user) = (dev.said["public_client"]["client_id"].clone(), dev.user());
    let (name, password) = (user.0.to_owned(), user.1.to_owned());
    let client = Client::Public(id.as_str().unwrap());
    let kept = dev.caller.sign_in(client, (&name, &password)).await.refresh_token();
    let revoked = dev.caller.sign_in(client, (&name, &password)).await.refresh_token();
    dev.process.signal(Signal::TERM);
    dev.process.end();
    copy(&data, &folder.path().join("backup"));

    let dev = Dev::on_port(folder.path(), port);
    let form = [("token", revoked.as_str()), ("client_id", id.as_str().unwrap())];
    let answer =
        crate::answer::send(dev.caller.request(reqwest::Method::POST, "/oauth/revoke").form(&form)).await;
    assert_eq!(answer.status, 200);
    dev.process.signal(Signal::TERM);
    dev.process.end();
    let newer_mark = fs::read(data.join("mark")).unwrap();
    fs::remove_dir_all(&data).unwrap();
    copy(&folder.path().join("backup"), &data);

    // The mark was restored together with the data, so only the keys folder remembers the position. A mark that was not
    // restored is noticed by itself.
    let port = port.to_string();
    let start = ["dev", "--json", "--port", &port, "--data", text(folder.path())];
    for mark in [fs::read(data.join("mark")).unwrap(), newer_mark] {
        fs::write(data.join("mark"), mark).unwrap();
        let refused = run(&start);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(
            refused.err.contains("restored from a backup") && refused.err.contains("--restored"),
            "{refused:?}"
        );
    }
    fs::remove_file(data.join("mark")).unwrap();
    let refused = run(&start);
    assert!(
        refused.err.contains("--restored") && refused.err.contains("--accept-missing-mark"),
        "{refused:?}"
    );

    let mut command = heirloom(&start);
    command.arg("--restored");
    let mut dev = Dev::with(command, folder.path());
    for token in [&kept, &revoked] {
        assert_eq!(dev.caller.refresh(client, token).await.outcome(), (400, "invalid_grant"));
    }
    assert!(dev.process.logged("every session has ended").contains("WARN"));
    let new = dev.caller.sign_in(client, (&name, &password)).await.refresh_token();
    dev.process.signal(Signal::TERM);
    dev.process.end();
    // The next start needs no decision, and new tokens still work.
    let dev = Dev::with(heirloom(&start), folder.path());
    assert_eq!(dev.caller.refresh(client, &new).await.status, 200);
}

#[tokio::test]
async fn a_start_of_restored_data_that_ends_early_is_made_good_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path());
    let (id, user) = (dev.said["public_client"]["client_id"].clone(), dev.user());
    let (name, password) = (user.0.to_owned(), user.1.to_owned());
    let client = Client::Public(id.as_str().unwrap());
    let old = dev.caller.sign_in(client, (&name, &password)).await.refresh_token();
    let port = dev.port();
    dev.process.signal(Signal::TERM);
    dev.process.end();
    // As if a start with `--restored` had failed after it opened the store.
    let options = SledOptions { accept_restored: true, ..SledOptions::default() };
    drop(SledStore::open(&folder.path().join("data"), options).unwrap());

    let mut dev = Dev::on_port(folder.path(), port);
    assert_eq!(dev.caller.refresh(client, &old).await.outcome(), (400, "invalid_grant"));
    drop(dev.process.logged("every session has ended"));
    let new = dev.caller.sign_in(client, (&name, &password)).await.refresh_token();
    dev.process.signal(Signal::TERM);
    dev.process.end();
    let dev = Dev::on_port(folder.path(), port);
    assert_eq!(dev.caller.refresh(client, &new).await.status, 200, "once only");
}

#[test]
fn a_data_folder_that_everybody_may_write_is_refused() {
    let installation = Installation::new();
    installation.add_user();
    let data = installation.path("data");
    set_mode(&data, 0o777);
    for refused in [installation.fails_to_serve(), check(&installation)] {
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.err.contains("everybody may write to the data folder"), "{refused:?}");
    }
    set_mode(&data, 0o770);
    assert!(check(&installation).out.contains("warning: its group may write to the data folder"));
    let mut process = installation.serve();
    process.logged("its group may write to the data folder");
}

#[test]
fn a_check_finds_what_a_start_would() {
    let installation = Installation::new();
    assert_eq!(check(&installation).code, Some(0), "what is not there yet will be made");
    installation.add_user();
    let refused = |part: &str| {
        let refused = check(&installation);
        assert_eq!(refused.code, Some(1), "{part} {refused:?}");
        assert!(refused.err.contains(part) && !refused.out.contains("no mistakes"), "{part} {refused:?}");
    };
    // A key that belongs to another certificate.
    let (key, whole) =
        (installation.path("tls-key.pem"), fs::read(installation.path("tls-key.pem")).unwrap());
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(&key, other.signing_key.serialize_pem()).unwrap();
    refused("tls-key.pem");
    fs::write(&key, whole).unwrap();
    // A secret that others may read.
    let pepper = file_named(&installation.path("keys"), "pepper-");
    set_mode(&pepper, 0o644);
    refused("pepper-001-");
    set_mode(&pepper, 0o600);
    // A port that is taken.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut command = heirloom(&["serve", "--config", text(&installation.config()), "--check"]);
    command.env("HEIRLOOM__SERVER__LISTEN", &address);
    let taken = command.output().unwrap();
    let said = String::from_utf8(taken.stderr).unwrap();
    assert!(taken.status.code() == Some(1) && said.contains(&format!("can't listen on {address}")), "{said}");
    // A missing keys folder.
    fs::rename(installation.path("keys"), installation.path("away")).unwrap();
    refused("there is no signing key");
}

#[tokio::test]
async fn a_hangup_is_logged_and_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let mut dev = Dev::start(folder.path());
    for _ in 0..2 {
        dev.process.signal(Signal::HUP);
    }
    dev.process.logged("SIGHUP is ignored");
    assert_eq!(dev.caller.sign_in(dev.public(), dev.user()).await.status, 200);
}
