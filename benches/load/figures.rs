//! The measured figures, and their medians.

use std::time::Duration;

use serde_json::json;

use super::drive::Measured;
use super::groups::Groups;
use super::limits::{Rate, Units};
use super::rows::{Limit, Row};
use super::server::Memory;

/// Bytes in a megabyte.
pub(crate) const MB: f64 = 1e6;

/// Everything that was measured.
#[derive(Default)]
pub(crate) struct Report {
    /// How long each row was measured in a round.
    pub(crate) length: Duration,
    /// The address of the other server, if there is one.
    pub(crate) target: Option<String>,
    /// All rows.
    pub(crate) rows: Vec<Series>,
    /// The limits of the machine.
    pub(crate) limits: Limits,
    /// The counters of each server's store after all rows.
    pub(crate) groups: Vec<(String, Groups)>,
    /// Facts about servers with many sessions.
    pub(crate) sizes: Vec<SizeFacts>,
    /// How much disk a refresh takes.
    pub(crate) disk: Option<DiskFacts>,
    /// The memory of an idle server without users and sessions.
    pub(crate) idle: Option<Memory>,
    /// The memory of the other make of server.
    pub(crate) target_memory: Option<Memory>,
    /// What was proved of each server, or why the proof failed.
    pub(crate) proofs: Vec<(String, std::result::Result<String, String>)>,
}

impl Report {
    /// The number of wrong answers.
    pub(crate) fn errors(&self) -> u64 {
        self.rows.iter().map(Series::errors).sum()
    }
}

/// One round of one row.
pub(crate) struct Round {
    /// What the row measured.
    pub(crate) measured: Measured,
    /// The row's limit: the mean of measurements just before and just after.
    pub(crate) limit: Rate,
    /// The other limits that the row is compared with: the mean of just before and just after.
    pub(crate) units: Units,
}

/// A row and its rounds.
pub(crate) struct Series {
    pub(crate) row: Row,
    pub(crate) rounds: Vec<Round>,
    /// Why the row was not measured, if it was not.
    pub(crate) skipped: Option<String>,
}

/// The limits of the machine; each has a value for each round.
#[derive(Default)]
pub(crate) struct Limits {
    /// The limits that were measured on all cores.
    pub(crate) rates: Vec<(Limit, Vec<Rate>)>,
    /// Appends of 4 KiB with a sync, a second.
    pub(crate) fsyncs: Vec<f64>,
    /// Milliseconds for one group commit of one event.
    pub(crate) commit: Vec<f64>,
    /// Milliseconds for one RSA-2048 signature.
    pub(crate) signature: Vec<f64>,
}

/// Facts about a server with many sessions.
pub(crate) struct SizeFacts {
    /// The number of sessions.
    pub(crate) sessions: usize,
    /// The number of events in the log before the start.
    pub(crate) events: u64,
    /// Seconds that it took to make the sessions.
    pub(crate) seeding: f64,
    /// Seconds from the first start to its first answer. That start follows the process that wrote all sessions.
    pub(crate) start: f64,
    /// The same for a start after SIGKILL, in each round.
    pub(crate) killed_start: Vec<f64>,
    /// Bytes of memory just after the start.
    pub(crate) memory_at_start: u64,
    /// Bytes of memory after all rows.
    pub(crate) memory: u64,
    /// The largest number of bytes of memory.
    pub(crate) peak_memory: u64,
    /// Bytes on disk just after the start.
    pub(crate) disk_at_start: u64,
    /// Bytes on disk after all rows.
    pub(crate) disk: u64,
}

/// How much disk a refresh takes.
pub(crate) struct DiskFacts {
    /// The algorithm of the access tokens.
    pub(crate) algorithm: &'static str,
    /// The number of refreshes between the two measurements.
    pub(crate) refreshes: u64,
    /// The number of refreshes before the first measurement.
    pub(crate) before: u64,
    /// Bytes on disk at the first and at the second measurement.
    pub(crate) bytes: (u64, u64),
}

impl DiskFacts {
    /// Bytes for each refresh.
    pub(crate) fn each(&self) -> f64 {
        (self.bytes.1 as f64 - self.bytes.0 as f64) / (self.refreshes.max(1) as f64)
    }
}

impl Round {
    /// Good answers a second.
    pub(crate) fn per_second(&self) -> f64 {
        self.measured.tally.answers() as f64 / self.measured.seconds
    }

    /// Good answers a second to the storm's sign-ins.
    pub(crate) fn storm_per_second(&self) -> Option<f64> {
        Some(self.measured.storm.as_ref()?.answers() as f64 / self.measured.seconds)
    }

    /// CPU milliseconds for each answer, if all took `seconds` CPU seconds.
    fn cpu_each(&self, seconds: f64) -> f64 {
        seconds * 1000.0 / (self.measured.tally.answers().max(1) as f64)
    }

    /// The server's CPU milliseconds for each answer; none for a row in which the server also did something else.
    pub(crate) fn server_cpu(&self) -> Option<f64> {
        let cpu = self.measured.server_cpu.filter(|_| self.measured.storm.is_none());
        cpu.map(|seconds| self.cpu_each(seconds))
    }

    /// The generator's CPU milliseconds for each answer.
    pub(crate) fn own_cpu(&self) -> f64 {
        self.cpu_each(self.measured.own_cpu)
    }

    /// The rate divided by the limit's rate.
    pub(crate) fn of_limit(&self) -> f64 {
        self.per_second() / self.limit.per_second
    }

    /// The server's CPU time for each answer divided by the limit's.
    pub(crate) fn cpu_of_limit(&self) -> Option<f64> {
        Some(self.server_cpu()? / (self.limit.cpu_each * 1000.0))
    }

    /// What [`Round::of_limit`] would be if only CPU time counted and nothing else ran: the limit's CPU time divided by
    /// that of server and generator.
    pub(crate) fn bound_by_cpu(&self) -> Option<f64> {
        Some(self.limit.cpu_each * 1000.0 / (self.server_cpu()? + self.own_cpu()))
    }

    /// How many cores other programs used, on average.
    pub(crate) fn others(&self) -> f64 {
        self.measured.other_cpu / self.measured.seconds
    }

    fn json(&self) -> serde_json::Value {
        let tally = &self.measured.tally;
        let storm = self.measured.storm.as_ref().map(|storm| {
            json!({
                "sign_ins_per_second": self.storm_per_second(), "busy": storm.busy, "errors": storm.errors,
                "p50_ms": storm.latency(50), "p99_ms": storm.latency(99), "first_error": storm.first_error,
            })
        });
        json!({
            "per_second": self.per_second(), "p50_ms": tally.latency(50), "p99_ms": tally.latency(99),
            "max_ms": tally.latency(100), "answers": tally.answers(), "busy": tally.busy,
            "errors": tally.errors, "first_error": tally.first_error, "storm": storm,
            "server_cpu_ms_each": self.server_cpu(), "generator_cpu_ms_each": self.own_cpu(),
            "other_cpu_cores": self.others(), "changes_a_group": self.measured.group,
            "store_growth_bytes": self.measured.growth.map(|(store, _)| store),
            "memory_growth_bytes": self.measured.growth.map(|(_, memory)| memory),
            "limit_per_second": self.limit.per_second, "limit_cpu_ms_each": self.limit.cpu_each * 1000.0,
            "one_signature_ms": self.units.signature, "one_commit_ms": self.units.commit,
            "rsa_cpu_ms": self.units.rsa_cpu, "openssl_rsa2048_per_second": self.units.openssl,
        })
    }
}

impl Series {
    /// The median of a figure over the rounds; none if no round has it.
    pub(crate) fn median(&self, figure: impl Fn(&Round) -> Option<f64>) -> Option<f64> {
        median(self.rounds.iter().filter_map(figure))
    }

    /// The median of a figure and the middle half of the rounds (all of them, of fewer than four), as text for a table.
    pub(crate) fn spread(&self, figure: impl Fn(&Round) -> Option<f64>) -> String {
        let mut figures: Vec<f64> = self.rounds.iter().filter_map(figure).collect();
        figures.sort_by(f64::total_cmp);
        let quarter = figures.len() / 4;
        let (least, most) = (figures.get(quarter), figures.iter().rev().nth(quarter));
        match (median(figures.iter().copied()), least.zip(most)) {
            (Some(middle), Some((least, most))) => format!("{middle:.2} ({least:.2} to {most:.2})"),
            _ => "-".to_owned(),
        }
    }

    /// The number of errors in all rounds, including the storm's.
    pub(crate) fn errors(&self) -> u64 {
        let storm = |round: &Round| round.measured.storm.as_ref().map_or(0, |storm| storm.errors);
        self.rounds.iter().map(|round| round.measured.tally.errors + storm(round)).sum()
    }

    /// The first error.
    pub(crate) fn first_error(&self) -> Option<&str> {
        let mut tallies = self
            .rounds
            .iter()
            .flat_map(|round| std::iter::once(&round.measured.tally).chain(round.measured.storm.as_ref()));
        tallies.find_map(|tally| tally.first_error.as_deref())
    }

    /// All rounds and the medians, as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        let limited = self.row.limit != Limit::None;
        let tally = |figure: fn(&super::drive::Tally) -> f64| {
            self.median(|round| Some(figure(&round.measured.tally)))
        };
        json!({
            "name": self.row.name, "connections": self.row.connections, "storm": self.row.storm,
            "limit": self.row.limit.name(), "skipped": self.skipped,
            "per_second": self.median(|round| Some(round.per_second())),
            "p50_ms": tally(|tally| tally.latency(50)), "p99_ms": tally(|tally| tally.latency(99)),
            "max_ms": tally(|tally| tally.latency(100)), "errors": self.errors(),
            "server_cpu_ms_each": self.median(Round::server_cpu),
            "generator_cpu_ms_each": self.median(|round| Some(round.own_cpu())),
            "rate_of_limit": limited.then(|| self.median(|round| Some(round.of_limit()))),
            "cpu_of_limit": limited.then(|| self.median(Round::cpu_of_limit)),
            "bound_by_cpu": limited.then(|| self.median(Round::bound_by_cpu)),
            "rounds": self.rounds.iter().map(Round::json).collect::<Vec<_>>(),
        })
    }
}

impl Limits {
    /// Adds the rate of a limit in one round.
    pub(crate) fn add(&mut self, limit: Limit, rate: Rate) {
        match self.rates.iter_mut().find(|(known, _)| *known == limit) {
            Some((_, rates)) => rates.push(rate),
            None => self.rates.push((limit, vec![rate])),
        }
    }

    /// The median rate of a limit on all cores, and the median of its CPU milliseconds.
    pub(crate) fn median(&self, limit: Limit) -> Option<(f64, f64)> {
        let (_, rates) = self.rates.iter().find(|(known, _)| *known == limit)?;
        let per_second = median(rates.iter().map(|rate| rate.per_second))?;
        Some((per_second, median(rates.iter().map(|rate| rate.cpu_each))? * 1000.0))
    }

    /// All limits, as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        let rates = self.rates.iter().map(|(limit, rates)| {
            let per_second: Vec<_> = rates.iter().map(|rate| rate.per_second).collect();
            let cpu: Vec<_> = rates.iter().map(|rate| rate.cpu_each * 1000.0).collect();
            json!({ "name": limit.name(), "per_second": per_second, "cpu_ms_each": cpu })
        });
        json!({
            "on_all_cores": rates.collect::<Vec<_>>(),
            "fsyncs_per_second": self.fsyncs, "one_commit_ms": self.commit, "one_signature_ms": self.signature,
        })
    }
}

/// The median; none of no figures.
pub(crate) fn median(figures: impl Iterator<Item = f64>) -> Option<f64> {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    let half = figures.len() / 2;
    let upper = figures.get(half).copied()?;
    Some(match figures.len() % 2 {
        0 => figures.get(half.wrapping_sub(1)).map_or(upper, |lower| f64::midpoint(*lower, upper)),
        _ => upper,
    })
}

/// A figure as text; `-` if there is none.
pub(crate) fn cell(figure: Option<f64>, digits: usize) -> String {
    figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.digits$}"))
}
