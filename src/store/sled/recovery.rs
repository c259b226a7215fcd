//! Finds out what sled would read from its file when it opens it, without writing anything.
//!
//! sled treats a segment whose header it can't read as empty, and a log that breaks off as ended; then it overwrites
//! what it treats as empty. So heirloom reads the file first, and finds by sled's own rules where each page's newest
//! parts are. It also examines what those rules leave out: an empty or broken place is a leftover of a crash if nothing
//! that is missing there would be needed.
//!
//! These are leftovers of a crash, not damage:
//! - the end of the log: a group that was written in part, segments behind it that were written before their
//!   predecessors, a segment of which only the header, or not even the header, was written;
//! - a freed segment with its old contents, zeroed in part, or overwritten in part.

use std::collections::BTreeMap;

use super::fault::Fault;
use super::segments::{
    End, HEADER, Header, Kind, MESSAGE_HEADER, Message, Messages, ReadFailed, SEGMENT, SEGMENT_LSN, SledFile,
};

/// A bound on page numbers: sled numbers pages from 0 and never has this many.
const PAGES: u64 = 1 << 37;

/// Where a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) lsn: u64,
    /// The offset in the file, in bytes.
    pub(super) offset: u64,
    pub(super) size: u32,
}

/// What the log has of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// Nothing.
    Missing,
    /// It was freed.
    Free(Place),
    /// It was written as a whole, and changed afterwards.
    Present { base: Place, links: Vec<Place> },
}

/// A segment by its place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) lsn: u64,
    pub(super) offset: u64,
}

/// The contents of the file.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    /// By their numbers.
    pub(super) pages: Vec<Page>,
    /// The LSN after the last message.
    pub(super) end: u64,
    /// The segment in which the log ends; `None` when there is no log.
    pub(super) tip: Option<Segment>,
    /// Whether that segment has a message that says that it ends there.
    pub(super) capped: bool,
    /// Segments after the end, which have no valid data.
    pub(super) torn: Vec<u64>,
    /// How many messages were read.
    pub(super) messages: u64,
    /// The offsets of the segments up to the end, by LSN.
    order: BTreeMap<u64, u64>,
    /// Segments before the end of the log that have no valid message at this place.
    broken: Vec<(Segment, usize)>,
}

/// The headers of all segments.
#[derive(Default)]
struct Headers {
    /// Offsets by LSN.
    whole: BTreeMap<u64, u64>,
    /// Offsets of segments without an intact header, and whether there is a damaged one.
    without: Vec<(u64, bool)>,
    /// An LSN up to which the log was intact when some segment was begun.
    whole_to: u64,
}

impl Recovery {
    /// Reads the whole file. `snapshot` is the LSN up to which one of sled's snapshots says that the log was intact.
    pub(super) fn read(file: &SledFile<'_>, snapshot: u64) -> Result<Self, Fault> {
        let mut headers = Headers::read(file)?;
        headers.whole_to = headers.whole_to.max(snapshot);
        let mut found = Self { end: headers.end(file)?, ..Self::default() };
        let mut bytes = Vec::new();
        for (&lsn, &offset) in &headers.whole {
            if lsn >= found.end {
                found.torn.push(offset);
                continue;
            }
            file.segment(offset, &mut bytes)?;
            found.segment(Segment { lsn, offset }, &bytes)?;
        }
        found.check(file, &headers)?;
        Ok(found)
    }

    /// Processes the messages of a segment.
    fn segment(&mut self, segment: Segment, bytes: &[u8]) -> Result<(), Fault> {
        self.tip = Some(segment);
        self.order.insert(segment.lsn, segment.offset);
        self.capped = false;
        let mut messages = Messages::new(bytes, segment.lsn);
        for (at, message) in messages.by_ref() {
            let lsn = plus(segment.lsn, at);
            if lsn >= self.end {
                return Ok(());
            }
            self.messages = self.messages.saturating_add(1);
            if message.kind == Kind::Batch && message.batch_end().is_none_or(|last| last >= self.end) {
                // The end of a batch is missing: then the whole batch is.
                self.end = lsn;
                return Ok(());
            }
            let size = u32::try_from(message.size).unwrap_or(u32::MAX);
            self.apply(&message, Place { lsn, offset: plus(segment.offset, at), size })?;
        }
        match messages.end() {
            Some(End::Broken(at)) if plus(segment.lsn, at) < self.end => self.broken.push((segment, at)),
            Some(End::Cap(at)) => self.capped = plus(segment.lsn, at) == self.end,
            _ => {}
        }
        Ok(())
    }

    /// Applies a message by sled's rules.
    fn apply(&mut self, message: &Message<'_>, place: Place) -> Result<(), Fault> {
        match message.kind {
            Kind::Canceled | Kind::Cap | Kind::Batch => return Ok(()),
            Kind::Elsewhere => return Err(damaged(place.offset, "a value that heirloom never writes")),
            Kind::Free | Kind::Page | Kind::Link => {}
        }
        let index = usize::try_from(message.page).ok().filter(|_| message.page < PAGES);
        let index = index.ok_or_else(|| damaged(place.offset, "a page that heirloom never writes"))?;
        if message.kind == Kind::Link {
            if let Some(Page::Present { base, links }) = self.pages.get_mut(index)
                && links.last().unwrap_or(base).lsn < place.lsn
            {
                links.push(place);
            }
            // Otherwise the page was written again later, or its beginning was freed: it is complete further on.
            return Ok(());
        }
        if index >= self.pages.len() {
            self.pages.resize(index.saturating_add(1), Page::Missing);
        }
        if let Some(page) = self.pages.get_mut(index) {
            *page = if message.kind == Kind::Free {
                Page::Free(place)
            } else {
                Page::Present { base: place, links: Vec::new() }
            };
        }
        Ok(())
    }

    /// Checks that nothing is lost that is needed.
    fn check(&self, file: &SledFile<'_>, headers: &Headers) -> Result<(), Fault> {
        let mut bytes = Vec::new();
        for (segment, at) in &self.broken {
            file.segment(segment.offset, &mut bytes)?;
            self.check_broken(*segment, *at, &bytes)?;
        }
        for (offset, has_header) in &headers.without {
            file.segment(*offset, &mut bytes)?;
            self.check_without_header(*offset, *has_header, &bytes)?;
        }
        match self.pages.iter().position(|page| *page == Page::Missing) {
            Some(page) => Err(Fault::Damaged(format!("page {page} of its file is missing"))),
            None => Ok(()),
        }
    }

    /// Checks a segment before the end that has a hole: the page in the hole may be needed, unless nothing of the
    /// segment is.
    fn check_broken(&self, segment: Segment, at: usize, bytes: &[u8]) -> Result<(), Fault> {
        let hole = || damaged(plus(segment.offset, at), "a message that is not what was written there");
        if self.is_used(segment.offset) {
            return Err(hole());
        }
        let number = segment.lsn.wrapping_div(SEGMENT_LSN);
        let behind = bytes.get(at..).unwrap_or_default();
        let claimed = Message::claimed(behind).filter(|message| message.number == number);
        if claimed.is_some_and(|message| self.is_news(&message, plus(segment.lsn, at))) {
            return Err(hole());
        }
        // A message with a flipped bit in its header looks like another one.
        let mut repaired = behind.to_vec();
        for bit in 0..MESSAGE_HEADER.saturating_mul(8) {
            flip(&mut repaired, bit);
            let message = Message::parse(&repaired).filter(|message| message.number == number);
            if message.is_some_and(|message| self.is_news(&message, plus(segment.lsn, at))) {
                return Err(hole());
            }
            flip(&mut repaired, bit);
        }
        // The messages after the hole. Those in it are gone: when a segment is reused, the disk overwrites its parts in
        // any order, and its header last.
        let found = found(bytes, at, |found| found == number);
        if found.iter().any(|(at, message)| self.is_news(message, plus(segment.lsn, *at))) {
            return Err(hole());
        }
        Ok(())
    }

    /// A segment without an intact header is empty or was never completed, unless it has messages that are needed.
    fn check_without_header(&self, offset: u64, has_header: bool, bytes: &[u8]) -> Result<(), Fault> {
        let body = bytes.get(HEADER..).unwrap_or_default();
        if body.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        let last = self.end.wrapping_div(SEGMENT_LSN);
        let found = found(bytes, HEADER, |number| number <= last.saturating_add(8));
        let is_needed = found.iter().any(|(at, message)| {
            let lsn = plus(message.number.saturating_mul(SEGMENT_LSN), *at);
            lsn < self.end && self.is_news(message, lsn)
        });
        let is_damage = is_needed || has_header && found.is_empty();
        if is_damage { Err(damaged(offset, "a header that is not what was written there")) } else { Ok(()) }
    }

    /// Whether a skipped message is newer than what is known of its page.
    fn is_news(&self, message: &Message<'_>, lsn: u64) -> bool {
        let page = usize::try_from(message.page).ok().and_then(|index| self.pages.get(index));
        let is_link = match message.kind {
            Kind::Canceled | Kind::Cap | Kind::Batch => return false,
            Kind::Link => true,
            Kind::Free | Kind::Page | Kind::Elsewhere => false,
        };
        match page.unwrap_or(&Page::Missing) {
            Page::Missing => !is_link,
            Page::Free(place) => !is_link && place.lsn < lsn,
            page @ Page::Present { .. } => page.newest() < Some(lsn),
        }
    }

    /// The offset of the segment at an LSN before the end.
    pub(super) fn offset(&self, lsn: u64) -> Option<u64> {
        self.order.get(&lsn).copied()
    }

    /// Whether the segment at this offset has a part of a page.
    pub(super) fn is_used(&self, segment: u64) -> bool {
        let within =
            |place: &Place| place.offset.wrapping_div(SEGMENT_LSN) == segment.wrapping_div(SEGMENT_LSN);
        self.pages.iter().any(|page| match page {
            Page::Missing => false,
            Page::Free(place) => within(place),
            Page::Present { base, links } => within(base) || links.iter().any(within),
        })
    }
}

impl Page {
    /// The LSN of the page's newest part.
    pub(super) fn newest(&self) -> Option<u64> {
        match self {
            Self::Missing => None,
            Self::Free(place) => Some(place.lsn),
            Self::Present { base, links } => Some(links.last().unwrap_or(base).lsn),
        }
    }
}

impl Headers {
    fn read(file: &SledFile<'_>) -> Result<Self, Fault> {
        let mut headers = Self::default();
        for offset in file.offsets() {
            match file.header(offset)? {
                Header::Whole { lsn, stable } => {
                    headers.whole_to = headers.whole_to.max(stable);
                    if headers.whole.insert(lsn, offset).is_some() {
                        return Err(damaged(offset, "a segment that is there twice"));
                    }
                }
                Header::Empty => headers.without.push((offset, false)),
                Header::Damaged => headers.without.push((offset, true)),
            }
        }
        Ok(headers)
    }

    /// The LSN after the last message. From the segment up to which the log was certainly intact, segments follow each
    /// other without a gap, and so do their messages.
    fn end(&self, file: &SledFile<'_>) -> Result<u64, Fault> {
        let start = self.whole_to.wrapping_div(SEGMENT_LSN).saturating_mul(SEGMENT_LSN);
        // sled records how far it has written; that need not have been durable when the next segment was. Then the log
        // ends before it.
        let start = self.whole.range(..=start).next_back().map(|(lsn, _)| lsn);
        let Some(start) = start else { return Ok(0) };
        let (mut end, mut bytes) = (0, Vec::new());
        for lsn in (*start..).step_by(SEGMENT) {
            let Some(offset) = self.whole.get(&lsn) else { break };
            file.segment(*offset, &mut bytes)?;
            let mut messages = Messages::new(&bytes, lsn);
            end = plus(lsn, HEADER);
            for (at, message) in messages.by_ref() {
                end = plus(lsn, at.saturating_add(message.size));
            }
            if let Some(End::Broken(_)) = messages.end() {
                break;
            }
        }
        Ok(end)
    }
}

impl From<ReadFailed> for Fault {
    fn from(ReadFailed { at, source }: ReadFailed) -> Self {
        Self::Refused(format!(
            "its file `sled/db` can't be read at byte {at} ({source}). Nothing was changed: look at the disk, then start \
             again"
        ))
    }
}

/// Whether the file has a message, at any place, for which `is_meant` is true.
pub(super) fn any_message(
    file: &SledFile<'_>,
    is_meant: impl Fn(&Message<'_>) -> bool,
) -> Result<bool, Fault> {
    let mut bytes = Vec::new();
    for offset in file.offsets() {
        file.segment(offset, &mut bytes)?;
        if found(&bytes, 0, |_| true).iter().any(|(_, message)| is_meant(message)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The intact messages after a place whose number `is_number` accepts.
fn found(bytes: &[u8], from: usize, is_number: impl Fn(u64) -> bool) -> Vec<(usize, Message<'_>)> {
    let (mut at, mut found) = (from, Vec::new());
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let message = Message::claimed(rest).filter(|message| is_number(message.number));
        let message = message.filter(|message| message.is_whole(rest));
        at = at.saturating_add(message.map_or(1, |message| message.size));
        found.extend(message.map(|message| (at.saturating_sub(message.size), message)));
    }
    found
}

fn flip(bytes: &mut [u8], bit: usize) {
    if let Some(byte) = bytes.get_mut(bit.wrapping_div(8)) {
        *byte ^= 1_u8.wrapping_shl(u32::try_from(bit.wrapping_rem(8)).unwrap_or(0));
    }
}

fn damaged(at: u64, what: &str) -> Fault {
    Fault::Damaged(format!("at byte {at} of its file `sled/db` is {what}"))
}

fn plus(lsn: u64, bytes: usize) -> u64 {
    lsn.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX))
}
