//! The record changes of one append as rows: each key once.

use std::collections::HashMap;
use std::convert::Infallible;

use super::super::RecordChange;
use super::super::change::inserts_an_existing_record;
use super::checksum::{Owner, sealed};

/// One column each; the same place is the same record.
#[derive(Debug, Default)]
pub(super) struct RecordRows {
    pub(super) keys: Vec<Vec<u8>>,
    /// The sealed values; `None` deletes.
    pub(super) contents: Vec<Option<Vec<u8>>>,
    /// Whether the record must not exist before.
    pub(super) inserted: Vec<bool>,
}

/// The changes insert a record that they themselves have written, so they fail in any case.
#[derive(Clone, Copy, Debug)]
pub(super) struct InsertsTwice;

impl RecordRows {
    /// What `changes`, one after another, come to.
    pub(super) fn of(changes: &[RecordChange]) -> Result<Self, InsertsTwice> {
        let Ok(twice) = inserts_an_existing_record(changes, |_| Ok::<_, Infallible>(false));
        if twice {
            return Err(InsertsTwice);
        }
        let mut rows = Self::default();
        let mut places = HashMap::new();
        for change in changes {
            let (key, value) = change.key_and_value();
            let content = value.map(|value| sealed(Owner::Record(key), value));
            let place = *places.entry(key).or_insert(rows.keys.len());
            if let Some(earlier) = rows.contents.get_mut(place) {
                *earlier = content;
            } else {
                rows.keys.push(key.as_bytes().to_vec());
                rows.contents.push(content);
                rows.inserted.push(matches!(change, RecordChange::Insert(..)));
            }
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::RecordKey;
    use super::*;

    fn key(name: &str) -> RecordKey {
        RecordKey::from_bytes(name.as_bytes())
    }

    #[test]
    fn each_key_is_changed_once_and_its_first_change_says_whether_it_may_exist() {
        let put = |name, value: &str| RecordChange::Put(key(name), value.into());
        let insert = |name, value: &str| RecordChange::Insert(key(name), value.into());
        let delete = |name| RecordChange::Delete(key(name));
        let changes =
            [put("a", "1"), delete("b"), insert("b", "2"), insert("c", "3"), delete("c"), put("a", "4")];
        let rows = RecordRows::of(&changes).unwrap();
        assert_eq!(rows.keys, [b"a", b"b", b"c"]);
        assert_eq!(rows.inserted, [false, false, true]);
        let value = |name, value: &[u8]| Some(sealed(Owner::Record(&key(name)), value));
        assert_eq!(rows.contents, [value("a", b"4"), value("b", b"2"), None]);
        assert!(RecordRows::of(&[insert("a", "1"), insert("a", "2")]).is_err());
        assert!(RecordRows::of(&[put("a", "1"), insert("a", "2")]).is_err());
    }
}
