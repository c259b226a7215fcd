//! Measures everything, in order.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::bare::Bare;
use super::chain::{Chain, Pool, digest};
use super::drive::Stage;
use super::figures::{DiskFacts, Report, Round, Series, SizeFacts};
use super::installation::{Algorithm, Installation};
use super::keys::Keys;
use super::limits::{self, Units};
use super::options::{Options, size_text};
use super::rows::{self, Kind, Limit, MANY, Place, Row};
use super::seed::seed;
use super::server::{Memory, Server, disk};
use super::target::Target;
use super::work::sign_in;

/// The number of sessions for rows in which it does not matter.
const FEW: usize = 1000;
/// The names of the rows that don't send requests.
const DISK_ROW: &str = "disk a refresh";
const IDLE_ROW: &str = "idle and empty";

/// The servers, and the folder that their folders are in.
struct Bench<'a> {
    options: &'a Options,
    keys: Rc<Keys>,
    folder: tempfile::TempDir,
    stages: BTreeMap<Place, Stage>,
    /// The servers that can't be measured, and why.
    missing: BTreeMap<Place, String>,
    report: Report,
}

/// The results, and the servers with their names, for the proof.
pub(crate) struct Done {
    pub(crate) report: Report,
    /// The servers. They must end before their folder is removed.
    pub(crate) stages: Vec<(String, Stage)>,
    /// The folder that the servers' folders are in.
    pub(crate) folder: tempfile::TempDir,
}

/// Measures what the options ask for.
pub(crate) async fn all(options: &Options) -> anyhow::Result<Done> {
    let mut bench = Bench {
        options,
        keys: Rc::new(Keys::make()?),
        folder: tempfile::tempdir()?,
        stages: BTreeMap::new(),
        missing: BTreeMap::new(),
        report: Report { length: options.length()?, ..Report::default() },
    };
    let ours = options.target.target.is_none();
    let rows = if ours { rows::of_heirloom(&options.sizes()) } else { bench.join_target().await? };
    let mut names: Vec<_> = rows.iter().map(|row| row.name.clone()).collect();
    names.extend([DISK_ROW, IDLE_ROW].map(str::to_owned));
    options.check(&names)?;
    for row in rows.into_iter().filter(|row| options.wants(&row.name, &names)) {
        let prepared = match bench.prepare(row.place).await {
            Ok(()) if !ours => bench.probe(&row).await,
            prepared => prepared,
        };
        let skipped = prepared.err();
        bench.report.rows.push(Series { row, rounds: Vec::new(), skipped });
    }
    bench.rounds().await?;
    bench.look_at_sizes().await?;
    if ours && options.wants(IDLE_ROW, &names) {
        bench.idle().await?;
    }
    if ours && options.wants(DISK_ROW, &names) {
        bench.disk().await?;
    }
    let Bench { stages, report, folder, .. } = bench;
    // There is nothing to prove about servers that know no OAuth.
    let stages = stages.into_iter().filter(|(place, _)| !matches!(place, Place::Bare(_)));
    let stages = stages.map(|(place, stage)| (name_of(place), stage)).collect();
    Ok(Done { report, stages, folder })
}

fn name_of(place: Place) -> String {
    match place {
        Place::Signing(algorithm) => format!("the server that signs {}", algorithm.name()),
        Place::Size(sessions) => format!("the server with {} sessions", size_text(sessions)),
        Place::Disk => "the server whose disk was looked at".to_owned(),
        Place::Bare(bare) => format!("the server that knows no OAuth: {}", bare.name()),
        Place::Target => "the server".to_owned(),
    }
}

impl Bench<'_> {
    /// Adds the server of `--target`. Returns its rows.
    async fn join_target(&mut self) -> anyhow::Result<Vec<Row>> {
        let options = &self.options.target;
        self.report.target = options.target.as_ref().map(ToString::to_string);
        let mut target = Target::discover(options).await?;
        let (access, refresh) = sign_in(&target).await.context("the first sign-in")?;
        target.learn_algorithm(&access);
        let rows = rows::of_target(&target);
        let mut pool = Pool::default();
        pool.resting.push_back(Chain::of(refresh));
        let stage = Stage {
            installation: None,
            target: Rc::new(target),
            server: options.pid.map_or(Server::Unknown, Server::Other),
            pool: Rc::new(RefCell::new(pool)),
            given: Vec::new(),
        };
        self.stages.insert(Place::Target, stage);
        Ok(rows)
    }

    /// Sends a row's request to another server once. It may have the endpoint and still refuse the client.
    async fn probe(&mut self, row: &Row) -> Result<(), String> {
        let is_open = !matches!(row.kind, Kind::ClientCredentials | Kind::Introspection | Kind::Userinfo);
        let Some(stage) = self.stages.get_mut(&row.place).filter(|_| !is_open) else { return Ok(()) };
        stage.once(row.kind).await.map_err(|error| format!("{error:#}"))
    }

    /// Starts a row's server unless it runs already. The error says why it can't run.
    async fn prepare(&mut self, place: Place) -> Result<(), String> {
        if self.stages.contains_key(&place) {
            return Ok(());
        }
        if let Some(why) = self.missing.get(&place) {
            return Err(why.clone());
        }
        self.make(place).await.map_err(|error| {
            let why = format!("{error:#}");
            self.missing.insert(place, why.clone());
            why
        })
    }

    async fn make(&mut self, place: Place) -> anyhow::Result<()> {
        let (algorithm, sessions) = match place {
            Place::Signing(algorithm) => (algorithm, FEW),
            Place::Size(sessions) => (Algorithm::Rs256, sessions),
            Place::Disk => (Algorithm::Es256, FEW),
            Place::Bare(bare) => return self.make_bare(place, bare),
            Place::Target => return Ok(()),
        };
        let folder = self.folder.path().join(format!("{place:?}"));
        eprintln!("making {} sessions for {}", size_text(sessions), name_of(place));
        let began = Instant::now();
        let kept = self.options.seeds.as_ref();
        let kept = kept.map(|kept| kept.join(format!("{}-{}", algorithm.name(), size_text(sessions))));
        let installation = Installation::make(folder, algorithm, kept.as_deref())?;
        let seeded = seed(&installation, sessions).await?;
        kept.map(|kept| installation.keep(&kept)).transpose()?;
        // Writes that are pending now must not disturb the measurement.
        Command::new("sync").status().context("sync")?;
        let (seeding, events) = (began.elapsed().as_secs_f64(), seeded.position);
        let (server, start) = Server::start(&installation).await?;
        let mut target = Target::of_heirloom(installation.address());
        let (access, refresh) = sign_in(&target).await?;
        target.learn_algorithm(&access);
        let signs = &target.algorithm;
        anyhow::ensure!(signs == algorithm.name(), "the server signs {signs}");
        if let Place::Size(sessions) = place {
            let Memory { now, peak } = server.memory()?.unwrap_or_default();
            let disk = disk(&installation.data())?;
            self.report.sizes.push(SizeFacts {
                sessions,
                events,
                seeding,
                start: start.as_secs_f64(),
                killed_start: Vec::new(),
                memory_at_start: now,
                memory: now,
                peak_memory: peak,
                disk_at_start: disk,
                disk,
            });
        }
        let stage = Stage {
            installation: Some(installation),
            target: Rc::new(target),
            server,
            pool: Rc::new(RefCell::new(Pool::of(seeded))),
            given: vec![digest(&refresh)],
        };
        self.stages.insert(place, stage);
        Ok(())
    }

    fn make_bare(&mut self, place: Place, bare: Bare) -> anyhow::Result<()> {
        let folder = self.folder.path().join(bare.name());
        let (server, address) = Server::bare(bare, self.keys.faster(), &folder)?;
        let stage = Stage {
            installation: None,
            target: Rc::new(Target::of_heirloom(address)),
            server,
            pool: Rc::default(),
            given: Vec::new(),
        };
        self.stages.insert(place, stage);
        Ok(())
    }

    /// Runs all rounds of all rows, and measures the limits of the machine in each.
    async fn rounds(&mut self) -> anyhow::Result<()> {
        let (keys, rounds, length) = (Rc::clone(&self.keys), self.options.rounds(), self.report.length);
        for round in 1..=rounds {
            eprintln!("round {round} of {rounds}: limits");
            self.limits(&keys, length / 5).await?;
            for rounds_of_row in &mut self.report.rows {
                let row = &rounds_of_row.row;
                let stage = self.stages.get_mut(&row.place);
                let Some(stage) = stage.filter(|_| rounds_of_row.skipped.is_none()) else { continue };
                eprintln!("round {round} of {rounds}: {}", row.name);
                let before = limits::measure(row.limit, &keys, length / 5)?;
                let units_before = Units::measure(row, &keys, self.folder.path(), length / 10).await?;
                let measured = stage.run(row, length).await?;
                let units =
                    Units::measure(row, &keys, self.folder.path(), length / 10).await?.mean(&units_before);
                let limit = limits::measure(row.limit, &keys, length / 5)?.mean(&before);
                rounds_of_row.rounds.push(Round { measured, limit, units });
            }
        }
        for (place, stage) in &self.stages {
            let groups = stage.groups().await?;
            self.report.groups.extend(groups.map(|groups| (name_of(*place), groups)));
        }
        if let Some(stage) = self.stages.get(&Place::Target) {
            self.report.target_memory = stage.server.memory()?;
        }
        Ok(())
    }

    async fn limits(&mut self, keys: &Keys, length: Duration) -> anyhow::Result<()> {
        let folder = self.folder.path();
        let limits = &mut self.report.limits;
        for limit in [Limit::Rsa2048, Limit::Rsa2048Other, Limit::P256, Limit::Argon2] {
            limits.add(limit, limits::measure(limit, keys, length)?);
        }
        limits.signature.push(limits::one_signature(keys, length)?);
        limits.commit.push(limits::one_commit(folder, length).await?);
        limits.fsyncs.push(limits::fsyncs(folder, length)?);
        Ok(())
    }

    /// Measures memory and disk with many sessions, and starts after SIGKILL.
    async fn look_at_sizes(&mut self) -> anyhow::Result<()> {
        for facts in &mut self.report.sizes {
            let Some(stage) = self.stages.get_mut(&Place::Size(facts.sessions)) else { continue };
            let Some(installation) = &stage.installation else { continue };
            let Memory { now, peak } = stage.server.memory()?.unwrap_or_default();
            (facts.memory, facts.peak_memory) = (now, peak);
            facts.disk = disk(&installation.data())?;
            for round in 1..=self.options.rounds() {
                eprintln!("killing and starting {}, {round}", name_of(Place::Size(facts.sessions)));
                stage.server.kill()?;
                let (server, took) = Server::start(installation).await?;
                stage.server = server;
                facts.killed_start.push(took.as_secs_f64());
                facts.peak_memory = facts.peak_memory.max(stage.server.memory()?.unwrap_or_default().peak);
            }
        }
        Ok(())
    }

    /// Measures the memory of an idle server without users.
    async fn idle(&mut self) -> anyhow::Result<()> {
        let installation = Installation::make(self.folder.path().join("idle"), Algorithm::Rs256, None)?;
        let (mut server, _) = Server::start(&installation).await?;
        // By then it has finished what it does after a start.
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.report.idle = server.memory()?;
        server.kill()
    }

    /// Measures the disk that a refresh takes, once free space in the file is being used again.
    async fn disk(&mut self) -> anyhow::Result<()> {
        let row = Row {
            name: DISK_ROW.to_owned(),
            place: Place::Disk,
            kind: Kind::Refresh,
            connections: MANY,
            storm: 0,
            limit: Limit::None,
        };
        let refreshes = self.options.disk_refreshes();
        if let Err(why) = self.prepare(Place::Disk).await {
            self.report.rows.push(Series { row, rounds: Vec::new(), skipped: Some(why) });
            return Ok(());
        }
        let stage = self.stages.get_mut(&Place::Disk).context("no server")?;
        let mut counted = [0, 0];
        let mut bytes = [0, 0];
        let mut all = Series { row, rounds: Vec::new(), skipped: None };
        for (count, bytes) in counted.iter_mut().zip(&mut bytes) {
            while *count < refreshes {
                eprintln!("{DISK_ROW}: {count} of {refreshes}");
                let measured = stage.run(&all.row, Duration::from_secs(5).min(self.report.length)).await?;
                anyhow::ensure!(measured.tally.answers() > 0, "{DISK_ROW}: no answers");
                *count += measured.tally.answers();
                all.rounds.push(Round { measured, limit: limits::Rate::default(), units: Units::default() });
            }
            let installation = stage.installation.as_ref().context("no folder")?;
            *bytes = disk(&installation.data())?;
        }
        self.report.rows.push(all);
        let algorithm = Algorithm::Es256.name();
        self.report.disk =
            Some(DiskFacts { algorithm, refreshes: counted[1], before: counted[0], bytes: bytes.into() });
        Ok(())
    }
}
