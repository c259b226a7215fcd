//! Child processes: the test program starts itself again, with a task in an environment variable.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::until::PATIENCE;

/// The environment variable for a child's task; `STORE_FOLDER` has the folder.
const TASK: &str = "STORE_CHILD_TASK";

/// The task of this process, if it is a child, and its folder.
pub fn task() -> Option<(String, std::path::PathBuf)> {
    let folder = std::env::var_os("STORE_FOLDER")?;
    Some((std::env::var(TASK).ok()?, folder.into()))
}

/// A child process that runs one test with a task.
pub struct Started {
    pub child: Child,
    pub out: BufReader<ChildStdout>,
}

/// How a child ended.
pub struct Ended {
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
}

/// Starts a child that runs the test `test`. Its shell runs `before` first.
pub fn start(test: &str, task: &str, folder: &Path, before: &str) -> Started {
    let mut child = Command::new("sh")
        .args(["-c", &format!("{before}\nexec \"$0\" --exact {test} --nocapture --test-threads 1")])
        .arg(std::env::current_exe().unwrap())
        .env(TASK, task)
        .env("STORE_FOLDER", folder)
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    Started { child, out }
}

impl Started {
    /// The next line that the child prints for us; `None` at its end.
    pub fn line(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.out.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            // The test harness prints lines too, and a kill may cut the last line.
            if let Some(line) = line.strip_prefix("> ").and_then(|line| line.strip_suffix('\n')) {
                return Some(line.to_owned());
            }
        }
    }

    /// Waits until it ends, at most a minute. A child that hangs is killed, and the test fails.
    pub fn end(mut self) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > deadline {
                self.child.kill().unwrap();
                self.child.wait().unwrap();
                panic!("the child hung");
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        let (mut out, mut err) = (String::new(), String::new());
        self.out.read_to_string(&mut out).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        Ended { status, out, err }
    }
}

/// Prints a complete line for the parent, at once.
pub fn tell(line: &str) {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    // With a newline first, since the harness leaves its own line open.
    out.write_all(format!("\n> {line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}
