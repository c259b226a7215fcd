//! Nodes that have their keys in the database: each is a server of its own, and they share the database, the
//! key-encryption key and the clock.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use heirloom::app::assemble::{make_keys, read_keys};
use heirloom::app::error::TokenError;
use heirloom::clock::{Clock, ManualClock};
use heirloom::store::StoreLocation;
use heirloom::store::postgres::PostgresSettings;
use heirloom::token::{KeyEncryptionKey, KeyEncryptionKeys, KeyLife, Keyring, SealedKeys, SigningAlgorithm};
use tokio_postgres::config::Host;

use crate::introspection::introspect;
use crate::support::codes::Ask;
use crate::support::{CONFIDENTIAL, NOW, PUBLIC, SECRET, Server, Setup, USER, postgres_server, set_mode};

/// A cluster without nodes.
struct Cluster {
    settings: PostgresSettings,
    clock: Arc<ManualClock>,
}

impl Cluster {
    fn new() -> Self {
        Self { settings: postgres_server::settings(), clock: Arc::new(ManualClock::at(NOW)) }
    }

    /// The keys, as a node and the command line find them.
    fn keyring(&self, key_encryption_key: u8) -> Keyring {
        self.keyring_of(key_encryption_key, None)
    }

    /// As [`keyring`](Self::keyring), while another key-encryption key takes the place of an older one.
    fn keyring_of(&self, key_encryption_key: u8, other: Option<u8>) -> Keyring {
        let temp = tempfile::tempdir().unwrap();
        let key = |key: u8| {
            let file = temp.path().join(key.to_string());
            std::fs::write(&file, STANDARD.encode([key; 32])).unwrap();
            set_mode(&file, 0o600);
            KeyEncryptionKey::read(&file).unwrap()
        };
        let keys = KeyEncryptionKeys::new(key(key_encryption_key), other.map(key));
        let table = StoreLocation::Postgres(Box::new(self.settings.clone())).key_table().unwrap().unwrap();
        Keyring::in_database(SealedKeys::new(table, keys))
    }

    fn setup(&self) -> Setup {
        let mut setup = Setup::node(&self.settings, &self.clock);
        setup.config.algorithm = SigningAlgorithm::Es256;
        setup.config.id_token_algorithms = vec![SigningAlgorithm::Es256];
        setup.keyring = Some(self.keyring(7));
        setup
    }

    /// Two nodes that start at the same time, where nothing is yet.
    async fn start(&self) -> [Server; 2] {
        let starts = [self.setup(), self.setup()].map(|setup| {
            let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&self.clock);
            tokio::task::spawn_blocking(move || {
                let keyring = setup.keyring.clone().unwrap();
                make_keys(&keyring, &setup.config, &clock).unwrap();
                (setup.config, keyring)
            })
        });
        let mut nodes = Vec::new();
        for start in starts {
            let (config, keyring) = start.await.unwrap();
            let mut setup = self.setup();
            (setup.config, setup.keyring) = (config, Some(keyring));
            if let Some(first) = nodes.first() {
                let first: &Server = first;
                setup.config.issuer.clone_from(&first.config.issuer);
            }
            let node = setup.start().await;
            node.app.keys.check().await.unwrap();
            nodes.push(node);
        }
        nodes[0].app.accounts.register(USER.0, USER.1, vec!["user".to_owned()]).await.unwrap();
        nodes.try_into().ok().unwrap()
    }
}

/// The published kids, and the one that signs the tokens of a new session.
async fn kids(node: &Server) -> (Vec<String>, String) {
    let jwks = node.get("/.well-known/jwks.json").await.json;
    let published =
        jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned());
    let header = crate::support::Answer::part(&node.sign_in().await.access_token(), 0);
    (published.collect(), header["kid"].as_str().unwrap().to_owned())
}

/// The id of the secret by which a refresh token was made.
fn secret(token: &str) -> u8 {
    URL_SAFE_NO_PAD.decode(token.strip_prefix("hrt_").unwrap()).unwrap()[0]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_at_once_share_keys_and_publish_a_new_one_before_any_signs_by_it() {
    let cluster = Cluster::new();
    let nodes = cluster.start().await;
    let (published, first) = kids(&nodes[0]).await;
    assert_eq!(kids(&nodes[1]).await, (published.clone(), first.clone()));
    assert_eq!(published, std::slice::from_ref(&first));

    let watches =
        nodes.each_ref().map(|node| tokio::spawn(Arc::clone(&node.app.keys).watch(Duration::from_millis(5))));
    let rotated = cluster.keyring(7).rotate_signing(SigningAlgorithm::Es256, NOW).unwrap().kid.to_string();
    for node in &nodes {
        let until_published = async {
            while kids(node).await != (vec![first.clone(), rotated.clone()], first.clone()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), until_published).await.expect("the node follows");
    }
    cluster.clock.advance(Duration::from_hours(2) + Duration::from_secs(2));
    for node in &nodes {
        assert_eq!(kids(node).await, (vec![first.clone(), rotated.clone()], rotated.clone()));
    }
    for watch in watches {
        watch.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_refresh_secret_makes_tokens_once_every_node_knows_it() {
    let cluster = Cluster::new();
    let [one, other] = cluster.start().await;
    let mut token = one.sign_in().await.refresh_token();
    assert_eq!(cluster.keyring(7).rotate_refresh_secret(NOW).unwrap().id, 2);
    // One node has noticed the secret, the other has not: whatever the first makes, the second takes.
    assert_eq!(one.app.keys.look().await.refresh_secrets, [2, 1]);
    for node in [&one, &other] {
        token = node.refresh(&token).await.refresh_token();
        assert_eq!(secret(&token), 1);
    }
    cluster.clock.advance(Duration::from_secs(61));
    for node in [&one, &other, &one] {
        assert_eq!(node.app.keys.look().await.refresh_secrets, [1, 2]);
        token = node.refresh(&token).await.refresh_token();
        assert_eq!(secret(&token), 2);
    }

    // A secret that is destroyed leaves at once, and the older one takes its place until the new one may.
    let new = cluster.keyring(7).compromised_refresh_secret(2, cluster.clock.now()).unwrap().unwrap();
    for node in [&one, &other] {
        assert_eq!(node.app.keys.look().await.refresh_secrets, [new.id, 1]);
        assert_eq!(node.refresh(&token).await.outcome(), (400, "invalid_grant"));
    }
    token = other.sign_in().await.refresh_token();
    assert_eq!((secret(&token), secret(&one.refresh(&token).await.refresh_token())), (1, 1));
}

/// The other nodes go on while one lacks the new key-encryption key. Whoever comes to that one is not signed out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_under_a_secret_that_a_node_cannot_open_is_503_there_until_it_can() {
    let cluster = Cluster::new();
    let [one, other] = cluster.start().await;
    let other = other.restart(|setup| setup.keyring = Some(cluster.keyring_of(8, Some(7)))).await;
    assert_eq!(cluster.keyring_of(8, Some(7)).rotate_refresh_secret(NOW).unwrap().id, 2);
    cluster.clock.advance(Duration::from_secs(61));
    let looked = other.app.keys.look().await;
    assert_eq!((looked.refresh_secrets, looked.problems), (vec![1, 2], Vec::new()));
    let token = other.sign_in().await.refresh_token();
    let confidential = other.sign_in_confidential().await.refresh_token();
    let code = other.code(Ask::default()).await;
    let (_, cookie) = other.log_in_with_cookie().await;
    assert_eq!(secret(&token), 2);

    let looked = one.app.keys.look().await;
    assert_eq!(looked.refresh_secrets, [1]);
    let [problem] = looked.problems.as_slice() else { panic!("{looked:?}") };
    assert!(problem.contains("refresh-002") && problem.contains("key-encryption key"), "{problem}");
    let revoke = one.client.post(format!("{}/oauth/revoke", one.base));
    for refused in [
        one.refresh(&token).await,
        one.redeem(&code).await,
        one.send(revoke.form(&[("client_id", PUBLIC), ("token", &token)])).await,
        introspect(&one, (CONFIDENTIAL, SECRET), &confidential).await,
    ] {
        assert_eq!(refused.outcome(), (503, "temporarily_unavailable"), "{}", refused.text);
        assert_eq!(refused.header("retry-after"), "1");
    }
    let login = one.app.logins.current(&cookie).await;
    assert!(matches!(login, Err(TokenError::SecretUnusable)), "{}", login.is_ok());
    // What is under a secret that never was, is nobody's.
    let mut bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix("hrt_").unwrap()).unwrap();
    bytes[0] = 3;
    let forged = format!("hrt_{}", URL_SAFE_NO_PAD.encode(bytes));
    assert_eq!(one.refresh(&forged).await.outcome(), (400, "invalid_grant"));

    assert!(cluster.keyring_of(7, Some(8)).reseal().unwrap().unwrap() > 0);
    assert_eq!(one.app.keys.look().await.refresh_secrets, [1, 2]);
    assert_eq!(one.redeem(&code).await.status, 200);
    assert!(one.app.logins.current(&cookie).await.unwrap().is_some());
    let token = one.refresh(&token).await.refresh_token();
    assert_eq!(secret(&token), 2);
    cluster.keyring(7).compromised_refresh_secret(2, cluster.clock.now()).unwrap();
    one.app.keys.look().await;
    assert_eq!(one.refresh(&token).await.outcome(), (400, "invalid_grant"), "it was destroyed");
}

/// A node that can't read the keys, while it can read everything else, does not know of a secret that others use by now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_be_under_a_secret_that_a_node_has_not_read_yet_is_503_there() {
    let cluster = Cluster::new();
    let [one, other] = cluster.start().await;
    cluster.keyring(7).rotate_refresh_secret(NOW).unwrap();
    cluster.clock.advance(Duration::from_secs(61));
    other.app.keys.look().await;
    let token = other.sign_in().await.refresh_token();
    assert_eq!(secret(&token), 2);
    let lost = [
        [
            "ALTER TABLE sealed_key RENAME COLUMN value TO lost",
            "ALTER TABLE sealed_key RENAME COLUMN lost TO value",
        ],
        ["ALTER TABLE sealed_key RENAME TO lost", "ALTER TABLE lost RENAME TO sealed_key"],
    ];
    for [hide, bring_back] in lost {
        one.sql(hide).await;
        let looked = one.app.keys.look().await;
        assert!(!looked.problems.is_empty());
        assert_eq!(one.refresh(&token).await.outcome(), (503, "temporarily_unavailable"), "{hide}");
        one.sql(bring_back).await;
    }
    let looked = one.app.keys.look().await;
    assert!(looked.problems.is_empty(), "{looked:?}");
    assert_eq!(one.refresh(&token).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_whose_lead_time_is_over_makes_tokens_without_another_change() {
    let cluster = Cluster::new();
    let [one, _other] = cluster.start().await;
    let watch = tokio::spawn(Arc::clone(&one.app.keys).watch(Duration::from_millis(5)));
    cluster.keyring(7).rotate_refresh_secret(NOW).unwrap();
    let notices = async {
        while one.app.keys.mac_keys().ids() != [2, 1] {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), notices).await.expect("it notices the secret");
    // Nothing changes any more but the time.
    cluster.clock.advance(Duration::from_secs(61));
    let begins = async {
        while secret(&one.sign_in().await.refresh_token()) != 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), begins).await.expect("it makes tokens");
    watch.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_under_a_new_pepper_is_good_on_a_node_that_was_not_restarted() {
    let cluster = Cluster::new();
    let [one, other] = cluster.start().await;
    cluster.keyring(7).rotate_pepper(NOW).unwrap();
    assert!(one.app.keys.look().await.problems.is_empty());
    // The restarted node hashes with the new pepper when the user signs in.
    let other = other.restart(|_| {}).await;
    assert_eq!(other.sign_in().await.status, 200);
    for node in [&one, &other, &one] {
        assert_eq!(node.sign_in().await.status, 200);
    }
    // A pepper that can't be read is told.
    assert!(one.app.keys.problems().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_with_another_key_encryption_key_does_not_start_and_changes_nothing() {
    let cluster = Cluster::new();
    let [one, _other] = cluster.start().await;
    let (config, clock) = (one.config.clone(), Arc::<ManualClock>::clone(&cluster.clock) as Arc<dyn Clock>);
    let wrong = cluster.keyring(8);
    let refused =
        tokio::task::spawn_blocking(move || read_keys(&wrong, &config, &clock).unwrap_err().to_string());
    let said = refused.await.unwrap();
    assert!(said.contains("is sealed under the key-encryption key"), "{said}");
    assert!(said.contains("key_encryption_key_file"), "{said}");
    assert!(one.app.keys.look().await.problems.is_empty());
    assert_eq!(cluster.keyring(7).secrets().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stolen_database_has_no_key_in_it() {
    let cluster = Cluster::new();
    let [one, _other] = cluster.start().await;
    assert_eq!(one.sign_in().await.status, 200);
    cluster.keyring(7).rotate_signing(SigningAlgorithm::Rs256, NOW).unwrap();
    let dump = dump(&cluster.settings);
    for name in ["signing-", "refresh-001-", "pepper-001-"] {
        assert!(dump.contains(name), "{name} is not in the dump");
    }
    // The keys in the open, as the keys folder has them.
    let folder = tempfile::tempdir().unwrap();
    let open = Keyring::in_folder(folder.path().join("keys"));
    assert_eq!(cluster.keyring(7).copy_to(&open).unwrap(), 4);
    assert_eq!(open.signing_keys(&KeyLife::default(), NOW).unwrap().len(), 2);
    for entry in std::fs::read_dir(folder.path().join("keys")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("-----")).collect();
        let base64 = lines.concat();
        let bytes = STANDARD.decode(&base64).or_else(|_| URL_SAFE_NO_PAD.decode(&base64)).unwrap();
        assert!(shows(&hex(&bytes), &text, &bytes), "the search itself");
        assert!(shows(&hex(text.as_bytes()), &text, &bytes), "the search itself");
        assert!(!shows(&dump, &text, &bytes), "{} is in the dump", path.display());
    }
    assert!(
        !dump.contains(&hex(&[7; 32])) && !dump.contains(&STANDARD.encode([7; 32])),
        "the key to the keys"
    );
}

/// Whether 12 bytes of a key in a row are in a dump: as the text of its file, as they are, or either in hexadecimal, as
/// `pg_dump` writes binary values.
fn shows(dump: &str, text: &str, bytes: &[u8]) -> bool {
    let lines = text.lines().filter(|line| !line.starts_with("-----") && line.len() >= 12);
    let in_text = lines.flat_map(|line| (0..=line.len() - 12).map(move |at| &line[at..at + 12]));
    let text_lines = text.lines().filter(|line| !line.starts_with("-----"));
    let text_in_hex = text_lines.flat_map(|line| line.as_bytes().windows(12).map(hex));
    let in_hex = bytes.windows(12).map(hex).chain(text_in_hex);
    let raw = dump.as_bytes();
    let as_they_are = || bytes.windows(12).any(|part| raw.windows(12).any(|there| there == part));
    in_text.into_iter().any(|part| dump.contains(part))
        || in_hex.into_iter().any(|part| dump.contains(&part))
        || as_they_are()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for byte in bytes {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

/// What `pg_dump` writes of the schema.
fn dump(settings: &PostgresSettings) -> String {
    let Host::Unix(host) = &settings.server.get_hosts()[0] else { panic!("the tests' server has a socket") };
    let mut pg_dump = Command::new(postgres_server::path("pg_dump"));
    pg_dump.arg("-h").arg::<&Path>(host).args(["-U", "heirloom", "-d", "postgres", "-n"]);
    let output = pg_dump.arg(format!("\"{}\"", settings.schema)).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
