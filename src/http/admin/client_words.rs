//! The closed lists of words in clients as JSON.

use poem_openapi::Enum;
use poem_openapi::types::{ParseFromJSON, ToJSON};

use crate::oauth::word_list::Word;

/// A grant.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[oai(rename_all = "snake_case")]
pub(super) enum Grant {
    /// RFC 6749 §4.3.
    Password,
    /// RFC 6749 §6.
    RefreshToken,
    /// RFC 6749 §4.4; only of a confidential client that asks for it.
    ClientCredentials,
    /// RFC 6749 §4.1; of a client with a redirect URI.
    AuthorizationCode,
}

/// What an authorization request is answered with.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[oai(rename = "ResponseType", rename_all = "lowercase")]
pub(super) enum ResponseTypeWord {
    /// With a code.
    Code,
}

/// Whether a sign-in gives a refresh token.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[oai(rename = "RefreshTokens", rename_all = "snake_case")]
pub(super) enum RefreshTokensWord {
    /// Every one.
    Always,
    /// When the scope `offline_access` is asked for.
    OfflineAccess,
    /// None.
    Never,
}

/// What an old refresh token does.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[oai(rename = "Reuse", rename_all = "kebab-case")]
pub(super) enum ReuseWord {
    /// It ends the family.
    EndFamily,
    /// It is refused.
    Refuse,
}

/// How a client gets its refresh tokens.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[oai(rename = "RefreshTokenDelivery", rename_all = "lowercase")]
pub(super) enum DeliveryWord {
    /// In the body of the answer.
    Body,
    /// In a cookie that scripts can't read.
    Cookie,
}

/// Whether authorization requests need a code challenge.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[oai(rename = "Pkce", rename_all = "lowercase")]
pub(super) enum PkceWord {
    /// Every one.
    Required,
    /// Not those of a confidential client with `openid` and a `nonce`.
    Optional,
    /// Not those of a confidential client, which may send no `nonce` either. Old software needs it; heirloom can't keep
    /// injected codes away from it (RFC 9700 §4.5).
    Legacy,
}

/// Whether people are asked what a client may do.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[oai(rename = "Consent", rename_all = "lowercase")]
pub(super) enum ConsentWord {
    /// They are, and the answer is remembered.
    Ask,
    /// They are not.
    Implied,
}

/// What ID tokens are signed by.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[oai(rename = "IdTokenAlgorithm", rename_all = "UPPERCASE")]
pub(super) enum AlgorithmWord {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256, if the server has a key for it.
    Es256,
}

/// The text of a word as JSON has it.
pub(super) fn text(word: &impl ToJSON) -> Option<String> {
    word.to_json()?.as_str().map(str::to_owned)
}

/// A word as JSON has it. A test sees to it that there is one for each.
pub(super) fn word<J: ParseFromJSON>(word: impl Word) -> Option<J> {
    J::parse_from_json(Some(word.as_str().into())).ok()
}
