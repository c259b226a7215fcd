//! Where what is unique, secret or forgettable of a user is kept: records outside the log.
//!
//! | key | value |
//! |---|---|
//! | `n`, profile version, normalised name | the user's id |
//! | `p`, id | the password's hash |
//! | `d`, id | the name as it is kept, for people |

use super::name::{PROFILE_VERSION, Username};
use crate::oauth::UserId;
use crate::store::RecordKey;

/// Who has a name. One record a name: inserting it is what makes a name unique.
#[must_use]
pub fn by_name(name: &Username) -> RecordKey {
    RecordKey::vault(&[b"n", &[PROFILE_VERSION], name.as_str().as_bytes()])
}

/// All names, for lists.
#[must_use]
pub fn names() -> RecordKey {
    RecordKey::vault(&[b"n", &[PROFILE_VERSION]])
}

/// The names that begin with a text, in normal form.
#[must_use]
pub fn names_with(prefix: &str) -> RecordKey {
    RecordKey::vault(&[b"n", &[PROFILE_VERSION], prefix.as_bytes()])
}

/// The hash of a user's password.
#[must_use]
pub fn password(id: UserId) -> RecordKey {
    RecordKey::vault(&[b"p", id.as_bytes()])
}

/// The name of a user.
#[must_use]
pub fn display_name(id: UserId) -> RecordKey {
    RecordKey::vault(&[b"d", id.as_bytes()])
}
