//! Runs a row: all its connections on this one thread, each sending its next request when it has read the answer.

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::task::JoinSet;

use super::connection::Connection;
use super::rows::Row;
use super::server::{Server, machine_cpu_seconds, own_cpu_seconds};
use super::target::Target;
use super::work::{Chain, Given, Work};

/// What a row measured.
pub(crate) struct Measured {
    /// Good answers.
    pub(crate) answers: u64,
    /// Answers that were not what they should be, and connections that broke.
    pub(crate) errors: u64,
    /// The first of them.
    pub(crate) first_error: Option<String>,
    /// How long the row took.
    pub(crate) seconds: f64,
    /// How long each good answer took, in microseconds, sorted.
    pub(crate) micros: Vec<u32>,
    /// CPU seconds of the server.
    pub(crate) server_cpu: f64,
    /// CPU seconds of this program.
    pub(crate) own_cpu: f64,
    /// CPU seconds of whatever else runs on the machine.
    pub(crate) other_cpu: f64,
}

/// What one connection measured.
#[derive(Default)]
struct Tally {
    micros: Vec<u32>,
    errors: u64,
    first_error: Option<String>,
}

/// CPU seconds so far.
struct Cpu {
    server: f64,
    own: f64,
    machine: f64,
}

/// What all rows share.
pub(crate) struct Stage {
    /// Where requests go.
    pub(crate) target: Rc<Target>,
    /// Who answers them.
    pub(crate) server: Server,
    /// The sign-ins that are refreshed, through all rows.
    pub(crate) chains: Vec<Chain>,
    /// The refresh tokens of all other sign-ins.
    pub(crate) given: Given,
}

impl Stage {
    /// Runs a row.
    pub(crate) async fn run(&mut self, row: &Row, length: Duration) -> anyhow::Result<Measured> {
        let mut ready = Vec::new();
        for _ in 0..row.connections {
            let work = row.work(&mut self.chains).context("too few chains")?;
            ready.push((work, Connection::open(self.target.address).await?));
        }
        let before = self.cpu()?;
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        for (work, connection) in ready {
            tasks.spawn_local(repeat(work, connection, Rc::clone(&self.target), began + length));
        }
        let mut sum = Tally::default();
        let mut done = Vec::new();
        while let Some(ended) = tasks.join_next().await {
            let (work, tally) = ended?;
            sum.micros.extend(tally.micros);
            sum.errors += tally.errors;
            sum.first_error = sum.first_error.or(tally.first_error);
            done.push(work);
        }
        let (seconds, after) = (began.elapsed().as_secs_f64(), self.cpu()?);
        for work in done {
            self.take_back(work);
        }
        Ok(sum.measured(seconds, (before, after)))
    }

    fn cpu(&self) -> anyhow::Result<Cpu> {
        Ok(Cpu {
            server: self.server.cpu_seconds()?,
            own: own_cpu_seconds()?,
            machine: machine_cpu_seconds()?,
        })
    }

    fn take_back(&mut self, work: Work) {
        match work {
            Work::Refresh(chain) => self.chains.push(chain),
            Work::SignIn(tokens) => self.given.extend(tokens),
            Work::Jwks => {}
        }
    }
}

impl Tally {
    fn measured(mut self, seconds: f64, (before, after): (Cpu, Cpu)) -> Measured {
        let (server_cpu, own_cpu) = (after.server - before.server, after.own - before.own);
        self.micros.sort_unstable();
        Measured {
            answers: self.micros.len() as u64,
            errors: self.errors,
            first_error: self.first_error,
            seconds,
            micros: self.micros,
            server_cpu,
            own_cpu,
            other_cpu: (after.machine - before.machine - server_cpu - own_cpu).max(0.0),
        }
    }
}

async fn repeat(
    mut work: Work,
    mut connection: Connection,
    target: Rc<Target>,
    end: Instant,
) -> (Work, Tally) {
    let mut tally = Tally::default();
    let mut request = String::new();
    loop {
        let sent = Instant::now();
        if sent >= end {
            return (work, tally);
        }
        match work.once(&target, &mut connection, &mut request).await {
            Ok(()) => tally.micros.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX)),
            Err(error) => {
                tally.errors += 1;
                tally.first_error.get_or_insert_with(|| format!("{error:#}"));
                match Connection::open(target.address).await {
                    Ok(new) => connection = new,
                    Err(_) => return (work, tally),
                }
            }
        }
    }
}
