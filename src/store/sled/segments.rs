//! Reads sled's file directly, without sled.
//!
//! The file is a sequence of segments of 1 MiB. Each begins with a header that says where in the log the segment is
//! (its LSN: a position in bytes that only grows, a multiple of the segment's length), followed by messages, each with
//! a checksum. A freed segment is used again later, with a higher LSN. After the last message there are zeros or bytes
//! of an earlier use.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

pub(super) use super::durable::SEGMENT;

/// The length of a segment, as the LSN counts it.
pub(super) const SEGMENT_LSN: u64 = SEGMENT as u64;
/// The length of a segment's header.
pub(super) const HEADER: usize = 20;
/// The longest header of a message. No message begins so close to the end of a segment.
pub(super) const MESSAGE_HEADER: usize = 32;

/// The header of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// Zeros: never written, or zeroed by sled when the segment was freed.
    Empty,
    /// The segment's LSN, and the LSN up to which the log was written when the segment was begun.
    Whole { lsn: u64, stable: u64 },
    /// Something else.
    Damaged,
}

/// The kind of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// None: its write was canceled.
    Canceled,
    /// The segment ends here.
    Cap,
    /// The messages up to an LSN are one batch.
    Batch,
    /// A page was freed.
    Free,
    /// A page as a whole.
    Page,
    /// A change of a page.
    Link,
    /// A message whose contents are in a separate file; heirloom never writes one.
    Elsewhere,
}

/// A message whose checksum is right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    pub(super) kind: Kind,
    pub(super) page: u64,
    /// The LSN of its segment, divided by the segment's length.
    pub(super) number: u64,
    pub(super) body: &'a [u8],
    /// Its length with its header.
    pub(super) size: usize,
}

/// Where the messages of a segment end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// There is no room for another one.
    Full,
    /// At this offset, by a message that says so.
    Cap(usize),
    /// At this offset, where there is no intact message of this segment.
    Broken(usize),
}

/// The messages of a segment, one after the other.
pub(super) struct Messages<'a> {
    segment: &'a [u8],
    number: u64,
    at: usize,
    end: Option<End>,
}

/// sled's file.
pub(super) struct SledFile<'a> {
    file: &'a File,
    len: u64,
}

/// A read that failed, and where in the file.
#[derive(Debug)]
pub(super) struct ReadFailed {
    pub(super) at: u64,
    pub(super) source: io::Error,
}

impl Header {
    pub(super) fn parse(bytes: &[u8]) -> Self {
        if bytes.iter().all(|byte| *byte == 0) {
            return Self::Empty;
        }
        Self::whole(bytes).unwrap_or(Self::Damaged)
    }

    fn whole(bytes: &[u8]) -> Option<Self> {
        let (sum, rest) = bytes.split_first_chunk::<4>()?;
        let numbers = rest.get(..16)?;
        if u32::from_le_bytes(*sum) != !crc32fast::hash(numbers) {
            return None;
        }
        let (lsn, stable) = numbers.split_first_chunk::<8>()?;
        let number = |bytes: [u8; 8]| i64::from_le_bytes(bytes) ^ i64::MAX;
        let lsn = u64::try_from(number(*lsn)).ok()?;
        // sled stores the LSN of the last byte, and -1 before there was any.
        let stable = u64::try_from(number(*stable.first_chunk()?).checked_add(1)?).ok()?;
        (lsn % SEGMENT_LSN == 0).then_some(Self::Whole { lsn, stable })
    }
}

impl<'a> Message<'a> {
    /// The message at the beginning of `bytes`, which go to the end of the segment, if its checksum is right.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        Self::claimed(bytes).filter(|message| message.is_whole(bytes))
    }

    /// The message as its header describes it, intact or not.
    pub(super) fn claimed(bytes: &'a [u8]) -> Option<Self> {
        let (_, mut rest) = bytes.split_first_chunk::<4>()?;
        let kind = Kind::parse(*rest.split_off_first()?)?;
        let (len, number, page) = (varint(&mut rest)?, varint(&mut rest)?, varint(&mut rest)?);
        let body = rest.get(..usize::try_from(len).ok()?)?;
        let size = bytes.len().checked_sub(rest.len())?.checked_add(body.len())?;
        Some(Self { kind, page, number, body, size })
    }

    /// Whether its checksum is right.
    pub(super) fn is_whole(&self, bytes: &[u8]) -> bool {
        let header = self.size.saturating_sub(self.body.len());
        let (Some(sum), Some(header)) = (bytes.first_chunk(), bytes.get(4..header)) else { return false };
        u32::from_le_bytes(*sum) == message_sum(header, self.body)
    }

    /// The last LSN of a batch.
    pub(super) fn batch_end(&self) -> Option<u64> {
        u64::try_from(i64::from_le_bytes(self.body.try_into().ok()?)).ok()
    }
}

impl Kind {
    const fn parse(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Canceled,
            2 => Self::Cap,
            3 => Self::Batch,
            4 => Self::Free,
            5 | 6 | 8 => Self::Page,
            10 => Self::Link,
            7 | 9 | 11 => Self::Elsewhere,
            _ => return None,
        })
    }
}

impl<'a> Messages<'a> {
    /// The messages of a segment that stands at `lsn`.
    pub(super) const fn new(segment: &'a [u8], lsn: u64) -> Self {
        Self { segment, number: lsn.wrapping_div(SEGMENT_LSN), at: HEADER, end: None }
    }

    /// How they end, once all have been read.
    pub(super) const fn end(&self) -> Option<End> {
        self.end
    }
}

impl<'a> Iterator for Messages<'a> {
    /// A message and its place in the segment.
    type Item = (usize, Message<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.end.is_some() {
            return None;
        }
        let at = self.at;
        if at > SEGMENT.saturating_sub(MESSAGE_HEADER) {
            self.end = Some(End::Full);
            return None;
        }
        let message = self.segment.get(at..).and_then(Message::parse);
        let Some(message) = message.filter(|message| message.number == self.number) else {
            self.end = Some(End::Broken(at));
            return None;
        };
        if message.kind == Kind::Cap {
            self.end = Some(End::Cap(at));
            return None;
        }
        self.at = at.saturating_add(message.size);
        Some((at, message))
    }
}

impl<'a> SledFile<'a> {
    pub(super) fn new(file: &'a File) -> Result<Self, ReadFailed> {
        let len = file.metadata().map_err(|source| ReadFailed { at: 0, source })?.len();
        Ok(Self { file, len })
    }

    /// The offsets of its segments. One that is shorter than a header is left out.
    pub(super) fn offsets(&self) -> impl Iterator<Item = u64> {
        let end = self.len.saturating_sub(HEADER as u64).checked_add(1).filter(|_| self.len >= HEADER as u64);
        (0..end.unwrap_or(0)).step_by(SEGMENT)
    }

    pub(super) fn header(&self, offset: u64) -> Result<Header, ReadFailed> {
        self.bytes(offset, HEADER).map(|bytes| Header::parse(&bytes))
    }

    /// Reads a segment, or as much of it as the file has.
    pub(super) fn segment(&self, offset: u64, segment: &mut Vec<u8>) -> Result<(), ReadFailed> {
        let there = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(SEGMENT).min(SEGMENT);
        segment.resize(there, 0);
        self.file.read_exact_at(segment, offset).map_err(|source| ReadFailed { at: offset, source })
    }

    /// Reads `count` bytes.
    pub(super) fn bytes(&self, at: u64, count: usize) -> Result<Vec<u8>, ReadFailed> {
        let mut bytes = vec![0; count];
        self.file.read_exact_at(&mut bytes, at).map_err(|source| ReadFailed { at, source })?;
        Ok(bytes)
    }
}

/// The checksum of a message: of its header behind the checksum, and its body.
fn message_sum(header: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(body);
    hasher.update(header);
    !hasher.finalize()
}

/// The bytes that end a segment at an offset: a message that says so, and zeros.
pub(super) fn cap(lsn: u64, at: usize) -> Vec<u8> {
    let room = SEGMENT.saturating_sub(at);
    let padding = vec![0; room.saturating_sub(MESSAGE_HEADER)];
    let mut header = vec![2];
    push_varint(&mut header, u64::try_from(padding.len()).unwrap_or(0));
    push_varint(&mut header, lsn.wrapping_div(SEGMENT_LSN));
    push_varint(&mut header, u64::MAX);
    let mut bytes = message_sum(&header, &padding).to_le_bytes().to_vec();
    bytes.extend(header);
    bytes.resize(room, 0);
    bytes
}

/// One of sled's variable-length numbers, of one to nine bytes.
pub(super) fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let first = *bytes.split_off_first()?;
    let little = |bytes: &mut &[u8], count: usize| {
        let mut number = [0; 8];
        number.get_mut(..count)?.copy_from_slice(bytes.split_off(..count)?);
        Some(u64::from_le_bytes(number))
    };
    match first {
        0..=240 => Some(first.into()),
        241..=248 => {
            let high = u64::from(first.checked_sub(241)?).checked_mul(256)?;
            little(bytes, 1)?.checked_add(high)?.checked_add(240)
        }
        249 => {
            let (high, low) = (*bytes.split_off_first()?, *bytes.split_off_first()?);
            Some(u64::from(u16::from_be_bytes([high, low])).saturating_add(2288))
        }
        _ => little(bytes, usize::from(first).checked_sub(247)?),
    }
}

/// Writes such a number.
pub(super) fn push_varint(bytes: &mut Vec<u8>, number: u64) {
    let little = number.to_le_bytes();
    match number {
        0..=240 => bytes.extend(little.first()),
        241..=2287 => {
            let [low, high, ..] = number.saturating_sub(240).to_le_bytes();
            bytes.extend([high.saturating_add(241), low]);
        }
        2288..=67823 => {
            let [low, high, ..] = number.saturating_sub(2288).to_le_bytes();
            bytes.extend([249, high, low]);
        }
        _ => {
            let count = little.iter().rposition(|byte| *byte != 0).map_or(0, |last| last.saturating_add(1));
            bytes.push(u8::try_from(count).unwrap_or(8).saturating_add(247));
            bytes.extend(little.iter().take(count));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_as_they_were_written() {
        let edges = [0, 240, 241, 496, 2287, 2288, 2543, 2544, 67823, 67824, 1 << 24, 1 << 32, 1 << 40];
        for number in edges.into_iter().flat_map(|edge: u64| [edge.saturating_sub(1), edge]).chain([u64::MAX])
        {
            let mut bytes = Vec::new();
            push_varint(&mut bytes, number);
            let mut rest = bytes.as_slice();
            assert_eq!((varint(&mut rest), rest), (Some(number), [].as_slice()), "{bytes:?}");
            assert_eq!(varint(&mut &bytes[..bytes.len() - 1]), None);
        }
        // The encodings that sled writes.
        for (number, bytes) in
            [(240, [240].as_slice()), (2287, &[248, 255]), (2288, &[249, 0, 0]), (67824, &[250, 240, 8, 1])]
        {
            let mut written = Vec::new();
            push_varint(&mut written, number);
            assert_eq!(written, bytes);
        }
    }
}
