//! A recorded folder: `data` and `keys` as a version of heirloom left them, and `recorded.json`, which says what they
//! contain.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use heirloom::clock::{ManualClock, Timestamp};
use heirloom::config::SignUp;
use heirloom::password::hash::Cost;
use heirloom::token::{KeyLife, KeyState, Keyring, SecretState};
use serde::{Deserialize, Serialize};

use crate::support::{Answer, Server, Setup, set_mode};

/// The words in a private key's file, and the words that replace them in the committed file, so that no scanner takes
/// it for a key in use.
const KEY_WORDS: (&str, &str) = ("PRIVATE KEY", "RECORDED KEY");
/// A file of at least this size is recorded in pieces, without long stretches of zeros.
const IN_PIECES: usize = 64 * 1024;
/// Only blocks of this size that contain nothing but zeros are left out.
const BLOCK: usize = 4096;
/// In a piece's name, between the file's name and the offset of the piece.
const PIECE: &str = ".at-";

/// The contents of `recorded.json`.
#[derive(Serialize, Deserialize)]
pub(crate) struct Recorded {
    /// Which heirloom wrote the folder, and how.
    pub(crate) made_by: String,
    /// The issuer of its tokens.
    pub(crate) issuer: String,
    /// When the recording ended, in milliseconds since the Unix epoch. A test's clock begins there.
    pub(crate) at: u64,
    /// The position at which its log ends.
    pub(crate) position: u64,
    /// The version of its session indexes. If it is not today's, the first start makes them again.
    pub(crate) index_version: u8,
    /// Whether it has check values of its keys. If not, the first start notes them.
    pub(crate) knows_keys: bool,
    /// The last time that the sweeper believed, in milliseconds.
    pub(crate) believed: Option<u64>,
    /// For how many seconds the next process would doubt the clock.
    pub(crate) doubted: Option<u64>,
    pub(crate) users: Vec<Person>,
    pub(crate) clients: Vec<KnownClient>,
    pub(crate) families: Vec<Family>,
    pub(crate) invitations: Vec<Invitation>,
    /// What each file of the keys folder does at that time.
    pub(crate) keys: Vec<(String, String)>,
}

/// A user.
#[derive(Serialize, Deserialize)]
pub(crate) struct Person {
    /// The name or the address to sign in with.
    pub(crate) name: String,
    pub(crate) password: String,
    /// Whether the sign-in succeeds.
    pub(crate) signs_in: bool,
}

/// A client that was registered through the administration API.
#[derive(Serialize, Deserialize)]
pub(crate) struct KnownClient {
    pub(crate) id: String,
    /// The valid secrets; none for a public client.
    pub(crate) secrets: Vec<String>,
    /// The origin of its pages, if it gets its refresh tokens in a cookie.
    pub(crate) origin: Option<String>,
    /// Whether it can be used.
    pub(crate) is_good: bool,
}

/// The refresh tokens of a session.
#[derive(Serialize, Deserialize)]
pub(crate) struct Family {
    /// What has happened to it.
    pub(crate) what: String,
    pub(crate) client: String,
    /// The tokens that the tests use, oldest first. For a client with a cookie: `name=token`.
    pub(crate) tokens: Vec<String>,
    /// Whether the last token can be refreshed.
    pub(crate) lives: bool,
    /// The last access token, if presenting the token before the last one returns it again.
    pub(crate) access_token: Option<String>,
}

/// An invitation.
#[derive(Serialize, Deserialize)]
pub(crate) struct Invitation {
    pub(crate) code: String,
    /// Whether it can be used to make an account.
    pub(crate) is_good: bool,
}

/// The refresh token of an answer; for a client with a cookie, as the browser sends it back.
pub(crate) fn token_of(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text);
    match answer.header("set-cookie").split(';').next() {
        Some(cookie) if !cookie.is_empty() => cookie.to_owned(),
        _ => answer.refresh_token(),
    }
}

/// A recorded folder, copied so that it can be opened.
pub(crate) struct Copied {
    /// The name of the recorded folder.
    pub(crate) name: String,
    pub(crate) recorded: Recorded,
    folder: Arc<tempfile::TempDir>,
}

/// The folder that holds all recorded folders.
pub(crate) fn all_folders() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats/folders")
}

/// A copy of every recorded folder.
pub(crate) fn copies() -> Vec<Copied> {
    let entries = fs::read_dir(all_folders()).unwrap().map(|entry| entry.unwrap());
    let folders = entries.filter(|entry| entry.path().is_dir());
    let mut names: Vec<_> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    assert!(names.len() >= 2, "the recorded folders are not there: {names:?}");
    names.into_iter().map(Copied::of).collect()
}

impl Copied {
    fn of(name: String) -> Self {
        let (from, folder) = (all_folders().join(&name), tempfile::tempdir().unwrap());
        for part in ["data", "keys"] {
            copy(&from.join(part), &folder.path().join(part), put_back);
        }
        let recorded = fs::read(from.join("recorded.json")).unwrap();
        Self { name, recorded: serde_json::from_slice(&recorded).unwrap(), folder: Arc::new(folder) }
    }

    /// The folder that holds `data` and `keys`.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Starts a server on it with the checks that a real start makes before it answers requests.
    pub(crate) async fn serve(&self) -> Server {
        let server = self.setup().start().await;
        server.app.keys.check().await.unwrap();
        server.app.indexes.prepare().await.unwrap();
        server
    }

    /// The setup of a server, with a clock that begins when the recording ended.
    pub(crate) fn setup(&self) -> Setup {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(self.recorded.at)));
        setup(&self.folder, &clock, &self.recorded.issuer)
    }
}

/// What each file of a keys folder does at a time: first the signing keys, then the secrets.
pub(crate) fn key_states(keys: &Path, at: Timestamp) -> Vec<(String, String)> {
    let folder = Keyring::in_folder(keys);
    let signing = folder.signing_keys(&KeyLife::default(), at).unwrap().into_iter().map(|key| {
        let state = match key.state {
            KeyState::Pending { .. } => "pending",
            KeyState::Signing => "signing",
            KeyState::SigningIdTokens => "signing ID tokens",
            KeyState::Published { .. } => "published",
            KeyState::Retired => "retired",
            KeyState::Compromised => "compromised",
        };
        (key.file, state)
    });
    let secrets = folder.secrets().unwrap().into_iter().map(|secret| {
        let state = match secret.state {
            SecretState::Current => "current",
            SecretState::Checking => "checking",
            SecretState::Compromised => "compromised",
        };
        (secret.file, state)
    });
    signing.chain(secrets).map(|(file, state)| (file, state.to_owned())).collect()
}

/// The setup of servers that record a folder, or open a recorded one.
pub(crate) fn setup(folder: &Arc<tempfile::TempDir>, clock: &Arc<ManualClock>, issuer: &str) -> Setup {
    let mut setup = Setup::on(Arc::clone(folder), Arc::clone(clock));
    setup.on_disk();
    issuer.clone_into(&mut setup.config.issuer);
    setup.config.accounts.registration = SignUp::Invite;
    setup.config.accounts.login_with_email = true;
    setup.cost = Cost::RECOMMENDED;
    setup
}

/// Saves `data` and `keys` among the recorded folders, without the files that only a running process needs.
pub(crate) fn keep(from: &Path, name: &str, recorded: &Recorded) {
    let to = all_folders().join(name);
    assert!(!to.exists(), "{} is there: what was recorded stays as it is", to.display());
    for part in ["data", "keys"] {
        copy(&from.join(part), &to.join(part), put_away);
    }
    fs::remove_file(to.join("data/lock")).unwrap();
    let json = serde_json::to_string_pretty(recorded).unwrap();
    fs::write(to.join("recorded.json"), format!("{json}\n")).unwrap();
}

/// Copies the files of a folder; only their owner may read them.
fn copy(from: &Path, to: &Path, write: fn(&Path, Vec<u8>)) {
    fs::create_dir_all(to).unwrap();
    set_mode(to, 0o700);
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        // git does not keep empty folders, so they are not recorded.
        if !path.is_dir() {
            write(&target, fs::read(&path).unwrap());
        } else if fs::read_dir(&path).unwrap().next().is_some() {
            copy(&path, &target, write);
        }
    }
}

/// Writes a file as it is recorded: a key with other words, a file with long stretches of zeros in pieces.
fn put_away(path: &Path, bytes: Vec<u8>) {
    if bytes.len() < IN_PIECES {
        fs::write(path, with_words(path, bytes, KEY_WORDS)).unwrap();
        return;
    }
    let blocks: Vec<_> = bytes.chunks(BLOCK).collect();
    let is_zero = |block: &[u8]| block.iter().all(|byte| *byte == 0);
    let mut at = 0;
    for run in blocks.chunk_by(|one, next| is_zero(one) == is_zero(next)) {
        let run = run.concat();
        if !is_zero(&run) {
            fs::write(piece(path, at), &run).unwrap();
        }
        at += run.len();
    }
    fs::write(piece(path, at), "").unwrap();
}

/// The file of the piece that begins at `at`.
fn piece(path: &Path, at: usize) -> PathBuf {
    let name = path.file_name().unwrap().to_str().unwrap();
    path.with_file_name(format!("{name}{PIECE}{at:08}"))
}

/// Restores a recorded file; only its owner may read it.
fn put_back(path: &Path, bytes: Vec<u8>) {
    let name = path.file_name().unwrap().to_str().unwrap();
    let Some((whole, at)) = name.split_once(PIECE) else {
        let swapped = (KEY_WORDS.1, KEY_WORDS.0);
        fs::write(path, with_words(path, bytes, swapped)).unwrap();
        return set_mode(path, 0o600);
    };
    let (path, at) = (path.with_file_name(whole), at.parse().unwrap());
    let file = fs::File::options().write(true).create(true).truncate(false).open(&path).unwrap();
    file.write_all_at(&bytes, at).unwrap();
    // The last piece is empty; its offset is the file's length.
    let end = at + u64::try_from(bytes.len()).unwrap();
    if file.metadata().unwrap().len() < end {
        file.set_len(end).unwrap();
    }
    set_mode(&path, 0o600);
}

/// The file with other words if it is a signing key, or else as it is.
fn with_words(path: &Path, bytes: Vec<u8>, (from, to): (&str, &str)) -> Vec<u8> {
    if path.extension().is_none_or(|end| end != "pem") {
        return bytes;
    }
    String::from_utf8(bytes).unwrap().replace(from, to).into_bytes()
}
