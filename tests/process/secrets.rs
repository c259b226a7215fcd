//! Secrets must not get into the log or into the store.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use rustix::process::Signal;

use crate::answer::{Answer, Caller, Client, decode, refresh_token_bytes, send};
use crate::support::{PATIENCE, Process, files, free_port, heirloom, run_with_input, set_mode, text};

const NAME: &str = "canary-bird-of-paradise";
const PASSWORD: &str = "canary-password-Wq7xK2";
const SECRET: &str = "canary-client-secret-0123456789abcdefXYZ";
const WEB: Client<'static> = Client::Confidential("canary-web", SECRET);
const PHONE: Client<'static> = Client::Public("canary-phone");

/// What people and clients send by mistake is secret too, such as a password with one letter missing.
const MISTAKES: [&str; 3] =
    ["canary-wrong-password-8812", "canary-wrong-secret-4471", "canary-in-the-url-9930"];

/// A server that logs at the most detailed level.
struct Talkative {
    folder: tempfile::TempDir,
    process: Process,
    caller: Caller,
    port: u16,
    /// The byte strings that must not be found anywhere.
    hidden: Vec<Vec<u8>>,
}

impl Talkative {
    fn start(log_format: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let secret = folder.path().join("web.secret");
        fs::write(&secret, SECRET).unwrap();
        set_mode(&secret, 0o600);
        let config = folder.path().join("heirloom.toml");
        let settings = format!(
            "issuer = \"http://127.0.0.1:{port}\"\n[server]\nlisten = \"127.0.0.1:{port}\"\n[log]\nformat = \"{log_format}\"\n\
             [grants]\npassword = true\n[[clients]]\nid = \"canary-phone\"\ntype = \"public\"\nretry_window = \"0s\"\n\
             [[clients]]\nid = \"canary-web\"\ntype = \"confidential\"\nsecret_file = \"web.secret\"\n"
        );
        fs::write(&config, settings).unwrap();
        run_with_input(&["user", "add", NAME, "--config", text(&config)], PASSWORD).done();
        let mut command = heirloom(&["serve", "--config", text(&config)]);
        command.env("RUST_LOG", "trace");
        let mut process = Process::start(command, &folder.path().join("log"));
        process.logged("listening");
        let base = format!("http://127.0.0.1:{port}");
        let mut hidden: Vec<_> =
            [PASSWORD, SECRET].iter().chain(&MISTAKES).map(|text| text.as_bytes().to_vec()).collect();
        for secret in [SECRET, MISTAKES[1]] {
            hidden.push(STANDARD.encode(format!("canary-web:{secret}")).into_bytes());
        }
        Self { folder, process, caller: Caller::plain(&base), port, hidden }
    }

    /// Remembers the tokens of an answer, as text and as the bytes that make them valid.
    fn hide(&mut self, answer: &Answer) {
        let (access, refresh) = answer.pair();
        let signature = access.rsplit('.').next().unwrap();
        // Parts of a token must not be found either.
        self.hidden.extend([signature.as_bytes().to_vec(), decode(signature)]);
        let mac = refresh_token_bytes(&refresh)[37..].to_vec();
        self.hidden.extend([mac, refresh.as_bytes()[60..].to_vec()]);
    }

    /// Sends bytes as they are. Returns what the server answers until it closes.
    fn raw(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        // The server may close before it has read everything.
        let _ = stream.read_to_end(&mut answer);
        answer
    }

    /// Sends a path as it is by HTTP/2, with curl, since HTTP libraries refuse to send some of these paths.
    fn http2(&self, target: &str, more: &[&str]) {
        let mut curl = Command::new("curl");
        curl.args([
            "-sS",
            "-o",
            "/dev/null",
            "--max-time",
            "20",
            "--noproxy",
            "*",
            "--http2-prior-knowledge",
        ]);
        curl.args(["--request-target", target]).args(more).arg(&self.caller.base);
        // The server answers some of these with a reset, which curl reports as a failure.
        let _ = curl.output().unwrap();
    }
}

#[tokio::test]
async fn no_secret_is_in_the_log_or_in_the_store() {
    let mut server = Talkative::start("text");
    let mut tokens = Vec::new();
    for client in [WEB, PHONE] {
        let first = server.caller.sign_in(client, (NAME, PASSWORD)).await;
        let second = server.caller.refresh(client, &first.refresh_token()).await;
        for answer in [&first, &second] {
            server.hide(answer);
        }
        // The phone has no retry window, so repeating its refresh would end the family.
        if matches!(client, Client::Confidential(..)) {
            server.hide(&server.caller.refresh(client, &first.refresh_token()).await);
        }
        tokens.push((first, second));
    }
    let (public, newest) = tokens.pop().unwrap();
    for token in [&public.refresh_token(), &newest.refresh_token(), &newest.access_token()] {
        ask_everything(&server, token).await;
    }
    // The client is not a resource server: it learns nothing, and only the operator's log says why.
    let ask = server.caller.request(Method::POST, "/oauth/introspect").basic_auth("canary-web", Some(SECRET));
    let told = send(ask.form(&[("token", newest.access_token())])).await;
    assert_eq!((told.status, told.text.as_str()), (200, r#"{"active":false}"#));
    // Ends a family by reuse.
    let next = server.caller.refresh(PHONE, &newest.refresh_token()).await;
    server.hide(&next);
    let reuse = server.caller.refresh(PHONE, &newest.refresh_token()).await;
    assert_eq!(reuse.outcome(), (400, "invalid_grant"));

    let log = server.process.log();
    for expected in [
        "token request refused",
        "session ended",
        "canary-phone",
        "DEBUG",
        "set `introspects` to the audiences",
    ] {
        assert!(log.contains(expected), "the log tells nothing of {expected:?}: {log:.3000}");
    }
    let Talkative { folder, process, hidden, .. } = server;
    process.signal(Signal::KILL);
    assert_eq!(process.rest(), "", "its standard output says nothing");
    let data = files(&folder.path().join("data"));
    let read = |files: &[PathBuf]| -> Vec<u8> {
        // A killed server leaves its socket, which is not a file to read.
        files.iter().filter(|file| file.is_file()).flat_map(|file| fs::read(file).unwrap()).collect()
    };
    let stored = read(&data);
    for secret in &hidden {
        let shown = String::from_utf8_lossy(secret);
        let line = log.lines().find(|line| contains(line.as_bytes(), secret));
        assert_eq!(line, None, "{shown}");
        assert!(!contains(&stored, secret), "{shown} is in the store");
    }
    assert!(contains(&stored, NAME.as_bytes()), "the store can be searched like this");
}

/// Sends a token and the other secrets to all endpoints, in right and wrong places.
async fn ask_everything(server: &Talkative, token: &str) {
    let [password, secret, in_url] = MISTAKES;
    let (grant, refresh) = ("grant_type=refresh_token", format!("refresh_token={token}"));
    let sign_in = format!("grant_type=password&username={NAME}&password={PASSWORD}");
    let as_web = format!("client_id=canary-web&client_secret={SECRET}");
    let bodies = [
        format!("{sign_in}&client_id=canary-web&client_secret={secret}"),
        format!("{as_web}&grant_type=password&username={NAME}&password={password}"),
        format!("{as_web}&grant_type=password&username=nobody&password={PASSWORD}"),
        // Somebody typed the password into the field for the name.
        format!("{as_web}&grant_type=password&username={PASSWORD}&password={password}"),
        format!("{as_web}&{grant}&{refresh}&scope=admin"),
        format!("{as_web}&{grant}&{refresh}"),
        format!("{as_web}&{grant}&refresh_token={token}x"),
        format!("{as_web}&{grant}&{refresh}&{refresh}"),
        format!("{as_web}&grant_type={token}&{refresh}"),
        format!("{as_web}&{sign_in}&scope={in_url}"),
        format!("{as_web}&{sign_in}&resource={token}"),
        format!("{as_web}&{sign_in}%zz"),
        format!("{as_web}&{sign_in}%00"),
        format!("{sign_in}&client_id={SECRET}"),
        format!("{refresh}&{as_web}"),
        format!("{as_web}&{sign_in}&{token}={}", "x".repeat(70_000)),
    ];
    let form = "application/x-www-form-urlencoded";
    for body in &bodies {
        for media_type in [form, "application/json", "text/plain"] {
            let post = server.caller.token().header("content-type", media_type);
            let answer = send(post.body(body.clone())).await;
            assert!(answer.status >= 400, "{}", answer.text);
        }
    }
    for (id, secret) in [("canary-web", secret), ("canary-phone", SECRET), (token, SECRET), ("", PASSWORD)] {
        let post = server.caller.token().basic_auth(id, Some(secret)).body(bodies[0].clone());
        assert!(send(post.header("content-type", form)).await.status >= 400);
    }
    let paths = [
        "/oauth/token",
        "/.well-known/jwks.json",
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
        "/openapi.json",
        "/docs",
        "/health/live",
        "/health/ready",
        "/nowhere",
    ];
    for path in paths {
        for method in [Method::GET, Method::POST, Method::PUT, Method::OPTIONS] {
            let url = format!("{path}?{refresh}&password={in_url}&client_secret={SECRET}");
            let request = server.caller.request(method, &url).bearer_auth(token);
            let request = request.header("referer", in_url).header("cookie", format!("refresh={token}"));
            let _ = send(request.header("if-none-match", token).body(bodies[0].clone())).await;
        }
    }
    let _ = server.caller.get(&format!("/oauth/token/{token}/{in_url}")).await;
    malformed(server, token);
}

/// Sends requests that no library would send.
fn malformed(server: &Talkative, token: &str) {
    let [password, _, in_url] = MISTAKES;
    let host = format!("host: 127.0.0.1:{}\r\n", server.port);
    for request in [
        format!("{token}\r\n\r\n"),
        format!("{token} /{in_url} HTTP/1.1\r\n{host}\r\n"),
        format!("GET /?token={token}\u{1} HTTP/1.1\r\n{host}\r\n"),
        format!("GET {token} HTTP/1.1\r\n{host}\r\n"),
        format!("GET /{token} HTTP/7.{in_url}\r\n{host}\r\n"),
        format!("GET / HTTP/1.1\r\n{host}authorization {token}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\n{host}authorization: Bearer {token}\u{0}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\n{host}{password}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: {in_url}\r\nhost: {in_url}\r\n\r\n"),
        format!("POST /oauth/token HTTP/1.1\r\n{host}content-length: {in_url}\r\n\r\npassword={PASSWORD}"),
        format!(
            "POST /oauth/token HTTP/1.1\r\n{host}content-length: 5000\r\n\r\npassword={PASSWORD}&{token}"
        ),
        format!(
            "POST /oauth/token HTTP/1.1\r\n{host}transfer-encoding: chunked\r\n\r\n{PASSWORD}\r\n{token}"
        ),
        format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{token}{PASSWORD}"),
    ] {
        server.raw(request.as_bytes());
    }
    let authorization = format!("authorization: Bearer {token}");
    let body = format!("grant_type=password&username={NAME}&password={password}&client_id=canary-phone");
    for target in [
        "/oauth/token".to_owned(),
        format!("/oauth/token?refresh_token={token}&password={in_url}"),
        // Paths that the HTTP/2 library calls malformed, and might log.
        format!("/oauth/token?password={in_url}\u{7f}"),
        format!("/?password={in_url}\u{1}"),
        format!("password={in_url}"),
    ] {
        server.http2(&target, &["-H", &authorization]);
        server.http2(&target, &["-H", &authorization, "-d", &body]);
    }
    server.http2("/", &["-H", &format!("host: {in_url}\u{7f}")]);
    server.http2("/", &["-H", &format!("host: user:{PASSWORD}@/{in_url}")]);
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    assert!(part.len() >= 16, "a part so short is found by chance");
    bytes.windows(part.len()).any(|window| window == part)
}

/// Sequences that a terminal obeys, a forged log line, and a character that reverses the direction of text.
const HOSTILE: &str = "eve\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\r\n2026-01-01T00:00:00Z  INFO forged\u{202e}";

/// Log injection (CWE-117, CWE-150).
#[tokio::test]
async fn what_a_stranger_writes_can_do_nothing_to_a_terminal() {
    for format in ["text", "json"] {
        let server = Talkative::start(format);
        for hostile in [HOSTILE, &HOSTILE.replace(['\r', '\n'], "")] {
            for client in [PHONE, WEB, Client::Public(hostile), Client::Confidential(hostile, hostile)] {
                for (name, password) in [(hostile, PASSWORD), (NAME, hostile)] {
                    assert!(server.caller.sign_in(client, (name, password)).await.status >= 400);
                }
                assert!(server.caller.refresh(client, hostile).await.status >= 400);
            }
        }
        server.raw(format!("GET /{HOSTILE} HTTP/1.1\r\nhost: {HOSTILE}\r\n\r\n").as_bytes());
        server.http2(&format!("/{HOSTILE}"), &["-H", &format!("x-name: {HOSTILE}")]);
        let log = server.process.log();
        assert!(log.contains("token request refused"), "{log}");
        let dangerous = |letter: char| letter.is_control() || letter == '\u{202e}';
        for line in log.lines() {
            assert!(!line.contains(dangerous), "{line:?}");
            assert!(!line.starts_with("2026-01-01T00:00:00Z"), "{line:?}");
        }
    }
    // Commands that print what they were given.
    let folder = tempfile::tempdir().unwrap();
    let config = text(folder.path()).to_owned() + "/" + HOSTILE;
    for words in [
        &["user", "add", HOSTILE, "--data", text(folder.path())][..],
        &["user", "disable", HOSTILE, "--data", text(folder.path())],
        &["serve", "--config", &config],
        &["keys", "rotate", "--compromised", HOSTILE, "--data", text(folder.path())],
    ] {
        let refused = run_with_input(words, PASSWORD);
        assert_ne!(refused.code, Some(0), "{words:?}");
        let said = refused.out + &refused.err;
        assert!(!said.is_empty());
        assert!(!said.contains(|letter: char| letter != '\n' && letter.is_control()), "{words:?}: {said:?}");
    }
}
