//! How rows lie in sled's one tree: compact binary keys, and values with a checksum.
//!
//! | key | value, behind its checksum |
//! |---|---|
//! | `l` position | what stands at that position of the log and the next ones: [`log`](super::log) |
//! | `s` stream | the stream's head: birth, version, positions of its last `version % 16` events, snapshot |
//! | `c` birth, number | a chunk: the positions of sixteen events of the stream with that birth, [`GONE`] for those that a summary stands for; a chunk without any is none |
//! | `r` record key | a record's value |
//! | `p` birth | a removed stream whose events are still to be purged: positions that are in no chunk |
//! | `m` | the format's version and the store's id |
//! | `b` | what the last group changed: [`redo`](super::redo) |
//!
//! A stream's *birth* is the position of its first event: a stream that is made again under an old id has another
//! one, and never meets the old events. The checksum covers the key too: a value in another's place is damage.

use sled::IVec;

use super::super::{RecordKey, StreamId};

/// The version of this layout. A newer one is refused at open.
pub(super) const FORMAT: u32 = 4;
/// How many positions a chunk holds.
pub(super) const CHUNK: u64 = 16;
/// The position of an event that a summary stands for. There is no such position: the log begins behind it.
pub(super) const GONE: u64 = 0;
/// How many bytes of a value are its checksum.
pub(super) const CHECKSUM: usize = size_of::<u32>();
/// The one row about the store itself.
pub(super) const META: &[u8] = b"m";
/// What the last group changed, if it was a small one. It is written with every group and sled writes its neighbours with
/// it now and then, so those should be small: chunks are.
pub(super) const REDO: &[u8] = b"b";

/// A row that is not what was written there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Damaged;

/// A stream's newest state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) birth: u64,
    pub(super) version: u64,
    /// The positions of the events behind the last whole chunk, as a chunk has them.
    pub(super) tail: Vec<u64>,
    pub(super) snapshot: Vec<u8>,
}

/// What the store says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) format: u32,
    pub(super) store: [u8; 16],
}

pub(super) fn log_key(position: u64) -> [u8; 9] {
    numbered(b'l', position)
}

pub(super) fn log_position(key: &[u8]) -> Result<u64, Damaged> {
    let mut key = Cursor(key.strip_prefix(b"l").ok_or(Damaged)?);
    key.u64().filter(|_| key.0.is_empty()).ok_or(Damaged)
}

pub(super) fn snapshot_key(stream: &StreamId) -> Vec<u8> {
    prefixed(b's', stream.as_bytes())
}

pub(super) fn chunk_key(birth: u64, number: u64) -> Vec<u8> {
    [numbered(b'c', birth).as_slice(), &number.to_be_bytes()].concat()
}

/// The number of the chunk with this key.
pub(super) fn chunk_number(key: &[u8]) -> Result<u64, Damaged> {
    let mut key = Cursor(key.strip_prefix(b"c").ok_or(Damaged)?);
    let (_birth, number) = (key.u64().ok_or(Damaged)?, key.u64().ok_or(Damaged)?);
    Some(number).filter(|_| key.0.is_empty()).ok_or(Damaged)
}

pub(super) fn record_key(key: &RecordKey) -> Vec<u8> {
    prefixed(b'r', key.as_bytes())
}

pub(super) fn purge_key(birth: u64) -> [u8; 9] {
    numbered(b'p', birth)
}

pub(super) fn purge_birth(key: &[u8]) -> Result<u64, Damaged> {
    let mut key = Cursor(key.strip_prefix(b"p").ok_or(Damaged)?);
    key.u64().ok_or(Damaged)
}

/// The stream whose snapshot has this key.
pub(super) fn snapshot_stream(key: &[u8]) -> Option<StreamId> {
    let (category, rest) = key.strip_prefix(b"s")?.split_first()?;
    StreamId::new(*category, rest)
}

/// A value: the checksum of its key and body, then the body, which comes in parts.
fn value_of(key: &[u8], parts: &[&[u8]]) -> IVec {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    for part in parts {
        hasher.update(part);
    }
    let len = parts.iter().map(|part| part.len()).fold(CHECKSUM, usize::saturating_add);
    let mut bytes = Vec::with_capacity(len);
    bytes.extend_from_slice(&hasher.finalize().to_be_bytes());
    for part in parts {
        bytes.extend_from_slice(part);
    }
    IVec::from(bytes)
}

/// A value with this body.
pub(super) fn value(key: &[u8], body: &[u8]) -> IVec {
    value_of(key, &[body])
}

/// The body of a value, if its checksum is right.
pub(super) fn body<'a>(key: &[u8], value: &'a [u8]) -> Result<&'a [u8], Damaged> {
    let (sum, body) = value.split_first_chunk().ok_or(Damaged)?;
    let right = u32::from_be_bytes(*sum) == checksum(key, body);
    right.then_some(body).ok_or(Damaged)
}

impl Head {
    pub(super) fn value(&self, key: &[u8]) -> IVec {
        let tail: Vec<u8> = self.tail.iter().flat_map(|position| position.to_be_bytes()).collect();
        value_of(key, &[&self.birth.to_be_bytes(), &self.version.to_be_bytes(), &tail, &self.snapshot])
    }

    pub(super) fn parse(key: &[u8], value: &[u8]) -> Result<Self, Damaged> {
        Cursor(body(key, value)?).head().ok_or(Damaged)
    }

    /// The version and the snapshot alone.
    pub(super) fn parse_snapshot(key: &[u8], value: &[u8]) -> Result<(u64, Vec<u8>), Damaged> {
        Cursor(body(key, value)?).version_and_snapshot().ok_or(Damaged)
    }
}

impl Meta {
    pub(super) fn value(&self) -> IVec {
        value_of(META, &[&self.format.to_be_bytes(), &self.store])
    }

    pub(super) fn parse(value: &[u8]) -> Result<Self, Damaged> {
        let (format, rest) = body(META, value)?.split_first_chunk().ok_or(Damaged)?;
        // A newer format may say more.
        let store = rest.first_chunk().ok_or(Damaged)?;
        Ok(Self { format: u32::from_be_bytes(*format), store: *store })
    }
}

/// A list of positions, as chunks and purges hold it.
pub(super) fn positions_value(key: &[u8], positions: &[u64]) -> IVec {
    let bytes: Vec<u8> = positions.iter().flat_map(|position| position.to_be_bytes()).collect();
    value(key, &bytes)
}

pub(super) fn parse_positions(key: &[u8], value: &[u8]) -> Result<Vec<u64>, Damaged> {
    let mut row = Cursor(body(key, value)?);
    let positions = std::iter::from_fn(|| row.u64()).collect();
    row.0.is_empty().then_some(positions).ok_or(Damaged)
}

fn numbered(kind: u8, number: u64) -> [u8; 9] {
    let mut key = [kind; 9];
    if let Some(rest) = key.last_chunk_mut() {
        *rest = number.to_be_bytes();
    }
    key
}

fn prefixed(kind: u8, rest: &[u8]) -> Vec<u8> {
    [&[kind], rest].concat()
}

fn checksum(key: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(body);
    hasher.finalize()
}

/// Reads a body from the front.
pub(super) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) const fn new(body: &'a [u8]) -> Self {
        Self(body)
    }

    /// What has not been read.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*number))
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*number))
    }

    pub(super) fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    fn head(mut self) -> Option<Head> {
        let (birth, version) = (self.u64()?, self.u64()?);
        let loose = version % CHUNK;
        let mut tail = Vec::with_capacity(usize::try_from(CHUNK).ok()?);
        for _ in 0..loose {
            tail.push(self.u64()?);
        }
        Some(Head { birth, version, tail, snapshot: self.0.to_vec() })
    }

    fn version_and_snapshot(mut self) -> Option<(u64, Vec<u8>)> {
        let (_, version) = (self.u64()?, self.u64()?);
        let loose = usize::try_from(version % CHUNK).ok()?;
        self.bytes(loose.checked_mul(size_of::<u64>())?)?;
        Some((version, self.0.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> StreamId {
        StreamId::new(b's', b"key").unwrap()
    }

    #[test]
    fn rows_come_back_as_they_were_written() {
        assert_eq!(snapshot_stream(&snapshot_key(&stream())), Some(stream()));
        let head = Head { birth: 1, version: 18, tail: vec![40, 41], snapshot: b"fold".to_vec() };
        assert_eq!(Head::parse_snapshot(b"k", &head.value(b"k")), Ok((18, b"fold".to_vec())));
        assert_eq!(Head::parse(b"k", &head.value(b"k")), Ok(head));
        let meta = Meta { format: FORMAT, store: [3; 16] };
        assert_eq!(Meta::parse(&meta.value()), Ok(meta));
        assert_eq!(parse_positions(b"k", &positions_value(b"k", &[1, 2])), Ok(vec![1, 2]));
    }

    #[test]
    fn a_flipped_bit_a_cut_and_another_place_are_damage() {
        let good = Head { birth: 1, version: 18, tail: vec![40, 41], snapshot: b"fold".to_vec() }
            .value(b"k")
            .to_vec();
        assert_eq!(Head::parse(b"j", &good), Err(Damaged));
        for at in 0..good.len() {
            assert_eq!(Head::parse(b"k", &good[..at]), Err(Damaged));
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert_eq!(Head::parse(b"k", &bad), Err(Damaged));
            assert_eq!(Head::parse_snapshot(b"k", &bad), Err(Damaged));
        }
    }
}
