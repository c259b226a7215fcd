//! `heirloom serve`: a complete installation, and mistakes that keep it from starting.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::answer::{Caller, Client, generation};
use crate::small_key;
use crate::support::{
    Ended, Process, file_named, files, free_port, heirloom, mode, run, run_with_input, set_mode, text,
};

pub(crate) const USER: (&str, &str) = ("ada", "tulip-quartz-93-lantern");
const SECRET: &str = "0123456789abcdef0123456789abcdef";
const WEB: Client<'static> = Client::Confidential("web-app", SECRET);
pub(crate) const PHONE: Client<'static> = Client::Public("phone-app");

/// A folder with a configuration, a certificate and a client's secret.
pub(crate) struct Installation {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) port: u16,
    certificate: String,
}

impl Installation {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let port = free_port();
        fs::write(folder.path().join("chain.pem"), &certificate).unwrap();
        write_private(&folder.path().join("tls-key.pem"), &key);
        write_private(&folder.path().join("web-app.secret"), &format!("{SECRET}\n"));
        let installation = Self { folder, port, certificate };
        let config = format!(
            r#"
issuer = "https://localhost:{port}"

[server]
listen = "127.0.0.1:{port}"

[server.tls]
certificate = "chain.pem"
key = "tls-key.pem"

[data]
folder = "data"

[keys]
folder = "keys"

[grants]
password = true

[audiences."https://api.example.com"]
scopes = ["read", "write"]

[[clients]]
id = "phone-app"
type = "public"
scopes = ["read", "write"]

[[clients]]
id = "web-app"
type = "confidential"
secret_file = "web-app.secret"
scopes = ["read"]
"#
        );
        fs::write(installation.config(), config).unwrap();
        installation
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path("heirloom.toml")
    }

    /// Runs a command on this installation, with a standard input.
    pub(crate) fn command(&self, words: &[&str], input: &str) -> Ended {
        let config = self.config();
        run_with_input(&[words, &["--config", text(&config)]].concat(), input)
    }

    pub(crate) fn add_user(&self) {
        let added = self.command(&["user", "add", USER.0], &format!("{}\n", USER.1)).done();
        assert!(added.starts_with("added ada, "), "{added}");
    }

    /// Starts `serve`, and returns when it listens.
    pub(crate) fn serve(&self) -> Process {
        let command = heirloom(&["serve", "--config", text(&self.config())]);
        let mut process = Process::start(command, &self.path("log"));
        process.logged("listening");
        process
    }

    /// Starts `serve`, which must exit with an error.
    pub(crate) fn fails_to_serve(&self) -> Ended {
        let log = self.path("refused");
        let _ = fs::remove_file(&log);
        let process = Process::start(heirloom(&["serve", "--config", text(&self.config())]), &log);
        let rest = process.rest();
        let code = process.end();
        Ended { code, out: rest, err: fs::read_to_string(log).unwrap() }
    }

    pub(crate) fn caller(&self) -> Caller {
        let certificate = reqwest::Certificate::from_pem(self.certificate.as_bytes()).unwrap();
        let base = format!("https://localhost:{}", self.port);
        Caller::with(&base, |builder| builder.tls_certs_only([certificate]))
    }

    /// Sends a form to the token endpoint by `curl`, with the given flags. Returns the HTTP version and the answer.
    fn curl(&self, flags: &[&str], form: &str) -> (String, Value) {
        let url = format!("https://localhost:{}/oauth/token", self.port);
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--max-time", "20", "--noproxy", "*", "--cacert"]).arg(self.path("chain.pem"));
        curl.args(flags).args(["-d", form, "-w", "\n%{http_version}", &url]);
        let output = curl.output().unwrap();
        let out = String::from_utf8(output.stdout).unwrap();
        let (body, version) = out.rsplit_once('\n').unwrap();
        let json = serde_json::from_str(body)
            .unwrap_or_else(|_| panic!("{out} {}", String::from_utf8_lossy(&output.stderr)));
        (version.to_owned(), json)
    }
}

fn write_private(path: &Path, contents: &str) {
    fs::write(path, contents).unwrap();
    set_mode(path, 0o600);
}

#[tokio::test]
async fn a_complete_installation_signs_in_and_refreshes_over_tls() {
    let installation = Installation::new();
    installation.add_user();
    let process = installation.serve();
    let caller = installation.caller();
    for client in [PHONE, WEB] {
        let first = caller.sign_in(client, USER).await;
        let second = caller.refresh(client, &first.refresh_token()).await;
        assert_eq!(generation(&second.refresh_token()), 1);
    }
    let refused = caller.sign_in(Client::Confidential("web-app", "wrong"), USER).await;
    assert_eq!(refused.outcome(), (401, "invalid_client"));

    let sign_in = format!("grant_type=password&username={}&password={}", USER.0, USER.1);
    let basic = format!("web-app:{SECRET}");
    for (flag, expected) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let flags = [flag, "-u", &basic];
        let (version, first) = installation.curl(&flags, &sign_in);
        assert_eq!(version, expected, "{first}");
        let token = first["refresh_token"].as_str().unwrap_or_else(|| panic!("{first}"));
        let (_, second) =
            installation.curl(&flags, &format!("grant_type=refresh_token&refresh_token={token}"));
        assert_eq!(generation(second["refresh_token"].as_str().unwrap()), 1, "{second}");
    }
    for folder in ["data", "keys"] {
        assert_eq!(mode(&installation.path(folder)), 0o700, "{folder}");
    }
    for file in files(&installation.path("keys")) {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    let log = process.log();
    assert!(log.contains("WARN") && log.contains("RFC 9700"), "a warning about the password grant: {log}");
}

#[test]
fn a_client_whose_grant_is_off_is_told() {
    let installation = Installation::new();
    let add = ["client", "add", "kiosk", "--public", "--grant", "password"];
    let added = installation.command(&add, "");
    assert_eq!(added.code, Some(0), "{added:?}");
    let config = fs::read_to_string(installation.config()).unwrap();
    fs::write(installation.config(), config.replace("password = true", "password = false")).unwrap();
    let process = installation.serve();
    let log = process.log();
    let told = log.lines().find(|line| line.contains("clients are registered for the password grant"));
    assert!(told.is_some_and(|told| told.contains("kiosk")), "{log}");
    assert!(log.contains("nobody gets tokens through phone-app, web-app"), "{log}");
}

#[tokio::test]
async fn a_second_process_is_told_who_has_the_folder() {
    let installation = Installation::new();
    installation.add_user();
    let process = installation.serve();
    let caller = installation.caller();
    let token = caller.sign_in(PHONE, USER).await.refresh_token();
    let holder = format!("process {}", process.id());
    // A command asks the running server. Without the server's socket it would open the folder itself, and is told who
    // has it.
    assert!(installation.command(&["user", "list"], "").done().contains("ada"));
    let socket = installation.path("data/admin/socket");
    fs::rename(&socket, installation.path("away")).unwrap();
    for words in [
        &["user", "list"][..],
        &["user", "add", "bob"],
        &["user", "password", "ada"],
        &["user", "disable", "ada"],
        &["user", "delete", "ada", "--yes"],
    ] {
        let refused = installation.command(words, "tulip-quartz-94-lantern\n");
        assert_eq!(refused.code, Some(1), "{words:?} {refused:?}");
        assert!(refused.err.contains(&holder), "{words:?} {refused:?}");
        assert!(refused.err.contains("in use") && refused.out.is_empty(), "{words:?} {refused:?}");
    }
    let listen = format!("127.0.0.1:{}", free_port());
    let second = run(&["serve", "--config", text(&installation.config()), "--listen", &listen]);
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(second.err.contains(&holder), "{second:?}");
    // The first process is not disturbed.
    assert_eq!(caller.refresh(PHONE, &token).await.status, 200);
    assert_eq!(caller.sign_in(PHONE, USER).await.status, 200);
    process.kill();
    let users = installation.command(&["user", "list"], "").done();
    assert!(users.contains("ada") && users.lines().count() == 1, "{users}");
}

#[tokio::test]
async fn a_store_that_has_lost_its_keys_is_not_given_new_ones() {
    let installation = Installation::new();
    installation.add_user();
    let (keys, away) = (installation.path("keys"), installation.path("away"));
    for beginning in ["", "signing-", "refresh-", "pepper-"] {
        fs::rename(&keys, &away).unwrap();
        if !beginning.is_empty() {
            fs::create_dir(&keys).unwrap();
            set_mode(&keys, 0o700);
            for file in files(&away) {
                let name = file.file_name().unwrap().to_str().unwrap();
                let lost = name.starts_with(beginning);
                if !lost {
                    fs::copy(&file, keys.join(name)).unwrap();
                }
            }
        }
        let there = || if keys.exists() { files(&keys).len() } else { 0 };
        let before = there();
        let ended = installation.fails_to_serve();
        assert_eq!(ended.code, Some(1), "{beginning} {ended:?}");
        assert!(
            ended.err.contains("there is no ") && ended.err.contains(text(&keys)),
            "{beginning} {ended:?}"
        );
        assert!(!ended.err.contains("panicked") && !ended.err.contains("listening"), "{ended:?}");
        assert_eq!(there(), before, "nothing was made");
        let _ = fs::remove_dir_all(&keys);
        fs::rename(&away, &keys).unwrap();
    }
    // With its own keys the server starts.
    let _process = installation.serve();
    assert_eq!(installation.caller().sign_in(PHONE, USER).await.status, 200);
}

#[test]
fn a_key_that_is_broken_small_or_readable_by_others_keeps_it_from_starting() {
    let installation = Installation::new();
    installation.add_user();
    let keys = installation.path("keys");
    let signing = file_named(&keys, "signing-");
    let files = [
        signing.clone(),
        file_named(&keys, "refresh-"),
        file_named(&keys, "pepper-"),
        installation.path("tls-key.pem"),
    ];
    let refused = |file: &Path| {
        let ended = installation.fails_to_serve();
        let name = file.file_name().unwrap().to_str().unwrap();
        assert_eq!(ended.code, Some(1), "{name} {ended:?}");
        assert!(ended.err.contains(name), "{name} {ended:?}");
        assert!(!ended.err.contains("panicked") && !ended.err.contains("listening"), "{ended:?}");
        ended.err
    };
    for file in &files {
        set_mode(file, 0o644);
        assert!(refused(file).contains("others (mode 644)"));
        set_mode(file, 0o600);
        let whole = fs::read(file).unwrap();
        for broken in [&b""[..], &whole[..whole.len() / 2], b"\xFF\x00"] {
            fs::write(file, broken).unwrap();
            refused(file);
        }
        fs::write(file, whole).unwrap();
    }
    let whole = fs::read(&signing).unwrap();
    fs::write(&signing, small_key::pem()).unwrap();
    assert!(refused(&signing).contains("2048"));
    fs::write(&signing, whole).unwrap();
    installation.serve();
}
