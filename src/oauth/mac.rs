//! Seals what heirloom hands out and wants back unchanged: refresh tokens, codes, cookies, requests on their way through
//! a browser.
//!
//! ```text
//! key id: 1 ‖ body ‖ MAC: 32
//! ```
//!
//! The MAC is HMAC-SHA-256 under a refresh secret, over a label and all bytes before it. Each kind of text has a label of
//! its own, and no label begins with another, so that none can be taken for another kind. Nothing that is sealed needs to
//! be stored, and a forged or damaged text is refused without reading the store.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use zeroize::Zeroizing;

/// The length of a MAC, in bytes.
const MAC: usize = 32;

/// How many bytes sealing adds to a body.
pub const OVERHEAD: usize = 1 + MAC;

/// The keys under which heirloom seals: the refresh secrets.
pub struct MacKeys {
    /// The id and key of the secret for new seals; `None` if the keys only open.
    current: Option<(u8, hmac::Key)>,
    older: BTreeMap<u8, hmac::Key>,
    /// The ids of secrets that exist and can't be used at the moment.
    unusable: BTreeSet<u8>,
}

/// Why a text is not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotOpened {
    /// It is none of this server: malformed, a wrong MAC, or under a secret that is unknown or retired.
    #[error("not sealed by this server")]
    Foreign,
    /// It may be under a secret that exists and can't be used at the moment.
    #[error("sealed under a secret that can't be used at the moment")]
    SecretUnusable,
}

/// A kind of sealed text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// What the text begins with, such as `hrt_`.
    pub prefix: &'static str,
    /// What the MAC covers first.
    pub label: &'static str,
}

impl MacKeys {
    /// Keys that seal under the secret `current`, and open what was sealed under it or under one of the `older` ones.
    #[must_use]
    pub fn new(current: (u8, &[u8; 32]), older: impl IntoIterator<Item = (u8, Zeroizing<[u8; 32]>)>) -> Self {
        let key = |secret: &[u8; 32]| hmac::Key::new(hmac::HMAC_SHA256, secret);
        let older = older.into_iter().map(|(id, secret)| (id, key(&secret))).collect();
        Self { current: Some((current.0, key(current.1))), older, unusable: BTreeSet::new() }
    }

    /// Keys that neither seal nor open, because every secret is compromised.
    #[must_use]
    pub const fn of_nothing() -> Self {
        Self { current: None, older: BTreeMap::new(), unusable: BTreeSet::new() }
    }

    /// As these, and there are other secrets that can't be used at the moment.
    #[must_use]
    pub fn beside_unusable(self, unusable: impl IntoIterator<Item = u8>) -> Self {
        Self { unusable: unusable.into_iter().collect(), ..self }
    }

    /// Whether they can seal.
    #[must_use]
    pub const fn can_seal(&self) -> bool {
        self.current.is_some()
    }

    /// The ids of the secrets; the one that seals comes last.
    #[must_use]
    pub fn ids(&self) -> Vec<u8> {
        let current = self.current.as_ref().map(|(id, _)| *id);
        let older = self.older.keys().copied().filter(|id| Some(*id) != current);
        older.chain(current).collect()
    }

    /// Seals a body; `None` if there is no secret for that. The same body under the same secret gives the same bytes.
    #[must_use]
    pub fn seal(&self, label: &str, body: &[u8]) -> Option<Vec<u8>> {
        let (key_id, key) = self.current.as_ref()?;
        let mut bytes = Vec::with_capacity(body.len().saturating_add(OVERHEAD));
        bytes.push(*key_id);
        bytes.extend_from_slice(body);
        let mac = hmac::sign(key, &labelled(label, &bytes));
        bytes.extend_from_slice(mac.as_ref());
        Some(bytes)
    }

    /// The body of sealed bytes.
    ///
    /// # Errors
    /// [`NotOpened`] if they were not sealed by these keys under this label.
    pub fn open<'a>(&self, label: &str, sealed: &'a [u8]) -> Result<&'a [u8], NotOpened> {
        let length = sealed.len().checked_sub(MAC).ok_or(NotOpened::Foreign)?;
        let (signed, tag) = sealed.split_at_checked(length).ok_or(NotOpened::Foreign)?;
        let (key_id, body) = signed.split_first().ok_or(NotOpened::Foreign)?;
        let current = self.current.as_ref().filter(|(current, _)| key_id == current);
        let Some(key) = current.map(|(_, key)| key).or_else(|| self.older.get(key_id)) else {
            let is_unusable = self.unusable.contains(key_id);
            return Err(if is_unusable { NotOpened::SecretUnusable } else { NotOpened::Foreign });
        };
        hmac::verify(key, &labelled(label, signed), tag).map_err(|_| NotOpened::Foreign)?;
        Ok(body)
    }

    /// Seals a body as a text: the prefix, and base64url without padding (RFC 4648 §5).
    #[must_use]
    pub fn seal_text(&self, seal: Seal, body: &[u8]) -> Option<String> {
        let bytes = self.seal(seal.label, body)?;
        let mut text = String::with_capacity(seal.text_len(body.len()));
        text.push_str(seal.prefix);
        URL_SAFE_NO_PAD.encode_string(bytes, &mut text);
        Some(text)
    }

    /// The body of a sealed text. Only the one canonical text of the bytes is accepted (RFC 4648 §3.5), and nothing after
    /// it.
    ///
    /// # Errors
    /// [`NotOpened`].
    pub fn open_text(&self, seal: Seal, text: &str) -> Result<Vec<u8>, NotOpened> {
        let bytes = text.strip_prefix(seal.prefix).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        self.open(seal.label, &bytes.ok_or(NotOpened::Foreign)?).map(<[u8]>::to_vec)
    }
}

impl Seal {
    /// The length of the text of a body, in bytes.
    #[must_use]
    pub const fn text_len(self, body: usize) -> usize {
        self.prefix.len().saturating_add(body.saturating_add(OVERHEAD).saturating_mul(4).div_ceil(3))
    }
}

fn labelled(label: &str, signed: &[u8]) -> Vec<u8> {
    [label.as_bytes(), signed].concat()
}

impl fmt::Debug for MacKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MacKeys")
            .field("current", &self.current.as_ref().map(|(id, _)| id))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SEAL: Seal = Seal { prefix: "hxx_", label: "heirloom test v1" };

    fn keys(current: u8, ids: &[u8]) -> MacKeys {
        let older = ids.iter().map(|id| (*id, Zeroizing::new([*id; 32])));
        MacKeys::new((current, &[current; 32]), older)
    }

    proptest! {
        #[test]
        fn what_was_sealed_is_opened_under_its_own_label_only(body: Vec<u8>, label in "[a-z ]{1,40}") {
            let keys = keys(1, &[]);
            let sealed = keys.seal(&label, &body).unwrap();
            prop_assert_eq!(keys.open(&label, &sealed), Ok(&*body));
            prop_assert_eq!(keys.open("heirloom another v1", &sealed), Err(NotOpened::Foreign));
            let text = keys.seal_text(SEAL, &body).unwrap();
            prop_assert_eq!(text.len(), SEAL.text_len(body.len()));
            prop_assert_eq!(keys.open_text(Seal { prefix: "hyy_", ..SEAL }, &text), Err(NotOpened::Foreign));
            prop_assert_eq!(keys.open_text(SEAL, &text), Ok(body));
        }

        #[test]
        fn nothing_else_is_opened(bytes: Vec<u8>, text: String) {
            let keys = keys(1, &[0, 2]);
            prop_assert_eq!(keys.open(SEAL.label, &bytes), Err(NotOpened::Foreign));
            prop_assert_eq!(keys.open_text(SEAL, &text), Err(NotOpened::Foreign));
        }
    }

    #[test]
    fn each_flipped_bit_and_each_cut_is_refused() {
        let keys = keys(1, &[]);
        let sealed = keys.seal(SEAL.label, b"body").unwrap();
        for index in 0..sealed.len() {
            for bit in 0..8 {
                let mut bytes = sealed.clone();
                bytes[index] ^= 1 << bit;
                assert_eq!(keys.open(SEAL.label, &bytes), Err(NotOpened::Foreign), "byte {index}, bit {bit}");
            }
            assert_eq!(keys.open(SEAL.label, &sealed[..index]), Err(NotOpened::Foreign), "cut at {index}");
        }
    }

    #[test]
    fn an_older_secret_opens_until_it_is_retired_and_the_newest_one_seals() {
        let old = keys(1, &[]).seal_text(SEAL, b"body").unwrap();
        let both = keys(2, &[1, 2]);
        assert_eq!(both.open_text(SEAL, &old).as_deref(), Ok(&b"body"[..]));
        assert_eq!((both.can_seal(), both.ids()), (true, vec![1, 2]));
        assert_eq!(keys(2, &[2]).open_text(SEAL, &old), Err(NotOpened::Foreign));
        let nothing = MacKeys::of_nothing();
        assert_eq!((nothing.can_seal(), nothing.ids(), nothing.seal("", b"body")), (false, Vec::new(), None));
        assert_eq!(nothing.open_text(SEAL, &old), Err(NotOpened::Foreign));
        let other = keys(2, &[]).beside_unusable([1, 3]);
        assert_eq!(other.open_text(SEAL, &old), Err(NotOpened::SecretUnusable));
        assert_eq!(other.open_text(Seal { prefix: "hyy_", ..SEAL }, &old), Err(NotOpened::Foreign));
        assert_eq!(other.open_text(SEAL, &old[..20]), Err(NotOpened::Foreign));
        assert_eq!(both.beside_unusable([1]).open_text(SEAL, &old).as_deref(), Ok(&b"body"[..]));
        let both = keys(2, &[1, 2]);
        assert_eq!(format!("{both:?}"), "MacKeys { current: Some(2), .. }");
    }
}
