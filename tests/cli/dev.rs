//! `heirloom dev`: what it prints, which flags it accepts, and that its lines work when pasted.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;

use crate::support::{Running, err, json, out, path, run, sh};
use heirloom::cli::Announcement;
use heirloom::cli::demo::Demo;
use heirloom::random::Random;

#[test]
fn dev_says_that_its_port_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = tempfile::tempdir().unwrap();
    let output = run(&["dev", "--port", &port, "--data", path(folder.path())]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("--port 0"), "{}", err(&output));
}

fn announcement(issuer: &str) -> Announcement {
    let Ok(demo) = Demo::random(&Random::system()) else { unreachable!("no random bytes") };
    Announcement::new(issuer, demo)
}

#[test]
fn the_json_line_of_dev_has_the_shape_that_scripts_expect() {
    let line = announcement("http://127.0.0.1:8080").json().unwrap();
    assert_eq!(line.lines().count(), 1);
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    let keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
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
    assert_eq!(value["token_endpoint"], "http://127.0.0.1:8080/oauth/token");
    assert_eq!(value["jwks_uri"], "http://127.0.0.1:8080/.well-known/jwks.json");
    assert_eq!(value["user"]["username"], "demo");
    assert_eq!(value["public_client"]["client_id"], "demo-public");
    for (part, secret) in [("user", "password"), ("confidential_client", "client_secret")] {
        assert!(value[part][secret].as_str().unwrap().len() >= 20);
    }
}

/// Answers token requests one after the other, with the refresh tokens `hrt_0`, `hrt_1`…. Returns the bodies of the
/// requests.
pub(crate) fn answer(listener: &TcpListener, layouts: &[&str]) -> Vec<String> {
    let mut bodies = Vec::new();
    for (index, layout) in layouts.iter().enumerate() {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(&stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        bodies.push(String::from_utf8(body).unwrap());
        let json = layout.replace("TOKEN", &format!("hrt_{index}"));
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
        write!(&stream, "{head}\r\ncontent-length: {}\r\n\r\n{json}", json.len()).unwrap();
    }
    bodies
}

#[test]
fn the_lines_that_dev_prints_work_when_pasted() {
    let layouts = [
        r#"{"access_token":"a","refresh_token":"TOKEN","scope":"read write"}"#,
        "{\n  \"refresh_token\" : \"TOKEN\",\n  \"access_token\": \"a\"\n}\n",
        r#"{"access_token":"a","refresh_token":"TOKEN"}"#,
    ];
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let announcement = announcement(&format!("http://{}", listener.local_addr().unwrap()));
    let server = std::thread::spawn(move || answer(&listener, &layouts));
    let text = announcement.text();
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("curl")).collect();
    let [sign_in, refresh] = lines.as_slice() else { unreachable!("two lines: {text}") };
    let shell =
        Command::new("sh").args(["-c", &format!("{sign_in}\n{refresh}\n{refresh}\n")]).output().unwrap();
    let shown = out(&shell);
    for token in ["hrt_0", "hrt_1", "hrt_2"] {
        assert!(shown.contains(token), "the person sees each answer: {shown} {}", err(&shell));
    }
    let bodies = server.join().expect("three requests");
    assert!(bodies[0].contains("grant_type=password") && bodies[0].contains("client_id=demo-public"));
    assert!(bodies[1].ends_with("grant_type=refresh_token&refresh_token=hrt_0"), "{}", bodies[1]);
    assert!(bodies[2].ends_with("grant_type=refresh_token&refresh_token=hrt_1"), "{}", bodies[2]);
}

#[test]
fn dev_prints_its_line_once_it_listens_and_the_same_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let given = ["--json", "--client-id", "my-web_app", "--client-secret", "s:e%c/r-t"];
    let mut running = Running::dev(folder.path(), &given);
    let first = json(&running.line());
    assert_eq!(first["confidential_client"]["client_id"], "my-web_app");
    let docs = sh(&format!("curl -sS -o /dev/null -w '%{{http_code}}' {}", first["docs"]));
    assert_eq!(docs, "200");
    assert_eq!(running.stop(), Some(0));

    let mut running = Running::dev(folder.path(), &["--json"]);
    let mut second = json(&running.line());
    // It has another port now, which stands in its redirect URIs.
    for client in ["public_client", "confidential_client"] {
        assert!(first[client]["redirect_uris"].is_array());
        second[client]["redirect_uris"].clone_from(&first[client]["redirect_uris"]);
    }
    for part in ["user", "public_client", "confidential_client"] {
        assert_eq!(first[part], second[part]);
    }
    assert_eq!(running.stop(), Some(0));
}

#[test]
fn dev_shows_every_option_that_the_documents_tell_to_use() {
    let help = out(&run(&["dev", "--help"]));
    let documents = ["README.md", "docs/browser.md", "docs/interop.md", "docs/performance.md"];
    let texts: Vec<_> =
        documents.iter().map(|name| fs::read_to_string(name).unwrap().replace('\n', " ")).collect();
    let commands = texts.iter().flat_map(|text| text.split("heirloom dev ").skip(1));
    let said = commands.map(|command| command.split(['`', '#', '$']).next().unwrap());
    let options: Vec<_> =
        said.flat_map(str::split_whitespace).filter(|word| word.starts_with("--")).collect();
    assert!(options.contains(&"--browser-origin"), "{options:?}");
    for option in options {
        assert!(help.contains(option), "{option} is not in the help: {help}");
    }
}

#[test]
fn dev_takes_a_client_in_a_browser_for_tests() {
    let folder = tempfile::tempdir().unwrap();
    let given = ["--json", "--browser-client-id", "spa", "--browser-origin", "http://localhost:3000"];
    let mut running = Running::dev(folder.path(), &given);
    let announced = json(&running.line());
    let members: Vec<_> = announced.as_object().unwrap().keys().collect();
    let known = [
        "issuer",
        "token_endpoint",
        "jwks_uri",
        "docs",
        "user",
        "admin",
        "public_client",
        "confidential_client",
    ];
    assert_eq!(members, known, "the line is as it was");
    let (user, url) = (&announced["user"], &announced["token_endpoint"]);
    let answer = sh(&format!(
        "curl -sS -D - -o /dev/null {url} -H 'Origin: http://localhost:3000' -d grant_type=password -d client_id=spa \
         -d username={} -d password={}",
        user["username"], user["password"]
    ));
    let answer = answer.to_lowercase();
    assert!(answer.contains("set-cookie: heirloom_"), "{answer}");
    assert!(answer.contains("access-control-allow-origin: http://localhost:3000"), "{answer}");
    assert_eq!(running.stop(), Some(0));
    for wrong in [
        &["--browser-client-id", "spa"][..],
        &["--browser-client-id", "spa", "--browser-origin", "http://app.example.com"],
        &["--browser-client-id", "spa", "--browser-origin", "nonsense"],
    ] {
        let all = [&["dev", "--port", "0", "--data", path(folder.path())], wrong].concat();
        assert_eq!(run(&all).status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn the_lines_that_dev_prints_work_against_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::dev(folder.path(), &[]);
    let mut script = String::new();
    while script.matches("curl").count() < 2 {
        let line = running.line();
        assert!(!line.is_empty(), "it stopped");
        if line.contains("curl") {
            script.push_str(&line);
        }
    }
    let refresh = script.lines().last().unwrap().to_owned();
    let answers = sh(&format!("{script}{refresh}"));
    let tokens: Vec<_> = answers.lines().map(|line| json(line)["refresh_token"].to_string()).collect();
    let [a, b, c] = tokens.as_slice() else { unreachable!("three answers: {answers}") };
    assert!(a.starts_with("\"hrt_") && a != b && b != c && a != c, "{answers}");
}

#[test]
fn a_store_in_memory_works_and_is_forgotten_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let token = |running: &mut Running, more: &str| {
        let demo = json(&running.line());
        let (user, url) = (&demo["user"], &demo["token_endpoint"]);
        let credentials = format!("-d username={} -d password={}", user["username"], user["password"]);
        let grant = if more.is_empty() {
            format!("-d grant_type=password {credentials}")
        } else {
            format!("-d grant_type=refresh_token -d refresh_token={more}")
        };
        json(&sh(&format!("curl -sS {url} -d client_id=demo-public {grant}")))
    };
    let mut running = Running::dev(folder.path(), &["--json", "--store", "memory"]);
    let signed_in = token(&mut running, "");
    let refresh_token = signed_in["refresh_token"].as_str().unwrap().to_owned();
    assert_eq!(running.stop(), Some(0));
    assert!(!folder.path().join("data/sled").exists() && !folder.path().join("keys/data.position").exists());
    // The credentials and the keys are the same: dev.json and the keys folder stay.
    let mut running = Running::dev(folder.path(), &["--json", "--store", "memory"]);
    assert_eq!(token(&mut running, &refresh_token)["error"], "invalid_grant");
    assert_eq!(running.stop(), Some(0));
}
