//! Reads the rows of sled's tree from its file without sled: a B-link tree whose pages are messages of the log.
//!
//! A page has the rows, or the children, from one key up to another, and the number of its right neighbour. A split
//! writes the right half first, a merge the left neighbour. A reader that goes on to the right where a page does not
//! reach far enough finds all rows, however far a split or merge has come.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use sled::IVec;

use super::fault::Fault;
use super::recovery::{Page, Place, Recovery};
use super::rows::ReadRows;
use super::segments::{Kind, Message, SledFile, varint};

/// The page with the names of the trees.
const NAMES: u64 = 0;
/// heirloom's one tree.
const TREE: &[u8] = b"__sled__default";

/// sled's tree as the recovery found it.
pub(super) struct Pages<'a> {
    file: SledFile<'a>,
    table: &'a [Page],
    /// `None` before there is a tree.
    root: Option<u64>,
}

/// A page.
struct Node {
    number: u64,
    /// The first key that may be in it.
    lo: Vec<u8>,
    /// The first key after it; empty for the last page.
    hi: Vec<u8>,
    next: Option<u64>,
    /// A child that is being merged into its left neighbour.
    merging_child: Option<u64>,
    prefix: Vec<u8>,
    contents: Contents,
}

enum Contents {
    Rows(BTreeMap<Vec<u8>, Vec<u8>>),
    Children(Vec<(Vec<u8>, u64)>),
}

impl<'a> Pages<'a> {
    pub(super) fn new(file: SledFile<'a>, recovery: &'a Recovery) -> Result<Self, Fault> {
        let mut pages = Self { file, table: &recovery.pages, root: None };
        let Some(Page::Present { base, .. }) = pages.table.first() else { return Ok(pages) };
        let names = pages.bytes(NAMES, *base)?;
        let mut names = names.as_slice();
        while !names.is_empty() {
            let name = bytes(&mut names).zip(varint(&mut names)).ok_or_else(|| not_as_written(NAMES))?;
            if name.0 == TREE {
                pages.root = Some(name.1);
            }
        }
        Ok(pages)
    }

    /// Checks that every page of the tree exists.
    pub(super) fn check(&self) -> Result<(), Fault> {
        let mut level: Vec<u64> = self.root.into_iter().collect();
        while !level.is_empty() {
            let mut below = Vec::new();
            for number in level {
                // All pages of a level are of one kind.
                let Contents::Children(children) = self.node(number)?.contents else { return Ok(()) };
                below.extend(children.into_iter().map(|(_, child)| child));
            }
            let missing =
                below.iter().find(|number| !matches!(self.page(**number), Some(Page::Present { .. })));
            if let Some(number) = missing {
                return Err(Fault::Damaged(format!("page {number} of its file is missing")));
            }
            level = below;
        }
        Ok(())
    }

    fn page(&self, number: u64) -> Option<&Page> {
        self.table.get(usize::try_from(number).ok()?)
    }

    /// The body of a message that belongs to this page.
    fn bytes(&self, number: u64, place: Place) -> Result<Vec<u8>, Fault> {
        let bytes = self.file.bytes(place.offset, usize::try_from(place.size).unwrap_or(usize::MAX))?;
        let message = Message::parse(&bytes).filter(|message| message.page == number);
        message.map(|message| message.body.to_vec()).ok_or_else(|| not_as_written(number))
    }

    fn node(&self, number: u64) -> Result<Node, Fault> {
        let Some(Page::Present { base, links }) = self.page(number) else {
            return Err(Fault::Damaged(format!("page {number} of its file is missing")));
        };
        let whole = self.bytes(number, *base)?;
        let mut node = Node::parse(number, &whole).ok_or_else(|| not_as_written(number))?;
        for link in links {
            let link = self.bytes(number, *link)?;
            node.change(&link).ok_or_else(|| not_as_written(number))?;
        }
        Ok(node)
    }

    /// The page with the rows at a key, or, if `before`, with the rows right before it.
    fn leaf(&self, key: &[u8], before: bool) -> Result<Option<Node>, Fault> {
        let reaches = |bound: &[u8]| if before { bound < key } else { bound <= key };
        let Some(mut number) = self.root else { return Ok(None) };
        // A path is never longer than the number of pages.
        for _ in 0..=self.table.len() {
            let node = self.node(number)?;
            if !node.hi.is_empty() && reaches(&node.hi) {
                number = node.next.ok_or_else(|| not_as_written(number))?;
                continue;
            }
            let Contents::Children(children) = &node.contents else { return Ok(Some(node)) };
            let mut ways = children.iter().rev().skip_while(|(from, _)| !from.is_empty() && !reaches(from));
            let way = ways.find(|(_, child)| Some(*child) != node.merging_child);
            number = way.map(|(_, child)| *child).ok_or_else(|| not_as_written(number))?;
        }
        Err(Fault::Damaged("the pages of its file go in a circle".to_owned()))
    }
}

impl ReadRows for Pages<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<IVec>, Fault> {
        let leaf = self.leaf(key, false)?;
        Ok(leaf.and_then(|leaf| leaf.rows().get(key).map(|value| IVec::from(value.as_slice()))))
    }

    fn last(&self, prefix: &[u8]) -> Result<Option<(IVec, IVec)>, Fault> {
        let mut bound = prefix.to_vec();
        // No prefix that heirloom reads ends with 255.
        if let Some(last) = bound.last_mut() {
            *last = last.saturating_add(1);
        }
        while let Some(leaf) = self.leaf(&bound, true)? {
            let last = leaf
                .rows()
                .range::<[u8], _>((Bound::Unbounded, Bound::Excluded(bound.as_slice())))
                .next_back();
            if let Some((key, value)) = last {
                let row = (IVec::from(key.as_slice()), IVec::from(value.as_slice()));
                return Ok(Some(row).filter(|(key, _)| key.starts_with(prefix)));
            }
            if leaf.lo.is_empty() || leaf.lo >= bound {
                break;
            }
            bound = leaf.lo;
        }
        Ok(None)
    }

    fn visit(
        &self,
        from: Bound<Vec<u8>>,
        prefix: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), Fault> {
        let start = match &from {
            Bound::Included(key) | Bound::Excluded(key) => key.clone(),
            Bound::Unbounded => Vec::new(),
        };
        let mut leaf = self.leaf(&start, false)?;
        let mut passed = 0_usize;
        while let Some(node) = leaf {
            for (key, value) in node.rows().range::<Vec<u8>, _>((from.as_ref(), Bound::Unbounded)) {
                if !key.starts_with(prefix) || visit(key, value).is_break() {
                    return Ok(());
                }
            }
            passed = passed.saturating_add(1);
            if passed > self.table.len() {
                return Err(Fault::Damaged("the pages of its file go in a circle".to_owned()));
            }
            leaf = match node.next.filter(|_| !node.hi.is_empty()) {
                Some(next) => {
                    let next = self.node(next)?;
                    if next.lo != node.hi {
                        return Err(not_as_written(next.number));
                    }
                    Some(next)
                }
                None => None,
            };
        }
        Ok(())
    }
}

impl Node {
    fn parse(number: u64, mut body: &[u8]) -> Option<Self> {
        let rest = &mut body;
        let some = |number: u64| (number != 0).then_some(number);
        let (next, merging_child) = (some(varint(rest)?), some(varint(rest)?));
        let (_merging, prefix) = (*rest.split_off_first()?, *rest.split_off_first()?);
        let (lo, hi) = (bytes(rest)?.to_vec(), bytes(rest)?.to_vec());
        let prefix = lo.get(..usize::from(prefix))?.to_vec();
        let is_leaf = *rest.split_off_first()? == 0;
        let count = usize::try_from(varint(rest)?).ok()?;
        let mut keys = Vec::new();
        for _ in 0..count {
            keys.push([&prefix, bytes(rest)?].concat());
        }
        let contents = if is_leaf {
            let mut rows = BTreeMap::new();
            for key in keys {
                rows.insert(key, bytes(rest)?.to_vec());
            }
            Contents::Rows(rows)
        } else {
            let mut children = Vec::new();
            for key in keys {
                children.push((key, varint(rest)?));
            }
            Contents::Children(children)
        };
        rest.is_empty().then_some(Self { number, lo, hi, next, merging_child, prefix, contents })
    }

    /// Applies a change of the page.
    fn change(&mut self, mut link: &[u8]) -> Option<()> {
        let rest = &mut link;
        let what = *rest.split_off_first()?;
        match (what, &mut self.contents) {
            (0, Contents::Rows(rows)) => {
                let key = [&self.prefix, bytes(rest)?].concat();
                rows.insert(key, bytes(rest)?.to_vec());
            }
            (1, Contents::Rows(rows)) => drop(rows.remove(&[&self.prefix, bytes(rest)?].concat())),
            (2, Contents::Children(_)) => self.merging_child = Some(varint(rest)?),
            (3, Contents::Children(children)) => {
                let merged = self.merging_child.take()?;
                children.retain(|(_, child)| *child != merged);
            }
            // The page is being merged into its left neighbour.
            (4, _) => {}
            _ => return None,
        }
        rest.is_empty().then_some(())
    }

    fn rows(&self) -> &BTreeMap<Vec<u8>, Vec<u8>> {
        static NONE: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        match &self.contents {
            Contents::Rows(rows) => rows,
            Contents::Children(_) => &NONE,
        }
    }
}

/// Whether a message may contain another row than this one.
pub(super) fn may_hold_other(message: &Message<'_>, row: &[u8]) -> bool {
    if message.kind == Kind::Link {
        let mut link = message.body;
        let key = link.split_off_first().and_then(|_| bytes(&mut link));
        return key != Some(row);
    }
    Node::parse(message.page, message.body).is_some_and(|node| match node.contents {
        Contents::Rows(rows) => rows.keys().any(|key| key != row),
        Contents::Children(children) => children.len() > 1,
    })
}

/// A length, and as many bytes.
fn bytes<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(varint(from)?).ok()?;
    from.split_off(..len)
}

fn not_as_written(page: u64) -> Fault {
    Fault::Damaged(format!("page {page} of its file is not what was written there"))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::path::Path;

    use super::*;

    /// The rows as heirloom reads them, and as sled does.
    fn rows(folder: &Path) -> [Vec<(Vec<u8>, Vec<u8>)>; 2] {
        let file = File::open(folder.join("db")).unwrap();
        let recovery = Recovery::read(&SledFile::new(&file).unwrap(), 0).unwrap();
        let pages = Pages::new(SledFile::new(&file).unwrap(), &recovery).unwrap();
        pages.check().unwrap();
        let mut ours = Vec::new();
        pages
            .visit(Bound::Unbounded, b"", |key, value| {
                ours.push((key.to_vec(), value.to_vec()));
                ControlFlow::Continue(())
            })
            .unwrap();
        for (key, value) in ours.iter().step_by(1 + ours.len() / 500) {
            assert_eq!(pages.get(key).unwrap().unwrap(), value);
        }
        for prefix in 1..255_u8 {
            let last = pages.last(&[prefix]).unwrap().map(|(key, value)| (key.to_vec(), value.to_vec()));
            let expected = ours.iter().rfind(|(key, _)| key.first() == Some(&prefix));
            assert_eq!(last.as_ref(), expected, "{prefix}");
        }
        let sled = sled::Config::new().path(folder).segment_size(1 << 20).open().unwrap();
        let sled =
            sled.iter().map(Result::unwrap).map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
        [ours, sled]
    }

    #[test]
    fn the_rows_are_those_that_sled_finds() {
        let folder = tempfile::tempdir().unwrap();
        let mut random = 1_u64;
        for round in 0..12_u8 {
            let sled = sled::Config::new().path(folder.path()).segment_size(1 << 20).open().unwrap();
            for _ in 0..4000 {
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let [first, _, second, third, ..] = random.to_be_bytes();
                let key = [first & 0xf0, second, third & 3];
                if round % 3 == 2 && random >> 20 & 7 != 0 {
                    sled.remove(key).unwrap();
                } else {
                    sled.insert(key, vec![round; usize::try_from(random >> 50).unwrap() % 900]).unwrap();
                }
            }
            if round == 8 {
                sled.scan_prefix([96]).keys().for_each(|key| drop(sled.remove(key.unwrap()).unwrap()));
            }
            sled.flush().unwrap();
            let copy = tempfile::tempdir().unwrap();
            std::fs::copy(folder.path().join("db"), copy.path().join("db")).unwrap();
            let [ours, sled] = rows(copy.path());
            assert!(ours == sled, "round {round}: {} and {}", ours.len(), sled.len());
        }
    }
}
