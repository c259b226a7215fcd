//! What the commands do, what they print, and how they exit.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::support::{Running, err, heirloom, json, out, path, run, sh};
use heirloom::cli::Announcement;
use heirloom::cli::demo::Demo;
use heirloom::random::Random;

/// A folder with a configuration in it, and the path of that.
fn configured(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("heirloom.toml");
    fs::write(&file, text).unwrap();
    (folder, file)
}

#[test]
fn help_is_there_for_every_command_and_fits_a_terminal() {
    let commands = [
        &[][..],
        &["dev"],
        &["serve"],
        &["openapi"],
        &["keys"],
        &["keys", "list"],
        &["keys", "rotate"],
        &["user"],
        &["user", "add"],
        &["user", "password"],
        &["user", "disable"],
        &["user", "enable"],
        &["user", "delete"],
        &["user", "list"],
        &["user", "roles"],
        &["user", "end-sessions"],
        &["client"],
        &["client", "add"],
        &["client", "show"],
        &["client", "rotate-secret"],
        &["client", "disable"],
        &["client", "enable"],
        &["client", "end-sessions"],
        &["client", "delete"],
        &["client", "list"],
        &["session"],
        &["session", "list"],
        &["session", "show"],
        &["session", "end"],
        &["data"],
        &["data", "verify"],
    ];
    for command in commands {
        let help = run(&[command, &["--help"]].concat());
        let text = out(&help);
        assert_eq!(help.status.code(), Some(0), "{command:?}");
        assert!(text.contains("Usage: heirloom") && help.stderr.is_empty(), "{command:?}: {text}");
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(120), "{command:?}: {widest:?}\n{text}");
    }
    let dev = out(&run(&["dev", "--help"]));
    for flag in ["--browser-client-id", "--browser-origin", "--client-secret"] {
        assert!(dev.contains(flag), "what the README tells to use is shown, {flag}: {dev}");
    }
    assert_eq!(out(&run(&["--version"])), concat!("heirloom ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn a_wrong_command_line_exits_with_2() {
    for (arguments, part) in [
        (&[][..], "Usage"),
        (&["serv"], "serve"),
        (&["serve"], "--config"),
        (&["serve", "--confg", "f"], "--config"),
        (&["dev", "--port", "65536"], "65536"),
        (&["dev", "--client-id", ""], "client_id"),
        (&["user", "add"], "NAME"),
        (&["client", "add", "--grant", "implicit"], "--grant: It is one of: password, refresh_token."),
        // A password is never an argument.
        (&["user", "add", "ada", "secret"], "secret"),
        (&["user", "list", "--config", "f", "--data", "d"], "cannot be used with"),
        (&["user", "delete", "ada"], "--yes"),
        (&["keys", "rotate", "--pepper", "--refresh-secret"], "cannot be used with"),
        (&["keys", "rotate", "--pepper", "--compromised", "1"], "cannot be used with"),
        (&["keys", "rotate", "--refresh-secret", "--compromised", "kid"], "1 to 255"),
        (&["serve", "--config", "/nowhere/heirloom.toml"], "/nowhere/heirloom.toml: can't be read"),
        (&["user", "list", "--config", "/nowhere/heirloom.toml"], "can't be read"),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", err(&output));
        assert!(err(&output).contains(part), "{arguments:?}: {}", err(&output));
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn three_mistakes_are_three_messages_and_exit_code_2() {
    let (_folder, file) = configured(
        "issuer = \"id.example.com\"\n[tokens]\nacess_token = \"10m\"\n[grants]\npassword = \"yes\"\n",
    );
    for arguments in [&["serve", "--config", path(&file)][..], &["serve", "--check", "--config", path(&file)]]
    {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2));
        let text = err(&output);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 7, "{text}");
        assert!(text.starts_with(&format!("{}:1: ", path(&file))), "{text}");
        for (line, part) in lines.iter().zip([
            "heirloom.toml:1: `issuer` is no URL",
            "    write for example issuer = \"https://id.example.com\"",
            "heirloom.toml:3: unknown key `acess_token` in [tokens]",
            "    did you mean `access_token`?",
            "heirloom.toml:5: `password` is a text, not true or false",
            "    write true or false, without quotes",
            "3 mistakes in the configuration; nothing was started",
        ]) {
            assert!(line.ends_with(part), "{line}\n{part}");
        }
    }
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let (_folder, file) = configured("issuer = \"https://file.example\"");
    let check = ["serve", "--check", "--config", path(&file)];
    assert!(out(&run(&check)).contains("issuer https://file.example,"));
    let mut command = heirloom(&check);
    command.env("HEIRLOOM__ISSUER", "https://environment.example");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(out(&output).contains("issuer https://environment.example,"), "{}", out(&output));
    command.args(["--issuer", "https://flag.example"]);
    assert!(out(&command.output().unwrap()).contains("issuer https://flag.example,"));
}

#[test]
fn a_secret_comes_from_a_file_that_a_variable_names() {
    let (folder, file) =
        configured("issuer = \"https://id.example.com\"\n[[clients]]\nid = \"web\"\ntype = \"confidential\"");
    let check = ["serve", "--check", "--config", path(&file)];
    assert!(err(&run(&check)).contains("has no secret"));
    let secret = folder.path().join("secret");
    fs::write(&secret, "0123456789abcdef0123456789abcdef\n").unwrap();
    let output = heirloom(&check).env("HEIRLOOM__CLIENTS__WEB__SECRET_FILE", &secret).output().unwrap();
    assert!(out(&output).contains("1 clients"), "{}", err(&output));
    fs::write(&secret, "hush\n").unwrap();
    let output = heirloom(&check).env("HEIRLOOM__CLIENTS__WEB__SECRET_FILE", &secret).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("HEIRLOOM__CLIENTS__WEB__SECRET_FILE") && !err(&output).contains("hush"));
}

#[test]
fn serve_refuses_a_folder_that_dev_made_and_dev_one_that_it_did_not_make() {
    let (folder, file) = configured("issuer = \"https://id.example.com\"");
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("db"), "").unwrap();
    let dev = run(&["dev", "--port", "0", "--data", path(folder.path())]);
    assert_eq!(dev.status.code(), Some(2));
    assert!(err(&dev).contains("was not made by `heirloom dev`"), "{}", err(&dev));
    assert!(!data.join("dev.json").exists());

    fs::write(data.join("dev.json"), "{}").unwrap();
    let serve = run(&["serve", "--check", "--config", path(&file)]);
    assert_eq!(serve.status.code(), Some(2));
    assert!(err(&serve).contains("was made by `heirloom dev`"), "{}", err(&serve));
}

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

/// Answers token requests, one after the other, with refresh tokens `hrt_0`, `hrt_1`…; returns their bodies.
fn answer(listener: &TcpListener, layouts: &[&str]) -> Vec<String> {
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
    let second = json(&running.line());
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
fn a_user_that_is_added_while_no_server_runs_can_sign_in() {
    let folder = tempfile::tempdir().unwrap();
    let of_folder = ["--data", path(folder.path())];
    let user = |command: &[&str], password: &str| {
        let mut child = heirloom(&[&["user"], command, &of_folder].concat());
        let mut child =
            child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A command that asks for nothing may be gone already.
        let _ = writeln!(child.stdin.take().unwrap(), "{password}");
        child.wait_with_output().unwrap()
    };
    // The demo's folder must be there before a user can be added to it.
    let mut running = Running::dev(folder.path(), &["--json"]);
    running.line();
    running.stop();

    assert_eq!(user(&["add", "ada"], "").status.code(), Some(1));
    assert_eq!(user(&["add", "ada"], "short").status.code(), Some(1));
    let added = user(&["add", "ada"], "a long enough phrase");
    assert_eq!(added.status.code(), Some(0), "{}", err(&added));
    assert_eq!(user(&["add", "Ada"], "a long enough phrase").status.code(), Some(1), "the name is taken");
    assert!(out(&user(&["list"], "")).contains("enabled   ada"));

    let sign_in = |password: &str| {
        let mut running = Running::dev(folder.path(), &["--json"]);
        let line = json(&running.line());
        let form = format!(
            "-d grant_type=password -d client_id=demo-public -d username=ada -d 'password={password}'"
        );
        let answer = json(&sh(&format!("curl -sS {} {form}", line["token_endpoint"])));
        running.stop();
        answer
    };
    assert!(sign_in("a long enough phrase")["access_token"].is_string());
    assert_eq!(user(&["password", "ada"], "another good phrase").status.code(), Some(0));
    assert_eq!(sign_in("a long enough phrase")["error"], "invalid_grant");
    assert!(sign_in("another good phrase")["access_token"].is_string());
    assert_eq!(user(&["disable", "ada"], "").status.code(), Some(0));
    assert_eq!(sign_in("another good phrase")["error"], "invalid_grant");
    assert_eq!(user(&["enable", "ada"], "").status.code(), Some(0));
    assert!(sign_in("another good phrase")["access_token"].is_string());
    assert_eq!(user(&["delete", "ada", "--yes"], "").status.code(), Some(0));
    assert_eq!(sign_in("another good phrase")["error"], "invalid_grant");
    assert!(!out(&user(&["list"], "")).contains("  ada"));
}

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

    // Without its pepper and its refresh secret nobody could sign in again: the operator must know.
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
fn a_mistyped_folder_does_not_become_an_installation() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("heirloom.toml");
    fs::write(&file, "issuer = \"https://id.example.com\"").unwrap();
    let commands: [&[&str]; 5] = [
        &["user", "add", "ada"],
        &["user", "list"],
        &["user", "password", "ada"],
        &["user", "disable", "ada"],
        &["user", "delete", "ada", "--yes"],
    ];
    for (command, which) in commands.iter().flat_map(|command| [(command, "--data"), (command, "--config")]) {
        if command[1] == "add" && which == "--config" {
            continue;
        }
        let place = if which == "--data" { folder.path() } else { &file };
        let mut command = heirloom(&[command, &[which, path(place)][..]].concat());
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let _ = writeln!(child.stdin.take().unwrap(), "a long enough phrase");
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{command:?}");
        assert!(err(&output).contains("there is no store in"), "{command:?}: {}", err(&output));
        assert!(!folder.path().join("data").exists() && !folder.path().join("keys").exists(), "{command:?}");
    }
    // In production, the first user may come before the first start.
    let mut command = heirloom(&["user", "add", "ada", "--config", path(&file)]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "a long enough phrase").unwrap();
    assert!(child.wait_with_output().unwrap().status.success());
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
        (0..200).any(|_| {
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

/// Fills a pipe, so that whoever writes to it next waits for ever.
fn fill(pipe: &std::io::PipeWriter) {
    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
    let flags = fcntl_getfl(pipe).unwrap();
    fcntl_setfl(pipe, flags | OFlags::NONBLOCK).unwrap();
    while rustix::io::write(pipe, b"x").is_ok() {}
    fcntl_setfl(pipe, flags).unwrap();
}

#[test]
fn a_disk_that_refuses_ends_the_process_also_when_nobody_reads_its_log() {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    for read in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, writer) = std::io::pipe().unwrap();
        let dev = "trap '' XFSZ; exec \"$0\" dev --port 0 --json --data \"$1\"";
        let mut command = Command::new("sh");
        command.args(["-c", dev, env!("CARGO_BIN_EXE_heirloom"), path(folder.path())]);
        let mut running = Running::start(command.stderr(writer.try_clone().unwrap()));
        let line = json(&running.line());
        let sign_in = format!(
            "curl -sS -m 5 {} -d client_id=demo-public -d grant_type=password -d username={} -d password={}",
            line["token_endpoint"], line["user"]["username"], line["user"]["password"]
        );
        let before = json(&sh(&sign_in));
        if !read {
            fill(&writer);
        }
        let limit = Rlimit { current: Some(1), maximum: Some(1) };
        prlimit(Some(Pid::from_child(&running.child)), Resource::Fsize, limit).unwrap();
        // 503 if it can still say so.
        let _ = Command::new("sh").args(["-c", &sign_in]).output().unwrap();
        let gone = (0..500).find(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            running.child.try_wait().unwrap().is_some()
        });
        assert!(gone.is_some(), "it goes on, read: {read}");
        assert_eq!(running.child.wait().unwrap().code(), Some(1));
        // Every writing end must be closed before what was written can be read to its end.
        drop((command, writer));
        if read {
            let mut said = String::new();
            log.read_to_string(&mut said).unwrap();
            assert!(said.contains("the store has failed") && said.contains(path(folder.path())), "{said}");
            assert!(!said.contains("panicked") && !said.contains("backup"), "{said}");
        }
        let mut running = Running::dev(folder.path(), &["--json"]);
        let token = &before["refresh_token"];
        let form = format!("-d client_id=demo-public -d grant_type=refresh_token -d refresh_token={token}");
        let after = json(&sh(&format!("curl -sS {} {form}", json(&running.line())["token_endpoint"])));
        assert!(after["access_token"].is_string(), "{after}");
    }
}

#[test]
fn a_data_folder_is_verified() {
    use heirloom::store::sled::{SledOptions, SledStore};
    use heirloom::store::{Append, Expected, Store as _, StreamId};
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    drop(SledStore::open(&data, SledOptions::default()).unwrap());

    let said = run(&["data", "verify", path(&data)]);
    assert_eq!(said.status.code(), Some(0), "{}", err(&said));
    let text = out(&said);
    let first = format!("{}: whole\nthe log ends at 0; its mark: 0\n0 events, 0 sessions", path(&data));
    assert!(text.starts_with(&first), "{text}");
    let said = json(&out(&run(&["data", "verify", "--json", path(&data)])));
    assert_eq!((&said["whole"], &said["mark"], &said["refused"]), (&true.into(), &0.into(), &().into()));

    // What a start makes again is no reason to fail.
    fs::write(data.join("mark"), "").unwrap();
    fs::write(data.join("sled/conf"), "").unwrap();
    let said = run(&["data", "verify", path(&data)]);
    assert_eq!(said.status.code(), Some(0), "nothing was in it yet: {}", err(&said));
    assert!(out(&said).contains("conf; the next start makes it again"), "{}", out(&said));

    // Events without a mark.
    let store = SledStore::open(&data, SledOptions::default()).unwrap();
    let stream = StreamId::new(b't', b"test").unwrap();
    let (events, snapshot) = (vec![b"an event".to_vec()], b"a snapshot".to_vec());
    let append = Append { stream, expected: Expected::NoStream, events, snapshot, records: Vec::new() };
    tokio::runtime::Runtime::new().unwrap().block_on(store.append(append)).unwrap();
    drop(store);
    fs::remove_file(data.join("mark")).unwrap();
    let said = run(&["data", "verify", path(&data)]);
    assert_eq!(said.status.code(), Some(1), "{}", out(&said));
    let first =
        format!("{}: NOT whole\nthe log ends at 8; its mark: none that can be read\n1 events", path(&data));
    assert!(out(&said).starts_with(&first) && err(&said).contains("no readable mark"), "{said:?}");
    let said = run(&["data", "verify", "--json", path(&data)]);
    let found = json(&out(&said));
    assert_eq!((said.status.code(), &found["whole"], &found["mark"]), (Some(1), &false.into(), &().into()));
    assert!(found["refused"].as_str().unwrap().contains("no readable mark"), "{found}");

    let nowhere = run(&["data", "verify", path(&folder.path().join("nowhere"))]);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(err(&nowhere).contains("nowhere") && nowhere.stdout.is_empty(), "{}", err(&nowhere));
}
