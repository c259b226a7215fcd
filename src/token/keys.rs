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
    view: RwLock<Arc<View>>,
    reloading: Mutex<()>,
}

/// A key and the file that it came from.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) file: SigningFile,
    pub(super) key: Arc<SigningKey>,
}

/// What holds from one change to the next.
struct View {
    /// From the first moment to before the second.
    steady: (Timestamp, Timestamp),
    /// All keys, in the order of creation.
    held: Arc<[Held]>,
    signer: Arc<SigningKey>,
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
        let (held, problems) = read(&folder, &[])?;
        if let Some(problem) = problems.into_iter().next() {
            return Err(problem);
        }
        let view = View::at(clock.now(), held.into(), &life, None).ok_or_else(|| missing(&folder))?;
        Ok(Self { folder, life, clock, view: RwLock::new(Arc::new(view)), reloading: Mutex::default() })
    }

    /// The key that signs now.
    #[must_use]
    pub fn signer(&self) -> Arc<SigningKey> {
        Arc::clone(&self.now().signer)
    }

    /// The published key with this `kid`.
    #[must_use]
    pub fn find(&self, kid: Kid) -> Option<Arc<SigningKey>> {
        self.now().published.iter().find(|key| key.kid() == kid).cloned()
    }

    /// The JWKS; made again only when what is published changes.
    #[must_use]
    pub fn jwks(&self) -> Arc<JwksDocument> {
        Arc::clone(&self.now().jwks)
    }

    /// Reads the folder again. What is good is taken in, what is gone or compromised is dropped at once, and what can't
    /// be used is returned. If nothing usable were left, all stays as it was.
    #[must_use = "what can't be used should be told to the operator"]
    pub fn reload(&self) -> Vec<KeyError> {
        let _one_at_a_time = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.now();
        let (held, mut problems) = match read(&self.folder, &before.held) {
            Ok(read) => read,
            Err(error) => return vec![error],
        };
        if held.iter().map(|held| &held.file).eq(before.held.iter().map(|held| &held.file)) {
            return problems;
        }
        match View::at(self.clock.now(), held.into(), &self.life, Some(&before)) {
            Some(view) => {
                tracing::info!(keys.published = view.published.len(), keys.signer = %view.signer.kid(), "signing keys changed");
                *self.view.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
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

    fn now(&self) -> Arc<View> {
        let now = self.clock.now();
        let view = Arc::clone(&self.view.read().unwrap_or_else(PoisonError::into_inner));
        if view.holds_at(now) {
            return view;
        }
        let mut view = self.view.write().unwrap_or_else(PoisonError::into_inner);
        if !view.holds_at(now)
            && let Some(fresh) = View::at(now, Arc::clone(&view.held), &self.life, Some(&view))
        {
            *view = Arc::new(fresh);
        }
        Arc::clone(&view)
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

impl View {
    /// What holds at `now`; `None` without a key.
    fn at(now: Timestamp, held: Arc<[Held]>, life: &KeyLife, before: Option<&Self>) -> Option<Self> {
        let births: Vec<_> = held.iter().map(Held::birth).collect();
        let states = life.states(&births, now);
        let with_state = || held.iter().zip(&states);
        let signer = with_state().find(|(_, state)| **state == super::KeyState::Signing)?.0.key.clone();
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
        let steady = life.steady(&births, now);
        Some(Self { steady, held, signer, published, jwks })
    }

    fn holds_at(&self, now: Timestamp) -> bool {
        (self.steady.0..self.steady.1).contains(&now)
    }
}

impl Held {
    pub(super) fn birth(&self) -> Birth {
        Birth { created: self.file.created, at_once: self.file.at_once }
    }
}

fn missing(folder: &KeysFolder) -> KeyError {
    KeyError::Missing { what: "signing key".to_owned(), folder: folder.path().to_owned() }
}

/// All signing keys in the folder, in the order of creation, and what is wrong with the others. A key that is among
/// `known` is not parsed again.
pub(super) fn read(folder: &KeysFolder, known: &[Held]) -> Result<(Vec<Held>, Vec<KeyError>), KeyError> {
    let listing = folder.entries()?;
    let mut problems = listing.mistyped(folder, "signing");
    let epitaphs = listing.compromised.iter().map(|entry| folder.epitaph(&entry.to_string()));
    // A compromised key stays dead under any name, also when a backup brings it back.
    let mut dead: HashSet<Kid> = epitaphs.filter_map(|text| text.parse().ok()).collect();
    let mut held: Vec<Held> = Vec::new();
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
                None => held.push(Held { file: file.clone(), key }),
            },
            // Half destroyed by a crash: its tombstone is there.
            Err(_) if listing.compromised.contains(entry) => {}
            Err(problem) => problems.push(problem),
        }
    }
    held.retain(|held| !dead.contains(&held.key.kid()));
    Ok((held, problems))
}

fn parse(folder: &KeysFolder, file: &SigningFile) -> Result<SigningKey, KeyError> {
    let name = file.to_string();
    let pem = folder.read_private(&name)?;
    SigningKey::from_pem(&pem)
        .map_err(|reason| KeyError::Broken { path: folder.file(name), reason: reason.to_string() })
}
