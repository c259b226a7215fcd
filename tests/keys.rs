//! Signing keys from their creation to their end: the folder, the JWKS, and resource servers with an old copy of the
//! JWKS.
#![expect(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "helpers of tests may panic")]

#[path = "support/small_key.rs"]
mod small_key;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use heirloom::clock::{Clock, ManualClock, Timestamp};
use heirloom::token::{
    AccessTokenClaims, JwksDocument, KeyError, KeyLife, KeyState, Keyring, Kid, SigningAlgorithm,
    SigningKeys, TokenType,
};
use jsonwebtoken::jwk::JwkSet;

const START: Timestamp = Timestamp::from_seconds(1_795_225_265);
const LIFE: KeyLife = KeyLife {
    lead_time: Duration::from_hours(2),
    longest_access_token: Duration::from_mins(10),
    grace: Duration::from_hours(2),
};

struct Server {
    keys: Arc<SigningKeys>,
    clock: Arc<ManualClock>,
    folder: Keyring,
    temp: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(START));
        let folder = Keyring::in_folder(temp.path());
        let keys = Arc::new(open(&folder, &clock).unwrap());
        Self { keys, clock, folder, temp }
    }

    /// An access token that is valid for ten minutes.
    fn token(&self) -> String {
        let iat = self.clock.now().seconds();
        let claims = AccessTokenClaims {
            iss: "https://id.example",
            sub: "u1",
            aud: &["https://api.example"],
            client_id: "app",
            scope: "read",
            sid: "s1",
            jti: "j1",
            iat,
            exp: iat + 600,
            auth_time: Some(iat),
            roles: &[],
        };
        self.keys.signer().unwrap().sign(TokenType::AtJwt, &claims).unwrap()
    }

    fn published(&self) -> Vec<String> {
        kids(&self.keys.jwks())
    }

    fn states(&self) -> Vec<KeyState> {
        let keys = self.folder.signing_keys(&LIFE, self.clock.now()).unwrap();
        keys.into_iter().map(|key| key.state).collect()
    }
}

fn open(folder: &Keyring, clock: &Arc<ManualClock>) -> Result<SigningKeys, KeyError> {
    let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(clock);
    SigningKeys::open(folder.clone(), LIFE, Some(SigningAlgorithm::Rs256), clock)
}

#[test]
fn keys_for_id_tokens_alone_sign_no_access_tokens_and_are_replaced_after_the_lead_time() {
    const ES256: SigningAlgorithm = SigningAlgorithm::Es256;
    let Server { clock, folder, keys: without, temp: _temp } = Server::start();
    let rsa = without.signer().unwrap().kid();
    assert_eq!(without.id_token_signer(ES256).unwrap().kid(), rsa, "there is no other");
    folder.create_id_token_key(ES256, START).unwrap();
    folder.create_id_token_key(ES256, START).unwrap();
    let keys = SigningKeys::open(folder.clone(), LIFE, None, Arc::<ManualClock>::clone(&clock)).unwrap();
    let signers = || {
        let by = |algorithm| keys.id_token_signer(algorithm).unwrap().kid();
        assert_eq!((keys.signer().unwrap().kid(), by(SigningAlgorithm::Rs256)), (rsa, rsa));
        by(ES256)
    };
    let first = signers();
    assert_eq!(keys.published(), [rsa, first], "the first one signs at once");
    let second = folder.rotate_id_tokens(ES256, START).unwrap().kid;
    assert!(keys.reload().is_empty());
    assert_eq!((signers(), keys.published().len()), (first, 3));
    clock.advance(Duration::from_hours(2) + Duration::from_secs(2));
    assert_eq!((signers(), keys.published().len()), (second, 3));
    clock.advance(Duration::from_hours(3));
    assert_eq!((signers(), keys.published()), (second, vec![rsa, second]));
    // A compromised one is replaced at once.
    let third = folder.compromised_signing(second, clock.now()).unwrap().kid;
    assert!(keys.reload().is_empty());
    assert_eq!(signers(), third);
    assert!(!keys.published().contains(&second));
}

fn kids(jwks: &JwksDocument) -> Vec<String> {
    let set: serde_json::Value = serde_json::from_slice(&jwks.body).unwrap();
    let keys = set.get("keys").and_then(|keys| keys.as_array()).unwrap();
    keys.iter().map(|key| key.get("kid").and_then(|kid| kid.as_str()).unwrap().to_owned()).collect()
}

/// Verifies a token as a resource server does, with a JWKS that it has cached.
fn verifies(jwks: &JwksDocument, token: &str) -> bool {
    let set: JwkSet = serde_json::from_slice(&jwks.body).unwrap();
    let kid = jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
    let Some(key) = set.find(&kid) else { return false };
    let algorithm = key.common.key_algorithm.unwrap().to_string().parse().unwrap();
    let mut validation = jsonwebtoken::Validation::new(algorithm);
    validation.set_audience(&["https://api.example"]);
    validation.validate_exp = false;
    let key = jsonwebtoken::DecodingKey::from_jwk(key).unwrap();
    jsonwebtoken::decode::<serde_json::Value>(token, &key, &validation).is_ok()
}

fn write_private(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn the_jwks_holds_public_members_and_unique_kids() {
    let server = Server::start();
    server.folder.rotate_signing(SigningAlgorithm::Es256, START).unwrap();
    assert!(server.keys.reload().is_empty());
    let jwks = server.keys.jwks();
    let set: serde_json::Value = serde_json::from_slice(&jwks.body).unwrap();
    let keys = set["keys"].as_array().unwrap();
    let rsa = ["kty", "use", "alg", "kid", "n", "e"].as_slice();
    let ec = ["kty", "use", "alg", "kid", "crv", "x", "y"].as_slice();
    assert_eq!(keys.len(), 2);
    for (key, (members, kty, alg)) in keys.iter().zip([(rsa, "RSA", "RS256"), (ec, "EC", "ES256")]) {
        let named: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(named, members);
        assert_eq!((&key["kty"], &key["use"], &key["alg"]), (&kty.into(), &"sig".into(), &alg.into()));
    }
    assert_eq!(keys[1]["crv"], "P-256");
    let kids = kids(&jwks);
    assert_ne!(kids[0], kids[1]);
    assert!(kids.contains(&server.keys.signer().unwrap().kid().to_string()));
    assert!(jwks.max_age <= LIFE.lead_time);
    assert!(jwks.etag.starts_with('"') && jwks.etag.ends_with('"'));
}

#[test]
fn the_jwks_is_made_again_only_when_the_published_set_changes() {
    let server = Server::start();
    let before = server.keys.jwks();
    server.clock.advance(Duration::from_hours(1000));
    assert!(server.keys.reload().is_empty());
    assert!(Arc::ptr_eq(&before, &server.keys.jwks()));

    let signer = server.keys.signer().unwrap();
    server.folder.rotate_signing(SigningAlgorithm::Rs256, server.clock.now()).unwrap();
    assert!(server.keys.reload().is_empty());
    assert!(Arc::ptr_eq(&signer, &server.keys.signer().unwrap()), "a key that is held is not parsed again");
    let both = server.keys.jwks();
    assert_ne!(before.etag, both.etag);
    server.clock.advance(LIFE.lead_time);
    assert_eq!(server.states()[1], KeyState::Signing);
    assert!(Arc::ptr_eq(&both, &server.keys.jwks()), "another signer, the same keys");
}

#[test]
fn a_key_that_is_small_broken_or_readable_stops_the_start_and_is_named() {
    let small = small_key::pem();
    let name = "signing-20270101T000000Z-mine.pem";
    for (contents, says) in [
        (small.as_str(), "2048"),
        ("", "PKCS#8 PEM"),
        ("-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n", "PKCS#8 PEM"),
        (
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "neither an RSA key nor a P-256 key",
        ),
    ] {
        let server = Server::start();
        write_private(&server.temp.path().join(name), contents.as_bytes());
        let error = open(&server.folder, &server.clock).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(says), "{error}");
    }
    let server = Server::start();
    let file = server.folder.signing_keys(&LIFE, START).unwrap().remove(0).file;
    fs::set_permissions(server.temp.path().join(&file), fs::Permissions::from_mode(0o644)).unwrap();
    let error = open(&server.folder, &server.clock).unwrap_err().to_string();
    assert!(error.contains(&file) && error.contains("644"), "{error}");
}

#[test]
fn a_cache_two_hours_old_verifies_every_token_through_a_rotation() {
    let server = Server::start();
    let step = Duration::from_mins(5);
    let mut caches: Vec<Arc<JwksDocument>> = Vec::new();
    let mut tokens: Vec<String> = Vec::new();
    let mut signers: Vec<Kid> = Vec::new();
    for tick in 0..119 {
        if tick == 30 || tick == 70 {
            // The algorithm changes from RS256 to ES256, and back.
            let algorithm = if tick == 30 { SigningAlgorithm::Es256 } else { SigningAlgorithm::Rs256 };
            server.folder.rotate_signing(algorithm, server.clock.now()).unwrap();
            assert!(server.keys.reload().is_empty());
        }
        caches.push(server.keys.jwks());
        tokens.push(server.token());
        signers.push(server.keys.signer().unwrap().kid());
        // Caches that are up to two hours old verify tokens that are up to their whole lifetime old.
        for cache in caches.iter().rev().take(25) {
            for token in tokens.iter().rev().take(3) {
                assert!(verifies(cache, token), "tick {tick}");
            }
        }
        server.clock.advance(step);
    }
    signers.dedup();
    assert_eq!(signers.len(), 3, "each of the three keys has signed");
    assert_eq!(
        server.states(),
        [KeyState::Retired, KeyState::Published { until: retires(70) }, KeyState::Signing]
    );
    assert_eq!(server.published().len(), 2);
    assert!(server.keys.find(signers[0]).is_none(), "a retired key isn't found either");
    assert!(server.keys.find(signers[1]).is_some());
}

/// When the key before the one made at `tick` leaves the JWKS: after the lead time, the life of its last token, and two
/// hours more.
fn retires(tick: u32) -> Timestamp {
    let made = START.after(Duration::from_mins(5) * tick);
    made.after(LIFE.lead_time).after(LIFE.longest_access_token).after(LIFE.grace)
}

#[test]
fn a_compromised_key_is_replaced_at_once() {
    let server = Server::start();
    server.folder.rotate_signing(SigningAlgorithm::Rs256, START).unwrap();
    assert!(server.keys.reload().is_empty());
    let (old, token) = (server.keys.signer().unwrap(), server.token());
    let file = server.folder.signing_keys(&LIFE, START).unwrap().remove(0).file;
    let backup = fs::read(server.temp.path().join(&file)).unwrap();

    let new = server.folder.compromised_signing(old.kid(), server.clock.now()).unwrap();
    assert!(server.keys.reload().is_empty());
    assert_eq!(server.keys.signer().unwrap().kid(), new.kid, "it signs without the lead time");
    assert!(!server.published().contains(&old.kid().to_string()));
    assert!(server.keys.find(old.kid()).is_none());
    assert!(!verifies(&server.keys.jwks(), &token));
    assert!(verifies(&server.keys.jwks(), &server.token()));
    assert_eq!(server.states()[0], KeyState::Compromised);
    let unknown = server.folder.compromised_signing(old.kid(), START).unwrap_err();
    assert!(matches!(unknown, KeyError::UnknownKid(kid) if kid == old.kid()), "{unknown}");

    // A backup brings the key's file back, under its own name and under another.
    for name in [file.as_str(), "signing-20270101T000000Z-mine.pem"] {
        write_private(&server.temp.path().join(name), &backup);
        assert!(server.keys.reload().is_empty());
        assert!(server.keys.find(old.kid()).is_none(), "{name}");
        assert!(open(&server.folder, &server.clock).unwrap().find(old.kid()).is_none(), "{name}");
    }
}

#[test]
fn a_compromise_is_noticed_beside_a_broken_file() {
    let server = Server::start();
    let old = server.keys.signer().unwrap().kid();
    write_private(&server.temp.path().join("signing-20270101T000000Z-mine.pem"), b"half a k");
    assert_eq!(server.keys.reload().len(), 1);
    assert_eq!(server.keys.signer().unwrap().kid(), old);
    let new = server.folder.compromised_signing(old, START).unwrap();
    assert_eq!(server.keys.reload().len(), 1);
    assert_eq!(server.published(), [new.kid.to_string()]);
}

#[test]
fn a_tombstone_alone_stops_a_key_whatever_else_can_be_read() {
    let server = Server::start();
    let old = server.keys.signer().unwrap().kid();
    let file = server.temp.path().join(server.folder.signing_keys(&LIFE, START).unwrap().remove(0).file);
    let tombstone = format!("{}.compromised", file.display());
    // The tombstone lies beside the file, which may be half destroyed.
    fs::write(&tombstone, "").unwrap();
    let problems = server.keys.reload();
    assert!(matches!(problems.as_slice(), [KeyError::Missing { .. }]), "{problems:?}");
    assert!(server.keys.signer().is_err() && server.published().is_empty());
    assert_eq!(server.keys.problems().len(), 1);

    // The tombstone is there instead of the file, and the replacement can't be read.
    let server = Server::start();
    let file = server.temp.path().join(server.folder.signing_keys(&LIFE, START).unwrap().remove(0).file);
    fs::rename(&file, format!("{}.compromised", file.display())).unwrap();
    write_private(&server.temp.path().join("signing-20270101T000000Z-mine.pem"), b"half a k");
    assert_eq!(server.keys.reload().len(), 2);
    assert!(server.keys.signer().is_err() && server.published().is_empty());
    server.folder.rotate_signing(SigningAlgorithm::Rs256, START).unwrap();
    assert_eq!(server.keys.reload().len(), 1);
    assert_ne!(server.keys.signer().unwrap().kid(), old);
}

#[test]
fn a_folder_that_lost_its_keys_leaves_the_running_server_signing() {
    let server = Server::start();
    for entry in fs::read_dir(server.temp.path()).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let problems = server.keys.reload();
    assert!(matches!(problems.as_slice(), [KeyError::Missing { .. }]), "{problems:?}");
    assert!(verifies(&server.keys.jwks(), &server.token()));
    let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&server.clock);
    let start = SigningKeys::open(server.folder, LIFE, None, clock);
    assert!(matches!(start, Err(KeyError::Missing { .. })));
}

#[test]
fn a_mistyped_name_and_a_key_in_two_files_stop_the_start() {
    let server = Server::start();
    let file = server.folder.signing_keys(&LIFE, START).unwrap().remove(0).file;
    let (original, copy) = (server.temp.path().join(file), "signing-20270101T000000Z-mine.pem");
    fs::copy(original, server.temp.path().join(copy)).unwrap();
    let error = open(&server.folder, &server.clock).unwrap_err();
    assert!(matches!(&error, KeyError::Duplicate { .. }) && error.to_string().contains(copy), "{error}");

    fs::rename(server.temp.path().join(copy), server.temp.path().join("signing-20270101-mine.pem")).unwrap();
    let error = open(&server.folder, &server.clock).unwrap_err();
    assert!(matches!(error, KeyError::BadName { .. }), "{error}");
}

#[test]
fn starting_twice_at_once_makes_one_key() {
    let temp = tempfile::tempdir().unwrap();
    let folder = Keyring::in_folder(temp.path().join("keys"));
    let clock = Arc::new(ManualClock::at(START));
    let kids: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> =
            (0..8).map(|_| scope.spawn(|| open(&folder, &clock).unwrap().signer().unwrap().kid())).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    assert!(kids.iter().all(|kid| *kid == kids[0]), "{kids:?}");
    assert_eq!(fs::read_dir(temp.path().join("keys")).unwrap().count(), 1);
}

#[test]
fn a_key_made_while_the_clock_is_behind_is_still_the_newest() {
    let server = Server::start();
    let second =
        server.folder.rotate_signing(SigningAlgorithm::Rs256, START.before(Duration::from_hours(5))).unwrap();
    let third = server.folder.rotate_signing(SigningAlgorithm::Rs256, START).unwrap();
    assert!(START < second.created && second.created < third.created);
    let listed: Vec<_> = server.folder.signing_keys(&LIFE, START).unwrap();
    assert_eq!(listed[2].kid, Some(third.kid));
}

#[tokio::test]
async fn the_folder_is_watched_and_no_restart_is_needed() {
    let server = Server::start();
    let (folder, keys) = (server.folder.clone(), Arc::clone(&server.keys));
    let watch =
        tokio::spawn(async move { folder.watch(Duration::from_millis(5), move || keys.reload()).await });
    let broken = server.temp.path().join("signing-20270101T000000Z-mine.pem");
    write_private(&broken, b"half a k");
    server.folder.rotate_signing(SigningAlgorithm::Rs256, START).unwrap();
    published(&server, 2).await;

    // The broken file is repaired in place.
    let other = Server::start();
    let file = other.folder.signing_keys(&LIFE, START).unwrap().remove(0).file;
    write_private(&broken, &fs::read(other.temp.path().join(file)).unwrap());
    published(&server, 3).await;
    watch.abort();
}

/// Waits until `many` keys are published.
async fn published(server: &Server, many: usize) {
    let wait = async {
        while server.published().len() != many {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap();
}
