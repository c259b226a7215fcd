//! What begins on a node of one version and goes on on a node of another.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::load::Shared;
use crate::nodes::{Nodes, SECRET, this_program};
use crate::{Numbers, PATIENCE};

/// How many guesses at the password of one account are permitted before the delays begin, over all nodes.
const GUESSES: usize = 10;
const PASSWORD: &str = "amber-violin-58-harbour";

/// The two programs that run side by side.
pub(crate) struct Versions {
    pub(crate) older: PathBuf,
    pub(crate) newer: PathBuf,
}

impl Versions {
    /// This program, and the older one that the test was given; otherwise this one twice.
    pub(crate) fn given() -> Self {
        let newer = this_program();
        let Some(older) = std::env::var_os("HEIRLOOM_OLDER_BINARY").filter(|older| !older.is_empty()) else {
            println!(
                "NOT RUN with an older version: tests/cluster/older builds one. This version replaces itself."
            );
            return Self { older: newer.clone(), newer };
        };
        let older = PathBuf::from(older);
        println!("side by side: {} and {}", version_of(&older), version_of(&newer));
        assert_ne!(version_of(&older), version_of(&newer), "the older program");
        Self { older, newer }
    }
}

/// What a program says that it is.
fn version_of(program: &Path) -> String {
    let output = Command::new(program).arg("--version").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    said.trim().strip_prefix("heirloom ").unwrap().to_owned()
}

/// Nodes of two versions.
pub(crate) struct Crossing {
    pub(crate) nodes: Nodes,
    pub(crate) shared: Arc<Shared>,
    pub(crate) numbers: Numbers,
    /// How often everything of [`Crossing::cross`] was done.
    pub(crate) crossed: usize,
}

impl Crossing {
    /// Makes a user, signs in, introspects, refreshes, revokes, and guesses at passwords: each step at another node than
    /// the one before, of another version if there is one.
    pub(crate) async fn cross(&mut self) {
        let name = format!("person-{}", self.crossed);
        let mut at = self.numbers.below(3);
        self.nodes.command_at(at, &["user", "add", &name], &format!("{PASSWORD}\n"));
        at = self.next(at);
        let form = [("grant_type", "password"), ("username", name.as_str()), ("password", PASSWORD)];
        let tokens = self.ask(at, "/oauth/token", &form).await;
        at = self.next(at);
        assert_eq!(self.introspected(at, &tokens).await, true);
        at = self.next(at);
        let refresh_token = text(&tokens, "refresh_token");
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.as_str())];
        let tokens = self.ask(at, "/oauth/token", &form).await;
        at = self.next(at);
        assert_eq!(self.introspected(at, &tokens).await, true);
        at = self.next(at);
        self.ask(at, "/oauth/revoke", &[("token", &text(&tokens, "refresh_token"))]).await;
        at = self.next(at);
        assert_eq!(self.introspected(at, &tokens).await, false, "revoked at another node");
        self.guess(at).await;
        self.crossed += 1;
    }

    /// Guesses at the password of an account until that is refused: in turn at two nodes, which count together.
    async fn guess(&mut self, at: usize) {
        let name = format!("guessed-at-{}", self.crossed);
        let both = [at, self.next(at)];
        // The first refusal lasts a second, and each further one twice as long: on a slow machine one may be over before
        // the next guess.
        for guess in 0..GUESSES + 5 {
            let (at, password) = (both[guess % 2], format!("guess {guess}"));
            let form = [("grant_type", "password"), ("username", &name), ("password", &password)];
            let (status, said) = self.answer(at, "/oauth/token", &form).await;
            if status == 429 && guess >= GUESSES {
                return;
            }
            assert_eq!(status, 400, "guess {guess}, at node {at}: {said}");
        }
        panic!("no guess was refused");
    }

    /// Adds a refresh secret and a signing key by a node's command, and waits until all nodes publish the new key.
    pub(crate) async fn rotate_keys(&mut self) {
        let at = self.numbers.below(3);
        self.nodes.command_at(at, &["keys", "rotate", "--refresh-secret"], "");
        self.nodes.command_at(at, &["keys", "rotate"], "");
        let (began, before) = (Instant::now(), self.published(at).await);
        assert!(before.len() > 1, "{before:?}");
        for at in 0..3 {
            while self.published(at).await != before {
                assert!(began.elapsed() < PATIENCE, "node {at} does not follow");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// Checks that the list of nodes, as any of them shows it, has the versions that run, and that nobody shares a lease.
    pub(crate) fn check_list(&mut self) {
        let list = self.list();
        for at in 0..3 {
            let version = version_of(self.nodes.program(at));
            let mut lives = list.iter().filter(|node| node.is_live && node.version == version);
            assert!(lives.next().is_some(), "{version} is missing: {list:?}");
        }
        let all: Vec<&String> = list.iter().flat_map(|node| &node.does).collect();
        let each: BTreeSet<&String> = all.iter().copied().collect();
        assert_eq!(all.len(), each.len(), "a lease twice: {list:?}");
    }

    /// Waits until nodes of this program have all the leases.
    pub(crate) async fn leases_are_of(&mut self, program: &Path) {
        let (began, version) = (Instant::now(), version_of(program));
        loop {
            let list = self.list();
            let does = |lease: &str| {
                list.iter().any(|node| node.version == version && node.does.iter().any(|does| does == lease))
            };
            if does("sweeper") && does("logout_deliveries") {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{list:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// A node to ask after `at`: of another version, if there is one.
    fn next(&mut self, at: usize) -> usize {
        let others = [(at + 1) % 3, (at + 2) % 3];
        let is_of_another = |node: &&usize| self.nodes.program(**node) != self.nodes.program(at);
        let of_another: Vec<usize> = others.iter().filter(is_of_another).copied().collect();
        let from = if of_another.is_empty() { &others[..] } else { &of_another };
        from[self.numbers.below(from.len())]
    }

    /// What `heirloom nodes` shows, asked at any of them.
    fn list(&mut self) -> Vec<Listed> {
        let at = self.numbers.below(3);
        self.nodes.command_at(at, &["nodes"], "").lines().map(Listed::of).collect()
    }

    async fn published(&self, at: usize) -> BTreeSet<String> {
        let request = self.shared.http.get(format!("{}/.well-known/jwks.json", self.shared.bases[at]));
        let keys: Value = serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap();
        keys["keys"].as_array().unwrap().iter().map(|key| text(key, "kid")).collect()
    }

    async fn introspected(&self, at: usize, tokens: &Value) -> Value {
        self.ask(at, "/oauth/introspect", &[("token", &text(tokens, "access_token"))]).await["active"].clone()
    }

    async fn ask(&self, at: usize, path: &str, form: &[(&str, &str)]) -> Value {
        let (status, said) = self.answer(at, path, form).await;
        assert_eq!(status, 200, "{path} at node {at}: {said}");
        said
    }

    /// Asks a node, once more after a 503.
    async fn answer(&self, at: usize, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
        let began = Instant::now();
        loop {
            let request = self.shared.http.post(format!("{}{path}", self.shared.bases[at]));
            let answer = request.basic_auth("web-app", Some(SECRET)).form(form).send().await.unwrap();
            let (status, said) = (answer.status().as_u16(), answer.text().await.unwrap());
            if status != 503 {
                return (status, serde_json::from_str(&said).unwrap_or_default());
            }
            assert!(began.elapsed() < PATIENCE, "{path} at node {at}: {said}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// A line of `heirloom nodes`.
#[derive(Debug)]
struct Listed {
    version: String,
    is_live: bool,
    does: Vec<String>,
}

impl Listed {
    fn of(line: &str) -> Self {
        let parts: Vec<&str> = line.split("  ").collect();
        let does = parts.iter().find_map(|part| part.strip_prefix("does ")).unwrap_or_default();
        Self {
            version: parts[1].to_owned(),
            is_live: parts[2].starts_with("live"),
            does: does.split(", ").filter(|lease| !lease.is_empty()).map(str::to_owned).collect(),
        }
    }
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("{field}: {value}")).to_owned()
}
