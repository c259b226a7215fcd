//! Records in the keys folder how far the log has come, so that a start notices when data were restored from a backup.
//! The log's own mark is beside the data and is restored with them; the keys folder is backed up separately. Where the keys
//! are in the database, the file is in the data folder, in which there are no data then.
//!
//! The file `data.position` has one line: the store's id, a position and, of a store in a database, the mark of its term.
//! It is written at the start, once an hour and at the end, if the keys folder is writable; of a store in a database also
//! once a minute, and soon after another server has taken over. It is not secret.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use tokio::time::{sleep, timeout};

use super::store::location;
use super::{Failure, Outcome};
use crate::config::Config;
use crate::files::create_unfinished;
use crate::random::Random;
use crate::store::{History, Lack, Remembered, Store, StoreStats};

const FILE: &str = "data.position";
/// How often the position is written.
const EVERY: Duration = Duration::from_hours(1);
/// How often it is written of a store in a database: a standby may take over at any time, and lack something.
const EVERY_OF_A_DATABASE: Duration = Duration::from_mins(1);
/// How often it is looked whether another server has taken over.
const LOOK: Duration = Duration::from_secs(5);

/// The file in a folder, and the store whose position it has.
#[derive(Clone, Debug)]
pub(super) struct DataPosition {
    file: PathBuf,
    /// What it is called before it is complete. Nodes that share a mounted keys folder each have a name of their own.
    unfinished: PathBuf,
    /// `None` of a store in memory, of which nothing is recorded.
    store: Option<String>,
}

impl DataPosition {
    pub(super) fn new(keys: &Path, store: Option<[u8; 16]>) -> Self {
        let name = Random::system().bytes::<8>().map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
        let unfinished = keys.join(format!(".{FILE}.{}.new", name.unwrap_or_default()));
        Self { file: keys.join(FILE), unfinished, store: store.map(|id| URL_SAFE_NO_PAD.encode(id)) }
    }

    /// Refuses a log that lacks something of what is recorded.
    ///
    /// # Errors
    /// [`Failure`] that asks the operator for a decision.
    pub(super) fn compare(&self, config: &Config, history: &History) -> Outcome {
        let Some(recorded) = self.read() else { return Ok(()) };
        let place = location(config);
        let file = self.file.display();
        match history.lack_of(recorded) {
            // Every session was ended by the start that accepted it.
            None | Some(Lack::Events { is_accepted: true, .. }) => Ok(()),
            Some(Lack::Term) => Err(Failure::Failed(format!(
                "the {place} is not the server that took over at the last fail-over, nor one that follows it: {file} was written \
                 after that. Shut this server down, or make it a standby of the other one. If it was restored from a backup \
                 and the other one is gone, start once with `heirloom serve --restored`, which ends every session. If another node \
                 was started so already, remove {file}, and start without it"
            ))),
            Some(Lack::Events { until, is_accepted: false }) => Err(Failure::Failed(format!(
                "the log in {place} ends at {until}, and had come to {} when {file} was last written: it looks as if the data had \
                 been restored from a backup, or as if a standby had taken over before it had everything. If so, start once with \
                 `heirloom serve --restored`: it takes them as they are and ends every session, since sessions that were ended \
                 after the backup are valid again in them. If not, acknowledged events are lost: restore all data from a \
                 backup, or bring back the server that has them. If the sessions have been ended by such a start already, and \
                 {file} could not be written then, let heirloom's user write it, or remove it",
                recorded.position,
            ))),
        }
    }

    /// Refuses to begin a new store where the file is of another one: it is a mistake in the configuration, and everybody who
    /// got to this node would be signed out.
    ///
    /// # Errors
    /// [`Failure`] that names both.
    pub(super) fn begin(&self, config: &Config) -> Outcome {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        let recorded = text.split_once(' ').map(|(store, _)| store);
        if recorded.is_none() || recorded == self.store.as_deref() {
            return Ok(());
        }
        Err(Failure::Failed(format!(
            "there was no store in the {}, and {} is of one: look at `[store]`, where the database or the schema may be mistyped. \
             Empty tables were made there. If a new installation shall begin, remove that file",
            location(config),
            self.file.display(),
        )))
    }

    /// Records the position of data that the operator accepted as restored. The higher position recorded before would
    /// refuse every later start. If none is recorded, it does not matter that the file can't be written.
    ///
    /// # Errors
    /// [`Failure`] that names the file, if it can't be written.
    pub(super) fn write_restored(&self, stats: &StoreStats) -> Outcome {
        let Err(error) = self.write(stats) else { return Ok(()) };
        let is_good =
            |recorded: Remembered| recorded.position <= stats.position && recorded.mark == stats.term;
        if self.read().is_none_or(is_good) {
            return Ok(());
        }
        Err(Failure::Failed(format!(
            "every session has ended, but {} can't be written ({error}): it still has the position of a longer log, so each start \
             without --restored is refused. Let heirloom's user write to the keys folder, or remove the file; then start \
             without --restored",
            self.file.display()
        )))
    }

    /// What is recorded, if the file is of this store.
    fn read(&self) -> Option<Remembered> {
        let text = fs::read_to_string(&self.file).ok()?;
        let (store, rest) = text.trim_end().split_once(' ')?;
        (Some(store) == self.store.as_deref()).then_some(())?;
        let (position, mark) = match rest.split_once(' ') {
            Some((position, mark)) => (position, Some(URL_SAFE_NO_PAD.decode(mark).ok()?.try_into().ok()?)),
            None => (rest, None),
        };
        Some(Remembered { mark, position: position.parse().ok()? })
    }

    /// Records a position, and the term, atomically. A higher position in the same term stays: another node has recorded
    /// it, in a keys folder that is mounted on both.
    pub(super) fn write(&self, stats: &StoreStats) -> io::Result<()> {
        let Some(store) = &self.store else { return Ok(()) };
        let is_known = |recorded: Remembered| {
            recorded.mark.is_some() && recorded.mark == stats.term && recorded.position > stats.position
        };
        if self.read().is_some_and(is_known) {
            return Ok(());
        }
        let fresh = &self.unfinished;
        let folder = self.file.parent().unwrap_or(Path::new("."));
        let owner = fs::metadata(folder)?;
        let mut file = create_unfinished(fresh)?;
        if rustix::process::geteuid().is_root() {
            fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
        }
        let mark = stats.term.map(|mark| format!(" {}", URL_SAFE_NO_PAD.encode(mark))).unwrap_or_default();
        writeln!(file, "{store} {}{mark}", stats.position)?;
        file.sync_all()?;
        fs::rename(fresh, &self.file)?;
        File::open(folder)?.sync_all()
    }

    /// Records the store's position at the end. If the file can't be written, the start has logged that.
    pub(super) fn write_last(&self, store: &dyn Store) {
        if let Err(error) = self.write(&store.stats()) {
            tracing::debug!(error = %error, "the log's position was not recorded in the keys folder");
        }
    }

    /// Records the store's position now and from time to time, and when another server has taken over; never returns.
    pub(super) async fn keep(self, store: Arc<dyn Store>) {
        let mut recorded = None;
        loop {
            let stats = store.stats();
            let (position, term) = (stats.position, stats.term);
            if recorded != Some((position, term)) {
                match self.write(&stats) {
                    Ok(()) => recorded = Some((position, term)),
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
            match term {
                Some(_) => drop(timeout(EVERY_OF_A_DATABASE, another_term(&*store, term)).await),
                None => sleep(EVERY).await,
            }
        }
    }
}

/// Waits until a store is in another term.
async fn another_term(store: &dyn Store, term: Option<[u8; 16]>) {
    while store.stats().term == term {
        sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frozen::Frozen;

    fn stats(position: u64, term: Option<u8>) -> StoreStats {
        StoreStats { position, term: term.map(|byte| [byte; 16]), ..StoreStats::default() }
    }

    fn position(recorded: &DataPosition) -> Option<u64> {
        recorded.read().map(|recorded| recorded.position)
    }

    #[test]
    fn the_file_is_written_and_read_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let recorded = DataPosition::new(folder.path(), Some([1; 16]));
        let text = || fs::read_to_string(folder.path().join(FILE)).unwrap();
        let mut frozen = Frozen::read("data-position.txt");
        recorded.write(&stats(70_000, None)).unwrap();
        frozen.text("data.position", text().trim_end());
        assert_eq!(recorded.read(), Some(Remembered { mark: None, position: 70_000 }));
        recorded.write(&stats(70_000, Some(2))).unwrap();
        frozen.text("data.position with a term", text().trim_end());
        assert_eq!(recorded.read(), Some(Remembered { mark: Some([2; 16]), position: 70_000 }));
        frozen.finish();
    }

    #[test]
    fn a_position_is_told_of_one_store_only() {
        let folder = tempfile::tempdir().unwrap();
        let recorded = DataPosition::new(folder.path(), Some([1; 16]));
        assert_eq!(recorded.read(), None);
        recorded.write(&stats(7, None)).unwrap();
        recorded.write(&stats(8, None)).unwrap();
        assert_eq!(position(&recorded), Some(8));
        assert_eq!(DataPosition::new(folder.path(), Some([2; 16])).read(), None);
        fs::write(folder.path().join(FILE), "torn").unwrap();
        assert_eq!(recorded.read(), None);
    }

    #[test]
    fn nodes_that_share_a_keys_folder_keep_the_highest_position_of_a_term() {
        let folder = tempfile::tempdir().unwrap();
        let nodes = [(); 2].map(|()| DataPosition::new(folder.path(), Some([1; 16])));
        assert_ne!(nodes[0].unfinished, nodes[1].unfinished);
        nodes[0].write(&stats(9, Some(1))).unwrap();
        nodes[1].write(&stats(7, Some(1))).unwrap();
        assert_eq!(position(&nodes[0]), Some(9));
        nodes[1].write(&stats(7, Some(2))).unwrap();
        assert_eq!(position(&nodes[0]), Some(7), "another term counts for itself");
    }

    #[test]
    fn after_a_restore_an_old_position_that_stays_is_an_error_which_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let recorded = DataPosition::new(folder.path(), Some([1; 16]));
        recorded.write(&stats(7, None)).unwrap();
        fs::create_dir(&recorded.unfinished).unwrap();
        let refused = recorded.write_restored(&stats(3, None)).unwrap_err().to_string();
        assert!(refused.contains("/data.position") && refused.contains("remove the file"), "{refused}");
        assert!(recorded.write_restored(&stats(7, None)).is_ok(), "it refuses nothing");
        assert!(recorded.write_restored(&stats(7, Some(1))).is_err(), "it is of another term");
        fs::remove_file(folder.path().join(FILE)).unwrap();
        assert!(recorded.write_restored(&stats(3, None)).is_ok(), "nothing is recorded");
        fs::remove_dir(&recorded.unfinished).unwrap();
        recorded.write(&stats(7, None)).unwrap();
        recorded.write_restored(&stats(3, None)).unwrap();
        assert_eq!(position(&recorded), Some(3));
    }
}
