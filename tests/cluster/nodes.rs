//! Nodes: processes of the real binary with the same keys, each with folders of its own.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::PATIENCE;
use crate::free_port::free_port;

pub(crate) const USER: (&str, &str) = ("ada", "tulip-quartz-93-lantern");
pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// All nodes.
pub(crate) struct Nodes {
    folder: tempfile::TempDir,
    nodes: Vec<Node>,
}

struct Node {
    folder: PathBuf,
    port: u16,
    program: PathBuf,
    process: Option<Child>,
}

/// The program of this version.
pub(crate) fn this_program() -> PathBuf {
    // A copy of this test may run a copy of the program, so that neither is replaced while it runs for long.
    std::env::var_os("HEIRLOOM_BINARY").map_or_else(|| env!("CARGO_BIN_EXE_heirloom").into(), PathBuf::from)
}

impl Nodes {
    /// Starts a node for each of the URLs, all of the same database and schema, and makes a user.
    pub(crate) fn start(urls: &[String], schema: &str) -> Self {
        Self::start_with(urls, schema, "refresh_burst = 0")
    }

    /// As [`start`](Self::start), with limits on refreshes.
    pub(crate) fn start_with(urls: &[String], schema: &str, throttle: &str) -> Self {
        let mut nodes = Self::prepare(urls, schema, ("folder = \"keys\"", throttle), &this_program());
        nodes.command_at(0, &["keys", "rotate", "--algorithm", "ES256"], "");
        nodes.run(0, &[]);
        nodes.command_at(0, &["user", "add", USER.0], &format!("{}\n", USER.1));
        let keys = nodes.nodes[0].folder.join("keys");
        for node in &mut nodes.nodes[1..] {
            let mut copy = Command::new("cp");
            copy.arg("-a").arg(&keys).arg(node.folder.join("keys"));
            assert!(copy.status().unwrap().success());
            fs::remove_file(node.folder.join("keys/data.position")).unwrap();
            node.start(&[]);
        }
        nodes
    }

    /// As [`start`](Self::start), with a program of any version, the keys in the database, and all refreshes counted.
    pub(crate) fn start_as(program: &Path, urls: &[String], schema: &str) -> Self {
        let keys = "in = \"database\"\nkey_encryption_key_file = \"../sealing.key\"\nalgorithm = \"ES256\"";
        // Counted, and never refused.
        let throttle = "refresh_burst = 10000\nrefresh_every = \"1ms\"";
        let mut nodes = Self::prepare(urls, schema, (keys, throttle), program);
        let sealing = nodes.folder.path().join("sealing.key");
        fs::write(&sealing, "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n").unwrap();
        fs::set_permissions(&sealing, fs::Permissions::from_mode(0o600)).unwrap();
        for number in 0..urls.len() {
            nodes.run(number, &[]);
        }
        nodes.command_at(0, &["user", "add", USER.0], &format!("{}\n", USER.1));
        nodes
    }

    fn prepare(urls: &[String], schema: &str, sections: (&str, &str), program: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ports: Vec<u16> = urls.iter().map(|_| free_port()).collect();
        let mut nodes = Vec::new();
        for (number, (url, port)) in urls.iter().zip(&ports).enumerate() {
            let folder = folder.path().join(number.to_string());
            let node = Node { folder, port: *port, program: program.to_owned(), process: None };
            fs::create_dir(&node.folder).unwrap();
            fs::write(node.config(), config((ports[0], *port), (url, schema), sections)).unwrap();
            nodes.push(node);
        }
        Self { folder, nodes }
    }

    /// The program of which a node is from its next start on.
    pub(crate) fn becomes(&mut self, number: usize, program: &Path) {
        program.clone_into(&mut self.nodes[number].program);
    }

    /// The program of which a node is.
    pub(crate) fn program(&self, number: usize) -> &Path {
        &self.nodes[number].program
    }

    /// Runs a command of a node's program with the node's configuration, and returns what it prints.
    pub(crate) fn command_at(&self, number: usize, words: &[&str], input: &str) -> String {
        run(&self.nodes[number].program, words, &self.nodes[number].config(), input)
    }

    /// Where each of them listens.
    pub(crate) fn bases(&self) -> Vec<String> {
        self.nodes.iter().map(|node| format!("http://127.0.0.1:{}", node.port)).collect()
    }

    /// Kills a node, so that it can write nothing more.
    pub(crate) fn kill(&mut self, number: usize) {
        let mut process = self.nodes[number].process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Stops a node properly.
    pub(crate) fn stop(&mut self, number: usize) -> ExitStatus {
        let mut process = self.nodes[number].process.take().unwrap();
        kill_process(Pid::from_child(&process), Signal::TERM).unwrap();
        process.wait().unwrap()
    }

    /// Starts a node that is not running, and returns when it listens.
    pub(crate) fn run(&mut self, number: usize, flags: &[&str]) {
        self.nodes[number].start(flags);
    }

    /// Starts a node that is not running, which must refuse to. Returns what it says.
    pub(crate) fn refuses_to_run(&mut self, number: usize) -> String {
        let node = &mut self.nodes[number];
        let path = node.folder.join("refusal");
        let said = fs::File::create(&path).unwrap();
        // It is ours from now on: it ends with the test if it runs.
        let process = node.process.insert(node.command(&[]).stderr(said).spawn().unwrap());
        let began = Instant::now();
        let status = loop {
            if let Some(status) = process.try_wait().unwrap() {
                break status;
            }
            let said = fs::read_to_string(&path).unwrap();
            assert!(!said.contains("listening") && began.elapsed() < PATIENCE, "it runs: {said}");
            std::thread::sleep(Duration::from_millis(5));
        };
        node.process = None;
        assert!(!status.success());
        fs::read_to_string(&path).unwrap()
    }

    /// All nodes use the database at another URL, from their next start on.
    pub(crate) fn use_database(&self, before: &str, after: &str) {
        for node in &self.nodes {
            let config = fs::read_to_string(node.config()).unwrap();
            assert!(config.contains(before));
            fs::write(node.config(), config.replace(before, after)).unwrap();
        }
    }

    /// What a node has logged, over all its lives.
    pub(crate) fn log(&self, number: usize) -> String {
        fs::read_to_string(self.nodes[number].folder.join("log")).unwrap()
    }

    /// Waits until a node has logged a line with `part`.
    pub(crate) async fn logged(&self, number: usize, part: &str) {
        self.one_logged(&[number], part).await;
    }

    /// Waits until one of these nodes has logged a line with `part`.
    pub(crate) async fn one_logged(&self, numbers: &[usize], part: &str) {
        let began = Instant::now();
        while !numbers.iter().any(|number| self.log(*number).contains(part)) {
            assert!(began.elapsed() < PATIENCE, "nobody has logged {part:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Checks that every node runs, and that none has ended a session or found itself in another history.
    pub(crate) fn assert_nobody_was_signed_out(&mut self) {
        for number in 0..self.nodes.len() {
            let log = self.log(number);
            let ended = log.lines().find(|line| {
                line.contains("session.end")
                    || line.contains("history that this")
                    || line.contains("panicked")
            });
            assert_eq!(ended, None, "node {number}");
            if let Some(process) = &mut self.nodes[number].process {
                assert_eq!(process.try_wait().unwrap(), None, "node {number} has ended: {log}");
            }
        }
    }

    /// What the keys folder of a node remembers of the data.
    pub(crate) fn data_position(&self, number: usize) -> String {
        fs::read_to_string(self.nodes[number].folder.join("keys/data.position")).unwrap()
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            if let Some(process) = &mut node.process {
                // It may have ended already.
                let _ = process.kill();
                let _ = process.wait();
            }
        }
        if std::thread::panicking() {
            for (number, node) in self.nodes.iter().enumerate() {
                let log = fs::read_to_string(node.folder.join("log")).unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                println!("node {number} ends with:\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
            }
        }
        drop(fs::remove_dir_all(self.folder.path()));
    }
}

impl Node {
    fn config(&self) -> PathBuf {
        self.folder.join("heirloom.toml")
    }

    fn command(&self, flags: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("serve").args(flags).arg("--config").arg(self.config());
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    fn start(&mut self, flags: &[&str]) {
        let path = self.folder.join("log");
        let log = fs::OpenOptions::new().create(true).append(true).open(&path).unwrap();
        let before = fs::metadata(&path).unwrap().len();
        // It is ours from now on: it ends with the test, also if that fails here.
        self.process = Some(self.command(flags).stderr(log).spawn().unwrap());
        let began = Instant::now();
        loop {
            let log = fs::read(&path).unwrap();
            let log = String::from_utf8_lossy(&log[usize::try_from(before).unwrap()..]).into_owned();
            if log.contains("listening") {
                break;
            }
            if let Some(ended) = self.process.as_mut().unwrap().try_wait().unwrap() {
                // Whoever runs a node starts it again.
                assert!(is_late(&log), "{ended:?}: {log}");
                let log = fs::OpenOptions::new().append(true).open(&path).unwrap();
                self.process = Some(self.command(flags).stderr(log).spawn().unwrap());
            }
            assert!(began.elapsed() < PATIENCE, "{log}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Whether the database did not answer in time, as on a busy machine.
fn is_late(said: &str) -> bool {
    ["no answer within", "completes no change", "lock timeout"].iter().any(|late| said.contains(late))
}

/// Runs a command, and again where the database was late. What it changes may have been changed the first time.
fn run(program: &Path, words: &[&str], config: &Path, input: &str) -> String {
    let mut was_late = false;
    loop {
        let mut command = Command::new(program);
        command.args(words).arg("--config").arg(config).env_clear().stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A command that asks nothing exits without reading.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.success() || was_late && said.contains("is taken") {
            return String::from_utf8(output.stdout).unwrap();
        }
        assert!(is_late(&said) && !was_late, "{words:?}: {said}");
        was_late = true;
    }
}

/// A configuration as in production, but that nobody is throttled except who guesses at the password of one account.
fn config((issuer, port): (u16, u16), (url, schema): (&str, &str), (keys, throttle): (&str, &str)) -> String {
    format!(
        r#"
issuer = "http://127.0.0.1:{issuer}"

[server]
name = "node-{port}"
listen = "127.0.0.1:{port}"

[store]
kind = "postgres"
url = "{url}"
schema = "{schema}"

[data]
folder = "data"

[keys]
{keys}

[grants]
password = true

[throttle]
network_attempts = 100000
{throttle}
sign_in_burst = 0

[audiences."https://api.example.com"]
scopes = ["read", "write"]

[[clients]]
id = "phone-app"
type = "public"
scopes = ["read", "write"]

[[clients]]
id = "web-app"
type = "confidential"
secret = "{SECRET}"
scopes = ["read"]
introspects = ["https://api.example.com"]
"#
    )
}
