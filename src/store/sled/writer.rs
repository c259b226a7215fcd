//! The writer: one thread that commits in groups. It takes the waiting changes, decides them, applies them atomically,
//! flushes, syncs once, and only then answers.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sled::Batch;

use super::fault::Fault;
use super::group::Group;
use super::group_delay::cpu_time;
use super::job::Job;
use super::last_row::LastRow;
use super::layout;
use super::panic_guard::guarded;
use super::queue::Queue;
use super::reads::Chunk;
use super::redo;
use super::shared::Shared;
use super::time::now;
use super::watermark::{Watermark, WatermarkFile};

/// How often the mark is synced while changes come in.
const MARK_EVERY: Duration = Duration::from_secs(1);
/// How long the writer stays awake for the next change, when changes come one at a time in quick succession.
const AWAKE: Duration = Duration::from_millis(1);
/// How long to sleep without a deadline.
const FOR_EVER: Duration = Duration::from_hours(1);
/// How many groups may be written before a step of a purge.
const PURGE_EVERY: u64 = 8;
/// The pause between two steps of a purge, which limits it to some MB a second.
const PURGE_PAUSE: Duration = Duration::from_millis(5);
/// How often a purge checks whether the disk has room again.
const PURGE_WAITS: Duration = Duration::from_secs(1);
/// The most rows that one step of a purge changes; if all are full, they are no more than a group may have.
const PURGE_ROWS: usize = 51;

/// The writer's own state.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) queue: Arc<Queue>,
    pub(super) store: [u8; 16],
    pub(super) mark: WatermarkFile,
    /// The row at the log's end.
    pub(super) last_row: LastRow,
    /// The purge step that is not durable yet.
    pub(super) purged: Option<Purged>,
    /// The CPU time that the process had taken when the last changes were answered.
    pub(super) cpu_time: Duration,
}

/// A step of a purge: the stream's birth, and whether it was the last step.
pub(super) struct Purged {
    birth: u64,
    last: bool,
}

/// Why the writer stops for ever.
struct Stop(Fault);

impl Writer {
    /// Runs until the queue is closed, or until the store fails.
    pub(super) fn run(mut self) {
        match guarded(|| self.write_groups()) {
            Ok(Ok(())) => {}
            Ok(Err(Stop(fault))) => self.shared.failure.fail_by(&fault),
            Err(panic) => self.shared.fail(&format!("the writer stopped: {panic}")),
        }
    }

    fn write_groups(&mut self) -> Result<(), Stop> {
        let mut waiting: VecDeque<Job> = VecDeque::new();
        let mut mark_due = now();
        let mut groups: u64 = 0;
        let mut purge_due = now();
        let mut alone = false;
        loop {
            let purge = self.next_purge();
            let began = now();
            let busy = !waiting.is_empty() || purge.is_some() && began >= purge_due;
            let patience = if busy { began } else { self.patience(mark_due) };
            let patience = if purge.is_some() { patience.min(purge_due.max(began)) } else { patience };
            let awake = if alone && !busy { AWAKE } else { Duration::ZERO };
            let open = self.queue.take(&mut waiting, patience, awake);
            // Changes come one at a time, each soon after the one before.
            alone = waiting.len() == 1 && began.elapsed() < AWAKE;
            if !open && waiting.is_empty() {
                return self.sync_mark();
            }
            groups = groups.wrapping_add(1);
            let turn = waiting.is_empty() || groups.is_multiple_of(PURGE_EVERY);
            if let Some(birth) = purge.filter(|_| turn && now() >= purge_due) {
                // Deleting needs room at first.
                let full = self.shared.space.look().nearly_full.is_some();
                if !full {
                    self.purge(birth)?;
                }
                let pause = if full { PURGE_WAITS } else { PURGE_PAUSE };
                purge_due = now().checked_add(pause).unwrap_or(purge_due);
            }
            if !waiting.is_empty() {
                self.write_group(&mut waiting)?;
            }
            // The group's sync covers the purge too, if the group wrote anything.
            if self.purged.is_some() {
                self.flush()?;
            }
            if now() >= mark_due {
                self.sync_mark()?;
                mark_due = now().checked_add(MARK_EVERY).unwrap_or(mark_due);
            }
        }
    }

    /// How long to wait for a job: until the mark must be synced, or without a limit.
    fn patience(&self, mark_due: Instant) -> Instant {
        if self.mark.dirty { mark_due } else { now().checked_add(FOR_EVER).unwrap_or(mark_due) }
    }

    /// Decides and writes the jobs at the front, as many as fit one group, and answers them.
    fn write_group(&mut self, waiting: &mut VecDeque<Job>) -> Result<(), Stop> {
        let began = now();
        let shared = Arc::clone(&self.shared);
        let position = shared.read_barrier.visible().position;
        let last_row = std::mem::replace(&mut self.last_row, LastRow::behind(position));
        let mut group = Group::new(&shared.tree, position, last_row);
        let mut bytes: usize = 0;
        let mut answers = Vec::new();
        while let Some(job) = waiting.pop_front() {
            if !answers.is_empty() && !job.cost.fits((group.rows.len(), bytes), shared.limits) {
                waiting.push_front(job);
                break;
            }
            bytes = bytes.saturating_add(job.cost.bytes);
            let decided = group.decide(job.change)?;
            answers.push((job.answer, job.place, decided));
        }
        // A change that was refused because of the state of this very group is also answered after its sync.
        if group.rows.is_empty() {
            self.last_row = group.last_row;
        } else {
            self.commit(group)?;
        }
        shared.count(answers.len(), began.elapsed());
        let cpu_before = std::mem::replace(&mut self.cpu_time, cpu_time());
        self.queue.answered(answers.len(), self.cpu_time.saturating_sub(cpu_before));
        for (answer, place, decided) in answers {
            drop(place);
            // The caller may have gone.
            drop(answer.send(decided));
        }
        Ok(())
    }

    fn commit(&mut self, mut group: Group<'_>) -> Result<(), Stop> {
        group.seal();
        let newest = group.newest();
        let mark = newest.map(|(key, entry)| Watermark::of(self.store, group.position, Some((&key, entry))));
        let shared = &self.shared;
        let rows = Arc::new(group.rows);
        shared.read_barrier.begin(Arc::clone(&rows), group.takes_away);
        redo::apply(&shared.tree, &rows)?;
        self.flush()?;
        if let Some(mark) = mark {
            self.mark
                .write(&mark)
                .map_err(|error| Stop(Fault::refused("the mark can't be written", &error)))?;
        }
        self.last_row = group.last_row;
        self.shared.read_barrier.end(group.position, group.removed);
        Ok(())
    }

    /// Makes everything applied durable.
    fn flush(&mut self) -> Result<(), Stop> {
        self.shared.tree.flush()?;
        if let Some(Purged { birth, last: true }) = self.purged.take() {
            self.shared.read_barrier.change(|visible| visible.purging.remove(&birth));
        }
        Ok(())
    }

    fn sync_mark(&mut self) -> Result<(), Stop> {
        let synced = self.mark.sync(&*self.shared.disk);
        synced.map_err(|error| Stop(Fault::refused("syncing the mark failed", &error)))
    }

    fn next_purge(&self) -> Option<u64> {
        self.shared.read_barrier.visible().purging.first_key_value().map(|(birth, _)| *birth)
    }

    /// Purges some of the events of a removed stream. Readers don't see it, but it is synced with a group or like one:
    /// see [`durable`](super::durable).
    fn purge(&mut self, birth: u64) -> Result<(), Stop> {
        let shared = &self.shared;
        let (batch, last) = self.purge_batch(birth)?;
        shared.tree.keep_up()?;
        shared.read_barrier.change(|_| shared.tree.apply(batch))?;
        // Readers go on meanwhile.
        shared.tree.keep_up()?;
        self.purged = Some(Purged { birth, last });
        // The log's last row may have lost entries too.
        let key = self.last_row.key();
        if let Some(row) = shared.tree.get(&key)? {
            let resumed = LastRow::resume(&key, &row).map_err(Fault::row("the end of the log"))?;
            self.last_row =
                resumed.unwrap_or_else(|| LastRow::behind(shared.read_barrier.visible().position));
        }
        Ok(())
    }

    fn purge_batch(&self, birth: u64) -> Result<(Batch, bool), Fault> {
        let mut batch = Batch::default();
        // Redoing the last group would bring back purged rows.
        redo::forget(&mut batch);
        let mut gone = BTreeSet::new();
        for Chunk { key, positions } in self.shared.tree.chunks(birth, PURGE_ROWS.div_ceil(17))? {
            batch.remove(key);
            gone.extend(positions.into_iter().filter(|position| *position != layout::GONE));
        }
        let last = gone.is_empty();
        let end = {
            let visible = self.shared.read_barrier.visible();
            if last {
                let loose = visible.purging.get(&birth).into_iter().flatten();
                gone.extend(loose.filter(|position| **position != layout::GONE));
                batch.remove(&layout::purge_key(birth));
            }
            visible.position
        };
        self.shared.tree.purge(&gone, end, &mut batch)?;
        Ok((batch, last))
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self(fault)
    }
}
