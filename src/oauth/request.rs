//! What a request at the token endpoint asks for, once it has been parsed.

use super::scope::Scope;
use super::words::{Audience, GrantType};

/// A request at the token endpoint (RFC 6749 §4.3.2 and §6), without the client's credentials.
pub enum TokenRequest {
    /// `grant_type=password`.
    Password(PasswordRequest),
    /// `grant_type=refresh_token`.
    Refresh(RefreshRequest),
}

/// `grant_type=password` (RFC 6749 §4.3.2). Has no `Debug`: it holds a password.
pub struct PasswordRequest {
    /// The user's name, as it was typed.
    pub username: String,
    /// The password, as it was typed.
    pub password: zeroize::Zeroizing<String>,
    /// The scope that was asked for, if any was.
    pub scope: Option<Scope>,
    /// The resource servers that the token is to be for (RFC 8707 §2).
    pub resources: Vec<Audience>,
    /// What the device calls itself: its `User-Agent` header.
    pub user_agent: Option<String>,
    /// What the client calls the device, for the user's list of devices.
    pub device_label: Option<String>,
}

/// `grant_type=refresh_token` (RFC 6749 §6). Has no `Debug`: it holds a token.
pub struct RefreshRequest {
    /// The refresh token.
    pub refresh_token: String,
    /// The scope that was asked for, if any was.
    pub scope: Option<Scope>,
    /// The resource servers that the token is to be for (RFC 8707 §2).
    pub resources: Vec<Audience>,
}

impl TokenRequest {
    /// The grant.
    #[must_use]
    pub const fn grant_type(&self) -> GrantType {
        match self {
            Self::Password(_) => GrantType::Password,
            Self::Refresh(_) => GrantType::RefreshToken,
        }
    }
}
