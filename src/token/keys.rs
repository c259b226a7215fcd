//! The signing keys as they are now.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use super::error::KeyError;
use super::folder::KeysFolder;
use super::jwks::JwksDocument;
use super::life::{Birth, KeyLife};
use super::name::SigningFile;
use super::signing::SigningKey;
use crate::clock::{Clock, Timestamp};
use crate::oauth::{Kid, SigningAlgorithm};

/// The signing keys in a folder: which of them signs, which are published. The answer changes as time passes and as the
/// folder changes; there is no other state.
pub struct SigningKeys {
    folder: KeysFolder,
    life: KeyLife,
    clock: Arc<dyn Clock>,
    /// Read on every signature, written a few times a year.
    roles: RwLock<Arc<KeyRoles>>,
    reloading: Mutex<()>,
    /// What could not be used at the last look.
    problems: Mutex<Vec<String>>,
}

/// A key and the file that it came from.
#[derive(Clone, Debug)]
pub(super) struct KeyOnDisk {
    pub(super) file: SigningFile,
    pub(super) key: Arc<SigningKey>,
}

/// What holds from one change to the next.
struct KeyRoles {
    /// From the first moment to before the second.
    unchanged_for: (Timestamp, Timestamp),
    /// All keys, in the order of creation.
    held: Arc<[KeyOnDisk]>,
    /// None if a tombstone has taken the last key.
    signer: Option<Arc<SigningKey>>,
    /// In the order of creation. A handful: a search through them is bounded, whatever a token asks for.
    published: Vec<Arc<SigningKey>>,
    jwks: Arc<JwksDocument>,
}

impl SigningKeys {
    /// Reads the folder; every key in it is parsed and has signed and verified once before this returns.
    ///
    /// # Errors
    /// Any key that can't be used is a [`KeyError`] that names its file: a server must not start with less than the
    /// operator believes it has. If there is none, the first is made, to sign by `first`; without that, [`KeyError::Missing`].
    pub fn open(
        folder: KeysFolder,
        life: KeyLife,
        first: Option<SigningAlgorithm>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, KeyError> {
        if let Some(algorithm) = first {
            folder.create_first_signing_key(algorithm, clock.now())?;
        }
        let Read { held, problems, .. } = read(&folder, &[])?;
        if let Some(problem) = problems.into_iter().next() {
            return Err(problem);
        }
        let roles = KeyRoles::at(clock.now(), held.into(), &life, None);
        let roles = roles.filter(|roles| roles.signer.is_some()).ok_or_else(|| missing(&folder))?;
        Ok(Self {
            folder,
            life,
            clock,
            roles: RwLock::new(Arc::new(roles)),
            reloading: Mutex::default(),
            problems: Mutex::default(),
        })
    }

    /// The key that signs now.
    ///
    /// # Errors
    /// [`KeyError::Missing`] if a tombstone has taken the last one.
    pub fn signer(&self) -> Result<Arc<SigningKey>, KeyError> {
        self.now().signer.clone().ok_or_else(|| missing(&self.folder))
    }

    /// The key ids of all keys in the folder that can be used, and of those that have a tombstone which tells.
    #[must_use]
    pub fn kids(&self) -> (Vec<Kid>, Vec<Kid>) {
        let live = self.now().held.iter().map(|held| held.key.kid()).collect();
        let dead = self.folder.entries().unwrap_or_default().compromised;
        let dead = dead.iter().filter_map(|entry| self.folder.epitaph(&entry.to_string()).parse().ok());
        (live, dead.collect())
    }

    /// The published key with this `kid`.
    #[must_use]
    pub fn find(&self, kid: Kid) -> Option<Arc<SigningKey>> {
        self.now().published.iter().find(|key| key.kid() == kid).cloned()
    }

    /// What the published keys sign by, each once: several while the algorithm is being changed.
    #[must_use]
    pub fn algorithms(&self) -> Vec<SigningAlgorithm> {
        let mut algorithms = Vec::new();
        for algorithm in self.now().published.iter().map(|key| key.algorithm()) {
            if !algorithms.contains(&algorithm) {
                algorithms.push(algorithm);
            }
        }
        algorithms
    }

    /// The JWKS; made again only when what is published changes.
    #[must_use]
    pub fn jwks(&self) -> Arc<JwksDocument> {
        Arc::clone(&self.now().jwks)
    }

    /// Reads the folder again. What is good is taken in, what is gone or compromised is dropped at once, and what can't
    /// be used is returned. If nothing usable were there, what is not compromised stays.
    #[must_use = "what can't be used should be told to the operator"]
    pub fn reload(&self) -> Vec<KeyError> {
        let problems = self.read_again();
        *self.problems.lock().unwrap_or_else(PoisonError::into_inner) =
            problems.iter().map(ToString::to_string).collect();
        problems
    }

    /// What could not be used at the last look.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The key ids of the keys that are published.
    #[must_use]
    pub fn published(&self) -> Vec<Kid> {
        self.now().published.iter().map(|key| key.kid()).collect()
    }

    fn read_again(&self) -> Vec<KeyError> {
        let _one_at_a_time = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.now();
        let Read { mut held, dead, mut problems } = match read(&self.folder, &before.held) {
            Ok(read) => read,
            Err(error) => return vec![error],
        };
        if held.is_empty() {
            problems.push(missing(&self.folder));
            held = before.held.iter().filter(|held| !dead.contains(&held.key.kid())).cloned().collect();
        }
        if held.iter().map(|held| &held.file).eq(before.held.iter().map(|held| &held.file)) {
            return problems;
        }
        match KeyRoles::at(self.clock.now(), held.into(), &self.life, Some(&before)) {
            Some(roles) => {
                let signer = roles.signer.as_ref().map(|key| tracing::field::display(key.kid()));
                tracing::info!(
                    keys.published = roles.published.len(),
                    keys.signer = signer,
                    "signing keys changed"
                );
                *self.roles.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(roles);
            }
            None => problems.push(missing(&self.folder)),
        }
        problems
    }

    /// Looks at the folder once in `every` and reloads when it has changed; never returns. A file that can't be used is
    /// logged once, and the rest goes on.
    pub async fn watch(self: Arc<Self>, every: Duration) {
        let folder = self.folder.clone();
        folder.watch(every, move || self.reload()).await;
    }

    fn now(&self) -> Arc<KeyRoles> {
        let now = self.clock.now();
        let roles = Arc::clone(&self.roles.read().unwrap_or_else(PoisonError::into_inner));
        if roles.holds_at(now) {
            return roles;
        }
        let mut roles = self.roles.write().unwrap_or_else(PoisonError::into_inner);
        if !roles.holds_at(now)
            && let Some(fresh) = KeyRoles::at(now, Arc::clone(&roles.held), &self.life, Some(&roles))
        {
            *roles = Arc::new(fresh);
        }
        Arc::clone(&roles)
    }
}

impl std::fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKeys")
            .field("folder", &self.folder)
            .field("held", &self.now().held)
            .finish_non_exhaustive()
    }
}

impl KeyRoles {
    /// What holds at `now`; `None` if it can't be published.
    fn at(now: Timestamp, held: Arc<[KeyOnDisk]>, life: &KeyLife, before: Option<&Self>) -> Option<Self> {
        let births: Vec<_> = held.iter().map(KeyOnDisk::birth).collect();
        let states = life.states(&births, now);
        let with_state = || held.iter().zip(&states);
        let signer = with_state().find(|(_, state)| **state == super::KeyState::Signing);
        let signer = signer.map(|(held, _)| Arc::clone(&held.key));
        let published: Vec<_> = with_state()
            .filter(|(_, state)| state.is_published())
            .map(|(held, _)| held.key.clone())
            .collect();
        let kids = |keys: &[Arc<SigningKey>]| keys.iter().map(|key| key.kid()).collect::<Vec<_>>();
        let unchanged = before.filter(|before| kids(&before.published) == kids(&published));
        let jwks = match unchanged {
            Some(before) => Arc::clone(&before.jwks),
            None => Arc::new(JwksDocument::of(published.iter().map(|key| &**key), life.lead_time).ok()?),
        };
        let unchanged_for = life.unchanged_for(&births, now);
        Some(Self { unchanged_for, held, signer, published, jwks })
    }

    fn holds_at(&self, now: Timestamp) -> bool {
        (self.unchanged_for.0..self.unchanged_for.1).contains(&now)
    }
}

impl KeyOnDisk {
    pub(super) fn birth(&self) -> Birth {
        Birth { created: self.file.created, at_once: self.file.at_once }
    }
}

fn missing(folder: &KeysFolder) -> KeyError {
    KeyError::Missing { what: "signing key".to_owned(), folder: folder.path().to_owned() }
}

/// The signing keys in a folder.
pub(super) struct Read {
    /// Those that can be used, in the order of creation.
    pub(super) held: Vec<KeyOnDisk>,
    /// Those that have a tombstone.
    dead: HashSet<Kid>,
    /// What is wrong with the others.
    pub(super) problems: Vec<KeyError>,
}

/// All signing keys in the folder. A key that is among `known` is not parsed again.
pub(super) fn read(folder: &KeysFolder, known: &[KeyOnDisk]) -> Result<Read, KeyError> {
    let listing = folder.entries()?;
    let mut problems = listing.mistyped(folder, "signing");
    let epitaphs = listing.compromised.iter().map(|entry| folder.epitaph(&entry.to_string()));
    // A compromised key stays dead under any name, also when a backup brings it back.
    let mut dead: HashSet<Kid> = epitaphs.filter_map(|text| text.parse().ok()).collect();
    // The file may be gone already, and the tombstone not readable: its name tells as well.
    let buried =
        |held: &&KeyOnDisk| listing.compromised.iter().any(|entry| entry.signing() == Some(&held.file));
    dead.extend(known.iter().filter(buried).map(|held| held.key.kid()));
    let mut held: Vec<KeyOnDisk> = Vec::new();
    for entry in &listing.live {
        let Some(file) = entry.signing() else { continue };
        let known = known.iter().find(|known| known.file == *file);
        let key = known.map_or_else(|| parse(folder, file).map(Arc::new), |known| Ok(Arc::clone(&known.key)));
        match key {
            Ok(key) if listing.compromised.contains(entry) => {
                dead.insert(key.kid());
            }
            Ok(key) => match held.iter().find(|other| other.key.kid() == key.kid()) {
                Some(other) => problems.push(KeyError::Duplicate {
                    path: folder.file(file.to_string()),
                    other: other.file.to_string(),
                }),
                None => held.push(KeyOnDisk { file: file.clone(), key }),
            },
            // Half destroyed by a crash: its tombstone is there.
            Err(_) if listing.compromised.contains(entry) => {}
            Err(problem) => problems.push(problem),
        }
    }
    held.retain(|held| !dead.contains(&held.key.kid()));
    Ok(Read { held, dead, problems })
}

fn parse(folder: &KeysFolder, file: &SigningFile) -> Result<SigningKey, KeyError> {
    let name = file.to_string();
    let pem = folder.read_private(&name)?;
    SigningKey::from_pem(&pem)
        .map_err(|reason| KeyError::Broken { path: folder.file(name), reason: reason.to_string() })
}
