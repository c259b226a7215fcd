//! The table of the rows on a database, and JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::super::bars::{self, Bar};
use super::super::drive::Tally;

/// What one round of a row measured: sums over all its refreshes.
#[derive(Clone, Default)]
pub(crate) struct Figures {
    pub(crate) refreshes: f64,
    pub(crate) seconds: f64,
    /// Milliseconds that half, and 99 of 100, of the answers took at most.
    pub(crate) latency: (f64, f64),
    /// CPU seconds.
    pub(crate) node_cpu: f64,
    pub(crate) database_cpu: f64,
    pub(crate) own_cpu: f64,
    pub(crate) other_cpu: f64,
    /// Statements of the nodes.
    pub(crate) statements: f64,
    /// Syncs of the log.
    pub(crate) syncs: f64,
    /// Signatures a second on all cores.
    pub(crate) limit: f64,
    pub(crate) errors: u64,
    pub(crate) first_error: Option<String>,
}

/// The rounds of a row.
struct Series {
    name: String,
    rounds: Vec<Figures>,
}

/// All rows.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Series>,
    /// Commits a second by pgbench, by the number of connections.
    commits: Vec<(usize, Vec<f64>)>,
}

impl Figures {
    pub(crate) fn of(tally: Tally, seconds: f64, (own_cpu, other_cpu): (f64, f64)) -> Self {
        Self {
            refreshes: tally.answers() as f64,
            seconds,
            latency: (tally.latency(50), tally.latency(99)),
            own_cpu,
            other_cpu,
            errors: tally.errors + tally.busy,
            first_error: tally.first_error,
            ..Self::default()
        }
    }

    fn per_second(&self) -> f64 {
        self.refreshes / self.seconds
    }

    /// The share of the cores that was busy.
    fn busy(&self) -> f64 {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let cpu = self.node_cpu + self.database_cpu + self.own_cpu + self.other_cpu;
        cpu / (self.seconds * cores as f64)
    }
}

impl Series {
    /// The median over the rounds.
    fn median(&self, of: impl Fn(&Figures) -> f64) -> f64 {
        median(self.rounds.iter().map(of).collect())
    }

    /// Each of a refresh, in the columns of the table.
    fn columns(&self) -> [f64; 11] {
        [
            self.median(Figures::per_second),
            self.median(|one| one.per_second() / one.limit),
            self.median(|one| one.latency.0),
            self.median(|one| one.latency.1),
            self.median(|one| one.node_cpu * 1000.0 / one.refreshes),
            self.median(|one| one.database_cpu * 1000.0 / one.refreshes),
            self.median(|one| one.own_cpu * 1000.0 / one.refreshes),
            self.median(|one| one.other_cpu * 1000.0 / one.refreshes),
            self.median(Figures::busy),
            self.median(|one| one.statements / one.refreshes),
            self.median(|one| one.syncs / one.refreshes),
        ]
    }
}

/// The most syncs of the log a refresh, with [`SHARED_BY`] connections.
const MOST_SYNCS: f64 = 0.1;
/// So many connections that appends share syncs.
const SHARED_BY: usize = 64;
/// In which rows the store is a database.
pub(crate) const ON_DATABASE: &str = "PostgreSQL";

/// What the columns are called in JSON.
const COLUMNS: [&str; 11] = [
    "per_second",
    "of_signatures",
    "p50_ms",
    "p99_ms",
    "node_cpu_ms",
    "database_cpu_ms",
    "generator_cpu_ms",
    "other_cpu_ms",
    "cores_busy",
    "statements",
    "syncs",
];

impl Table {
    pub(crate) fn add(&mut self, name: &str, figures: Figures) {
        match self.rows.iter_mut().find(|row| row.name == name) {
            Some(row) => row.rounds.push(figures),
            None => self.rows.push(Series { name: name.to_owned(), rounds: vec![figures] }),
        }
    }

    pub(crate) fn commits(&mut self, connections: usize, rate: f64) {
        match self.commits.iter_mut().find(|(number, _)| *number == connections) {
            Some((_, rates)) => rates.push(rate),
            None => self.commits.push((connections, vec![rate])),
        }
    }

    pub(crate) fn errors(&self) -> u64 {
        self.rows.iter().flat_map(|row| &row.rounds).map(|round| round.errors).sum()
    }

    pub(crate) fn first_error(&self) -> &str {
        let mut rounds = self.rows.iter().flat_map(|row| &row.rounds);
        rounds.find_map(|round| round.first_error.as_deref()).unwrap_or("the server was busy")
    }

    /// The table, in Markdown.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (connections, rates) in &self.commits {
            let rate = median(rates.clone());
            _ = writeln!(text, "commits by pgbench, {connections} conn.: {rate:.0} a second");
        }
        text.push_str(
            "\n| Row | a second | of the signatures | p50 ms | p99 ms | CPU ms: nodes | database | generator | others | \
             cores busy | statements | syncs |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
        );
        for row in &self.rows {
            let [rate, of, p50, p99, node, database, own, other, busy, statements, syncs] = row.columns();
            _ = writeln!(
                text,
                "| {} | {rate:.0} | {of:.2} | {p50:.1} | {p99:.1} | {node:.3} | {database:.3} | {own:.3} | {other:.3} | \
                 {busy:.2} | {statements:.2} | {syncs:.3} |",
                row.name
            );
        }
        _ = bars::write(&mut text, &self.bars());
        text
    }

    /// The targets.
    fn bars(&self) -> Vec<Bar> {
        let shared = format!(" {SHARED_BY} conn., {ON_DATABASE}");
        let rows = self.rows.iter().filter(|row| row.name.contains(&shared));
        let syncs = |row: &Series| row.median(|one| one.syncs / one.refreshes);
        rows.map(|row| Bar::at_most(format!("syncs: {}", row.name), MOST_SYNCS, syncs(row))).collect()
    }

    /// A row of which the database counted nothing, though it did something.
    pub(crate) fn uncounted(&self) -> Option<&str> {
        let on_database = self.rows.iter().filter(|row| row.name.contains(ON_DATABASE));
        let mut uncounted = on_database
            .filter(|row| row.rounds.iter().any(|round| round.syncs <= 0.0 || round.statements <= 0.0));
        uncounted.next().map(|row| row.name.as_str())
    }

    pub(crate) fn json(&self) -> anyhow::Result<String> {
        let row = |row: &Series| {
            let columns = COLUMNS.iter().map(|name| (*name).to_owned()).zip(row.columns().map(Value::from));
            json!({ "row": row.name, "rounds": row.rounds.len(), "median": columns.collect::<serde_json::Map<_, _>>() })
        };
        let commits: Vec<Value> = (self.commits.iter())
            .map(|(connections, rates)| json!({ "connections": connections, "per_second": median(rates.clone()) }))
            .collect();
        let rows: Vec<Value> = self.rows.iter().map(row).collect();
        Ok(serde_json::to_string_pretty(&json!({ "commits": commits, "rows": rows }))?)
    }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}
