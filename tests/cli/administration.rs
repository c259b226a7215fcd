//! `heirloom user`, `client` and `session`, with a running server and on a folder without one.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Output, Stdio};

use crate::support::{Running, err, heirloom, json, out, path, run, sh};
use serde_json::Value;

/// Runs a command on a folder, with a line of standard input.
fn command(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = heirloom(&[arguments, &["--data", path(folder)]].concat());
    let mut child =
        child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that reads no input may have exited already.
    let _ = writeln!(child.stdin.take().unwrap(), "{input}");
    child.wait_with_output().unwrap()
}

/// The output of a command, which must succeed.
fn says(folder: &Path, arguments: &[&str], input: &str) -> String {
    let output = command(folder, arguments, input);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", err(&output));
    out(&output)
}

/// The events of the log, read by the demo's administrator.
fn events(started: &Value) -> Vec<Value> {
    let (endpoint, admin) = (started["token_endpoint"].as_str().unwrap(), &started["admin"]);
    let form = format!(
        "-d grant_type=password -d client_id=demo-public -d username={} -d password={} -d scope=admin",
        admin["username"].as_str().unwrap(),
        admin["password"].as_str().unwrap()
    );
    let token =
        json(&sh(&format!("curl -sS {endpoint} {form}")))["access_token"].as_str().unwrap().to_owned();
    let issuer = started["issuer"].as_str().unwrap();
    let page = sh(&format!("curl -sS -H 'Authorization: Bearer {token}' '{issuer}/admin/events?limit=100'"));
    json(&page)["events"].as_array().unwrap().clone()
}

fn sign_in(started: &Value, credentials: &str) -> Value {
    let endpoint = started["token_endpoint"].as_str().unwrap();
    json(&sh(&format!("curl -sS {endpoint} -d grant_type=password {credentials}")))
}

/// Runs all the commands. They reach the store through the server's socket, or open the folder if no server runs.
fn administer(folder: &Path) -> String {
    assert!(
        says(folder, &["user", "add", "Ada", "--role", "editor"], "a long enough phrase").contains("added")
    );
    let taken = command(folder, &["user", "add", "ada"], "a long enough phrase");
    assert_eq!((taken.status.code(), err(&taken).trim()), (Some(1), "heirloom: The name is taken."));
    let weak = command(folder, &["user", "add", "eve"], "short");
    assert!(err(&weak).contains("fewer than"), "{}", err(&weak));
    let nobody = command(folder, &["user", "disable", "ad"], "");
    assert_eq!(err(&nobody).trim(), "heirloom: There is no such account.");
    assert!(says(folder, &["user", "list"], "").contains("enabled   ada  editor"));
    assert!(says(folder, &["user", "disable", "ada"], "").contains("disabled ada"));
    assert!(says(folder, &["user", "list"], "").contains("disabled  ada"));
    assert!(says(folder, &["user", "enable", "ada"], "").contains("enabled ada"));
    assert!(says(folder, &["user", "roles", "ada", "user", "editor"], "").contains("user editor"));

    let added = says(folder, &["client", "add", "my-tv.app", "--scope", "read", "--name", "TV"], "");
    let rotated = says(folder, &["client", "rotate-secret", "my-tv.app", "--overlap", "0s"], "");
    assert!(added.contains("its secret: ") && rotated.contains("new secret"), "{added}{rotated}");
    assert_eq!(
        json(&says(folder, &["client", "show", "my-tv.app"], ""))["scopes"],
        serde_json::json!(["read"])
    );
    let list = says(folder, &["client", "list"], "");
    assert!(list.contains("registered  my-tv.app  TV") && list.contains("declared    demo-public"), "{list}");
    let declared = command(folder, &["client", "delete", "demo-public", "--yes"], "");
    assert!(err(&declared).contains("configuration declares"), "{}", err(&declared));
    let unknown = command(folder, &["client", "add", "x", "--scope", "nothing"], "");
    assert!(err(&unknown).contains("No audience has a scope nothing."), "{}", err(&unknown));
    rotated.split_once(": ").unwrap().1.split(';').next().unwrap().to_owned()
}

#[test]
fn commands_reach_a_running_server_and_the_log_says_who_ran_them() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut running = Running::dev(folder.path(), &["--json"]);
    let started = json(&running.line());
    let admin = data.join("admin");
    assert_eq!(fs::metadata(&admin).unwrap().permissions().mode() & 0o777, 0o700);

    let secret = administer(folder.path());
    let form = format!(
        "-d client_id=my-tv.app -d client_secret={secret} -d username=ada -d 'password=a long enough phrase'"
    );
    assert_eq!(sign_in(&started, &form)["scope"], "read");
    let of_user = says(folder.path(), &["session", "list", "--user", "ada"], "");
    assert_eq!(of_user, says(folder.path(), &["session", "list", "--client", "my-tv.app"], ""));
    assert!(of_user.contains("my-tv.app  live"), "{of_user}");
    let id = of_user.split_whitespace().next().unwrap();
    assert!(says(folder.path(), &["session", "end", id], "").contains("ended"));
    assert!(says(folder.path(), &["session", "show", id], "").contains(r#""reason": "admin""#));

    let operator =
        serde_json::json!({"kind": "operator", "id": rustix::process::geteuid().as_raw().to_string()});
    let by_operators: Vec<_> = events(&started).into_iter().filter(|event| event["by"] == operator).collect();
    let types: Vec<_> = by_operators.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let expected = [
        "user_registered",
        "user_disabled",
        "user_enabled",
        "user_roles_changed",
        "client_registered",
        "client_secret_rotated",
        "session_ended",
    ];
    assert_eq!(types, expected);
    assert_eq!(running.stop(), Some(0));
    assert!(!admin.join("socket").exists());
}

#[test]
fn the_same_commands_work_on_the_folder_while_no_server_runs() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::dev(folder.path(), &["--json"]);
    running.line();
    running.stop();
    let secret = administer(folder.path());
    let mut running = Running::dev(folder.path(), &["--json"]);
    let started = json(&running.line());
    let form = format!(
        "-d client_id=my-tv.app -d client_secret={secret} -d username=ada -d 'password=a long enough phrase'"
    );
    assert_eq!(sign_in(&started, &form)["scope"], "read");
    let registered = events(&started).into_iter().find(|event| event["type"] == "client_registered").unwrap();
    assert_eq!(registered["by"]["kind"], "operator");
    running.stop();
}

#[test]
fn a_stale_socket_is_no_server_and_is_replaced_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("data/admin/socket");
    let mut running = Running::dev(folder.path(), &["--json"]);
    running.line();
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    assert!(socket.exists());
    assert!(says(folder.path(), &["user", "list"], "").contains("demo"));
    // Commands on the folder leave the socket of a killed server. A server removes it only once it has the store.
    assert!(socket.exists());
    let mut running = Running::dev(folder.path(), &["--json"]);
    running.line();
    let second = run(&["dev", "--port", "0", "--data", path(folder.path())]);
    assert_eq!(second.status.code(), Some(1));
    UnixStream::connect(&socket).unwrap();
    assert!(says(folder.path(), &["user", "list"], "").contains("demo"));
    running.stop();
}

#[test]
fn the_socket_serves_the_administration_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::dev(folder.path(), &["--json"]);
    running.line();
    let socket = folder.path().join("data/admin/socket");
    let code = |path: &str| {
        let socket = socket.display();
        sh(&format!(
            "curl -sS --path-as-is -o /dev/null -w '%{{http_code}}' --unix-socket {socket} http://localhost{path}"
        ))
    };
    assert_eq!(code("/admin/users"), "200");
    for path in ["/docs", "/oauth/userinfo", "/health/live", "/adminx", "/admin/../docs"] {
        assert_eq!(code(path), "404", "{path}");
    }
    running.stop();
}
