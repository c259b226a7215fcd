//! The checksum that begins every value in the database, so that damage is reported and never answered. It covers what
//! the value belongs to: a value that got into another row is damage too.

use super::super::{RecordKey, StoreError, StreamId};

/// What a value belongs to.
#[derive(Clone, Copy)]
pub(super) enum Owner<'a> {
    /// The snapshot of a stream at a version.
    Snapshot(&'a StreamId, u64),
    /// The event with a version of a stream.
    Event(&'a StreamId, u64),
    /// A record.
    Record(&'a RecordKey),
}

/// The value with its checksum in front.
pub(super) fn sealed(owner: Owner<'_>, value: &[u8]) -> Vec<u8> {
    [&owner.sum(value), value].concat()
}

/// The value without its checksum.
///
/// # Errors
/// [`StoreError::Corrupt`] if the checksum is wrong.
pub(super) fn opened(owner: Owner<'_>, bytes: &[u8]) -> Result<Vec<u8>, StoreError> {
    match bytes.split_first_chunk::<4>() {
        Some((sum, value)) if *sum == owner.sum(value) => Ok(value.to_vec()),
        Some(_) | None => Err(StoreError::Corrupt(format!("the checksum of {} is wrong", owner.name()))),
    }
}

impl Owner<'_> {
    fn sum(self, value: &[u8]) -> [u8; 4] {
        let (kind, key, version) = match self {
            Self::Snapshot(stream, version) => (b's', stream.as_bytes(), version),
            Self::Event(stream, version) => (b'e', stream.as_bytes(), version),
            Self::Record(key) => (b'r', key.as_bytes(), 0),
        };
        let mut sum = crc32fast::Hasher::new();
        sum.update(&[kind]);
        sum.update(&version.to_be_bytes());
        sum.update(key);
        sum.update(value);
        sum.finalize().to_be_bytes()
    }

    fn name(self) -> String {
        match self {
            Self::Snapshot(stream, version) => format!("the snapshot of {stream:?} at version {version}"),
            Self::Event(stream, version) => format!("event {version} of {stream:?}"),
            Self::Record(key) => format!("a record ({key:?})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_only_where_it_was_written_and_only_whole() {
        let (a, b) = (StreamId::new(b't', b"a").unwrap(), StreamId::new(b't', b"b").unwrap());
        let event = sealed(Owner::Event(&a, 1), b"value");
        assert_eq!(opened(Owner::Event(&a, 1), &event), Ok(b"value".to_vec()));
        for other in [Owner::Event(&a, 2), Owner::Event(&b, 1), Owner::Snapshot(&a, 1)] {
            assert!(matches!(opened(other, &event), Err(StoreError::Corrupt(_))));
        }
        for at in 0..event.len() {
            let mut damaged = event.clone();
            damaged[at] ^= 1;
            assert!(opened(Owner::Event(&a, 1), &damaged).is_err());
            assert!(opened(Owner::Event(&a, 1), &event[..at]).is_err());
        }
    }

    /// These bytes are in databases: they never change.
    #[test]
    fn the_checksums_are_those_that_were_stored() {
        let stream = StreamId::new(b't', b"a").unwrap();
        let key = RecordKey::from_bytes(b"key");
        let sums = [Owner::Snapshot(&stream, 7), Owner::Event(&stream, 7), Owner::Record(&key)]
            .map(|owner| u32::from_be_bytes(owner.sum(b"value")));
        assert_eq!(sums, [269_140_553, 2_780_599_603, 3_658_515_334]);
    }
}
