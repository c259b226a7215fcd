//! The server, as a separate process.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::bare::Bare;
use super::connection::Connection;
use super::installation::Installation;

/// Ticks a second in `/proc/PID/stat`: the same on every Linux.
const TICKS: f64 = 100.0;
/// How long a start may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// The process that answers.
pub(crate) enum Server {
    /// A process that this program started. Killed when dropped.
    Own(Child),
    /// A process that somebody else started.
    Other(u32),
    /// An unknown process.
    Unknown,
}

impl Server {
    /// Starts the server on an installation, and waits for its first answer. Returns how long that took.
    pub(crate) async fn start(installation: &Installation) -> anyhow::Result<(Self, Duration)> {
        Self::start_with(installation, &[]).await
    }

    /// As [`start`](Self::start), with environment variables that override the installation's settings.
    pub(crate) async fn start_with(
        installation: &Installation,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<(Self, Duration)> {
        let log = installation.folder.join("server.log");
        let began = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_heirloom"))
            .arg("serve")
            .arg("--config")
            .arg(installation.config_file())
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::options().create(true).append(true).open(&log)?)
            .spawn()
            .context("the server can't be started")?;
        let mut server = Self::Own(child);
        let address = installation.address();
        let request = format!("GET /health/ready HTTP/1.1\r\nhost: {address}\r\n\r\n");
        loop {
            // It may say that it is not ready yet, as where its database is slow.
            if let Ok(mut connection) = Connection::open(address).await
                && connection.exchange(request.as_bytes()).await?.expect(200).is_ok()
            {
                return Ok((server, began.elapsed()));
            }
            let ended = match &mut server {
                Self::Own(child) => child.try_wait()?.is_some(),
                Self::Other(_) | Self::Unknown => false,
            };
            anyhow::ensure!(
                !ended && began.elapsed() < PATIENCE,
                "the server did not start: {}",
                fs::read_to_string(&log).unwrap_or_default()
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Starts a server that knows no OAuth. Returns its address.
    pub(crate) fn bare(bare: Bare, library: &str, folder: &Path) -> anyhow::Result<(Self, SocketAddr)> {
        let this = std::env::current_exe()?;
        let mut child = Command::new(this)
            .args(["--bare", bare.name(), "--library", library, "--folder"])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut port = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut port)?;
        let port = port.trim().parse().context("a server that knows no OAuth did not start")?;
        Ok((Self::Own(child), SocketAddr::from((Ipv4Addr::LOCALHOST, port))))
    }

    fn pid(&self) -> Option<u32> {
        match self {
            Self::Own(child) => Some(child.id()),
            Self::Other(pid) => Some(*pid),
            Self::Unknown => None,
        }
    }

    /// The CPU time that it has used so far, in seconds: all threads, user and system; none if the process is unknown.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<Option<f64>> {
        self.pid().map(|pid| cpu_seconds(&pid.to_string())).transpose()
    }

    /// The CPU time that its threads for password hashes have used so far, in seconds.
    pub(crate) fn hashing_cpu_seconds(&self) -> anyhow::Result<f64> {
        let pid = self.pid().context("the process is unknown")?;
        let mut seconds = 0.0;
        for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
            let thread = thread?.file_name().into_string().ok().context("a thread's id")?;
            let task = format!("{pid}/task/{thread}");
            // A thread may have ended during the walk.
            let Ok(name) = fs::read_to_string(format!("/proc/{task}/comm")) else { continue };
            if name.starts_with("hashing-") {
                seconds += cpu_seconds(&task)?;
            }
        }
        Ok(seconds)
    }

    /// The memory that it uses now and the most that it has used, in bytes.
    pub(crate) fn memory(&self) -> anyhow::Result<Option<Memory>> {
        let Some(pid) = self.pid() else { return Ok(None) };
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib: u64 = line.context(name.to_owned())?.trim().trim_end_matches("kB").trim().parse()?;
            anyhow::Ok(kib * 1024)
        };
        Ok(Some(Memory { now: field("VmRSS:")?, peak: field("VmHWM:")? }))
    }

    /// Ends it with SIGKILL, as a crash would, unless somebody else started it.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        if let Self::Own(child) = self {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have been killed already.
        drop(self.kill());
    }
}

/// Resident memory, in bytes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Memory {
    /// Now.
    pub(crate) now: u64,
    /// The most so far.
    pub(crate) peak: u64,
}

/// The disk space that a folder takes, in bytes.
pub(crate) fn disk(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // A file may be removed during the walk.
        let Ok(metadata) = fs::symlink_metadata(entry.path()) else { continue };
        bytes += if metadata.is_dir() { disk(&entry.path())? } else { metadata.blocks() * 512 };
    }
    Ok(bytes)
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
    // The fields: user nice system idle iowait irq softirq steal.
    let busy = fields.iter().take(8).enumerate().filter(|(at, _)| !matches!(at, 3 | 4));
    Ok(busy.map(|(_, ticks)| ticks).sum::<f64>() / TICKS)
}

/// The CPU seconds of a process so far.
pub(crate) fn cpu_seconds(pid: &str) -> anyhow::Result<f64> {
    Ok(times(pid)?.iter().take(2).sum::<f64>() / TICKS)
}

/// The CPU seconds of a process, with those of its children that have ended.
pub(crate) fn cpu_seconds_with_children(pid: &str) -> anyhow::Result<f64> {
    Ok(times(pid)?.iter().sum::<f64>() / TICKS)
}

/// Ticks as user and in the system, then those of the children that have ended.
fn times(pid: &str) -> anyhow::Result<[f64; 4]> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The program's name, in brackets, may contain any character.
    let (_, fields) = stat.rsplit_once(')').context("/proc/PID/stat")?;
    let mut times = fields.split_whitespace().skip(11).map(str::parse::<f64>);
    let mut next = || anyhow::Ok(times.next().context("no CPU time")??);
    Ok([next()?, next()?, next()?, next()?])
}
