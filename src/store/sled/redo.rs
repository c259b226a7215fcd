//! Makes a small group atomic. sled's batches would do that, but sled writes the beginning of each batch separately,
//! which wakes all its threads and waits for the disk once more. So all changes of a small group are written to one row
//! first, and then row by row. After a crash sled has everything written up to some moment: either that one row, from
//! which the group is redone, or nothing of the group.

use sled::{Batch, IVec};

use super::fault::Fault;
use super::layout::{self, Cursor, Damaged, REDO};
use super::rows::{ReadRows, Rows};
use super::tree::Tree;

/// The most bytes written twice: for a larger group a batch of sled's is cheaper than the copy.
const SMALL: usize = 32 * 1024;
/// The byte after a key: its row is deleted, or gets the value that follows.
const DELETED: u8 = 0;
const PUT: u8 = 1;

/// Changes rows atomically: after a crash there is all of it or nothing.
pub(super) fn apply(tree: &Tree, rows: &Rows) -> Result<(), Fault> {
    let body = body(rows);
    if body.len() <= SMALL {
        tree.put(REDO, layout::value(REDO, &body))?;
        return tree.apply_in_order(rows);
    }
    let mut batch = Batch::default();
    for (key, value) in rows {
        match value {
            Some(value) => batch.insert(key.as_slice(), value),
            None => batch.remove(key.as_slice()),
        }
    }
    forget(&mut batch);
    tree.keep_up()?;
    tree.apply(batch)?;
    tree.keep_up()
}

/// Makes sure that the group before a batch is not redone on top of the batch. The row is written, not deleted, because
/// deleting a missing row writes nothing.
pub(super) fn forget(batch: &mut Batch) {
    batch.insert(REDO, layout::value(REDO, &[]));
}

/// The changes of the last group that are missing, because a crash came between its rows.
pub(super) fn missing(tree: &impl ReadRows) -> Result<Rows, Fault> {
    let mut missing = Rows::new();
    let Some(value) = tree.get(REDO)? else { return Ok(missing) };
    let rows = layout::body(REDO, &value).and_then(|body| parse(body).ok_or(Damaged));
    for (key, value) in rows.map_err(Fault::row("the last group"))? {
        if tree.get(&key)? != value {
            missing.insert(key, value);
        }
    }
    Ok(missing)
}

fn body(rows: &Rows) -> Vec<u8> {
    let mut body = Vec::new();
    for (key, value) in rows {
        push(&mut body, key);
        match value {
            Some(value) => {
                body.push(PUT);
                push(&mut body, value);
            }
            None => body.push(DELETED),
        }
    }
    body
}

/// Lengths fit, because the group is small.
fn push(body: &mut Vec<u8>, bytes: &[u8]) {
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    body.extend_from_slice(&len.to_be_bytes());
    body.extend_from_slice(bytes);
}

fn parse(body: &[u8]) -> Option<Rows> {
    let mut body = Cursor::new(body);
    let mut rows = Rows::new();
    while !body.rest().is_empty() {
        let key = pull(&mut body)?.to_vec();
        let value = match body.byte()? {
            PUT => Some(IVec::from(pull(&mut body)?)),
            DELETED => None,
            _ => return None,
        };
        rows.insert(key, value);
    }
    Some(rows)
}

fn pull<'a>(body: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let len = usize::try_from(body.u32()?).ok()?;
    body.bytes(len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frozen::Frozen;

    #[test]
    fn the_row_of_the_last_group_is_written_and_read_as_it_was() {
        let mut frozen = Frozen::read("sled-redo.txt");
        let rows = Rows::from([
            (b"l\0\0\0\0\0\0\0\x08".to_vec(), Some(IVec::from(b"event"))),
            (b"rgone".to_vec(), None),
            (b"rthere".to_vec(), Some(IVec::from(b""))),
        ]);
        frozen.bytes("key", REDO);
        frozen.both_ways("body", &rows, body, |bytes| parse(bytes).ok_or("none"));
        frozen.finish();
    }

    #[test]
    fn rows_come_back_as_they_were_written_and_a_cut_is_damage() {
        let value = |bytes: &[u8]| Some(IVec::from(bytes));
        let rows = Rows::from([
            (b"la".to_vec(), value(b"event")),
            (b"ra".to_vec(), None),
            (b"rb".to_vec(), value(b"")),
        ]);
        let written = body(&rows);
        assert_eq!(parse(&written), Some(rows));
        // A cut between its rows is not detected here: the row's checksum does that.
        let cuts = (1..written.len()).filter(|at| parse(&written[..*at]).is_some());
        assert_eq!(cuts.count(), 2);
    }
}
