//! What is stored of an authorization code, and of the login that it came from.

use minicbor::{Decode, Encode};
use ring::digest::{SHA256, digest};

use crate::clock::Timestamp;
use crate::oauth::{AuthenticationMethod, CodeChallenge, LoginId, Nonce};

/// What is known of a code. It can't be made from that without a refresh secret.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Code {
    /// Its nonce.
    #[n(0)]
    pub nonce: Nonce,
    /// The SHA-256 of the redirect URI.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub redirect_uri: [u8; 32],
    /// The PKCE challenge; none if the client need not send one.
    #[n(2)]
    pub challenge: Option<CodeChallenge>,
    /// The `nonce` of OpenID Connect, for the ID token; forgotten once the code is redeemed.
    #[n(3)]
    pub openid_nonce: Option<String>,
    /// Since when the consent stands on which the authorization rests; none if it rests on none.
    #[n(4)]
    pub consent_since: Option<Timestamp>,
    /// Until when the authorization is remembered although its code has expired unused: as long as the request can come
    /// again that must be answered once.
    #[n(5)]
    pub kept_until: Option<Timestamp>,
}

/// The login that a session began from.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct LoginReference {
    /// Its id.
    #[n(0)]
    pub id: LoginId,
    /// When the person last proved who they are in it.
    #[n(1)]
    pub auth_time: Timestamp,
    /// How.
    #[n(2)]
    pub methods: Vec<AuthenticationMethod>,
}

/// The digest of a redirect URI, by which a later one is compared.
#[must_use]
pub fn redirect_digest(uri: &str) -> [u8; 32] {
    digest(&SHA256, uri.as_bytes()).as_ref().try_into().unwrap_or_default()
}
