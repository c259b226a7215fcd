//! Runs a row: all its connections on this one thread, each sending its next request when it has read the answer.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::task::JoinSet;

use super::browser::Browser;
use super::chain::{Chain, Given, Pool, digest};
use super::connection::Connection;
use super::groups::Groups;
use super::installation::Installation;
use super::rows::{Kind, Row};
use super::server::{Server, disk, machine_cpu_seconds, own_cpu_seconds};
use super::target::{Target, authorize_path};
use super::work::{Done, Work, redeem, sign_in};

/// What a row measured.
pub(crate) struct Measured {
    /// The connections that the row is about.
    pub(crate) tally: Tally,
    /// The connections that sign in at the same time (the storm).
    pub(crate) storm: Option<Tally>,
    pub(crate) seconds: f64,
    /// CPU seconds of the server; in the row about signing in on the pages without those of the hashes.
    pub(crate) server_cpu: Option<f64>,
    /// CPU seconds of this program.
    pub(crate) own_cpu: f64,
    /// CPU seconds of whatever else runs on the machine.
    pub(crate) other_cpu: f64,
    /// The average number of changes in a group of the store.
    pub(crate) group: Option<f64>,
    /// By how many bytes the server's store and its memory have grown, if it is heirloom.
    pub(crate) growth: Option<(i64, i64)>,
}

/// What was measured of some connections.
#[derive(Default)]
pub(crate) struct Tally {
    /// The time of each good answer, in microseconds; sorted at the end.
    pub(crate) micros: Vec<u32>,
    /// How often the server said that it is busy, with `Retry-After`.
    pub(crate) busy: u64,
    /// Wrong answers and broken connections.
    pub(crate) errors: u64,
    /// The first of these errors.
    pub(crate) first_error: Option<String>,
}

/// CPU seconds used so far.
struct Cpu {
    server: Option<f64>,
    own: f64,
    machine: f64,
}

/// A server, and the sessions that are used of it.
pub(crate) struct Stage {
    /// Its folder, if it is heirloom.
    pub(crate) installation: Option<Installation>,
    /// Where requests go.
    pub(crate) target: Rc<Target>,
    /// The process.
    pub(crate) server: Server,
    /// The chains that are refreshed, in all rows.
    pub(crate) pool: Rc<RefCell<Pool>>,
    /// Digests of the refresh tokens of all other sign-ins.
    pub(crate) given: Given,
}

impl Stage {
    /// Runs a row for `length`.
    pub(crate) async fn run(&mut self, row: &Row, length: Duration) -> anyhow::Result<Measured> {
        let mut works = Vec::new();
        for number in 0..row.connections + row.storm {
            let storms = number >= row.connections;
            works.push((storms, self.work(if storms { Kind::SignIn } else { row.kind }).await?));
        }
        let mut ready = Vec::new();
        for (storms, work) in works {
            ready.push((storms, work, Connection::open(self.target.address).await?));
        }
        let groups = self.groups().await?;
        let size = self.size()?;
        let before = self.cpu(row.kind)?;
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        for (storms, work, connection) in ready {
            let repeated = repeat(work, connection, Rc::clone(&self.target), began + length);
            tasks.spawn_local(async move { (storms, repeated.await) });
        }
        let mut done = Vec::new();
        let (mut tally, mut storm) = (Tally::default(), Tally::default());
        // Hashes that the storm still has under way at the end don't count as the row's time.
        let mut rest = row.connections;
        let mut after = None;
        while let Some(ended) = tasks.join_next().await {
            let (storms, (work, one)) = ended?;
            if storms { &mut storm } else { &mut tally }.add(one);
            done.push(work);
            rest -= usize::from(!storms);
            if rest == 0 && after.is_none() {
                after = Some((began.elapsed().as_secs_f64(), self.cpu(row.kind)?));
            }
        }
        for work in done {
            self.take_back(work);
        }
        let group = groups.zip(self.groups().await?).and_then(|(before, after)| after.mean_since(&before));
        let (seconds, after) = after.context("no connection")?;
        tally.micros.sort_unstable();
        storm.micros.sort_unstable();
        let server_cpu = after.server.zip(before.server).map(|(after, before)| after - before);
        let own_cpu = after.own - before.own;
        let other_cpu = (after.machine - before.machine - server_cpu.unwrap_or_default() - own_cpu).max(0.0);
        let storm = (row.storm > 0).then_some(storm);
        let growth = size.zip(self.size()?).map(|(before, after)| (after.0 - before.0, after.1 - before.1));
        Ok(Measured { tally, storm, seconds, server_cpu, own_cpu, other_cpu, group, growth })
    }

    /// Does the work of one connection of a row once.
    pub(crate) async fn once(&mut self, kind: Kind) -> anyhow::Result<()> {
        let mut work = self.work(kind).await?;
        let mut connection = Connection::open(self.target.address).await?;
        work.once(&self.target, &mut connection, &mut String::new()).await?;
        self.take_back(work);
        Ok(())
    }

    /// The work of one connection of a row.
    async fn work(&mut self, kind: Kind) -> anyhow::Result<Work> {
        Ok(match kind {
            Kind::Refresh => Work::Refresh(self.chain().await?),
            Kind::Again => {
                let mut chain = self.chain().await?;
                let last = (chain.last.clone(), Instant::now());
                let mut connection = Connection::open(self.target.address).await?;
                chain.refresh(&self.target, &mut connection, &mut String::new()).await?;
                Work::Again(chain, last)
            }
            Kind::Signature => {
                Work::Same(self.target.any_refresh(), [b"\"access_token\":", b"\"access_token\" :"])
            }
            Kind::Spread => Work::Spread(Rc::clone(&self.pool)),
            Kind::SignIn => Work::SignIn(Vec::new()),
            Kind::PageSignIn => Work::PageSignIn(Vec::new()),
            Kind::Anonymous => {
                let host = self.target.address;
                Work::Anonymous(format!("GET {} HTTP/1.1\r\nhost: {host}\r\n\r\n", authorize_path()).into())
            }
            Kind::Authorize => Work::Authorize(Browser::log_in(&self.target).await?),
            Kind::Redeem => Work::Redeem(Browser::log_in(&self.target).await?, Vec::new()),
            Kind::OpenidRefresh => {
                let browser = Browser::log_in(&self.target).await?;
                let mut connection = Connection::open(self.target.address).await?;
                let first = redeem(&browser, &self.target, &mut connection, &mut String::new()).await?;
                Work::OpenidRefresh(Chain::of(first))
            }
            Kind::Jwks => Work::Same(self.target.jwks.clone().context("no JWKS")?, [b"\"kid\"", b"\"keys\""]),
            Kind::ClientCredentials => {
                let request = self.target.client_credentials.clone().context("no client with a secret")?;
                Work::Same(request, [b"\"access_token\":", b"\"access_token\" :"])
            }
            Kind::Introspection => {
                let access = self.access_token().await?;
                let request = self.target.introspection(&access).context("no introspection")?;
                Work::Same(request, [b"\"active\":true", b"\"active\": true"])
            }
            Kind::Userinfo => {
                let access = self.access_token().await?;
                Work::Same(self.target.userinfo(&access).context("no userinfo")?, [b"\"sub\":", b"\"sub\" :"])
            }
        })
    }

    async fn chain(&mut self) -> anyhow::Result<Chain> {
        if let Some(chain) = self.pool.borrow_mut().take() {
            return Ok(chain);
        }
        Ok(Chain::of(sign_in(&self.target).await?.1))
    }

    async fn access_token(&mut self) -> anyhow::Result<String> {
        let (access, refresh) = sign_in(&self.target).await?;
        self.given.push(digest(&refresh));
        Ok(access)
    }

    /// The counters of the store, if the server is heirloom.
    pub(crate) async fn groups(&self) -> anyhow::Result<Option<Groups>> {
        match &self.installation {
            Some(installation) => Groups::read(installation.metrics()).await.map(Some),
            None => Ok(None),
        }
    }

    /// The bytes of the store on disk and those of the server's memory, if it is heirloom.
    fn size(&self) -> anyhow::Result<Option<(i64, i64)>> {
        let Some(installation) = &self.installation else { return Ok(None) };
        let memory = self.server.memory()?.context("no process")?;
        Ok(Some((disk(&installation.data())?.try_into()?, memory.now.try_into()?)))
    }

    fn cpu(&self, kind: Kind) -> anyhow::Result<Cpu> {
        let hashes = if kind == Kind::PageSignIn { self.server.hashing_cpu_seconds()? } else { 0.0 };
        Ok(Cpu {
            server: self.server.cpu_seconds()?.map(|seconds| seconds - hashes),
            own: own_cpu_seconds()?,
            machine: machine_cpu_seconds()?,
        })
    }

    fn take_back(&mut self, work: Work) {
        match work {
            Work::Refresh(chain) | Work::Again(chain, _) => self.pool.borrow_mut().resting.push_back(chain),
            Work::SignIn(tokens) | Work::PageSignIn(tokens) | Work::Redeem(_, tokens) => {
                self.given.extend(tokens);
            }
            Work::OpenidRefresh(chain) => self.given.extend(chain.given),
            Work::Authorize(_) | Work::Anonymous(_) | Work::Spread(_) | Work::Same(..) => {}
        }
    }
}

impl Tally {
    /// Takes in what another connection measured.
    pub(crate) fn add(&mut self, other: Self) {
        self.micros.extend(other.micros);
        self.busy += other.busy;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
    }

    /// The number of good answers.
    pub(crate) fn answers(&self) -> u64 {
        self.micros.len() as u64
    }

    /// The latency in milliseconds that `percent` percent of the answers don't exceed.
    pub(crate) fn latency(&self, percent: usize) -> f64 {
        let at = (self.micros.len() * percent / 100).min(self.micros.len().saturating_sub(1));
        f64::from(self.micros.get(at).copied().unwrap_or_default()) / 1000.0
    }
}

/// Repeats the work of one connection until `end`.
pub(crate) async fn repeat(
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
            Ok(Done::Well) => {
                tally.micros.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
            }
            Ok(Done::Busy(wait)) => {
                tally.busy += 1;
                tokio::time::sleep(wait.min(end.saturating_duration_since(Instant::now()))).await;
            }
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
