//! Randomness as an argument: the pure modules take random bytes, and callers get the bytes here.

use ring::rand::{SecureRandom, SystemRandom};

use crate::clock::Timestamp;

/// The operating system's random number generator.
#[derive(Clone, Debug)]
pub struct Random(SystemRandom);

/// The operating system gave no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system's random number generator failed")]
pub struct NoRandomness;

impl Random {
    /// The operating system's generator.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that opens the generator")]
    pub fn system() -> Self {
        Self(SystemRandom::new())
    }

    /// `N` random bytes.
    ///
    /// # Errors
    /// [`NoRandomness`] if the operating system's generator failed.
    pub fn bytes<const N: usize>(&self) -> Result<[u8; N], NoRandomness> {
        let mut bytes = [0; N];
        self.0.fill(&mut bytes).map_err(|_| NoRandomness)?;
        Ok(bytes)
    }

    /// `len` random characters out of `A-Z a-z 0-9`, each worth 5.95 bits: for generated secrets and passwords.
    ///
    /// # Errors
    /// [`NoRandomness`] if the operating system's generator failed.
    pub fn alphanumeric(&self, len: usize) -> Result<String, NoRandomness> {
        const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let mut out = String::with_capacity(len);
        while out.len() < len {
            // 248 is the largest multiple of 62 in a byte: using larger bytes would make some letters more likely.
            let fresh = self.bytes::<64>()?.into_iter().filter(|byte| *byte < 248);
            let letters = fresh.filter_map(|byte| ALPHABET.get(usize::from(byte % 62)));
            out.extend(letters.map(|letter| char::from(*letter)).take(len.saturating_sub(out.len())));
        }
        Ok(out)
    }

    /// A fresh UUID of version 7 (RFC 9562 §5.7), which sorts by `now`.
    ///
    /// # Errors
    /// [`NoRandomness`] if the operating system's generator failed.
    pub fn uuid(&self, now: Timestamp) -> Result<uuid::Uuid, NoRandomness> {
        Ok(uuid::Builder::from_unix_timestamp_millis(now.millis(), &self.bytes()?).into_uuid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_secrets_have_the_length_and_the_alphabet_and_differ() {
        let random = Random::system();
        let (a, b) = (random.alphanumeric(43).unwrap(), random.alphanumeric(43).unwrap());
        assert_eq!(a.len(), 43);
        assert!(a.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_ne!(a, b);
    }

    #[test]
    fn ids_sort_by_time() {
        let random = Random::system();
        let early = random.uuid(Timestamp::from_seconds(1)).unwrap();
        assert!(early < random.uuid(Timestamp::from_seconds(2)).unwrap());
        assert_eq!(early.get_version_num(), 7);
    }
}
