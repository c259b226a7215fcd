//! How keys and secrets are sealed for a database: by AES-256-GCM under a key-encryption key, which is in a file and not in
//! the database.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | the format, 1 |
//! | 8 | the id of the key-encryption key |
//! | 12 | the nonce, at random |
//! | the rest | the ciphertext, and a tag of 16 bytes |
//!
//! What is authenticated besides: the text `heirloom sealed key`, the first 9 bytes, the store's id (16 bytes), and the
//! name. So a value can't be moved to another name, or to another installation's database.

use std::fmt;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::hmac;
use zeroize::Zeroizing;

use super::error::KeyError;
use super::folder::KeysFolder;

/// The format.
const FORMAT: u8 = 1;
/// What is authenticated first.
const LABEL: &[u8] = b"heirloom sealed key";
/// What the id of a key-encryption key is made of.
const ID_LABEL: &[u8] = b"heirloom key-encryption key id v1";
/// The length of an id.
const ID_LEN: usize = 8;

/// A key-encryption key: 32 random bytes.
pub struct KeyEncryptionKey {
    key: LessSafeKey,
    id: [u8; ID_LEN],
    /// The file that it was read from.
    path: PathBuf,
}

/// The key-encryption keys of an installation. Two while one takes the place of the other.
#[derive(Debug)]
pub struct KeyEncryptionKeys {
    current: KeyEncryptionKey,
    other: Option<KeyEncryptionKey>,
}

/// Whose value is sealed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner<'a> {
    /// The id of the store that the database has.
    pub(super) store: [u8; 16],
    /// The name of the key's file.
    pub(super) name: &'a str,
}

/// Why a value can't be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotOpened {
    /// It is sealed under the key-encryption key with this id.
    OtherKey([u8; ID_LEN]),
    /// Another version wrote it.
    OtherFormat(u8),
    /// It was changed, or belongs to another name or another store.
    Damaged,
}

impl KeyEncryptionKey {
    /// Reads the file: 32 bytes as base64, as `openssl rand -base64 32` writes them.
    ///
    /// # Errors
    /// [`KeyError`] that names the file, if others may read it, or if it holds something else.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let io = |kind: std::io::ErrorKind| KeyError::io(path, kind.into());
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| io(std::io::ErrorKind::InvalidFilename))?;
        let folder = KeysFolder::at(path.parent().unwrap_or(Path::new("")));
        let text = folder.read_private(name)?;
        Self::parse(&text, path).ok_or_else(|| KeyError::Broken {
            path: path.to_owned(),
            reason: "it doesn't hold 32 random bytes as base64: `openssl rand -base64 32` makes them"
                .to_owned(),
        })
    }

    fn parse(text: &[u8], path: &Path) -> Option<Self> {
        // One byte more than is wanted, so that what is too long is noticed.
        let mut room = Zeroizing::new([0; 33]);
        let text = text.trim_ascii_end();
        let len = STANDARD.decode_slice(text, room.as_mut_slice());
        let len = len.or_else(|_| URL_SAFE_NO_PAD.decode_slice(text, room.as_mut_slice())).ok()?;
        Self::of(room.get(..len)?.try_into().ok()?, path)
    }

    fn of(bytes: &[u8; 32], path: &Path) -> Option<Self> {
        let id = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, bytes), ID_LABEL);
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes).ok()?);
        Some(Self { key, id: *id.as_ref().first_chunk()?, path: path.to_owned() })
    }

    /// What tells it from others, for messages. It says nothing of the key.
    pub(super) fn id(&self) -> String {
        id_text(self.id)
    }

    /// The file that it was read from.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn seal(&self, owner: Owner<'_>, nonce: [u8; NONCE_LEN], plain: &[u8]) -> Option<Vec<u8>> {
        let header = [&[FORMAT][..], &self.id].concat();
        let nonce_bytes = nonce;
        let mut sealed =
            Zeroizing::new(Vec::with_capacity(plain.len().saturating_add(AES_256_GCM.tag_len())));
        sealed.extend_from_slice(plain);
        let aad = Aad::from(owner.authenticated(&header));
        self.key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut *sealed).ok()?;
        Some([&header, &nonce_bytes[..], &sealed].concat())
    }
}

impl fmt::Debug for KeyEncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyEncryptionKey").field("id", &self.id()).finish_non_exhaustive()
    }
}

impl KeyEncryptionKeys {
    /// `current` seals; both open.
    #[must_use]
    pub const fn new(current: KeyEncryptionKey, other: Option<KeyEncryptionKey>) -> Self {
        Self { current, other }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &KeyEncryptionKey> {
        [&self.current].into_iter().chain(&self.other)
    }

    /// Seals a value under the current key; `None` if the library refuses. A nonce must never be used twice.
    pub(super) fn seal(&self, owner: Owner<'_>, nonce: [u8; NONCE_LEN], plain: &[u8]) -> Option<Vec<u8>> {
        self.current.seal(owner, nonce, plain)
    }

    /// Whether a value is sealed under the current key.
    pub(super) fn is_current(&self, sealed: &[u8]) -> bool {
        sealed.get(1..).is_some_and(|rest| rest.starts_with(&self.current.id))
    }

    /// Opens a value.
    pub(super) fn open(&self, owner: Owner<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, NotOpened> {
        let (format, _) = sealed.split_first().ok_or(NotOpened::Damaged)?;
        if *format != FORMAT {
            return Err(NotOpened::OtherFormat(*format));
        }
        let (header, rest) = sealed.split_at_checked(ID_LEN.saturating_add(1)).ok_or(NotOpened::Damaged)?;
        let id: [u8; ID_LEN] = *header.last_chunk().ok_or(NotOpened::Damaged)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_LEN>().ok_or(NotOpened::Damaged)?;
        let kek = self.all().find(|key| key.id == id).ok_or(NotOpened::OtherKey(id))?;
        let mut bytes = Zeroizing::new(ciphertext.to_vec());
        let aad = Aad::from(owner.authenticated(header));
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = kek.key.open_in_place(nonce, aad, &mut bytes).map_err(|_| NotOpened::Damaged)?;
        let len = opened.len();
        bytes.truncate(len);
        Ok(bytes)
    }
}

impl Owner<'_> {
    fn authenticated(&self, header: &[u8]) -> Vec<u8> {
        [LABEL, header, &self.store, self.name.as_bytes()].concat()
    }
}

/// An id as text.
pub(super) fn id_text(id: [u8; ID_LEN]) -> String {
    URL_SAFE_NO_PAD.encode(id)
}

#[cfg(test)]
#[path = "sealing_tests.rs"]
mod tests;
