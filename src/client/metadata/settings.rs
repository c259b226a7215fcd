//! The values of single client settings.

use std::time::Duration;

use minicbor::{Decode, Encode};

use crate::oauth::word_list::Word;

/// How a client authenticates at the token endpoint (RFC 7591 §2, `token_endpoint_auth_method`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenEndpointAuthMethod {
    /// `none`: a public client, which does not authenticate (RFC 6749 §2.1).
    None,
    /// `client_secret_basic` or `client_secret_post`, as the client likes: a confidential client sends its secret in
    /// the `Authorization` header or in the body (RFC 6749 §2.3.1).
    ClientSecret,
}

impl TokenEndpointAuthMethod {
    /// Whether this is the method of a public client.
    #[must_use]
    pub const fn is_public(self) -> bool {
        matches!(self, Self::None)
    }
}

/// The words of the setting `type`.
impl Word for TokenEndpointAuthMethod {
    const ALL: &'static [Self] = &[Self::None, Self::ClientSecret];

    fn as_str(self) -> &'static str {
        match self {
            Self::None => "public",
            Self::ClientSecret => "confidential",
        }
    }
}

/// Stored as a boolean: whether the client is confidential.
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

/// When a sign-in gives a client a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum RefreshTokens {
    /// At every sign-in.
    #[n(0)]
    Always,
    /// Only when the scope `offline_access` is asked for (OpenID Connect Core §11).
    #[n(1)]
    OfflineAccess,
    /// Never: a session lasts as long as its access token.
    #[n(2)]
    Never,
}

impl Word for RefreshTokens {
    const ALL: &'static [Self] = &[Self::Always, Self::OfflineAccess, Self::Never];

    fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::OfflineAccess => "offline_access",
            Self::Never => "never",
        }
    }
}

/// How a client gets its refresh tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Delivery {
    /// In the body of the answer (RFC 6749 §5.1).
    #[default]
    #[n(0)]
    Body,
    /// In a cookie that scripts can't read. Every request of such a client must have an `Origin` header with one of the
    /// client's origins.
    #[n(1)]
    Cookie,
}

impl Word for Delivery {
    const ALL: &'static [Self] = &[Self::Body, Self::Cookie];

    fn as_str(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Cookie => "cookie",
        }
    }
}

/// How long a client's tokens and sessions last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Lifetimes {
    /// The life of an access token, from its issue.
    #[cbor(n(0), with = "crate::encoding::millis")]
    pub access_token: Duration,
    /// How long an unused refresh token lasts, from its issue.
    #[cbor(n(1), with = "crate::encoding::millis")]
    pub refresh_idle: Duration,
    /// The life of a session, from the sign-in, however often it is refreshed.
    #[cbor(n(2), with = "crate::encoding::millis")]
    pub refresh_absolute: Duration,
}

impl Default for Lifetimes {
    /// 10 minutes, 14 days and 60 days.
    fn default() -> Self {
        const DAY: Duration = Duration::from_hours(24);
        Self {
            access_token: Duration::from_mins(10),
            refresh_idle: DAY.saturating_mul(14),
            refresh_absolute: DAY.saturating_mul(60),
        }
    }
}

/// How long a repeated refresh gets the same tokens again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum RetryWindow {
    /// For this long after the rotation, or after this process's start if that was later. Zero turns retries off.
    #[n(0)]
    For(#[cbor(n(0), with = "crate::encoding::millis")] Duration),
    /// The previous generation is accepted until its successor has been used, and earlier ones for
    /// [`RetryWindow::USUAL`].
    #[n(1)]
    UntilUsed,
}

impl RetryWindow {
    /// The word for [`RetryWindow::UntilUsed`].
    pub const UNTIL_USED: &'static str = "until-used";

    /// The default of public clients, and the window of earlier generations under [`RetryWindow::UntilUsed`].
    pub const USUAL: Duration = Duration::from_secs(30);

    /// How long after its rotation any of the last generations is accepted again.
    #[must_use]
    pub const fn duration(self) -> Duration {
        match self {
            Self::For(window) => window,
            Self::UntilUsed => Self::USUAL,
        }
    }
}

/// What the use of an old refresh token does (RFC 9700 §4.14.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ReusePolicy {
    /// It ends the token family.
    #[default]
    #[n(0)]
    EndFamily,
    /// It is refused and recorded, and the family goes on. Then the victim of a theft may be the one who is refused.
    #[n(1)]
    Refuse,
}

impl Word for ReusePolicy {
    const ALL: &'static [Self] = &[Self::EndFamily, Self::Refuse];

    fn as_str(self) -> &'static str {
        match self {
            Self::EndFamily => "end-family",
            Self::Refuse => "refuse",
        }
    }
}

/// What an authorization request is answered with (RFC 7591 §2, `response_types`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseType {
    /// With a code.
    Code,
}

impl Word for ResponseType {
    const ALL: &'static [Self] = &[Self::Code];

    fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
        }
    }
}

/// Whether a client may leave out the proof key for code exchange (PKCE, RFC 7636).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum PkcePolicy {
    /// Every authorization request needs a challenge (RFC 9700 §2.1.1).
    #[default]
    #[n(0)]
    Required,
    /// A confidential client may leave it out in an OpenID Connect request, which then needs a `nonce`.
    #[n(1)]
    Optional,
    /// A confidential client may send neither a challenge nor a `nonce`, as old software does: then nothing keeps injected
    /// codes away but the client itself (RFC 9700 §4.5).
    #[n(2)]
    Legacy,
}

impl Word for PkcePolicy {
    const ALL: &'static [Self] = &[Self::Required, Self::Optional, Self::Legacy];

    fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Optional => "optional",
            Self::Legacy => "legacy",
        }
    }
}

/// Whether a person is asked what a client may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ConsentPolicy {
    /// The person is asked, and the answer is remembered.
    #[default]
    #[n(0)]
    Ask,
    /// Nobody is asked: it is the operator's own client. At the redirect URI of an app on a device, it is asked all the
    /// same unless the person has just typed the password (RFC 8252 §8.6).
    #[n(1)]
    Implied,
}

impl Word for ConsentPolicy {
    const ALL: &'static [Self] = &[Self::Ask, Self::Implied];

    fn as_str(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Implied => "implied",
        }
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
