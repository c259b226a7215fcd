//! Nodes that share a database and their keys.

use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use heirloom::store::postgres::PostgresStore;
use tokio::task::JoinSet;

use super::super::chain::{Given, Pool};
use super::super::connection::Connection;
use super::super::drive::{Tally, repeat};
use super::super::installation::{Algorithm, Installation};
use super::super::proof::{Proof, Told, every_chain_is_one_line, none_given_twice, rotations_in_the_log};
use super::super::seed::seed;
use super::super::server::{Server, machine_cpu_seconds, own_cpu_seconds};
use super::super::target::Target;
use super::super::work::Work;
use super::database::Database;
use super::table::Figures;

/// How many sessions there are at each place.
pub(crate) const SESSIONS: usize = 1000;

/// The installations of the nodes, and the chains of their sessions.
pub(crate) struct Cluster {
    installations: Vec<Installation>,
    pool: Pool,
    given: Given,
}

impl Cluster {
    /// Makes the installations of `number` nodes, and their sessions.
    pub(crate) async fn make(
        folder: &Path,
        algorithm: Algorithm,
        store: &str,
        number: usize,
    ) -> anyhow::Result<Self> {
        let first = Installation::on_store(folder.join("1"), algorithm, store)?;
        let seeded = seed(&first, SESSIONS).await?;
        let more = (2..=number).map(|at| first.another_node(folder.join(at.to_string()), store));
        let more: Vec<Installation> = more.collect::<anyhow::Result<_>>()?;
        let installations = std::iter::once(first).chain(more).collect();
        Ok(Self { installations, pool: Pool::of(seeded), given: Vec::new() })
    }

    /// Starts `number` nodes, refreshes for `length`, and kills them.
    pub(crate) async fn run(
        &mut self,
        database: &Database,
        number: usize,
        (connections, length): (usize, Duration),
    ) -> anyhow::Result<Figures> {
        let counted = database.counters().await?;
        let (mut servers, mut targets) = (Vec::new(), Vec::new());
        let issuer = self.installations.first().context("no node")?.address();
        for installation in self.installations.iter().take(number) {
            servers.push(Server::start(installation).await?.0);
            // They all have the issuer's name.
            let mut target = Target::of_heirloom(issuer);
            target.address = installation.address();
            targets.push(Rc::new(target));
        }
        let mut ready = Vec::new();
        for target in targets.iter().cycle().take(connections) {
            let mut connection = Connection::open(target.address).await?;
            let mut chain = self.pool.take().context("no chain is left")?;
            // Each node has seen its sessions, as it has some minutes after a start.
            chain.refresh(target, &mut connection, &mut String::new()).await?;
            ready.push((Work::Refresh(chain), connection, Rc::clone(target)));
        }
        let cpu = Cpu::so_far(&servers, database)?;
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        for (work, connection, target) in ready {
            tasks.spawn_local(repeat(work, connection, target, began + length));
        }
        let mut tally = Tally::default();
        while let Some(ended) = tasks.join_next().await {
            let (work, one) = ended?;
            tally.add(one);
            if let Work::Refresh(chain) = work {
                self.pool.resting.push_back(chain);
            }
        }
        let seconds = began.elapsed().as_secs_f64();
        let cpu = Cpu::so_far(&servers, database)?.since(&cpu);
        tally.micros.sort_unstable();
        servers.iter_mut().try_for_each(Server::kill)?;
        let after = database.counters().await?;
        Ok(Figures {
            node_cpu: cpu.nodes,
            database_cpu: cpu.database,
            statements: (after.statements - counted.statements) as f64,
            syncs: (after.syncs - counted.syncs) as f64,
            ..Figures::of(tally, seconds, (cpu.own, cpu.others()))
        })
    }

    /// Kills the database, starts it and one node, and proves what must be true.
    pub(crate) async fn prove(mut self, database: &mut Database) -> anyhow::Result<String> {
        database.kill_and_start().await?;
        let first = self.installations.first().context("no node")?;
        let no_window = [("HEIRLOOM__TOKENS__RETRY_WINDOW", "0s")];
        let (mut server, _) = Server::start_with(first, &no_window).await?;
        let target = Target::of_heirloom(first.address());
        let ended = every_chain_is_one_line(&target, &mut self.pool).await?;
        let tokens = none_given_twice(&self.pool, &mut self.given)?;
        server.kill()?;
        let heirloom::config::Store::Postgres(settings) = first.config()?.store else {
            anyhow::bail!("a node without a database");
        };
        let store = PostgresStore::open(*settings).await?;
        let rotations = rotations_in_the_log(&store, &self.pool).await?;
        let chains = self.pool.resting.len();
        Ok(Proof { of: Told::Database, tokens, ended, chains, rotations }.to_string())
    }
}

/// CPU seconds.
struct Cpu {
    nodes: f64,
    database: f64,
    own: f64,
    machine: f64,
}

impl Cpu {
    fn so_far(servers: &[Server], database: &Database) -> anyhow::Result<Self> {
        let mut nodes = 0.0;
        for server in servers {
            nodes += server.cpu_seconds()?.unwrap_or_default();
        }
        let database = database.cpu_seconds()?;
        Ok(Self { nodes, database, own: own_cpu_seconds()?, machine: machine_cpu_seconds()? })
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            nodes: self.nodes - before.nodes,
            database: self.database - before.database,
            own: self.own - before.own,
            machine: self.machine - before.machine,
        }
    }

    fn others(&self) -> f64 {
        (self.machine - self.nodes - self.database - self.own).max(0.0)
    }
}
