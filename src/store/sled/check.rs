//! Checks that a folder contains an intact store. It decides from the files, before sled reads them and before anything
//! is changed.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::{Bound, ControlFlow};
use std::path::Path;

use sled::IVec;

use super::fault::Fault;
use super::last_row::LastRow;
use super::layout::{self, Damaged, FORMAT, META, Meta, log_key};
use super::log;
use super::open_error::OpenError;
use super::pages::{Pages, may_hold_other};
use super::preparation::Snapshot;
use super::recovery::{self, Recovery};
use super::redo;
use super::rows::ReadRows;
use super::rows::Rows;
use super::segments::SledFile;
use super::watermark::{Watermark, digest};

/// A folder that is being checked.
pub(super) struct Check<'a> {
    /// The store's folder.
    pub(super) folder: &'a Path,
    /// sled's folder in it.
    pub(super) sled: &'a Path,
    pub(super) marked: Option<Watermark>,
    pub(super) accept_missing_mark: bool,
    pub(super) accept_restored: bool,
}

/// The contents of an intact store.
pub(super) struct Found {
    pub(super) recovery: Recovery,
    /// `None` only if the store was never completed.
    pub(super) meta: Option<Meta>,
    pub(super) log: Log,
    /// The rows of the last group that are missing in the tree.
    pub(super) missing: Rows,
}

/// The log's end.
pub(super) struct Log {
    /// Where the log ends.
    pub(super) position: u64,
    pub(super) last_row: LastRow,
    /// The log's last entry: the key of its position, and the bytes that the mark's digest covers.
    pub(super) newest: Option<([u8; 9], Vec<u8>)>,
    /// Removed streams that are not purged yet.
    pub(super) purging: BTreeMap<u64, Vec<u64>>,
}

/// The rows as they will be once the last group has been redone.
struct Redone<'a, R> {
    rows: &'a R,
    missing: &'a Rows,
}

impl Check<'_> {
    /// Checks the whole file; `None` if it never had an event and may be created again.
    pub(super) fn run(&self, file: &File) -> Result<Option<Found>, OpenError> {
        let found = match self.look(file) {
            Ok(found) if found.meta.is_some() => return Ok(Some(found)),
            found => found,
        };
        let why = match found {
            Ok(_) => self
                .nothing()
                .map(|()| self.damaged("its file does not begin with what was written there"))?,
            Err(error @ OpenError::Damaged { .. }) => error,
            Err(error) => return Err(error),
        };
        if self.never_held_an_event(file)? { Ok(None) } else { Err(why) }
    }

    /// An empty store is right only if the mark has no position.
    pub(super) fn nothing(&self) -> Result<(), OpenError> {
        match self.marked {
            Some(Watermark { position, .. }) if position > 0 => {
                Err(self.not_as_marked(format!("the log is empty, and had come to {position}")))
            }
            _ => Ok(()),
        }
    }

    fn look(&self, file: &File) -> Result<Found, OpenError> {
        let sled_file = || SledFile::new(file).map_err(|failed| self.fault(&failed.into()));
        let fault = |fault: Fault| self.fault(&fault);
        let snapshot = Snapshot::newest(self.sled);
        let whole_to = snapshot.as_ref().map_or(0, |snapshot| snapshot.lsn);
        let recovery = Recovery::read(&sled_file()?, whole_to).map_err(fault)?;
        snapshot.map_or(Ok(()), |snapshot| snapshot.check(&recovery)).map_err(fault)?;
        let pages = Pages::new(sled_file()?, &recovery).map_err(fault)?;
        pages.check().map_err(fault)?;
        // Checked first: what a newer version has written can't be judged.
        let meta = pages.get(META).map_err(fault)?.map(|value| Meta::parse(&value));
        if let Some(Ok(Meta { format, .. })) = meta
            && format > FORMAT
        {
            return Err(OpenError::Newer { folder: self.folder.to_owned(), found: format });
        }
        let not_meta = |Damaged| self.damaged("its first row is not what was written there");
        let meta = meta.transpose().map_err(not_meta)?;
        let missing = redo::missing(&pages).map_err(fault)?;
        let rows = Redone { rows: &pages, missing: &missing };
        let log = Log::read(&rows).map_err(fault)?;
        match (meta, self.marked) {
            (None, _) if log.newest.is_some() => return Err(self.damaged("its first row is missing")),
            (None, _) => self.nothing()?,
            (Some(_), _) if self.accept_restored => {}
            (Some(meta), Some(mark)) => self.compare(&rows, (&log, meta.store), mark)?,
            // The mark is written before the first event.
            (Some(_), None)
                if !self.accept_missing_mark && (log.position > 0 || !self.never_held_an_event(file)?) =>
            {
                return Err(OpenError::NoMark { folder: self.folder.to_owned() });
            }
            (_, _) => {}
        }
        Ok(Found { recovery, meta, log, missing })
    }

    fn compare(&self, rows: &impl ReadRows, log: (&Log, [u8; 16]), mark: Watermark) -> Result<(), OpenError> {
        let (log, store) = log;
        if mark.position == 0 {
            return Ok(());
        }
        if mark.store != store {
            return Err(self.not_as_marked("the mark is of another store".to_owned()));
        }
        if mark.position > log.position {
            let (now, then) = (log.position, mark.position);
            return Err(self.not_as_marked(format!("the log ends at {now}, and had come to {then}")));
        }
        let key = log_key(mark.position);
        // Since the mark was written, the log may have grown, and the event's stream may have been removed or the event
        // summarized.
        let same = log::entry_at(rows, mark.position, |entry| {
            let is_summary = entry.event.is_some_and(|event| event.first.is_some());
            entry.bytes == log::PURGED || is_summary || digest(&key, entry.bytes) == mark.digest
        });
        let same = same.and_then(|same| match same {
            Some(same) => Ok(same),
            // A row never loses single entries; it is deleted as a whole.
            None => log::has_row_of(rows, mark.position).map(|has| !has),
        });
        if same.map_err(|fault| self.fault(&fault))? {
            return Ok(());
        }
        Err(self.not_as_marked(format!("position {} holds another event", mark.position)))
    }

    /// A first start that was interrupted leaves a part of sled's first segment, and never the mark of an event.
    fn never_held_an_event(&self, file: &File) -> Result<bool, OpenError> {
        if self.marked.is_some_and(|mark| mark.position > 0) {
            return Ok(false);
        }
        let holds = SledFile::new(file).map_err(Fault::from).and_then(|file| {
            recovery::any_message(&file, |message| message.number > 0 || may_hold_other(message, META))
        });
        holds.map(|holds| !holds).map_err(|fault| self.fault(&fault))
    }

    fn fault(&self, fault: &Fault) -> OpenError {
        OpenError::of(self.folder, fault)
    }

    fn damaged(&self, why: &str) -> OpenError {
        OpenError::Damaged { folder: self.folder.to_owned(), why: why.to_owned() }
    }

    fn not_as_marked(&self, why: String) -> OpenError {
        OpenError::NotAsMarked { folder: self.folder.to_owned(), why }
    }
}

impl Log {
    /// The end of the log of a store in which nothing was written yet.
    pub(super) fn empty() -> Self {
        Self { position: 0, last_row: LastRow::behind(0), newest: None, purging: BTreeMap::new() }
    }

    fn read(rows: &impl ReadRows) -> Result<Self, Fault> {
        let empty = Self { purging: purging(rows)?, ..Self::empty() };
        let Some((key, row)) = rows.last(b"l")? else { return Ok(empty) };
        let end = || Fault::row("the end of the log");
        let entries = log::entries(&key, &row).map_err(end())?;
        let newest = entries.last().ok_or(Damaged).map_err(end())?;
        let position = newest.position;
        let last_row = LastRow::resume(&key, &row).map_err(end())?;
        let last_row = last_row.unwrap_or_else(|| LastRow::behind(position));
        let newest = Some((log_key(position), newest.bytes.to_vec()));
        Ok(Self { position, last_row, newest, ..empty })
    }
}

fn purging(rows: &impl ReadRows) -> Result<BTreeMap<u64, Vec<u64>>, Fault> {
    let mut purging = Ok(BTreeMap::new());
    rows.visit(Bound::Included(b"p".to_vec()), b"p", |key, value| {
        let purge =
            layout::purge_birth(key).and_then(|birth| Ok((birth, layout::parse_positions(key, value)?)));
        match (purge, &mut purging) {
            (Ok((birth, positions)), Ok(purging)) => {
                purging.insert(birth, positions);
                ControlFlow::Continue(())
            }
            (Err(damaged), _) => {
                purging = Err(damaged);
                ControlFlow::Break(())
            }
            (Ok(_), Err(_)) => ControlFlow::Break(()),
        }
    })?;
    purging.map_err(Fault::row("a purge"))
}

impl<R: ReadRows> ReadRows for Redone<'_, R> {
    fn get(&self, key: &[u8]) -> Result<Option<IVec>, Fault> {
        match self.missing.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.rows.get(key),
        }
    }

    fn last(&self, prefix: &[u8]) -> Result<Option<(IVec, IVec)>, Fault> {
        let there = self.rows.last(prefix)?;
        let missing =
            self.missing.iter().rev().find(|(key, value)| key.starts_with(prefix) && value.is_some());
        let missing = missing.and_then(|(key, value)| Some((IVec::from(key.as_slice()), value.clone()?)));
        // If both have the key, the newer value.
        Ok(there.into_iter().chain(missing).max_by(|(one, _), (other, _)| one.cmp(other)))
    }

    fn visit(
        &self,
        from: Bound<Vec<u8>>,
        prefix: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), Fault> {
        let mut rows = Rows::new();
        self.rows.visit(from, prefix, |key, value| {
            rows.insert(key.to_vec(), Some(value.into()));
            ControlFlow::Continue(())
        })?;
        let missing = self.missing.iter().filter(|(key, _)| key.starts_with(prefix));
        rows.extend(missing.map(|(key, value)| (key.clone(), value.clone())));
        for (key, value) in &rows {
            if value.as_ref().is_some_and(|value| visit(key, value).is_break()) {
                break;
            }
        }
        Ok(())
    }
}
