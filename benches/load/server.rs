//! The server, as a process of its own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;

/// How many ticks of `/proc/PID/stat` are a second: the same on every Linux.
const TICKS: f64 = 100.0;

/// A running server. Killed when dropped.
pub(crate) struct Server {
    child: Child,
    /// What `heirloom dev --json` printed.
    pub(crate) announcement: serde_json::Value,
}

impl Server {
    /// Starts the server on a folder, and waits until it listens.
    pub(crate) fn start(folder: &Path, port: u16) -> anyhow::Result<Self> {
        let log = folder.join("server.log");
        let mut child = Command::new(env!("CARGO_BIN_EXE_heirloom"))
            .args(["dev", "--json", "--port", &port.to_string(), "--data"])
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(&log)?)
            .spawn()
            .context("the server can't be started")?;
        let stdout = child.stdout.take();
        let mut server = Self { child, announcement: serde_json::Value::Null };
        let mut line = String::new();
        BufReader::new(stdout.context("the server has no output")?).read_line(&mut line)?;
        server.announcement = serde_json::from_str(&line).with_context(|| {
            format!("the server did not start: {}", fs::read_to_string(&log).unwrap_or_default())
        })?;
        Ok(server)
    }

    /// The CPU time that it has used so far, in seconds: all threads, user and system.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        cpu_seconds(&self.child.id().to_string())
    }

    /// The most memory that it has had, in bytes.
    pub(crate) fn peak_memory(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
        let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib * 1024)
    }

    /// Ends it as a crash would: by SIGKILL.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have been killed already.
        drop(self.kill());
    }
}

/// The CPU time that this process has used so far, in seconds.
pub(crate) fn own_cpu_seconds() -> anyhow::Result<f64> {
    cpu_seconds("self")
}

/// The CPU time that the whole machine has used so far, in seconds.
pub(crate) fn machine_cpu_seconds() -> anyhow::Result<f64> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().context("/proc/stat is empty")?;
    let fields: Vec<f64> = line.split_whitespace().skip(1).map_while(|field| field.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal
    let busy = fields.iter().take(8).enumerate().filter(|(at, _)| !matches!(at, 3 | 4));
    Ok(busy.map(|(_, ticks)| ticks).sum::<f64>() / TICKS)
}

fn cpu_seconds(pid: &str) -> anyhow::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The program's name, in brackets, may hold anything.
    let (_, fields) = stat.rsplit_once(')').context("/proc/PID/stat")?;
    let mut times = fields.split_whitespace().skip(11).map(str::parse::<f64>);
    let (user, system) = (times.next().context("no utime")??, times.next().context("no stime")??);
    Ok((user + system) / TICKS)
}
