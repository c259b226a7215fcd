//! How far the log had come, told to the keys folder. The mark lies beside the data and is restored with them from a
//! backup; the keys folder is backed up apart, and so remembers.
//!
//! One line in `data.position`: the store's id and a position. It is written at the start, once an hour and at the end,
//! where the keys folder can be written; it is no secret.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Failure, Outcome};
use crate::config::Config;
use crate::files::create_unfinished;
use crate::store::Store;

const FILE: &str = "data.position";
/// How often it is written.
const EVERY: Duration = Duration::from_hours(1);

/// The file in a keys folder, and the store whose position it tells.
#[derive(Clone, Debug)]
pub(super) struct DataPosition {
    file: PathBuf,
    store: String,
}

impl DataPosition {
    pub(super) fn new(keys: &Path, store: [u8; 16]) -> Self {
        Self { file: keys.join(FILE), store: URL_SAFE_NO_PAD.encode(store) }
    }

    /// Refuses a log that ends before the position that is told.
    ///
    /// # Errors
    /// [`Failure`] that asks for a decision.
    pub(super) fn compare(&self, config: &Config, position: u64) -> Outcome {
        let Some(told) = self.read().filter(|told| *told > position) else { return Ok(()) };
        Err(Failure::Failed(format!(
            "the log in {} ends at {position}, and had come to {told} when {} was last written: it looks as if the data had \
             been restored from a backup. If so, start once with `heirloom serve --restored`: it takes them as they are and \
             ends every session, since what was ended after the backup is good again in them. If not, acknowledged events \
             are lost: restore the whole folder from a backup. If the sessions have been ended by such a start already, and \
             {} could not be written then, let heirloom's user write it, or remove it",
            config.data.display(),
            self.file.display(),
            self.file.display()
        )))
    }

    /// Tells the position of data that were taken as restored, in the place of the one that they had come to: it would
    /// refuse every later start. Where nothing is told, nothing need be.
    ///
    /// # Errors
    /// [`Failure`] that names the file, if it can't be written.
    pub(super) fn write_restored(&self, position: u64) -> Outcome {
        let Err(error) = self.write(position) else { return Ok(()) };
        if self.read().is_none_or(|told| told <= position) {
            return Ok(());
        }
        Err(Failure::Failed(format!(
            "every session has ended, but {} can't be written ({error}): it still tells of a longer log, by which each start \
             without --restored is refused. Let heirloom's user write to the keys folder, or remove the file; then start \
             without --restored",
            self.file.display()
        )))
    }

    /// The position that is told, if it is of this store.
    fn read(&self) -> Option<u64> {
        let text = fs::read_to_string(&self.file).ok()?;
        let (store, position) = text.trim_end().split_once(' ')?;
        (store == self.store).then_some(())?;
        position.parse().ok()
    }

    /// Tells a position, all of it or nothing.
    pub(super) fn write(&self, position: u64) -> io::Result<()> {
        let fresh = self.file.with_file_name(format!(".{FILE}.new"));
        let folder = self.file.parent().unwrap_or(Path::new("."));
        let owner = fs::metadata(folder)?;
        let mut file = create_unfinished(&fresh)?;
        if rustix::process::geteuid().is_root() {
            fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
        }
        writeln!(file, "{} {position}", self.store)?;
        file.sync_all()?;
        fs::rename(&fresh, &self.file)?;
        File::open(folder)?.sync_all()
    }

    /// Tells the store's position at the end. That it can't be written was said at the start.
    pub(super) fn write_last(&self, store: &dyn Store) {
        if let Err(error) = self.write(store.stats().position) {
            tracing::debug!(error = %error, "the keys folder was not told how far the log has come");
        }
    }

    /// Tells the store's position now and once an hour; never returns.
    pub(super) async fn keep(self, store: Arc<dyn Store>) {
        let mut told = None;
        loop {
            let position = store.stats().position;
            if told != Some(position) {
                match self.write(position) {
                    Ok(()) => told = Some(position),
                    Err(error) if told.is_none() => {
                        tracing::info!(
                            file = %self.file.display(), error = %error,
                            "the keys folder can't be written: it won't be noticed when data and mark are restored together"
                        );
                        return;
                    }
                    Err(error) => tracing::warn!(file = %self.file.display(), error = %error, "not written"),
                }
            }
            tokio::time::sleep(EVERY).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frozen::Frozen;

    #[test]
    fn the_file_is_written_and_read_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let told = DataPosition::new(folder.path(), [1; 16]);
        told.write(70_000).unwrap();
        let mut frozen = Frozen::read("data-position.txt");
        frozen.text("data.position", fs::read_to_string(folder.path().join(FILE)).unwrap().trim_end());
        frozen.finish();
        assert_eq!(told.read(), Some(70_000));
    }

    #[test]
    fn a_position_is_told_of_one_store_only() {
        let folder = tempfile::tempdir().unwrap();
        let told = DataPosition::new(folder.path(), [1; 16]);
        assert_eq!(told.read(), None);
        told.write(7).unwrap();
        told.write(8).unwrap();
        assert_eq!(told.read(), Some(8));
        assert_eq!(DataPosition::new(folder.path(), [2; 16]).read(), None);
        fs::write(folder.path().join(FILE), "torn").unwrap();
        assert_eq!(told.read(), None);
    }

    #[test]
    fn after_a_restore_an_old_position_that_stays_is_an_error_which_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let told = DataPosition::new(folder.path(), [1; 16]);
        told.write(7).unwrap();
        let unfinished = folder.path().join(".data.position.new");
        fs::create_dir(&unfinished).unwrap();
        let refused = told.write_restored(3).unwrap_err().to_string();
        assert!(refused.contains("/data.position") && refused.contains("remove the file"), "{refused}");
        assert!(told.write_restored(7).is_ok(), "it refuses nothing");
        fs::remove_file(folder.path().join(FILE)).unwrap();
        assert!(told.write_restored(3).is_ok(), "nothing is told");
        fs::remove_dir(unfinished).unwrap();
        told.write(7).unwrap();
        told.write_restored(3).unwrap();
        assert_eq!(told.read(), Some(3));
    }
}
