//! Records in the keys folder how far the log has come, so that a start notices when data were restored from a backup.
//! The log's own mark is beside the data and is restored with them; the keys folder is backed up separately.
//!
//! The file `data.position` has one line: the store's id and a position. It is written at the start, once an hour and
//! at the end, if the keys folder is writable. It is not secret.

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
/// How often the position is written.
const EVERY: Duration = Duration::from_hours(1);

/// The file in a keys folder, and the store whose position it has.
#[derive(Clone, Debug)]
pub(super) struct DataPosition {
    file: PathBuf,
    store: String,
}

impl DataPosition {
    pub(super) fn new(keys: &Path, store: [u8; 16]) -> Self {
        Self { file: keys.join(FILE), store: URL_SAFE_NO_PAD.encode(store) }
    }

    /// Refuses a log that ends before the recorded position.
    ///
    /// # Errors
    /// [`Failure`] that asks the operator for a decision.
    pub(super) fn compare(&self, config: &Config, position: u64) -> Outcome {
        let Some(recorded) = self.read().filter(|recorded| *recorded > position) else { return Ok(()) };
        Err(Failure::Failed(format!(
            "the log in {} ends at {position}, and had come to {recorded} when {} was last written: it looks as if the data had \
             been restored from a backup. If so, start once with `heirloom serve --restored`: it takes them as they are and \
             ends every session, since sessions that were ended after the backup are valid again in them. If not, acknowledged events \
             are lost: restore the whole folder from a backup. If the sessions have been ended by such a start already, and \
             {} could not be written then, let heirloom's user write it, or remove it",
            config.data.display(),
            self.file.display(),
            self.file.display()
        )))
    }

    /// Records the position of data that the operator accepted as restored. The higher position recorded before would
    /// refuse every later start. If none is recorded, it does not matter that the file can't be written.
    ///
    /// # Errors
    /// [`Failure`] that names the file, if it can't be written.
    pub(super) fn write_restored(&self, position: u64) -> Outcome {
        let Err(error) = self.write(position) else { return Ok(()) };
        if self.read().is_none_or(|recorded| recorded <= position) {
            return Ok(());
        }
        Err(Failure::Failed(format!(
            "every session has ended, but {} can't be written ({error}): it still has the position of a longer log, so each start \
             without --restored is refused. Let heirloom's user write to the keys folder, or remove the file; then start \
             without --restored",
            self.file.display()
        )))
    }

    /// The recorded position, if the file is of this store.
    fn read(&self) -> Option<u64> {
        let text = fs::read_to_string(&self.file).ok()?;
        let (store, position) = text.trim_end().split_once(' ')?;
        (store == self.store).then_some(())?;
        position.parse().ok()
    }

    /// Records a position atomically.
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

    /// Records the store's position at the end. If the file can't be written, the start has logged that.
    pub(super) fn write_last(&self, store: &dyn Store) {
        if let Err(error) = self.write(store.stats().position) {
            tracing::debug!(error = %error, "the log's position was not recorded in the keys folder");
        }
    }

    /// Records the store's position now and once an hour; never returns.
    pub(super) async fn keep(self, store: Arc<dyn Store>) {
        let mut recorded = None;
        loop {
            let position = store.stats().position;
            if recorded != Some(position) {
                match self.write(position) {
                    Ok(()) => recorded = Some(position),
                    Err(error) if recorded.is_none() => {
                        tracing::info!(
                            file = %self.file.display(), error = %error,
                            "the keys folder can't be written: a restore of the data together with their mark will go unnoticed"
                        );
                        return;
                    }
                    Err(error) => {
                        tracing::warn!(file = %self.file.display(), error = %error, "the log's position was not recorded in the keys folder");
                    }
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
        let recorded = DataPosition::new(folder.path(), [1; 16]);
        recorded.write(70_000).unwrap();
        let mut frozen = Frozen::read("data-position.txt");
        frozen.text("data.position", fs::read_to_string(folder.path().join(FILE)).unwrap().trim_end());
        frozen.finish();
        assert_eq!(recorded.read(), Some(70_000));
    }

    #[test]
    fn a_position_is_told_of_one_store_only() {
        let folder = tempfile::tempdir().unwrap();
        let recorded = DataPosition::new(folder.path(), [1; 16]);
        assert_eq!(recorded.read(), None);
        recorded.write(7).unwrap();
        recorded.write(8).unwrap();
        assert_eq!(recorded.read(), Some(8));
        assert_eq!(DataPosition::new(folder.path(), [2; 16]).read(), None);
        fs::write(folder.path().join(FILE), "torn").unwrap();
        assert_eq!(recorded.read(), None);
    }

    #[test]
    fn after_a_restore_an_old_position_that_stays_is_an_error_which_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let recorded = DataPosition::new(folder.path(), [1; 16]);
        recorded.write(7).unwrap();
        let unfinished = folder.path().join(".data.position.new");
        fs::create_dir(&unfinished).unwrap();
        let refused = recorded.write_restored(3).unwrap_err().to_string();
        assert!(refused.contains("/data.position") && refused.contains("remove the file"), "{refused}");
        assert!(recorded.write_restored(7).is_ok(), "it refuses nothing");
        fs::remove_file(folder.path().join(FILE)).unwrap();
        assert!(recorded.write_restored(3).is_ok(), "nothing is recorded");
        fs::remove_dir(unfinished).unwrap();
        recorded.write(7).unwrap();
        recorded.write_restored(3).unwrap();
        assert_eq!(recorded.read(), Some(3));
    }
}
