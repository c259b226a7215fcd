//! Roles: what a user, or a client that acts for itself, may be (RFC 9068 §2.2.3.1).

/// Whether a text can be a role: 1 to 64 letters, digits or any of `. _ : -`.
#[must_use]
pub fn is_role(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(known)
}
