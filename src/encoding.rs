//! How events and snapshots become bytes: a format version, then CBOR with integer keys (RFC 8949).
//!
//! A new field gets a new key and a default, so bytes that an earlier version wrote without it can still be read. A
//! change that an older reader would misread gets a new format version; there has been one version so far. Bytes of a
//! newer version are refused, which makes only their stream unreadable. `tests/formats` has bytes of every format that
//! was ever written.

use minicbor::{Decode, Encode};

/// The initial capacity, in bytes: the usual snapshot of a session fits, so the vector does not grow.
const USUAL: usize = 512;

/// Why bytes could not be decoded. For the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Written by a newer version of heirloom.
    #[error("it has format {found}; this version of heirloom reads formats up to {known}")]
    Newer {
        /// The format version of the bytes.
        found: u8,
        /// The newest format version that this version of heirloom reads.
        known: u8,
    },
    /// The bytes are not what was expected.
    #[error("it can't be decoded: {0}")]
    Malformed(String),
}

/// Encodes `value` in format `format`.
pub fn encode<T: Encode<()>>(format: u8, value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(USUAL);
    bytes.push(format);
    // Writing to a vector can't fail, and our types have no encoding errors of their own.
    let written = minicbor::encode(value, &mut bytes);
    debug_assert!(written.is_ok());
    bytes
}

/// Decodes what [`encode`] wrote. `format` is the only format version so far.
///
/// # Errors
/// [`DecodeError::Newer`] for a later format, [`DecodeError::Malformed`] for anything else.
pub fn decode<'b, T: Decode<'b, ()>>(format: u8, bytes: &'b [u8]) -> Result<T, DecodeError> {
    match bytes.split_first() {
        Some((found, body)) if *found == format => {
            minicbor::decode(body).map_err(|error| DecodeError::Malformed(error.to_string()))
        }
        Some((found, _)) if *found > format => Err(DecodeError::Newer { found: *found, known: format }),
        Some((found, _)) => Err(DecodeError::Malformed(format!("there was never a format {found}"))),
        None => Err(DecodeError::Malformed("it is empty".to_owned())),
    }
}

/// Durations as whole milliseconds: `#[cbor(with = "crate::encoding::millis")]`.
pub mod millis {
    use std::time::Duration;

    use minicbor::encode::Write;
    use minicbor::{Decoder, Encoder};

    /// Encodes a duration.
    ///
    /// # Errors
    /// The writer's error.
    pub fn encode<C, W: Write>(
        duration: &Duration,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))?.ok()
    }

    /// Decodes a duration.
    ///
    /// # Errors
    /// The value is not an unsigned integer.
    pub fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Duration, minicbor::decode::Error> {
        Ok(Duration::from_millis(d.u64()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_format_is_refused_and_says_so() {
        assert_eq!(decode::<u32>(1, &encode(1, &7u32)), Ok(7));
        let newer = decode::<u32>(1, &encode(2, &7u32)).unwrap_err();
        assert_eq!(newer, DecodeError::Newer { found: 2, known: 1 });
        assert!(newer.to_string().contains("format 2"));
        assert!(matches!(decode::<u32>(1, &[]), Err(DecodeError::Malformed(_))));
        assert!(matches!(decode::<u32>(1, &[0, 7]), Err(DecodeError::Malformed(_))));
    }
}
