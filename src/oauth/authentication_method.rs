//! How somebody has proved who they are.

use minicbor::{Decode, Encode};

/// An authentication method (RFC 8176 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum AuthenticationMethod {
    /// `pwd`: by a password.
    #[n(0)]
    Password,
}

impl AuthenticationMethod {
    /// The name, as in `amr`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "pwd",
        }
    }
}
