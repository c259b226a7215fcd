//! The binary, and a running `heirloom dev`.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

pub(crate) fn heirloom(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heirloom"));
    command.args(arguments).stdin(Stdio::null()).env_clear();
    if arguments.contains(&"--check") {
        // The test must not depend on whether a port is free.
        command.env("HEIRLOOM__SERVER__LISTEN", "127.0.0.1:0");
    }
    command
}

pub(crate) fn run(arguments: &[&str]) -> Output {
    heirloom(arguments).output().unwrap()
}

pub(crate) fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub(crate) fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A running `heirloom dev`, which is stopped when the test ends, even if it fails.
pub(crate) struct Running {
    pub(crate) child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Running {
    pub(crate) fn dev(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = heirloom(&["dev", "--port", "0", "--data", path(folder)]);
        Self::start(command.args(arguments).stderr(Stdio::null()))
    }

    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdout }
    }

    /// The next line that it prints; empty when it has stopped.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line
    }

    /// Stops it as a supervisor would, and returns the exit code.
    pub(crate) fn stop(mut self) -> Option<i32> {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|_| unreachable!("no JSON: {text:?}"))
}

/// Runs a shell script, which must print no error. Returns its output.
pub(crate) fn sh(script: &str) -> String {
    let shell = Command::new("sh").args(["-c", script]).env("no_proxy", "*").output().unwrap();
    assert!(shell.stderr.is_empty(), "{}", err(&shell));
    out(&shell)
}
