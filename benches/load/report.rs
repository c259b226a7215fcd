//! The tables.

use std::fmt::{Result, Write as _};

use serde_json::json;

use super::bars;
use super::figures::{DiskFacts, MB, Report, Round, Series, cell, median};
use super::groups::Groups;
use super::options::size_text;
use super::rows::{Kind, Limit, Place};
use super::server::Memory;

/// When other programs use more cores than this, the table warns. The kernel's work for server and generator counts as
/// theirs.
const QUIET: f64 = 0.15;
impl Report {
    /// The tables as text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string can't fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> Result {
        let own = || format!("heirloom {}", env!("CARGO_PKG_VERSION"));
        let what = self.target.clone().unwrap_or_else(own);
        // The row about the disk is left out: it ends with a number of refreshes, not after a time.
        let rows = self.rows.iter().filter(|row| row.row.place != Place::Disk);
        let rounds = rows.map(|row| row.rounds.len()).max().unwrap_or_default();
        writeln!(out, "\n{what}, {} cores, medians of {rounds} rounds of {:?} a row;", cores(), self.length)?;
        writeln!(out, "the generator runs on the same machine. Latencies and CPU times in milliseconds.\n")?;
        self.write_rows(out)?;
        self.write_groups(out)?;
        self.write_limits(out)?;
        self.write_sizes(out)?;
        self.write_ratios(out)?;
        self.write_parts(out)?;
        bars::write(out, &bars::all(self))
    }

    fn write_rows(&self, out: &mut String) -> Result {
        let head = |out: &mut String, names: [&str; 10]| {
            let [name, rate, p50, p99, max, errors, server, generator, others, group] = names;
            writeln!(
                out,
                "{name:<42}{rate:>9}{p50:>8}{p99:>8}{max:>8}{errors:>7}{server:>9}{generator:>9}{others:>7}{group:>9}"
            )
        };
        head(out, ["", "a second", "p50", "p99", "max", "errors", "server", "gener-", "others", "changes"])?;
        head(out, ["", "", "", "", "", "", "CPU each", "ator CPU", "cores", "a group"])?;
        for row in &self.rows {
            if let Some(why) = &row.skipped {
                writeln!(out, "{:<42}not measured: {why}", row.row.name)?;
                continue;
            }
            let latency = |percent| row.median(|round| Some(round.measured.tally.latency(percent)));
            writeln!(
                out,
                "{:<42}{:>9}{:>8}{:>8}{:>8}{:>7}{:>9}{:>9}{:>7}{:>9}",
                row.row.name,
                cell(row.median(|round| Some(round.per_second())), 0),
                cell(latency(50), 2),
                cell(latency(99), 2),
                cell(latency(100), 1),
                row.errors(),
                cell(row.median(Round::server_cpu), 3),
                cell(row.median(|round| Some(round.own_cpu())), 3),
                cell(row.median(|round| Some(round.others())), 2),
                cell(row.median(|round| round.measured.group), 1),
            )?;
            Self::write_beside(out, row)?;
        }
        Ok(())
    }

    /// Writes the remarks about a row.
    fn write_beside(out: &mut String, row: &Series) -> Result {
        let storm = |round: &Round| {
            round.measured.storm.as_ref().map(|storm| storm.busy as f64 / round.measured.seconds)
        };
        if let (Some(rate), Some(busy)) = (row.median(Round::storm_per_second), row.median(storm)) {
            let connections = row.row.storm;
            writeln!(
                out,
                "    meanwhile {connections} conn. signed in {rate:.0} times a second and were told to come back {busy:.0} times"
            )?;
        }
        let grown = |part: fn((i64, i64)) -> i64| {
            row.rounds.iter().filter_map(|round| round.measured.growth).map(part).sum::<i64>()
        };
        if row.row.kind == Kind::Anonymous {
            let (disk, memory) = (grown(|growth| growth.0), grown(|growth| growth.1));
            writeln!(
                out,
                "    the store grew by {disk} bytes, the server's memory by {} KiB",
                memory / 1024
            )?;
        }
        let busy: u64 = row.rounds.iter().map(|round| round.measured.tally.busy).sum();
        if busy > 0 {
            writeln!(out, "    told to come back {busy} times")?;
        }
        match row.first_error() {
            Some(error) => writeln!(out, "    {error}"),
            None => Ok(()),
        }
    }

    /// Writes how long the longest group and the longest read took.
    fn write_groups(&self, out: &mut String) -> Result {
        for (server, groups) in &self.groups {
            let Groups { largest, longest, longest_read, .. } = groups;
            let [longest, longest_read] = [longest, longest_read].map(|micros| *micros as f64 / 1000.0);
            writeln!(
                out,
                "{server}: {largest} changes in the largest group, {longest:.1} ms the longest group, {longest_read:.1} ms the \
                 longest read"
            )?;
        }
        Ok(())
    }

    fn write_limits(&self, out: &mut String) -> Result {
        writeln!(out, "\n{:<44}{:>10}{:>12}", "Limits, in the same run, all cores", "a second", "CPU each")?;
        for limit in [Limit::Rsa2048, Limit::Rsa2048Other, Limit::P256, Limit::Argon2] {
            if let Some((rate, cpu)) = self.limits.median(limit) {
                writeln!(out, "{:<44}{rate:>10.0}{cpu:>12.3}", limit.name())?;
            }
        }
        let limits = &self.limits;
        let openssl =
            median(self.rows.iter().flat_map(|row| &row.rounds).filter_map(|round| round.units.openssl));
        let openssl = openssl.map_or_else(|| "not measured".to_owned(), |rate| format!("{rate:.0}"));
        writeln!(out, "{:<44}{openssl:>10}", "RSA-2048 signatures by OpenSSL")?;
        writeln!(
            out,
            "{:<44}{:>10}",
            "4 KiB appended and synced",
            cell(median(limits.fsyncs.iter().copied()), 0)
        )?;
        let millis = [
            ("one RSA-2048 signature, one core, ms", &limits.signature),
            ("one group commit of one event, ms", &limits.commit),
        ];
        for (name, figures) in millis {
            writeln!(out, "{name:<44}{:>10}", cell(median(figures.iter().copied()), 3))?;
        }
        Ok(())
    }

    fn write_sizes(&self, out: &mut String) -> Result {
        if !self.sizes.is_empty() {
            writeln!(
                out,
                "\n{:<16}{:>10}{:>9}{:>9}{:>10}{:>9}{:>9}{:>9}{:>9}{:>9}",
                "Live sessions",
                "events",
                "made in",
                "start",
                "start,",
                "memory",
                "after",
                "peak",
                "disk",
                "after"
            )?;
            writeln!(
                out,
                "{:<16}{:>10}{:>9}{:>9}{:>10}{:>9}{:>9}{:>9}{:>9}{:>9}",
                "", "", "s", "start, s", "killed, s", "MB", "rows", "MB", "MB", "rows"
            )?;
        }
        for size in &self.sizes {
            writeln!(
                out,
                "{:<16}{:>10}{:>9.1}{:>9.2}{:>10}{:>9.1}{:>9.1}{:>9.1}{:>9.1}{:>9.1}",
                size_text(size.sessions),
                size.events,
                size.seeding,
                size.start,
                cell(median(size.killed_start.iter().copied()), 2),
                size.memory_at_start as f64 / MB,
                size.memory as f64 / MB,
                size.peak_memory as f64 / MB,
                size.disk_at_start as f64 / MB,
                size.disk as f64 / MB,
            )?;
        }
        if let Some(Memory { now, peak }) = self.idle {
            let (now, peak) = (now as f64 / MB, peak as f64 / MB);
            writeln!(out, "\nIdle and empty: {now:.1} MB of memory, {peak:.1} MB at most.")?;
        }
        if let Some(Memory { now, peak }) = self.target_memory {
            let (now, peak) = (now as f64 / MB, peak as f64 / MB);
            writeln!(out, "\nMemory after all rows: {now:.1} MB, {peak:.1} MB at most.")?;
        }
        if let Some(disk) = &self.disk {
            let DiskFacts { algorithm, refreshes, before, bytes: (first, last) } = disk;
            writeln!(
                out,
                "\nDisk a refresh ({algorithm}): {:.0} bytes, over {refreshes} refreshes behind the first {before}: from {:.1} to \
                 {:.1} MB.",
                disk.each(),
                *first as f64 / MB,
                *last as f64 / MB
            )?;
        }
        Ok(())
    }

    fn write_ratios(&self, out: &mut String) -> Result {
        let [rate, cpu, bound] = ["rate / limit", "server CPU / limit's", "limit's CPU / all"];
        writeln!(out, "\n{:<42}{rate:>16}{cpu:>24}{bound:>21}", "Ratios")?;
        let limited = |row: &&Series| row.row.limit != Limit::None && row.skipped.is_none();
        for row in self.rows.iter().filter(limited) {
            writeln!(
                out,
                "{:<42}{:>16}{:>24}{:>21}",
                row.row.name,
                cell(row.median(|round| Some(round.of_limit())), 2),
                cell(row.median(Round::cpu_of_limit), 2),
                cell(row.median(Round::bound_by_cpu), 2),
            )?;
        }
        let others = median(self.rows.iter().flat_map(|row| &row.rounds).map(Round::others));
        if let Some(others) = others.filter(|others| *others > QUIET) {
            writeln!(
                out,
                "\nNOT QUIET: other programs used {others:.1} cores. Rates, latencies and \"rate / limit\" mean little;\n\
                 the CPU times and their ratios still do."
            )?;
        }
        Ok(())
    }

    /// Writes the rows that show what a refresh is made of, with the middle half of their rounds.
    fn write_parts(&self, out: &mut String) -> Result {
        let is_part = |row: &&Series| row.row.is_part() && row.skipped.is_none();
        let parts: Vec<_> = self.rows.iter().filter(is_part).collect();
        if parts.len() < 2 {
            return Ok(());
        }
        let [name, rate, cpu] = ["What a refresh is made of", "rate / limit", "server CPU / limit's"];
        writeln!(out, "\n{name:<42}{rate:>22}{cpu:>26}{:>26}", "p99 / one signature")?;
        writeln!(out, "{:<42}{:>22}", "", "(the middle half)")?;
        for row in parts {
            let [rate, cpu] = [row.spread(|round| Some(round.of_limit())), row.spread(Round::cpu_of_limit)];
            let p99 = row.spread(|round| Some(round.measured.tally.latency(99) / round.units.signature?));
            writeln!(out, "{:<42}{rate:>22}{cpu:>26}{p99:>26}", row.row.name)?;
        }
        Ok(())
    }

    /// All rounds and the medians, as JSON.
    pub(crate) fn json(&self) -> serde_json::Result<String> {
        let memory = |memory: Memory| json!({ "now_bytes": memory.now, "peak_bytes": memory.peak });
        let sizes = self.sizes.iter().map(|size| {
            json!({
                "sessions": size.sessions, "events": size.events, "seeding_s": size.seeding, "start_s": size.start,
                "start_after_kill_s": size.killed_start, "memory_at_start_bytes": size.memory_at_start,
                "memory_bytes": size.memory, "peak_memory_bytes": size.peak_memory,
                "disk_at_start_bytes": size.disk_at_start, "disk_bytes": size.disk,
            })
        });
        let groups =
            self.groups.iter().map(|(server, groups)| json!({ "server": server, "store": groups.json() }));
        let disk = self.disk.as_ref().map(|disk| {
            json!({
                "algorithm": disk.algorithm, "refreshes": disk.refreshes, "refreshes_before": disk.before,
                "from_bytes": disk.bytes.0, "to_bytes": disk.bytes.1, "bytes_each": disk.each(),
            })
        });
        let proofs = self.proofs.iter().map(|(what, proof)| match proof {
            Ok(proved) => json!({ "server": what, "proved": proved }),
            Err(why) => json!({ "server": what, "failed": why }),
        });
        serde_json::to_string_pretty(&json!({
            "version": env!("CARGO_PKG_VERSION"), "target": self.target, "cores": cores(),
            "seconds_a_row": self.length.as_secs_f64(), "limits": self.limits.json(),
            "rows": self.rows.iter().map(Series::json).collect::<Vec<_>>(),
            "groups": groups.collect::<Vec<_>>(), "sizes": sizes.collect::<Vec<_>>(), "disk": disk,
            "idle_memory": self.idle.map(memory), "target_memory": self.target_memory.map(memory),
            "bars": bars::all(self).iter().map(bars::Bar::json).collect::<Vec<_>>(),
            "proofs": proofs.collect::<Vec<_>>(),
        }))
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
