//! What goes into password hashes besides the password, and is not in the database.

use std::collections::BTreeMap;
use std::fmt;

use ring::hmac;
use zeroize::Zeroizing;

use super::Password;

/// The peppers: the current one is used for new hashes, the older ones only to verify.
#[derive(Clone)]
pub struct Peppers {
    current: u8,
    keys: BTreeMap<u8, hmac::Key>,
}

impl Peppers {
    /// `current` is used for new hashes, the `older` ones only to verify. Each is an id and 32 random bytes.
    pub fn new(current: (u8, &[u8; 32]), older: impl IntoIterator<Item = (u8, [u8; 32])>) -> Self {
        let key = |secret: &[u8; 32]| hmac::Key::new(hmac::HMAC_SHA256, secret);
        let mut keys: BTreeMap<_, _> =
            older.into_iter().map(|(id, secret)| (id, key(&Zeroizing::new(secret)))).collect();
        keys.insert(current.0, key(current.1));
        Self { current: current.0, keys }
    }

    /// The id of the pepper for new hashes.
    #[must_use]
    pub const fn current(&self) -> u8 {
        self.current
    }

    /// These, and besides the `others`, only to verify.
    #[must_use]
    pub fn with(&self, others: impl IntoIterator<Item = (u8, [u8; 32])>) -> Self {
        let mut with = self.clone();
        for (id, secret) in others {
            let secret = Zeroizing::new(secret);
            with.keys.entry(id).or_insert_with(|| hmac::Key::new(hmac::HMAC_SHA256, &*secret));
        }
        with
    }

    /// The password's HMAC under the pepper with this id, if that is known.
    pub(super) fn pepper(&self, id: u8, password: &Password) -> Option<hmac::Tag> {
        Some(hmac::sign(self.keys.get(&id)?, password.as_bytes()))
    }
}

impl fmt::Debug for Peppers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Peppers(current {}, known {:?}, …)", self.current, self.keys.keys().collect::<Vec<_>>())
    }
}
