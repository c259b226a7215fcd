//! Processes of the real binary, each on a folder of its own.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::answer::{Caller, Client};
pub(crate) use crate::free_port::free_port;

/// The longest that anything may take: the machine may be busy with something else.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A command of the binary, without this process's environment.
pub(crate) fn heirloom(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heirloom"));
    command.args(arguments).stdin(Stdio::null()).env_clear();
    if arguments.contains(&"--check") {
        // The test must not depend on whether a port is free.
        command.env("HEIRLOOM__SERVER__LISTEN", "127.0.0.1:0");
    }
    command
}

/// Runs a command until it exits.
pub(crate) fn run(arguments: &[&str]) -> Ended {
    run_with_input(arguments, "")
}

/// Runs a command until it exits, with a standard input.
pub(crate) fn run_with_input(arguments: &[&str], input: &str) -> Ended {
    let mut command = heirloom(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that refuses its arguments exits without reading.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let id = Pid::from_child(&child);
    let (sender, output) = channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = output.recv_timeout(PATIENCE) else {
        kill_process(id, Signal::KILL).unwrap();
        panic!("it goes on: {arguments:?}");
    };
    Ended::of(&output.unwrap())
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Its standard output; fails unless it succeeded.
    pub(crate) fn done(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }
}

/// A running process; killed when dropped.
pub(crate) struct Process {
    child: Child,
    lines: Mutex<Receiver<String>>,
    log: PathBuf,
}

impl Process {
    /// Starts a command; its standard error is appended to the file `log`.
    pub(crate) fn start(mut command: Command, log: &Path) -> Self {
        let file = fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(file).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines: Mutex::new(lines), log: log.to_owned() }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line of its standard output.
    pub(crate) fn line(&self) -> String {
        self.lines
            .lock()
            .unwrap()
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|error| panic!("{error}: {}", self.log()))
    }

    /// Asserts that it has printed no further line.
    pub(crate) fn assert_no_more_lines(&self) {
        assert_eq!(self.lines.lock().unwrap().try_recv().ok(), None);
    }

    /// The rest of its standard output, up to its end.
    pub(crate) fn rest(&self) -> String {
        let next = || match self.lines.lock().unwrap().recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("its standard output is still open"),
        };
        std::iter::from_fn(next).collect()
    }

    /// Its log, and that of earlier processes with the same log file.
    pub(crate) fn log(&self) -> String {
        String::from_utf8(fs::read(&self.log).unwrap()).unwrap()
    }

    /// Waits until its log has a line with `part`, and returns the line.
    pub(crate) fn logged(&mut self, part: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(line) = self.log().lines().find(|line| line.contains(part)) {
                return line.to_owned();
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "no {part:?}, {ended:?}: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills it with SIGKILL, and returns when it is dead.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until it exits, and returns the exit code.
    pub(crate) fn end(mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it goes on: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail if the process has exited already, which does no harm.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running `heirloom dev --json`.
pub(crate) struct Dev {
    pub(crate) process: Process,
    /// The line that it printed.
    pub(crate) said: Value,
    pub(crate) caller: Caller,
}

impl Dev {
    /// Starts it on `folder/data` and `folder/keys`, on a free port.
    pub(crate) fn start(folder: &Path) -> Self {
        Self::on_port(folder, 0)
    }

    pub(crate) fn on_port(folder: &Path, port: u16) -> Self {
        let port = port.to_string();
        Self::with(heirloom(&["dev", "--json", "--port", &port, "--data", text(folder)]), folder)
    }

    pub(crate) fn with(command: Command, folder: &Path) -> Self {
        let process = Process::start(command, &folder.join("log"));
        let said: Value = serde_json::from_str(&process.line()).unwrap();
        let caller = Caller::plain(said["issuer"].as_str().unwrap());
        Self { process, said, caller }
    }

    pub(crate) fn public(&self) -> Client<'_> {
        Client::Public(self.word("public_client", "client_id"))
    }

    pub(crate) fn confidential(&self) -> Client<'_> {
        let client = "confidential_client";
        Client::Confidential(self.word(client, "client_id"), self.word(client, "client_secret"))
    }

    pub(crate) fn user(&self) -> (&str, &str) {
        (self.word("user", "username"), self.word("user", "password"))
    }

    /// Registers a public client without a retry window.
    pub(crate) async fn register_strict(&self) -> Client<'static> {
        const ID: &str = "strict";
        let admin =
            [("username", self.word("admin", "username")), ("password", self.word("admin", "password"))];
        let asked = [("grant_type", "password"), ("client_id", self.word("public_client", "client_id"))];
        let form: Vec<_> = admin.into_iter().chain(asked).chain([("scope", "admin")]).collect();
        let token = crate::answer::send(self.caller.token().form(&form)).await.access_token();
        let new = serde_json::json!({"id": ID, "type": "public", "scopes": ["read"], "retry_window": "0"})
            .to_string();
        let request = self.caller.request(reqwest::Method::POST, "/admin/clients").bearer_auth(token);
        let registered =
            crate::answer::send(request.header("content-type", "application/json").body(new)).await;
        assert_eq!(registered.status, 201, "{}", registered.text);
        Client::Public(ID)
    }

    fn word(&self, part: &str, name: &str) -> &str {
        self.said[part][name].as_str().unwrap()
    }

    pub(crate) fn port(&self) -> u16 {
        self.caller.base.rsplit_once(':').unwrap().1.parse().unwrap()
    }

    /// Kills it, and starts it again with the same issuer.
    pub(crate) fn kill_and_start(self, folder: &Path) -> Self {
        let port = self.port();
        self.process.kill();
        Self::on_port(folder, port)
    }
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub(crate) fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// All files below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The one file in a folder whose name begins with `beginning`.
pub(crate) fn file_named(folder: &Path, beginning: &str) -> PathBuf {
    let named = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(beginning);
    let found: Vec<_> = files(folder).into_iter().filter(named).collect();
    let [file] = found.as_slice() else { panic!("{beginning}: {found:?}") };
    file.clone()
}
