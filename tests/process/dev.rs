//! `heirloom dev` as a newcomer and a script use it.

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use crate::answer::{Answer, Caller, generation, send};
use crate::support::{Dev, Process, files, free_port, heirloom, mode, run, text};

#[tokio::test]
async fn one_json_line_says_all_that_a_script_needs() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path());
    let keys = |value: &serde_json::Value| -> Vec<String> {
        value.as_object().map(|object| object.keys().cloned().collect()).unwrap_or_default()
    };
    let said = &dev.said;
    assert_eq!(
        keys(said),
        [
            "issuer",
            "token_endpoint",
            "jwks_uri",
            "docs",
            "user",
            "admin",
            "public_client",
            "confidential_client"
        ]
    );
    for user in ["user", "admin"] {
        assert_eq!(keys(&said[user]), ["username", "password"]);
    }
    assert_eq!(keys(&said["public_client"]), ["client_id", "redirect_uris"]);
    assert_eq!(keys(&said["confidential_client"]), ["client_id", "client_secret", "redirect_uris"]);
    let base = &dev.caller.base;
    for client in ["public_client", "confidential_client"] {
        let uris = said[client]["redirect_uris"].as_array().unwrap();
        for uri in [format!("{base}/demo"), "http://127.0.0.1/callback".to_owned()] {
            assert!(uris.contains(&uri.clone().into()), "{uri}: {uris:?}");
        }
    }
    assert_eq!(said["token_endpoint"], format!("{base}/oauth/token"));
    assert_eq!(said["jwks_uri"], format!("{base}/.well-known/jwks.json"));
    assert_eq!(said["docs"], format!("{base}/docs"));
    // The server answers when its line is printed, for each client that the line names.
    for client in [dev.public(), dev.confidential()] {
        let first = dev.caller.sign_in(client, dev.user()).await;
        let second = dev.caller.refresh(client, &first.refresh_token()).await;
        assert_eq!(generation(&second.refresh_token()), 1);
        assert_ne!(first.access_token(), second.access_token());
    }
    dev.process.assert_no_more_lines();
}

#[tokio::test]
async fn the_demo_page_is_there_under_a_strict_policy_and_has_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path());
    for path in ["/demo", "/demo/page.js", "/demo/page.css", "/docs/oauth2-redirect"] {
        let answer = dev.caller.http.get(format!("{}{path}", dev.caller.base)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        let page = answer.text().await.unwrap();
        for secret in [&dev.said["user"]["password"], &dev.said["confidential_client"]["client_secret"]] {
            assert!(!page.contains(secret.as_str().unwrap()), "{path}");
        }
    }
}

#[tokio::test]
async fn a_second_start_says_the_same_and_knows_its_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let first = Dev::on_port(folder.path(), free_port());
    let said = first.said.clone();
    let public = first.caller.sign_in(first.public(), first.user()).await.refresh_token();
    let confidential = first.caller.sign_in(first.confidential(), first.user()).await.refresh_token();
    let second = first.kill_and_start(folder.path());
    assert_eq!(second.said, said);
    assert_eq!(second.caller.sign_in(second.public(), second.user()).await.status, 200);
    assert_eq!(second.caller.refresh(second.public(), &public).await.status, 200);
    assert_eq!(second.caller.refresh(second.confidential(), &confidential).await.status, 200);
}

#[test]
fn the_two_lines_that_it_prints_sign_in_and_refresh() {
    let folder = tempfile::tempdir().unwrap();
    let command = heirloom(&["dev", "--port", "0", "--data", text(folder.path())]);
    let process = Process::start(command, &folder.path().join("log"));
    let mut pasted = Vec::new();
    while pasted.len() < 2 {
        let line = process.line();
        pasted.extend(line.contains("curl").then_some(line));
    }
    let script = format!("{0}\n{1}\n{1}\n", pasted[0], pasted[1]);
    let mut shell = Command::new("sh");
    // Without the environment, so that curl uses no proxy.
    shell.args(["-c", &script]).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    let shell = shell.output().unwrap();
    let shown = String::from_utf8(shell.stdout).unwrap();
    let answers: Vec<serde_json::Value> =
        shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), 3, "{shown} {}", String::from_utf8_lossy(&shell.stderr));
    for (expected, answer) in (0..).zip(&answers) {
        assert_eq!(answer["token_type"], "Bearer", "{answer}");
        assert_eq!(generation(answer["refresh_token"].as_str().unwrap()), expected);
    }
}

#[test]
fn it_listens_on_loopback_only() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path());
    let connects = |address: SocketAddr| TcpStream::connect(address).is_ok();
    assert!(connects((Ipv4Addr::LOCALHOST, dev.port()).into()));
    // On Linux all of 127.0.0.0/8 is loopback: a server that listens on every address would answer here.
    assert!(!connects((Ipv4Addr::new(127, 0, 0, 2), dev.port()).into()));
    let listening: Vec<String> =
        ["tcp", "tcp6"].iter().flat_map(|table| listeners(table, dev.port())).collect();
    assert!(!listening.is_empty());
    for address in listening {
        assert!(["0100007F", "00000000000000000000000001000000"].contains(&address.as_str()), "{address}");
    }
}

/// The addresses in the kernel's table that listen on `port`, as the kernel writes them.
fn listeners(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let lines = fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default();
    let socket = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (address, bound) = fields.get(1)?.split_once(':')?;
        (bound == format!("{port:04X}") && fields.get(3) == Some(&LISTEN)).then(|| address.to_owned())
    };
    lines.lines().filter_map(socket).collect()
}

#[tokio::test]
async fn it_answers_to_the_names_of_this_machine_and_to_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path());
    let ask = async |host: &str, name: &str| -> Answer {
        let caller = Caller::plain(&format!("http://{host}:{}", dev.port()));
        let request = caller.request(reqwest::Method::GET, "/health/live");
        send(request.header("host", format!("{name}:{}", dev.port()))).await
    };
    let mut hosts = vec!["127.0.0.1", "localhost"];
    // A machine without IPv6 has no `::1` to listen on.
    hosts.extend(std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok().then_some("[::1]"));
    for host in hosts {
        assert_eq!(ask(host, host).await.status, 200, "{host}");
        for name in ["heirloom.example", "127.0.0.2", "localhost.example", "0.0.0.0"] {
            assert_eq!(ask(host, name).await.outcome(), (421, "invalid_request"), "{name} at {host}");
        }
    }
    let without_port = send(dev.caller.request(reqwest::Method::GET, "/").header("host", "localhost")).await;
    assert_eq!(without_port.status, 421);
}

#[test]
fn its_folders_are_in_the_working_directory_and_private() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = heirloom(&["dev", "--json", "--port", "0"]);
    command.current_dir(folder.path());
    let dev = Dev::with(command, folder.path());
    let (data, keys) = (folder.path().join("data"), folder.path().join("keys"));
    assert_eq!(mode(&data) & 0o077, 0, "{:o}", mode(&data));
    assert_eq!(mode(&data.join("dev.json")), 0o600);
    assert_eq!(mode(&keys), 0o700);
    // `data.position` is in the folder as well. It is left out, since the server may be writing it.
    let secrets: Vec<_> =
        files(&keys).into_iter().filter(|file| !text(file).contains("data.position")).collect();
    assert_eq!(secrets.len(), 3, "a signing key, a refresh secret, a pepper: {secrets:?}");
    for file in secrets {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    drop(dev);
    // With `--data`, data and keys are in that folder, and nothing is in the current one.
    let (other, here) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut command = heirloom(&["dev", "--json", "--port", "0", "--data", text(other.path())]);
    command.current_dir(here.path()).stdin(Stdio::null());
    let dev = Dev::with(command, other.path());
    assert!(other.path().join("data/dev.json").exists() && other.path().join("keys").exists());
    assert_eq!(fs::read_dir(here.path()).unwrap().count(), 0);
    drop(dev);
}

#[test]
fn serve_refuses_what_dev_has_made() {
    let folder = tempfile::tempdir().unwrap();
    drop(Dev::start(folder.path()));
    let config = folder.path().join("heirloom.toml");
    fs::write(&config, "issuer = \"https://id.example.com\"\n[server]\nlisten = \"127.0.0.1:0\"").unwrap();
    let refused = run(&["serve", "--config", text(&config)]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err.contains("was made by `heirloom dev`"), "{refused:?}");
}
