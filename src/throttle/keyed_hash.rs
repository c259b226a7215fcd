//! A hash under a secret key, so that nobody can choose names or networks that share a counter's cell.

use ring::{hkdf, hmac};
use zeroize::Zeroizing;

/// Hashes accounts, networks and passwords. Equal inputs of one kind give equal hashes under one key only.
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

/// The key of the counters that several nodes share, from a secret that all of them have (HKDF with SHA-256, RFC 5869).
#[must_use]
pub fn shared_key(secret: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    let derived = hkdf::Salt::new(hkdf::HKDF_SHA256, b"heirloom throttle").extract(secret);
    let filled = derived.expand(&[b"accounts and networks, 1"], hkdf::HKDF_SHA256);
    // 32 bytes are never too many.
    let filled = filled.and_then(|output| output.fill(key.as_mut_slice()));
    debug_assert!(filled.is_ok());
    key
}
