//! Identifiers: of clients, resource servers, sessions and users.

use std::fmt;
use std::str::FromStr;

use ring::digest::{SHA256, digest};
use uuid::Uuid;

/// Why a text can't be parsed. The message is fixed and may be sent to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidText(pub(super) &'static str);

impl InvalidText {
    /// An error with this message.
    pub(super) const fn new(text: &'static str) -> Self {
        Self(text)
    }
}

/// A `client_id` (RFC 6749 §2.2): 1 to 64 characters of printable ASCII (RFC 6749 §A.1).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(Box<str>);

impl ClientId {
    /// The longest id, in bytes: it is the key of the client's stream.
    pub const MAX: usize = 64;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is `.` or `..`, which no URL path can contain as a segment (RFC 3986 §5.2.4). So no new client gets
    /// such an id.
    #[must_use]
    pub fn is_dots(&self) -> bool {
        matches!(&*self.0, "." | "..")
    }

    /// Whether it is a UUID, as the ids of users are, in one of the forms in which UUIDs are written.
    #[must_use]
    pub fn is_uuid(&self) -> bool {
        Uuid::try_parse(&self.0).is_ok()
    }

    /// 16 bytes that stand for it where every key has as many: of a digest, so nobody chooses them.
    #[must_use]
    pub fn digest(&self) -> [u8; 16] {
        let digest = digest(&SHA256, self.0.as_bytes());
        digest.as_ref().first_chunk::<16>().copied().unwrap_or_default()
    }
}

impl FromStr for ClientId {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let printable = text.bytes().all(|byte| matches!(byte, 0x20..=0x7E));
        if text.is_empty() || text.len() > Self::MAX || !printable {
            return Err(InvalidText("a client_id has 1 to 64 characters of printable ASCII"));
        }
        Ok(Self(text.into()))
    }
}

/// The name of a resource server, as it stands in `aud` (RFC 9068 §2.2) and in `resource` (RFC 8707).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Audience(Box<str>);

impl Audience {
    /// The longest name, in bytes.
    pub const MAX: usize = 256;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Audience {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let printable = text.bytes().all(|byte| matches!(byte, 0x21..=0x7E));
        if text.is_empty() || text.len() > Self::MAX || !printable {
            return Err(InvalidText("an audience has 1 to 256 characters of printable ASCII without spaces"));
        }
        Ok(Self(text.into()))
    }
}

/// The id of a session: a UUID of version 7, or of version 8 where a client acts for itself. It is the `sid` of access
/// tokens.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(uuid::Uuid);

impl SessionId {
    /// The 16 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

/// The id of a user: a UUID of version 7, never used twice. It is the `sub` of the user's access tokens.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(uuid::Uuid);

impl UserId {
    /// The 16 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

/// The id of a login, a person signed in at heirloom's own pages in one browser: a UUID of version 7. It is the `sid` of ID
/// tokens.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LoginId(uuid::Uuid);

impl LoginId {
    /// The 16 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

/// The id of what stays valid when all sessions of a user are ended: of a session, or of a login, which keeps the sessions
/// that began from it too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeptId(uuid::Uuid);

impl KeptId {
    /// The 16 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl From<SessionId> for KeptId {
    fn from(id: SessionId) -> Self {
        Self(id.0)
    }
}

impl From<LoginId> for KeptId {
    fn from(id: LoginId) -> Self {
        Self(id.0)
    }
}

/// Implements `Display` and `Debug` as the text, and CBOR as a text string.
macro_rules! text_word {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl<C> minicbor::Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.str(&self.0)?.ok()
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $name {
            fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                d.str()?.parse().map_err(minicbor::decode::Error::custom)
            }
        }
    };
}

text_word!(ClientId);
text_word!(Audience);

/// Implements `Display`, `Debug` and `FromStr` as a UUID, and CBOR as a byte string of 16 bytes.
macro_rules! uuid_word {
    ($name:ident) => {
        impl From<uuid::Uuid> for $name {
            fn from(id: uuid::Uuid) -> Self {
                Self(id)
            }
        }

        impl From<[u8; 16]> for $name {
            fn from(bytes: [u8; 16]) -> Self {
                Self(uuid::Uuid::from_bytes(bytes))
            }
        }

        impl FromStr for $name {
            type Err = InvalidText;

            fn from_str(text: &str) -> Result<Self, InvalidText> {
                text.parse().map(Self).map_err(|_| InvalidText("it is named by a UUID"))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl<C> minicbor::Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.bytes(self.0.as_bytes())?.ok()
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $name {
            fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                uuid::Uuid::from_slice(d.bytes()?).map(Self).map_err(minicbor::decode::Error::custom)
            }
        }
    };
}
uuid_word!(SessionId);
uuid_word!(UserId);
uuid_word!(LoginId);
uuid_word!(KeptId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_id_is_short_printable_ascii() {
        assert!("my-web_app".parse::<ClientId>().is_ok());
        for text in ["", "a\0b", "ä", &"a".repeat(65)] {
            assert!(text.parse::<ClientId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn words_survive_their_encoding() {
        let id = SessionId::from([7; 16]);
        assert_eq!(minicbor::decode::<SessionId>(&minicbor::to_vec(id).unwrap()).unwrap(), id);
        let client: ClientId = "web".parse().unwrap();
        assert_eq!(minicbor::decode::<ClientId>(&minicbor::to_vec(&client).unwrap()).unwrap(), client);
    }

    #[test]
    fn the_longest_ids_are_taken_and_no_longer_ones() {
        assert!("a".repeat(ClientId::MAX).parse::<ClientId>().is_ok());
        assert!("a".repeat(Audience::MAX).parse::<Audience>().is_ok());
        for text in ["", "two words", "ä", &"a".repeat(257), &"a".repeat(300)] {
            assert!(text.parse::<Audience>().is_err(), "{text:?}");
        }
    }

    /// The example of FIPS 180-4.
    #[test]
    fn what_stands_for_a_client_is_half_of_its_sha_256() {
        let abc: ClientId = "abc".parse().unwrap();
        assert_eq!(u128::from_be_bytes(abc.digest()), 0xba78_16bf_8f01_cfea_4141_40de_5dae_2223);
    }
}
