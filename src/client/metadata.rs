//! Client metadata (RFC 7591 §2): what is registered of a client besides its id and its secrets. Events and snapshots
//! of clients hold it.

use minicbor::{Decode, Encode};

use super::registration::{Delivery, Lifetimes, RefreshTokens, RetryWindow, ReusePolicy};
use crate::oauth::{Audience, GrantType, Origin, Scope};

/// What is registered of a client besides its id and its secrets. Fields that RFC 7591 §2 knows have its names.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ClientMetadata {
    /// A name for people; empty if it has none.
    #[n(0)]
    pub client_name: String,
    /// How it proves who it is.
    #[n(1)]
    pub token_endpoint_auth_method: TokenEndpointAuthMethod,
    /// The grants that it may use.
    #[n(2)]
    pub grant_types: Vec<GrantType>,
    /// The scopes that it may ask for.
    #[n(3)]
    pub scope: Scope,
    /// The audience of a token for which neither a scope nor a `resource` names one.
    #[n(4)]
    pub default_audience: Audience,
    /// Whether a sign-in gives it a refresh token.
    #[n(5)]
    pub refresh_tokens: RefreshTokens,
    /// How long its tokens last.
    #[n(6)]
    pub lifetimes: Lifetimes,
    /// How long a repeated refresh gets the same answer.
    #[n(7)]
    pub retry_window: RetryWindow,
    /// What an old refresh token does.
    #[n(8)]
    pub reuse: ReusePolicy,
    /// Whether revoking an access token of it ends the session (RFC 7009 §2 leaves it to the server).
    #[n(9)]
    pub revoke_access_tokens: bool,
    /// The resource servers that it is: it may introspect the access tokens whose `aud` has one of them (RFC 7662).
    #[n(10)]
    pub introspects: Vec<Audience>,
    /// Where its pages come from: browsers let only these read what it is answered.
    #[n(11)]
    pub origins: Vec<Origin>,
    /// How it gets its refresh tokens.
    #[n(12)]
    pub refresh_token_delivery: Delivery,
    /// Whether introspection tells it the user's name (`username`, RFC 7662 §2.2).
    #[cbor(n(13), default)]
    pub introspects_usernames: bool,
}

/// How a client proves who it is at the token endpoint (RFC 7591 §2, `token_endpoint_auth_method`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenEndpointAuthMethod {
    /// `none`: a public client, which proves nothing (RFC 6749 §2.1).
    None,
    /// `client_secret_basic` or `client_secret_post`, whichever the client uses: a confidential client proves itself by
    /// a secret in the `Authorization` header or in the body (RFC 6749 §2.3.1).
    ClientSecret,
}

impl TokenEndpointAuthMethod {
    /// Whether this is the method of a public client.
    #[must_use]
    pub const fn is_public(self) -> bool {
        matches!(self, Self::None)
    }
}

/// Stored as the answer to "is it a confidential client?".
impl<C> Encode<C> for TokenEndpointAuthMethod {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bool(!self.is_public())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for TokenEndpointAuthMethod {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Ok(if d.bool()? { Self::ClientSecret } else { Self::None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_method_is_stored_as_whether_the_client_is_confidential() {
        let stored = |method: TokenEndpointAuthMethod| minicbor::to_vec(method).unwrap();
        // CBOR's `true` and `false` (RFC 8949 §3.3).
        assert_eq!(stored(TokenEndpointAuthMethod::ClientSecret), [0xF5]);
        assert_eq!(stored(TokenEndpointAuthMethod::None), [0xF4]);
        for method in [TokenEndpointAuthMethod::ClientSecret, TokenEndpointAuthMethod::None] {
            assert_eq!(minicbor::decode::<TokenEndpointAuthMethod>(&stored(method)).unwrap(), method);
        }
    }
}
