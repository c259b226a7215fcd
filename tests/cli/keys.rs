//! `heirloom keys` and `heirloom serve --check`: keys and secrets from their creation to their end.

use std::fs;
use std::io::Read as _;
use std::process::Stdio;

use crate::support::{Running, err, heirloom, json, out, path, run, sh};

#[test]
fn keys_are_listed_rotated_and_never_made_anew_for_an_old_store() {
    let folder = tempfile::tempdir().unwrap();
    let of_folder = ["--data", path(folder.path())];
    let keys = |command: &[&str]| run(&[&["keys"], command, &of_folder].concat());
    let mut running = Running::dev(folder.path(), &["--json"]);
    running.line();
    running.stop();
    let list = out(&keys(&["list"]));
    let first = list.split_whitespace().next().unwrap().to_owned();
    assert!(list.lines().count() == 3 && list.contains("signs"), "{list}");
    assert!(list.contains("refresh secret 1 ") && list.contains("pepper 1 "), "{list}");
    assert_eq!(keys(&["rotate"]).status.code(), Some(0));
    assert_eq!(out(&keys(&["list"])).lines().count(), 4);
    let compromised = keys(&["rotate", "--compromised", &first]);
    assert!(out(&compromised).contains(&format!("{first} is destroyed")), "{}", err(&compromised));
    assert!(out(&keys(&["list"])).contains("compromised"));
    assert_eq!(keys(&["rotate", "--compromised", "nothing"]).status.code(), Some(2));
    assert_eq!(keys(&["rotate", "--id-tokens"]).status.code(), Some(2), "no algorithm signs ID tokens alone");
    assert_eq!(keys(&["rotate", "--id-tokens", "--algorithm", "ES256"]).status.code(), Some(0));
    assert!(out(&keys(&["list"])).contains("ES256  signs ID tokens"), "{}", out(&keys(&["list"])));

    // Without its pepper and its refresh secret, nobody could sign in or refresh. So the start fails and tells the
    // operator.
    fs::remove_dir_all(folder.path().join("keys")).unwrap();
    let mut command = heirloom(&["dev", "--port", "0", "--data", path(folder.path())]);
    let mut running = Running::start(command.stderr(Stdio::piped()));
    assert_eq!(running.line(), "", "it started");
    let mut said = String::new();
    running.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("keys"), "{said}");
    assert_eq!(running.child.wait().unwrap().code(), Some(1));
}

#[test]
fn secrets_are_rotated_under_a_running_server_and_destroyed() {
    let folder = tempfile::tempdir().unwrap();
    let keys =
        |arguments: &[&str]| out(&run(&[&["keys"], arguments, &["--data", path(folder.path())]].concat()));
    let mut running = Running::dev(folder.path(), &["--json"]);
    let line = json(&running.line());
    let answer = |form: &str| {
        let client = "-d client_id=demo-public";
        json(&sh(&format!("curl -sS {} {client} {form}", line["token_endpoint"])))
    };
    let (name, password) = (&line["user"]["username"], &line["user"]["password"]);
    let sign_in = format!("-d grant_type=password -d username={name} -d password={password}");
    let refresh =
        |token: &serde_json::Value| answer(&format!("-d grant_type=refresh_token -d refresh_token={token}"));
    // The first byte of a refresh token is the id of its secret.
    let by_the_second =
        |answer: &serde_json::Value| answer["refresh_token"].as_str().unwrap().starts_with("hrt_Ag");
    let before = answer(&sign_in);
    assert!(!by_the_second(&before));

    assert!(keys(&["rotate", "--refresh-secret"]).contains("refresh secret 2 makes refresh tokens"));
    let until = |what: &dyn Fn() -> bool| {
        (0..1200).any(|_| {
            what() || {
                std::thread::sleep(std::time::Duration::from_millis(50));
                false
            }
        })
    };
    assert!(until(&|| by_the_second(&answer(&sign_in))), "the running server takes it in");
    let after = refresh(&before["refresh_token"]);
    assert!(by_the_second(&after), "a token of the first secret is still good: {after}");

    assert!(keys(&["rotate", "--refresh-secret", "--compromised", "2"]).contains("refresh secret 3 makes"));
    assert!(until(&|| refresh(&after["refresh_token"])["error"] == "invalid_grant"));
    assert!(
        run(&["keys", "rotate", "--refresh-secret", "--compromised", "2", "--data", path(folder.path())])
            .status
            .code()
            == Some(1)
    );

    assert!(keys(&["rotate", "--pepper"]).contains("pepper 2 is added; restart the server"));
    let list = keys(&["list"]);
    for part in [
        "refresh secret 1 ",
        "refresh secret 2 ",
        "compromised: destroyed",
        "refresh secret 3 ",
        "pepper 1 ",
        "pepper 2 ",
    ] {
        assert!(list.contains(part), "{part}: {list}");
    }
    assert_eq!(running.stop(), Some(0));
    let mut running = Running::dev(folder.path(), &["--json"]);
    let line = json(&running.line());
    let form = format!("-d client_id=demo-public {sign_in}");
    for _ in 0..2 {
        let answer = json(&sh(&format!("curl -sS {} {form}", line["token_endpoint"])));
        assert!(answer["refresh_token"].is_string(), "a password of the first pepper is good: {answer}");
    }
}
