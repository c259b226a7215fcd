//! Where keys and secrets lie, as files with names that say what they are ([`super::name`]).

use std::path::PathBuf;
use std::time::Duration;

use super::error::KeyError;
use super::folder::{FolderPrint, KeysFolder};
use super::key_files::{KeyFiles, LockedFiles};
use super::sealed_keys::SealedKeys;

/// How often a change is decided anew because somebody else made one meanwhile.
const MOST_ATTEMPTS: usize = 16;

/// All keys and secrets of an installation.
#[derive(Clone, Debug)]
pub struct Keyring {
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Folder(KeysFolder),
    Database(SealedKeys),
}

/// What to do when there is no key, or no secret of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMissing {
    /// Make the first one.
    Create,
    /// Refuse: making a new one would not bring back what the old one opened.
    Refuse,
}

impl Keyring {
    /// The files of a folder, which need not exist yet.
    #[must_use]
    pub fn in_folder(path: impl Into<PathBuf>) -> Self {
        Self { place: Place::Folder(KeysFolder::at(path)) }
    }

    /// The files in a database.
    #[must_use]
    pub const fn in_database(keys: SealedKeys) -> Self {
        Self { place: Place::Database(keys) }
    }

    /// The files as they are now.
    pub(super) fn look(&self) -> Result<Box<dyn KeyFiles + '_>, KeyError> {
        match &self.place {
            Place::Folder(folder) => Ok(Box::new(folder)),
            Place::Database(keys) => Ok(Box::new(keys.snapshot()?)),
        }
    }

    /// Makes a change. It may be called again, if somebody else made one meanwhile; only the last call counts.
    pub(super) fn change<T>(
        &self,
        change: impl Fn(&mut dyn LockedFiles) -> Result<T, KeyError>,
    ) -> Result<T, KeyError> {
        match &self.place {
            Place::Folder(folder) => change(&mut folder.lock()?),
            Place::Database(keys) => {
                for _ in 0..MOST_ATTEMPTS {
                    let mut draft = keys.draft()?;
                    let done = change(&mut draft)?;
                    if keys.commit(draft)? {
                        return Ok(done);
                    }
                }
                Err(keys.contended())
            }
        }
    }

    /// Seals everything under the current key-encryption key that is sealed under another, and says how many files that
    /// are; `None` for a folder, in which nothing is sealed.
    ///
    /// # Errors
    /// [`KeyError`]: then nothing is changed.
    pub fn reseal(&self) -> Result<Option<usize>, KeyError> {
        let Place::Database(keys) = &self.place else { return Ok(None) };
        for _ in 0..MOST_ATTEMPTS {
            let mut draft = keys.draft()?;
            let resealed = draft.reseal()?;
            if keys.commit(draft)? {
                return Ok(Some(resealed));
            }
        }
        Err(keys.contended())
    }

    /// How messages call the place of all files.
    #[must_use]
    pub fn place(&self) -> String {
        match &self.place {
            Place::Folder(folder) => KeyFiles::place(&folder),
            Place::Database(keys) => keys.place(),
        }
    }

    /// How messages call the file of this name.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        match &self.place {
            Place::Folder(folder) => folder.file(name),
            Place::Database(keys) => keys.file(name),
        }
    }

    /// Calls `changed` whenever a file has changed, looking once in `every`, and again as long as something may pass;
    /// never returns. What `changed` can't use is logged once.
    pub async fn watch<F>(&self, every: Duration, changed: F)
    where
        F: Fn() -> Vec<KeyError> + Clone + Send + 'static,
    {
        let (mut seen, mut told) = (None, Vec::new());
        let mut ticks = tokio::time::interval(every.max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let (keyring, changed, before) = (self.clone(), changed.clone(), seen.take());
            let look = tokio::task::spawn_blocking(move || {
                let print = keyring.print();
                let problems = (before.as_ref() != Some(&print)).then(changed);
                (print, problems)
            });
            let Ok((print, problems)) = look.await else { continue };
            seen = Some(print);
            if let Some(problems) = problems {
                if problems.iter().any(KeyError::may_pass) {
                    // The files look the same once it has passed.
                    seen = None;
                }
                let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
                for problem in problems.iter().filter(|problem| !told.contains(*problem)) {
                    tracing::error!(keys.problem = %problem, "the keys have changed, and not all of them can be used");
                }
                told = problems;
            }
        }
    }

    /// What changes when a file does: cheap enough to ask for every second.
    fn print(&self) -> Print {
        match &self.place {
            Place::Folder(folder) => Print::Folder(folder.print()),
            Place::Database(keys) => Print::Database(keys.version()),
        }
    }
}

/// What tells the files from those of before, without their contents.
#[derive(Debug, PartialEq, Eq)]
enum Print {
    Folder(FolderPrint),
    /// The version; `None` if the database can't tell.
    Database(Option<u64>),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By a clock that stands still unless everybody waits: then it is at once as late as the next of them waits for.
    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_looked_at_again_and_nothing_else_is() {
        let temp = tempfile::tempdir().unwrap();
        let keyring = Keyring::in_folder(temp.path());
        let (looked, mut looks) = tokio::sync::mpsc::unbounded_channel();
        let calls = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
        let changed = move || {
            let call = calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            looked.send(call).unwrap();
            let path = "signing".into();
            match call {
                0 | 1 => {
                    vec![KeyError::Io { path, source: std::io::ErrorKind::StaleNetworkFileHandle.into() }]
                }
                _ => vec![KeyError::BadName { path }],
            }
        };
        let watch = tokio::spawn(async move { keyring.watch(Duration::from_secs(1), changed).await });
        let mut next =
            async || tokio::time::timeout(Duration::from_mins(1), looks.recv()).await.ok().flatten();
        for call in 0..3 {
            assert_eq!(next().await, Some(call), "an error that may pass is looked at again");
        }
        assert_eq!(next().await, None, "nothing has changed in a minute, and the error can't pass");
        std::fs::write(temp.path().join("other"), "").unwrap();
        assert_eq!(next().await, Some(3), "the folder has changed");
        watch.abort();
    }
}
