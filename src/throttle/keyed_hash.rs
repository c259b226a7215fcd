//! A hash under a random key, so that nobody can choose names or networks that share a counter's cell.

use ring::hmac;

/// Hashes accounts, networks and passwords. Equal inputs of one kind give equal hashes, in this process only.
pub(super) struct KeyedHash(hmac::Key);

impl KeyedHash {
    /// Under this key.
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The hash of `parts`. All parts but the last have a fixed length; `kind` separates inputs of different meaning.
    pub(super) fn hash(&self, kind: u8, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(&[kind]);
        for part in parts {
            context.update(part);
        }
        context.sign().as_ref().try_into().unwrap_or_default()
    }
}
