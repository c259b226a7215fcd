//! The names of files in the keys folder.
//!
//! | Name | What it is |
//! |---|---|
//! | `signing-20261121T014105Z-3fa81b2c.pem` | a signing key: when it was made (UTC), and a label |
//! | `signing-20261121T014105Z-3fa81b2c-now.pem` | the same; it signs at once, without the lead time |
//! | `id-token-20261121T014105Z-3fa81b2c.pem` | a key that signs ID tokens alone, also with `-now` |
//! | `refresh-001-20261121T014105Z.secret` | a refresh secret: its id, 1 to 255, and when it was made |
//! | `pepper-001-20261121T014105Z.secret` | a pepper, named alike |
//! | any of these with `.compromised` behind it | its tombstone: never to be used again, and its id never given again |

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::clock::Timestamp;

/// The suffix of a tombstone: the file whose key material has been destroyed.
pub(super) const COMPROMISED: &str = ".compromised";

/// How the names of signing keys begin, and of those that sign ID tokens alone.
const SIGNING: &str = "signing-";
const ID_TOKEN: &str = "id-token-";

/// The name of a signing key's file. Names sort by creation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SigningFile {
    /// When the key was made, in whole seconds (UTC).
    pub created: Timestamp,
    /// Whether it signs without the lead time.
    pub at_once: bool,
    /// Distinguishes keys made in the same second: 1 to 32 of `a-z 0-9`.
    pub label: String,
    /// Whether it signs ID tokens alone, and never access tokens.
    pub for_id_tokens: bool,
}

/// What a secret is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretKind {
    /// The MAC of refresh tokens.
    Refresh,
    /// The HMAC over passwords before they are hashed.
    Pepper,
}

/// The name of a secret's file. Names of one kind sort by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretFile {
    /// What it is for.
    pub kind: SecretKind,
    /// The id, 1 to 255; the newest secret of a kind has the highest.
    pub id: u8,
    /// When it was made, in whole seconds (UTC).
    pub created: Timestamp,
}

/// A file of the keys folder, by its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Entry {
    Signing(SigningFile),
    Secret(SecretFile),
}

impl Entry {
    /// Parses a name without `.compromised`; `Ok(None)` if it is not one of heirloom's.
    ///
    /// A name that begins and ends like one of heirloom's and can't be parsed is an error: an operator who mistyped a
    /// date must not believe that the key is in use.
    pub(super) fn parse(name: &str) -> Result<Option<Self>, BadName> {
        let ends = |with| name.strip_suffix(with).is_some();
        let is_key = name.starts_with(SIGNING) || name.starts_with(ID_TOKEN);
        let entry = if is_key && ends(".pem") {
            parse_signing(name).map(Self::Signing)
        } else if name.ends_with(".secret")
            && SecretKind::ALL.iter().any(|kind| name.starts_with(kind.word()))
        {
            parse_secret(name).map(Self::Secret)
        } else {
            return Ok(None);
        };
        // Each file has only one valid name: a name that is written differently when formatted again is refused.
        entry.filter(|entry| entry.to_string() == name).map(Some).ok_or(BadName)
    }
}

impl Entry {
    /// The signing key's name, if it is one.
    pub(super) const fn signing(&self) -> Option<&SigningFile> {
        match self {
            Self::Signing(file) => Some(file),
            Self::Secret(_) => None,
        }
    }

    /// The secret's name, if it is one.
    pub(super) const fn secret(&self) -> Option<SecretFile> {
        match self {
            Self::Signing(_) => None,
            Self::Secret(file) => Some(*file),
        }
    }
}

/// A name begins and ends like a key's and can't be parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadName;

impl SecretKind {
    pub(super) const ALL: [Self; 2] = [Self::Refresh, Self::Pepper];

    /// The word with which its file names begin.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Refresh => "refresh",
            Self::Pepper => "pepper",
        }
    }
}

impl fmt::Display for SecretKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refresh => "refresh secret",
            Self::Pepper => "pepper",
        })
    }
}

impl fmt::Display for SigningFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = if self.for_id_tokens { ID_TOKEN } else { SIGNING };
        let marker = if self.at_once { "-now" } else { "" };
        write!(f, "{prefix}{}-{}{marker}.pem", Compact(self.created), self.label)
    }
}

impl fmt::Display for SecretFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:03}-{}.secret", self.kind.word(), self.id, Compact(self.created))
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signing(file) => file.fmt(f),
            Self::Secret(file) => file.fmt(f),
        }
    }
}

/// Formats a moment as `20261121T014105Z`: UTC, in characters that every file system permits.
struct Compact(Timestamp);

impl fmt::Display for Compact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // humantime writes years up to 9999.
        let seconds = self.0.seconds().min(253_402_300_799);
        let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).ok_or(fmt::Error)?;
        let rfc3339 = humantime::format_rfc3339_seconds(time).to_string();
        f.write_str(&rfc3339.replace(['-', ':'], ""))
    }
}

fn parse_compact(text: &str) -> Option<Timestamp> {
    let digits = |from, to| text.get(from..to).filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    let date = (digits(0, 4)?, digits(4, 6)?, digits(6, 8)?);
    let time = (digits(9, 11)?, digits(11, 13)?, digits(13, 15)?);
    let rfc3339 = format!("{}-{}-{}T{}:{}:{}Z", date.0, date.1, date.2, time.0, time.1, time.2);
    let time = humantime::parse_rfc3339(&rfc3339).ok()?;
    Some(Timestamp::default().after(time.duration_since(SystemTime::UNIX_EPOCH).ok()?))
}

fn parse_signing(name: &str) -> Option<SigningFile> {
    let name = name.strip_suffix(".pem")?;
    let of_id_tokens = name.strip_prefix(ID_TOKEN);
    let (created, rest) = of_id_tokens.or_else(|| name.strip_prefix(SIGNING))?.split_once('-')?;
    let (label, at_once) = rest.strip_suffix("-now").map_or((rest, false), |label| (label, true));
    let plain = label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let fits = (1..=32).contains(&label.len());
    (plain && fits).then_some(())?;
    let for_id_tokens = of_id_tokens.is_some();
    Some(SigningFile { created: parse_compact(created)?, at_once, label: label.to_owned(), for_id_tokens })
}

fn parse_secret(name: &str) -> Option<SecretFile> {
    let (word, rest) = name.strip_suffix(".secret")?.split_once('-')?;
    let kind = SecretKind::ALL.into_iter().find(|kind| kind.word() == word)?;
    let (id, created) = rest.split_once('-')?;
    let id = id.parse().ok().filter(|id| *id != 0)?;
    Some(SecretFile { kind, id, created: parse_compact(created)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_when_its_key_was_made() {
        let created = Timestamp::from_seconds(1_795_225_265);
        let label = "3fa81b2c".to_owned();
        let key = SigningFile { created, at_once: false, label, for_id_tokens: false };
        assert_eq!(key.to_string(), "signing-20261121T014105Z-3fa81b2c.pem");
        assert_eq!(Entry::parse(&key.to_string()), Ok(Some(Entry::Signing(key.clone()))));
        let of_id_tokens = SigningFile { for_id_tokens: true, ..key.clone() };
        assert_eq!(of_id_tokens.to_string(), "id-token-20261121T014105Z-3fa81b2c.pem");
        assert_eq!(Entry::parse(&of_id_tokens.to_string()), Ok(Some(Entry::Signing(of_id_tokens))));
        let now = SigningFile { at_once: true, ..key };
        assert_eq!(now.to_string(), "signing-20261121T014105Z-3fa81b2c-now.pem");
        assert_eq!(Entry::parse(&now.to_string()), Ok(Some(Entry::Signing(now))));
        for kind in SecretKind::ALL {
            let secret = SecretFile { kind, id: 7, created };
            assert_eq!(secret.to_string(), format!("{}-007-20261121T014105Z.secret", kind.word()));
            assert_eq!(Entry::parse(&secret.to_string()), Ok(Some(Entry::Secret(secret))));
        }
    }

    #[test]
    fn a_mistyped_name_is_an_error_and_a_strange_one_is_nobodys() {
        for mistyped in [
            "signing-20261321T014105Z-a.pem",
            "signing-20261121T014105-a.pem",
            "signing-20261121T014105Z.pem",
            "signing-20261121T014105Z-.pem",
            "signing-20261121T014105Z-A.pem",
            "signing-+2261121T014105Z-a.pem",
            "signing-19691231T235959Z-a.pem",
            "refresh-000-20261121T014105Z.secret",
            "refresh-1-20261121T014105Z.secret",
            "refresh-256-20261121T014105Z.secret",
            "pepper-001-20261121X014105Z.secret",
        ] {
            assert_eq!(Entry::parse(mistyped), Err(BadName), "{mistyped}");
        }
        for strange in ["README.md", ".gitignore", "tls.pem", "signing-20261121T014105Z-a.pem~", "x.secret"] {
            assert_eq!(Entry::parse(strange), Ok(None), "{strange}");
        }
    }

    #[test]
    fn the_end_of_time_still_has_a_name() {
        let file = SecretFile { kind: SecretKind::Pepper, id: 1, created: Timestamp::from_millis(u64::MAX) };
        assert_eq!(file.to_string(), "pepper-001-99991231T235959Z.secret");
    }
}
