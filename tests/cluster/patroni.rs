//! A cluster of databases that Patroni looks after: it promotes a standby by itself when the primary dies.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use heirloom::store::postgres::PostgresSettings;

use crate::free_port::free_port;
use crate::load::Load;
use crate::nodes::Nodes;
use crate::postgres_server::{as_another_than_root, folder_of_its_own, path, program};
use crate::proof::prove;
use crate::rounds;

/// How long Patroni may take for anything: the leader's key in etcd alone lives for 20 s.
const PATIENCE: Duration = Duration::from_secs(90);

/// What dies.
#[derive(Clone, Copy, Debug)]
enum Killed {
    /// The primary: Patroni itself lives, and gives its place up.
    Database,
    /// The machine: nobody gives the place up, and it is free when the key has expired.
    Both,
    /// Patroni alone: the primary goes on, and nobody fences it.
    Patroni,
}

/// Three members, and an etcd in which they agree.
struct Patroni {
    folder: PathBuf,
    members: Vec<Member>,
    etcd: Child,
    http: reqwest::Client,
}

struct Member {
    name: String,
    port: u16,
    rest: u16,
    process: Option<Child>,
}

impl Patroni {
    fn start() -> Self {
        // Only the first one of the process can install it.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = folder_of_its_own();
        let (clients, peers) = (free_port(), free_port());
        let [clients_url, peers_url] = [clients, peers].map(|port| format!("http://127.0.0.1:{port}"));
        let mut etcd = as_another_than_root(PathBuf::from("/usr/bin/etcd"));
        etcd.arg("--data-dir").arg(folder.join("etcd"));
        for (option, url) in [("client", &clients_url), ("peer", &peers_url)] {
            etcd.args([format!("--listen-{option}-urls"), url.clone()]);
        }
        etcd.args(["--advertise-client-urls", &clients_url, "--initial-advertise-peer-urls", &peers_url]);
        etcd.args(["--initial-cluster", &format!("default={peers_url}")]);
        let etcd = etcd.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("etcd is missing");
        let members = (0..3).map(|number| Member {
            name: format!("member{number}"),
            port: free_port(),
            rest: free_port(),
            process: None,
        });
        let mut patroni = Self { folder, members: members.collect(), etcd, http: reqwest::Client::new() };
        for number in 0..patroni.members.len() {
            let config = patroni.config(number, clients);
            fs::write(patroni.folder.join(format!("member{number}.yml")), config).unwrap();
            patroni.run(number);
        }
        patroni
    }

    fn config(&self, number: usize, etcd: u16) -> String {
        let Member { name, port, rest, .. } = &self.members[number];
        let folder = self.folder.join(name);
        let (folder, programs) = (folder.display(), path("postgres"));
        let programs = programs.parent().unwrap().display();
        format!(
            "scope: heirloom
name: {name}
restapi: {{listen: '127.0.0.1:{rest}', connect_address: '127.0.0.1:{rest}'}}
etcd3: {{host: '127.0.0.1:{etcd}'}}
bootstrap:
  dcs:
    ttl: 20
    loop_wait: 2
    retry_timeout: 3
    primary_start_timeout: 0
    synchronous_mode: true
    synchronous_mode_strict: true
    postgresql: {{use_pg_rewind: true, parameters: {{max_connections: 200, wal_log_hints: 'on'}}}}
  initdb: [{{encoding: UTF8}}, {{locale: C}}, {{auth: trust}}]
  pg_hba: ['host all all 127.0.0.1/32 trust', 'host replication all 127.0.0.1/32 trust']
postgresql:
  listen: '127.0.0.1:{port}'
  connect_address: '127.0.0.1:{port}'
  data_dir: {folder}
  bin_dir: {programs}
  pgpass: {folder}.pgpass
  authentication: {{superuser: {{username: heirloom, password: x}}, replication: {{username: heirloom, password: x}}}}
  parameters: {{unix_socket_directories: ''}}
"
        )
    }

    /// Starts a member's Patroni.
    fn run(&mut self, number: usize) {
        let log = self.folder.join(format!("member{number}.log"));
        let log = fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut patroni = as_another_than_root(PathBuf::from("/usr/bin/patroni"));
        patroni.arg(self.folder.join(format!("member{number}.yml"))).env("HOME", &self.folder);
        patroni.stdout(log.try_clone().unwrap()).stderr(log);
        self.members[number].process = Some(patroni.spawn().expect("Patroni is missing"));
    }

    /// Waits until a member has a role, and returns its number.
    async fn member(&self, role: &str, is_good: impl Fn(usize) -> bool) -> usize {
        let began = Instant::now();
        loop {
            for (number, member) in self.members.iter().enumerate() {
                let asked = self.http.get(format!("http://127.0.0.1:{}/{role}", member.rest)).send().await;
                if is_good(number) && asked.is_ok_and(|answer| answer.status() == 200) {
                    return number;
                }
            }
            assert!(began.elapsed() < PATIENCE, "no member is {role}: {}", self.logs());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn logs(&self) -> String {
        let log = |number| fs::read_to_string(self.folder.join(format!("member{number}.log")));
        (0..3).map(|number| log(number).unwrap_or_default()).collect::<Vec<_>>().join("\n\n")
    }

    fn kill(&mut self, number: usize, killed: Killed) {
        if matches!(killed, Killed::Both | Killed::Patroni) {
            let mut process = self.members[number].process.take().unwrap();
            process.kill().unwrap();
            process.wait().unwrap();
        }
        if matches!(killed, Killed::Both | Killed::Database) {
            self.kill_database(number);
        }
    }

    fn kill_database(&self, number: usize) {
        let file = self.folder.join(&self.members[number].name).join("postmaster.pid");
        let Ok(text) = fs::read_to_string(file) else { return };
        let pid = text.lines().next().unwrap().to_owned();
        let _ = Command::new("kill").args(["-KILL", &pid]).output();
    }

    fn hosts(&self) -> String {
        let hosts = self.members.iter().map(|member| format!("127.0.0.1:{}", member.port));
        hosts.collect::<Vec<_>>().join(",")
    }

    /// Whichever member is the primary.
    fn settings(&self, schema: &str) -> PostgresSettings {
        let url = format!("postgresql://heirloom@{}/postgres?target_session_attrs=read-write", self.hosts());
        PostgresSettings::new(url.parse().unwrap(), schema)
    }
}

impl Drop for Patroni {
    fn drop(&mut self) {
        for number in 0..self.members.len() {
            if let Some(mut process) = self.members[number].process.take() {
                let _ = process.kill();
                let _ = process.wait();
            }
            let stop = ["stop", "-m", "immediate", "-D"];
            let _ = program("pg_ctl").args(stop).arg(self.folder.join(&self.members[number].name)).output();
        }
        let _ = self.etcd.kill();
        let _ = self.etcd.wait();
        remove(&self.folder);
    }
}

fn remove(folder: &Path) {
    let _ = fs::remove_dir_all(folder);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Patroni and etcd (Debian: patroni, etcd-server), and takes some minutes"]
async fn what_patroni_does_signs_nobody_out() {
    let mut patroni = Patroni::start();
    patroni.member("primary", |_| true).await;
    patroni.member("sync", |_| true).await;
    let url = format!("postgresql://heirloom@{}/postgres", patroni.hosts());
    let database = patroni.settings("heirloom");
    let mut nodes = Nodes::start(&vec![url; 3], "heirloom");
    let load = Load::begin(&nodes).await;
    load.shared.more(200).await;

    let kinds = [Killed::Database, Killed::Both, Killed::Patroni];
    for round in 0..rounds("HEIRLOOM_CLUSTER_PATRONI", 3) {
        let killed = kinds[round % kinds.len()];
        let primary = patroni.member("primary", |_| true).await;
        patroni.member("sync", |_| true).await;
        load.shared.take_gap();
        let began = Instant::now();
        patroni.kill(primary, killed);
        patroni.member("primary", |number| number != primary).await;
        let promoted = began.elapsed();
        load.shared.more(100).await;
        println!(
            "Patroni: {killed:?} killed; another primary after {promoted:?}; the longest time without an answer {:?}",
            load.shared.take_gap()
        );
        if patroni.members[primary].process.is_none() {
            patroni.run(primary);
        }
        // It is a standby from now on.
        patroni.member("replica", |number| number == primary).await;
        load.shared.more(100).await;
    }
    let proved = prove(load, &mut nodes, &database).await;
    println!("Patroni: {proved}");
}
