//! The random secrets: those behind refresh tokens, and the peppers.
//!
//! Both are 32 random bytes with an id of one byte. The newest makes what is new, all check what is old. An id is never
//! given twice, so that an old token or hash never meets another secret under its id.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::folder::{IfMissing, KeyError, KeysFolder};
use super::name::{Entry, SecretFile, SecretKind};
use crate::clock::Timestamp;

/// The secrets behind refresh tokens.
pub type RefreshSecrets = Secrets<ForRefreshTokens>;

/// The peppers: without them, nobody can even guess at the password hashes.
pub type Peppers = Secrets<ForPasswords>;

/// All secrets of one kind in a folder.
pub struct Secrets<P> {
    folder: KeysFolder,
    held: RwLock<Arc<Held>>,
    purpose: PhantomData<P>,
}

/// 32 random bytes, wiped when dropped.
pub struct Secret(Zeroizing<[u8; 32]>);

/// What one kind of [`Secrets`] is for, so that the two can't be mistaken for each other.
pub trait Purpose: Send + Sync + 'static {
    /// Whose files these are.
    const KIND: SecretKind;
}

/// The MAC of refresh tokens.
#[derive(Clone, Copy, Debug)]
pub enum ForRefreshTokens {}

/// The HMAC over passwords.
#[derive(Clone, Copy, Debug)]
pub enum ForPasswords {}

impl Purpose for ForRefreshTokens {
    const KIND: SecretKind = SecretKind::Refresh;
}

impl Purpose for ForPasswords {
    const KIND: SecretKind = SecretKind::Pepper;
}

struct Held {
    current: (u8, Arc<Secret>),
    by_id: BTreeMap<u8, Arc<Secret>>,
}

impl<P: Purpose> Secrets<P> {
    /// Reads the folder.
    ///
    /// # Errors
    /// A [`KeyError`] that names the file, for any that can't be used; [`KeyError::Missing`] if there is none and none
    /// is to be made.
    pub fn open(folder: KeysFolder, if_missing: IfMissing, now: Timestamp) -> Result<Self, KeyError> {
        if if_missing == IfMissing::Create {
            folder.create_first_secret(P::KIND, now)?;
        }
        let (by_id, problems) = read(&folder, P::KIND, &BTreeMap::new())?;
        if let Some(problem) = problems.into_iter().next() {
            return Err(problem);
        }
        let held = Held::of(by_id).ok_or_else(|| Self::missing(&folder))?;
        Ok(Self { folder, held: RwLock::new(Arc::new(held)), purpose: PhantomData })
    }

    /// The newest, which makes what is new, and its id.
    #[must_use]
    pub fn current(&self) -> (u8, Arc<Secret>) {
        self.now().current.clone()
    }

    /// The one with this id.
    #[must_use]
    pub fn find(&self, id: u8) -> Option<Arc<Secret>> {
        self.now().by_id.get(&id).cloned()
    }

    /// All of them with their ids, the oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<(u8, Arc<Secret>)> {
        self.now().by_id.iter().map(|(id, secret)| (*id, Arc::clone(secret))).collect()
    }

    /// Reads the folder again. What is good is taken in, what is gone or compromised is dropped at once, and what can't
    /// be used is returned. If nothing usable were left, all stays as it was.
    #[must_use = "what can't be used should be told to the operator"]
    pub fn reload(&self) -> Vec<KeyError> {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let (by_id, mut problems) = match read(&self.folder, P::KIND, &held.by_id) {
            Ok(read) => read,
            Err(error) => return vec![error],
        };
        if !by_id.keys().eq(held.by_id.keys()) {
            match Held::of(by_id) {
                Some(fresh) => {
                    tracing::info!(keys.kind = %P::KIND, keys.current = fresh.current.0, "secrets changed");
                    *held = Arc::new(fresh);
                }
                None => problems.push(Self::missing(&self.folder)),
            }
        }
        problems
    }

    /// Looks at the folder once in `every` and reloads when it has changed; never returns.
    pub async fn watch(self: Arc<Self>, every: Duration) {
        let folder = self.folder.clone();
        folder.watch(every, move || self.reload()).await;
    }

    fn now(&self) -> Arc<Held> {
        Arc::clone(&self.held.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn missing(folder: &KeysFolder) -> KeyError {
        KeyError::Missing { what: P::KIND.to_string(), folder: folder.path().to_owned() }
    }
}

impl<P: Purpose> fmt::Debug for Secrets<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets")
            .field("kind", &P::KIND)
            .field("by_id", &self.now().by_id)
            .finish_non_exhaustive()
    }
}

impl Held {
    fn of(by_id: BTreeMap<u8, Arc<Secret>>) -> Option<Self> {
        let (id, newest) = by_id.last_key_value()?;
        Some(Self { current: (*id, Arc::clone(newest)), by_id })
    }
}

impl Secret {
    /// The secret that has these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What stands in its file: base64url, and the end of the line.
    pub(super) fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(64));
        URL_SAFE_NO_PAD.encode_string(self.as_bytes(), &mut text);
        text.push('\n');
        text
    }

    fn parse(text: &[u8]) -> Option<Self> {
        // One byte more than is wanted, so that what is too long is noticed.
        let mut room = Zeroizing::new([0; 33]);
        let len = URL_SAFE_NO_PAD.decode_slice(text.trim_ascii_end(), room.as_mut_slice()).ok()?;
        let bytes = room.get(..len)?;
        Some(Self(Zeroizing::new(bytes.try_into().ok()?)))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

type Read = (BTreeMap<u8, Arc<Secret>>, Vec<KeyError>);

/// All secrets of `kind` in the folder, and what is wrong with the others. One that is among `known` is not read again.
fn read(folder: &KeysFolder, kind: SecretKind, known: &BTreeMap<u8, Arc<Secret>>) -> Result<Read, KeyError> {
    let listing = folder.entries()?;
    let mut problems = listing.mistyped;
    let of_kind = |entry: &Entry| entry.secret().filter(|file| file.kind == kind);
    // By id, not by name: a backup may bring one back.
    let dead: Vec<u8> = listing.compromised.iter().filter_map(of_kind).map(|file| file.id).collect();
    let mut files: BTreeMap<u8, SecretFile> = BTreeMap::new();
    let mut by_id = BTreeMap::new();
    for file in listing.live.iter().filter_map(of_kind).filter(|file| !dead.contains(&file.id)) {
        if let Some(other) = files.insert(file.id, file) {
            problems
                .push(KeyError::Duplicate { path: folder.file(file.to_string()), other: other.to_string() });
            continue;
        }
        let secret = known.get(&file.id).map_or_else(|| parse(folder, file), |known| Ok(Arc::clone(known)));
        match secret {
            Ok(secret) => {
                by_id.insert(file.id, secret);
            }
            Err(problem) => problems.push(problem),
        }
    }
    Ok((by_id, problems))
}

fn parse(folder: &KeysFolder, file: SecretFile) -> Result<Arc<Secret>, KeyError> {
    let text = folder.read_private(&file.to_string())?;
    Secret::parse(&text).map(Arc::new).ok_or_else(|| KeyError::Broken {
        path: folder.file(file.to_string()),
        reason: "it doesn't hold 32 bytes as base64url".to_owned(),
    })
}
