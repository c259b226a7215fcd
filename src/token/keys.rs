//! The current signing keys: which one signs, and which are published.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::error::KeyError;
use super::jwks::JwksDocument;
use super::key_files::{KeyFiles, Listing};
use super::keyring::Keyring;
use super::life::{Birth, KeyLife, KeyState};
use super::name::SigningFile;
use super::signing::SigningKey;
use crate::clock::{Clock, Timestamp};
use crate::oauth::{Kid, SigningAlgorithm};

/// The signing keys of a folder: which ones sign, and which are published. That depends only on the folder and the
/// time; there is no other state.
pub struct SigningKeys {
    keyring: Keyring,
    life: KeyLife,
    clock: Arc<dyn Clock>,
    /// Read for every signature, written a few times a year.
    roles: RwLock<Arc<KeyRoles>>,
    reloading: Mutex<()>,
    /// The problems that the last reading of the folder found.
    problems: Mutex<Vec<String>>,
}

/// A key and its file.
#[derive(Clone, Debug)]
pub(super) struct KeyOnDisk {
    pub(super) file: SigningFile,
    pub(super) key: Arc<SigningKey>,
}

/// The roles of the keys, from one change to the next.
struct KeyRoles {
    /// The roles are valid from the first moment until before the second.
    unchanged_for: (Timestamp, Timestamp),
    /// All usable keys, in the order of creation.
    held: Arc<[KeyOnDisk]>,
    /// `None` if the last key has been compromised.
    signer: Option<Arc<SigningKey>>,
    /// The keys that sign ID tokens alone.
    id_token_signers: Vec<Arc<SigningKey>>,
    /// In the order of creation. There are only a few, so searching them is cheap, whatever `kid` a token has.
    published: Vec<Arc<SigningKey>>,
    jwks: Arc<JwksDocument>,
}

impl SigningKeys {
    /// Reads the folder. Before this returns, every key has been parsed and has passed a test signature.
    ///
    /// # Errors
    /// [`KeyError`] naming the file of any key that can't be used: a server must not start with fewer keys than the
    /// operator expects. If there is no key, the first is generated for the algorithm `first`; if `first` is `None`,
    /// [`KeyError::Missing`].
    pub fn open(
        keyring: Keyring,
        life: KeyLife,
        first: Option<SigningAlgorithm>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, KeyError> {
        if let Some(algorithm) = first {
            keyring.create_first_signing_key(algorithm, clock.now())?;
        }
        let Read { held, problems, .. } = read(&*keyring.look()?, &[])?;
        if let Some(problem) = problems.into_iter().next() {
            return Err(problem);
        }
        let roles = KeyRoles::at(clock.now(), held.into(), &life, None);
        let roles = roles.filter(|roles| roles.signer.is_some()).ok_or_else(|| missing(&keyring))?;
        Ok(Self {
            keyring,
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
    /// [`KeyError::Missing`] if the last key has been compromised.
    pub fn signer(&self) -> Result<Arc<SigningKey>, KeyError> {
        self.now().signer.clone().ok_or_else(|| missing(&self.keyring))
    }

    /// The key that signs ID tokens and logout tokens for a client that is registered for `algorithm`. If the server has
    /// no such key, it is the key that signs access tokens.
    ///
    /// # Errors
    /// As [`SigningKeys::signer`].
    pub fn id_token_signer(&self, algorithm: SigningAlgorithm) -> Result<Arc<SigningKey>, KeyError> {
        let signer = self.signer()?;
        if signer.algorithm() == algorithm {
            return Ok(signer);
        }
        let roles = self.now();
        let other = roles.id_token_signers.iter().find(|key| key.algorithm() == algorithm);
        Ok(other.map_or(signer, Arc::clone))
    }

    /// The key ids of all usable keys, and those of the compromised keys whose tombstone says their id.
    #[must_use]
    pub fn kids(&self) -> (Vec<Kid>, Vec<Kid>) {
        let live = self.now().held.iter().map(|held| held.key.kid()).collect();
        (live, self.compromised().unwrap_or_default())
    }

    fn compromised(&self) -> Result<Vec<Kid>, KeyError> {
        let files = self.keyring.look()?;
        let dead = Listing::of(&*files)?.compromised;
        Ok(dead.iter().filter_map(|entry| files.epitaph(&entry.to_string()).parse().ok()).collect())
    }

    /// The published key with this `kid`.
    #[must_use]
    pub fn find(&self, kid: Kid) -> Option<Arc<SigningKey>> {
        self.now().published.iter().find(|key| key.kid() == kid).cloned()
    }

    /// The algorithms of the published keys, each once. There are several while the algorithm is being changed.
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

    /// The current JWKS. It is rebuilt only when the published keys change.
    #[must_use]
    pub fn jwks(&self) -> Arc<JwksDocument> {
        Arc::clone(&self.now().jwks)
    }

    /// Reads the folder again. Usable keys are added, missing and compromised ones are dropped at once, and the
    /// problems with unusable ones are returned. If no usable key is left, the previous keys stay unless they are
    /// compromised.
    #[must_use = "what can't be used should be told to the operator"]
    pub fn reload(&self) -> Vec<KeyError> {
        let problems = self.read_again();
        *self.problems.lock().unwrap_or_else(PoisonError::into_inner) =
            problems.iter().map(ToString::to_string).collect();
        problems
    }

    /// The problems that the last reading of the folder found.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The key ids of the published keys.
    #[must_use]
    pub fn published(&self) -> Vec<Kid> {
        self.now().published.iter().map(|key| key.kid()).collect()
    }

    fn read_again(&self) -> Vec<KeyError> {
        let _one_at_a_time = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.now();
        let Read { mut held, dead, mut problems } =
            match self.keyring.look().and_then(|files| read(&*files, &before.held)) {
                Ok(read) => read,
                Err(error) => return vec![error],
            };
        if held.is_empty() {
            problems.push(missing(&self.keyring));
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
            None => problems.push(missing(&self.keyring)),
        }
        problems
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
            .field("keyring", &self.keyring)
            .field("held", &self.now().held)
            .finish_non_exhaustive()
    }
}

impl KeyRoles {
    /// The roles at `now`; `None` if the JWKS can't be written.
    fn at(now: Timestamp, held: Arc<[KeyOnDisk]>, life: &KeyLife, before: Option<&Self>) -> Option<Self> {
        let births: Vec<_> = held.iter().map(KeyOnDisk::birth).collect();
        let states = life.states(&births, now);
        let with_state = || held.iter().zip(&states);
        let with = |wanted| {
            let found = with_state().filter(move |(_, state)| **state == wanted);
            found.map(|(held, _)| Arc::clone(&held.key))
        };
        let signer = with(KeyState::Signing).next();
        let id_token_signers = with(KeyState::SigningIdTokens).collect();
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
        Some(Self { unchanged_for, held, signer, id_token_signers, published, jwks })
    }

    fn holds_at(&self, now: Timestamp) -> bool {
        (self.unchanged_for.0..self.unchanged_for.1).contains(&now)
    }
}

impl KeyOnDisk {
    pub(super) fn birth(&self) -> Birth {
        let SigningFile { created, at_once, for_id_tokens, .. } = self.file;
        Birth { id_tokens_alone: for_id_tokens.then(|| self.key.algorithm()), created, at_once }
    }
}

fn missing(keyring: &Keyring) -> KeyError {
    KeyError::Missing { what: "signing key".to_owned(), place: keyring.place() }
}

/// The signing keys, as read.
pub(super) struct Read {
    /// The usable keys, in the order of creation.
    pub(super) held: Vec<KeyOnDisk>,
    /// The ids of compromised keys.
    dead: HashSet<Kid>,
    /// The problems with the other files.
    pub(super) problems: Vec<KeyError>,
}

/// Reads all signing keys. A key that is in `known` is not parsed again.
pub(super) fn read(files: &dyn KeyFiles, known: &[KeyOnDisk]) -> Result<Read, KeyError> {
    let listing = Listing::of(files)?;
    let mut problems = listing.mistyped(files, "signing");
    let epitaphs = listing.compromised.iter().map(|entry| files.epitaph(&entry.to_string()));
    // A compromised key stays refused under any file name, also when a backup brings it back.
    let mut dead: HashSet<Kid> = epitaphs.filter_map(|text| text.parse().ok()).collect();
    // The key's file may be gone already and its tombstone unreadable: the tombstone's name identifies it too.
    let buried =
        |held: &&KeyOnDisk| listing.compromised.iter().any(|entry| entry.signing() == Some(&held.file));
    dead.extend(known.iter().filter(buried).map(|held| held.key.kid()));
    let mut held: Vec<KeyOnDisk> = Vec::new();
    for entry in &listing.live {
        let Some(file) = entry.signing() else { continue };
        let known = known.iter().find(|known| known.file == *file);
        let key = known.map_or_else(|| parse(files, file).map(Arc::new), |known| Ok(Arc::clone(&known.key)));
        match key {
            Ok(key) if listing.compromised.contains(entry) => {
                dead.insert(key.kid());
            }
            Ok(key) => match held.iter().find(|other| other.key.kid() == key.kid()) {
                Some(other) => problems.push(KeyError::Duplicate {
                    path: files.file(&file.to_string()),
                    other: other.file.to_string(),
                }),
                None => held.push(KeyOnDisk { file: file.clone(), key }),
            },
            // A crash interrupted its destruction: its tombstone exists.
            Err(_) if listing.compromised.contains(entry) => {}
            Err(problem) => problems.push(problem),
        }
    }
    held.retain(|held| !dead.contains(&held.key.kid()));
    Ok(Read { held, dead, problems })
}

fn parse(files: &dyn KeyFiles, file: &SigningFile) -> Result<SigningKey, KeyError> {
    let name = file.to_string();
    let pem = files.read(&name)?;
    SigningKey::from_pem(&pem)
        .map_err(|reason| KeyError::Broken { path: files.file(&name), reason: reason.to_string() })
}
