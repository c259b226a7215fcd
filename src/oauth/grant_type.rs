//! The grant types that heirloom knows.

use std::str::FromStr;

use super::ids::InvalidText;
use super::word_list::Word;

/// A grant that a client may be registered for (RFC 6749 §1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum GrantType {
    /// `password` (RFC 6749 §4.3).
    #[n(0)]
    Password,
    /// `refresh_token` (RFC 6749 §6).
    #[n(1)]
    RefreshToken,
    /// `client_credentials` (RFC 6749 §4.4).
    #[n(2)]
    ClientCredentials,
    /// `authorization_code` (RFC 6749 §4.1).
    #[n(3)]
    AuthorizationCode,
}

impl GrantType {
    /// Every grant.
    pub const ALL: [Self; 4] =
        [Self::Password, Self::RefreshToken, Self::ClientCredentials, Self::AuthorizationCode];

    /// The name, as in the `grant_type` of a request.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::AuthorizationCode => "authorization_code",
        }
    }

    /// Whether a client has it for which nothing else is said. What gives access without a user is asked for.
    #[must_use]
    pub const fn is_default(self) -> bool {
        match self {
            Self::Password | Self::RefreshToken => true,
            // A client has the authorization code if it has a redirect URI.
            Self::ClientCredentials | Self::AuthorizationCode => false,
        }
    }

    /// Whether only clients that prove who they are may have it.
    #[must_use]
    pub const fn is_confidential(self) -> bool {
        match self {
            Self::Password | Self::RefreshToken | Self::AuthorizationCode => false,
            // RFC 6749 §4.4: "MUST only be used by confidential clients".
            Self::ClientCredentials => true,
        }
    }

    /// Every grant in a phrase for people, each in `quote`s: `a, b or c`.
    #[must_use]
    pub fn listed(quote: &str) -> String {
        let names = Self::ALL.map(|grant| format!("{quote}{}{quote}", grant.as_str()));
        let [rest @ .., last] = &names;
        format!("{} or {last}", rest.join(", "))
    }
}

impl Word for GrantType {
    const ALL: &'static [Self] = &Self::ALL;

    fn as_str(self) -> &'static str {
        self.as_str()
    }
}

impl FromStr for GrantType {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let unknown = InvalidText("there is no such grant");
        Self::ALL.into_iter().find(|grant| grant.as_str() == text).ok_or(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_named_as_in_a_request_and_all_are_listed() {
        for grant in GrantType::ALL {
            assert_eq!(grant.as_str().parse(), Ok(grant));
            assert!(GrantType::listed("").contains(grant.as_str()));
        }
        assert!("Password".parse::<GrantType>().is_err());
    }

    #[test]
    fn the_list_of_grants_reads_as_a_sentence() {
        let listed = "`password`, `refresh_token`, `client_credentials` or `authorization_code`";
        assert_eq!(GrantType::listed("`"), listed);
    }
}
