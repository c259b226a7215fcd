//! The answers of the reading statements.

use tokio_postgres::Row;

use super::super::{RecordKey, RecordedEvent, Snapshot, StoreError, StreamId};
use super::checksum::{Owner, opened};
use super::group::column;
use super::numbers::number;

/// A row of `id, version, snapshot`: the stream, and its snapshot, if that is not damaged.
pub(super) fn loaded(row: &Row) -> Result<(StreamId, Result<Snapshot, StoreError>), StoreError> {
    let stream = stream(column(row, 0)?)?;
    let version = number(column(row, 1)?)?;
    let data = opened(Owner::Snapshot(&stream, version), column(row, 2)?);
    Ok((stream, data.map(|data| Snapshot { version, data })))
}

/// A row of `position, version, data`.
pub(super) fn event_of(stream: &StreamId, row: &Row) -> Result<RecordedEvent, StoreError> {
    event(stream.clone(), column(row, 0)?, (column(row, 1)?, column(row, 2)?))
}

/// A row of `position, stream, version, data`.
pub(super) fn logged_event(row: &Row) -> Result<RecordedEvent, StoreError> {
    event(stream(column(row, 1)?)?, column(row, 0)?, (column(row, 2)?, column(row, 3)?))
}

/// A row of `key, value`: the key, and the value, if that is not damaged.
pub(super) fn record(row: &Row) -> Result<(RecordKey, Result<Vec<u8>, StoreError>), StoreError> {
    let key = RecordKey::from_bytes(column(row, 0)?);
    let value = opened(Owner::Record(&key), column(row, 1)?);
    Ok((key, value))
}

fn stream(id: &[u8]) -> Result<StreamId, StoreError> {
    let stream = id.split_first().and_then(|(category, key)| StreamId::new(*category, key));
    stream.ok_or_else(|| StoreError::Corrupt("a row of no stream".to_owned()))
}

fn event(
    stream: StreamId,
    position: i64,
    (version, data): (i64, &[u8]),
) -> Result<RecordedEvent, StoreError> {
    let (position, version) = (number(position)?, number(version)?);
    let data = opened(Owner::Event(&stream, version), data)?;
    Ok(RecordedEvent { position, stream, version, data })
}

/// The keys that a scan reads: from the first, to before the second.
pub(super) fn range(prefix: &RecordKey, after: Option<&RecordKey>) -> (Vec<u8>, Vec<u8>) {
    let first = match after {
        // The next key is the same with a zero byte behind it.
        Some(after) if after >= prefix => [after.as_bytes(), &[0]].concat(),
        Some(_) | None => prefix.as_bytes().to_vec(),
    };
    let mut end = prefix.as_bytes().to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return (first, end);
        }
    }
    // No key is longer.
    (first, vec![u8::MAX; RecordKey::MAX.saturating_add(1)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_reads_the_keys_with_its_prefix() {
        let key = RecordKey::from_bytes;
        let range = |prefix: &[u8], after: Option<&[u8]>| range(&key(prefix), after.map(key).as_ref());
        assert_eq!(range(b"ab", None), (b"ab".to_vec(), b"ac".to_vec()));
        assert_eq!(range(b"ab", Some(b"abc")), (b"abc\0".to_vec(), b"ac".to_vec()));
        assert_eq!(range(b"ab", Some(b"aa")), (b"ab".to_vec(), b"ac".to_vec()));
        assert_eq!(range(b"a\xff", None), (b"a\xff".to_vec(), b"b".to_vec()));
        let last = vec![0xff; RecordKey::MAX + 1];
        assert_eq!(range(b"\xff\xff", None), (b"\xff\xff".to_vec(), last.clone()));
        assert_eq!(range(b"", None), (Vec::new(), last));
    }
}
