//! The rules for client ids.

use super::error::{MetadataError, sentence};
use super::field::Field;
use crate::oauth::ClientId;

/// Parses the id of a client that the configuration declares.
///
/// # Errors
/// [`MetadataError`] if it is not a `client_id`, or if it is `.` or `..`.
pub fn declared_id(text: &str) -> Result<ClientId, MetadataError> {
    let refuse = |problem: String| {
        MetadataError::new(Field::ClientId, "not_permitted", problem).suggesting("Write for example web-app.")
    };
    let id: ClientId = text.parse().map_err(|error| refuse(sentence(&format!("{error}"))))?;
    if id.is_dots() {
        return Err(refuse("An id that is . or .. is a step between folders in a URL.".to_owned()));
    }
    Ok(id)
}

/// Parses the id of a client that is being registered. The rule is stricter than RFC 6749 §A.1, so that the id needs no
/// encoding in URLs and in `Basic` credentials (RFC 3986 §2.3).
///
/// # Errors
/// [`MetadataError`] if it breaks a rule.
pub fn registered_id(text: &str) -> Result<ClientId, MetadataError> {
    let id = declared_id(text)?;
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
    if !text.bytes().all(unreserved) {
        let problem = "An id has letters, digits or any of . _ ~ -.";
        let error = MetadataError::new(Field::ClientId, "not_permitted", problem);
        return Err(error.suggesting("Write for example web-app."));
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registered_id_needs_no_encoding_and_a_declared_one_may() {
        for text in ["web-app", "A.b_c~9-"] {
            assert_eq!(registered_id(text).unwrap().as_str(), text);
        }
        for text in ["a b", "a/b", "a%b"] {
            assert_eq!(registered_id(text).unwrap_err().field, Field::ClientId, "{text}");
            assert_eq!(declared_id(text).unwrap().as_str(), text);
        }
    }
}
