//! `--store postgres`: refreshes by nodes that share a database, beside the embedded store in the same run.
//!
//! It starts a PostgreSQL server of its own, on the same disk. Nodes start before each row and are killed after it; then the
//! connections to the database report what they did. `docs/performance.md` says how to read the table.
//!
//! | Module | What it does |
//! |---|---|
//! | [`database`] | the database's server: its commits, its statements, its CPU time |
//! | [`nodes`] | the nodes on one database |
//! | [`table`] | the table, and JSON |

mod database;
mod nodes;
mod table;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context as _;

use self::database::Database;
use self::nodes::{Cluster, SESSIONS};
use self::table::{Figures, ON_DATABASE, Table};
use super::chain::Pool;
use super::drive::Stage;
use super::installation::{Algorithm, Installation};
use super::keys::Keys;
use super::limits;
use super::options::Options;
use super::proof;
use super::rows::{Kind, Limit, Place, Row};
use super::seed::seed;
use super::server::Server;
use super::target::Target;

/// The numbers of connections.
const CONNECTIONS: [usize; 2] = [16, 64];
/// The most nodes on one database.
const NODES: usize = 3;
const ALGORITHMS: [(Algorithm, Limit); 2] =
    [(Algorithm::Rs256, Limit::Rsa2048), (Algorithm::Es256, Limit::P256)];

/// The places of one algorithm.
struct Places {
    algorithm: Algorithm,
    limit: Limit,
    sled: Stage,
    cluster: Cluster,
}

/// Measures, prints the table, and proves that nothing was lost.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (rounds, length) = (options.rounds(), options.length()?);
    let keys = Keys::make()?;
    let mut database = Database::start().await?;
    let mut places = Vec::new();
    for (algorithm, limit) in ALGORITHMS {
        eprintln!("preparing {}", algorithm.name());
        let name = algorithm.name().to_lowercase();
        let sled = sled_stage(Installation::make(folder.path().join(&name), algorithm, None)?).await?;
        let url = database.url(&name);
        let nodes = folder.path().join(format!("{name}-nodes"));
        let cluster = Cluster::make(&nodes, algorithm, &url, NODES).await?;
        places.push(Places { algorithm, limit, sled, cluster });
    }
    let mut table = Table::default();
    for round in 1..=rounds {
        for connections in CONNECTIONS {
            eprintln!("round {round} of {rounds}: commits by pgbench, {connections} connections");
            table.commits(connections, database.commits(connections, length)?);
        }
        for place in &mut places {
            for connections in CONNECTIONS {
                eprintln!("round {round} of {rounds}: {}, {connections} conn.", place.algorithm.name());
                place.measure(&mut table, &mut database, &keys, (connections, length)).await?;
            }
        }
    }
    print!("{}", table.text());
    if let Some(path) = &options.json {
        std::fs::write(path, table.json()?).with_context(|| path.display().to_string())?;
    }
    let errors = table.errors();
    anyhow::ensure!(errors == 0, "{errors} answers were not what they should be: {}", table.first_error());
    if let Some(row) = table.uncounted() {
        anyhow::bail!("the database counted no statements or no syncs: {row}");
    }
    eprintln!("proving");
    for Places { algorithm, sled, cluster, .. } in places {
        println!("\nsled, {}: proved {}", algorithm.name(), proof::prove(sled).await?);
        println!("\nPostgreSQL, {}: proved {}", algorithm.name(), cluster.prove(&mut database).await?);
    }
    Ok(())
}

/// The embedded store.
async fn sled_stage(installation: Installation) -> anyhow::Result<Stage> {
    let seeded = seed(&installation, SESSIONS).await?;
    let (server, _) = Server::start(&installation).await?;
    let target = Rc::new(Target::of_heirloom(installation.address()));
    let pool = Rc::new(RefCell::new(Pool::of(seeded)));
    Ok(Stage { installation: Some(installation), target, server, pool, given: Vec::new() })
}

impl Places {
    /// Measures sled, one node, and with ES256 and the most connections also more nodes, one after another.
    async fn measure(
        &mut self,
        table: &mut Table,
        database: &mut Database,
        keys: &Keys,
        (connections, length): (usize, Duration),
    ) -> anyhow::Result<()> {
        let name = self.algorithm.name();
        let most = CONNECTIONS.iter().max() == Some(&connections) && self.algorithm == Algorithm::Es256;
        for nodes in 0..=if most { NODES } else { 1 } {
            let before = limits::measure(self.limit, keys, length / 5)?;
            let (place, mut figures) = match nodes {
                0 => ("sled".to_owned(), self.sled_figures(connections, length).await?),
                1 => (ON_DATABASE.to_owned(), self.cluster.run(database, 1, (connections, length)).await?),
                _ => {
                    let figures = self.cluster.run(database, nodes, (connections, length)).await?;
                    (format!("{ON_DATABASE}, {nodes} nodes"), figures)
                }
            };
            figures.limit = limits::measure(self.limit, keys, length / 5)?.mean(&before).per_second;
            table.add(&format!("refresh {name}, {connections} conn., {place}"), figures);
        }
        Ok(())
    }

    async fn sled_figures(&mut self, connections: usize, length: Duration) -> anyhow::Result<Figures> {
        let row = Row {
            name: String::new(),
            place: Place::Signing(self.algorithm),
            kind: Kind::Refresh,
            connections,
            storm: 0,
            limit: self.limit,
        };
        let groups = self.sled.groups().await?.unwrap_or_default();
        let measured = self.sled.run(&row, length).await?;
        let written = self.sled.groups().await?.unwrap_or_default().written - groups.written;
        Ok(Figures {
            node_cpu: measured.server_cpu.unwrap_or_default(),
            syncs: written as f64,
            ..Figures::of(measured.tally, measured.seconds, (measured.own_cpu, measured.other_cpu))
        })
    }
}
