//! The data folder: which command may make, use or read one, and what happens when its disk fails.

use std::fs;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use crate::command_line::configured;
use crate::support::{Running, err, heirloom, json, out, path, run, sh};

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
fn a_user_that_is_added_while_no_server_runs_can_sign_in() {
    let folder = tempfile::tempdir().unwrap();
    let of_folder = ["--data", path(folder.path())];
    let user = |command: &[&str], password: &str| {
        let mut child = heirloom(&[&["user"], command, &of_folder].concat());
        let mut child =
            child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A command that reads no input may have exited already.
        let _ = writeln!(child.stdin.take().unwrap(), "{password}");
        child.wait_with_output().unwrap()
    };
    // `heirloom user` adds a user to an existing demo folder only.
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
    // In production, the first user may be added before the first start.
    let mut command = heirloom(&["user", "add", "ada", "--config", path(&file)]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "a long enough phrase").unwrap();
    assert!(child.wait_with_output().unwrap().status.success());
}

/// Fills a pipe, so that the next write to it blocks.
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
            "curl -sS -m 60 {} -d client_id=demo-public -d grant_type=password -d username={} -d password={}",
            line["token_endpoint"], line["user"]["username"], line["user"]["password"]
        );
        let before = json(&sh(&sign_in));
        if !read {
            fill(&writer);
        }
        let limit = Rlimit { current: Some(1), maximum: Some(1) };
        prlimit(Some(Pid::from_child(&running.child)), Resource::Fsize, limit).unwrap();
        // The server answers 503 if it still can.
        let no_longer = sign_in.replace("-m 60", "-m 5");
        let _ = Command::new("sh").args(["-c", &no_longer]).output().unwrap();
        let gone = (0..6000).find(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            running.child.try_wait().unwrap().is_some()
        });
        assert!(gone.is_some(), "it goes on, read: {read}");
        assert_eq!(running.child.wait().unwrap().code(), Some(1));
        // Standard error can be read to its end only when every writing end is closed.
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

    // Files that a start makes again are no reason to fail.
    fs::write(data.join("mark"), "").unwrap();
    fs::write(data.join("sled/conf"), "").unwrap();
    let said = run(&["data", "verify", path(&data)]);
    assert_eq!(said.status.code(), Some(0), "nothing was in it yet: {}", err(&said));
    assert!(out(&said).contains("conf; the next start makes it again"), "{}", out(&said));

    // A store with an event, without a mark.
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
