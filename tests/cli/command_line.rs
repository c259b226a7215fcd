//! The command line: its help, its errors, and which source of a setting takes precedence.

use std::fs;
use std::path::PathBuf;

use crate::support::{err, heirloom, out, path, run};

/// A folder with a configuration file, and the path of that file.
pub(crate) fn configured(text: &str) -> (tempfile::TempDir, PathBuf) {
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
        &["migrate"],
        &["openapi"],
        &["keys"],
        &["keys", "list"],
        &["keys", "rotate"],
        &["keys", "seal"],
        &["keys", "unseal"],
        &["keys", "reseal"],
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
        (
            &["client", "add", "--grant", "implicit"],
            "--grant: It is one of: password, refresh_token, client_credentials, authorization_code.",
        ),
        // A password is never accepted as an argument.
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
