//! A PostgreSQL server for the tests of one program. The first test that needs it starts it, in a temporary folder; it ends with
//! the program. Each test has a schema of its own.
//!
//! The server is Debian's package `postgresql`, of which only the programs are used. With
//! `HEIRLOOM_TEST_POSTGRES_FSYNC=off` it does not sync, which is faster where disks are slow. `HEIRLOOM_TEST_POSTGRES` is the
//! folder with the programs of another version; those that it lacks are Debian's.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use heirloom::store::postgres::PostgresSettings;

/// A place of its own on the shared server.
pub(crate) fn settings() -> PostgresSettings {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    shared().settings(&format!("test {number}"))
}

/// The shared server.
pub(crate) fn shared() -> &'static PostgresServer {
    static SERVER: OnceLock<PostgresServer> = OnceLock::new();
    SERVER.get_or_init(PostgresServer::start)
}

/// A server in a folder of its own, which is removed when it ends.
pub(crate) struct PostgresServer {
    pub(crate) folder: PathBuf,
    /// A shell that ends when we do, since it reads from us; then it ends the server and removes the folder.
    pub(crate) guard: Child,
}

impl PostgresServer {
    pub(crate) fn start() -> Self {
        Self::start_with(|_| "listen_addresses = ''".to_owned())
    }

    /// A server with what `prepare` says of its configuration. It gets the server's folder, and may write files there.
    pub(crate) fn start_with(prepare: impl FnOnce(&Path) -> String) -> Self {
        let folder = folder_of_its_own();
        let mut initdb = program("initdb");
        initdb.args(["-U", "heirloom", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"]);
        succeed(initdb.arg(folder.join("data")));
        std::fs::write(folder.join("data/postgresql.auto.conf"), prepare(&folder) + "\n").unwrap();
        if is_root() {
            succeed(Command::new("chown").arg("-R").arg("nobody").arg(&folder));
        }
        let mut server = Self { guard: Self::guard(&folder), folder };
        server.run();
        server
    }

    /// Starts its processes, if they have ended, and waits until it answers.
    pub(crate) fn run(&mut self) {
        for _ in 0..3000 {
            // It does not start while one process of a killed server is still there.
            if self.guard.try_wait().unwrap().is_some() {
                self.guard = Self::guard(&self.folder);
            }
            let mut psql = Command::new(path("psql"));
            without_settings(&mut psql);
            psql.arg("-h").arg(&self.folder).args(["-U", "heirloom", "-d", "postgres", "-c", "SELECT 1"]);
            if psql.output().unwrap().status.success() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        panic!("PostgreSQL does not start: {log}");
    }

    /// Kills all of its processes.
    pub(crate) fn kill(&mut self) {
        let pid = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap();
        let pid = pid.lines().next().unwrap().to_owned();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        // One of the children may have ended meanwhile.
        let _ = Command::new("kill").arg("-KILL").arg(&pid).args(children.split_whitespace()).output();
        // The guard sees that the server has gone, and leaves the folder alone. Waiting for it would close its pipe.
        while self.guard.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Where `schema` is on this server.
    pub(crate) fn settings(&self, schema: &str) -> PostgresSettings {
        let mut server = tokio_postgres::Config::new();
        server.host_path(&self.folder).user("heirloom").dbname("postgres");
        server.application_name(format!("heirloom {schema}"));
        PostgresSettings::new(server, schema)
    }

    pub(crate) fn guard(folder: &Path) -> Child {
        let fsync = std::env::var("HEIRLOOM_TEST_POSTGRES_FSYNC").unwrap_or_else(|_| "on".to_owned());
        let mut server = program("postgres");
        server.arg("-D").arg(folder.join("data")).arg("-k").arg(folder);
        for setting in ["max_connections=300", "shared_buffers=32MB"] {
            server.args(["-c", setting]);
        }
        server.args(["-c", &format!("fsync={fsync}")]);
        // The reader of our pipe ends when we end; if the server ends before, so does the guard.
        let script = r#"
            folder=$1; shift
            "$@" >>"$folder/log" 2>&1 & server=$!
            { cat >/dev/null; touch "$folder/end"; kill -QUIT $server; } <&3 & reader=$!
            exec 3<&-
            wait $server
            if [ -e "$folder/end" ]; then rm -rf "$folder"; else kill $reader; fi
        "#;
        let mut guard = Command::new("sh");
        guard.args(["-c", &format!("exec 3<&0\n{script}"), "guard"]).arg(folder);
        guard.arg(server.get_program()).args(server.get_args());
        // The terminal's Ctrl+C is ours.
        guard.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        guard.spawn().unwrap()
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        self.guard.wait().unwrap();
    }
}

/// One of the server's programs, as a user that it accepts: it refuses root.
pub(crate) fn program(name: &str) -> Command {
    as_another_than_root(path(name))
}

/// A program, as the user `nobody` if we are root.
pub(crate) fn as_another_than_root(path: PathBuf) -> Command {
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(path);
        command
    } else {
        Command::new(path)
    };
    without_settings(&mut command);
    command
}

/// Of the developer's own server, this one has nothing: neither its port nor its user.
fn without_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
}

/// Where a program of PostgreSQL is. Debian has the newest of its servers in a folder of its own.
pub(crate) fn path(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.extend(std::env::var_os("HEIRLOOM_TEST_POSTGRES").map(PathBuf::from));
    folders.reverse();
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let found = folders.into_iter().map(|folder| folder.join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| {
        panic!(
            "{name} is missing: these tests need PostgreSQL's server (on Debian: apt-get install postgresql)"
        )
    })
}

/// A temporary folder of the user that the server runs as.
pub(crate) fn folder_of_its_own() -> PathBuf {
    let folder = tempfile::Builder::new().prefix("heirloom-postgres-").tempdir().unwrap().keep();
    if is_root() {
        succeed(Command::new("chown").arg("nobody").arg(&folder));
    }
    folder
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub(crate) fn succeed(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
