//! Verifies access tokens by the issuer's JWKS (RFC 9068 §4).

use std::time::Duration;

use jsonwebtoken::jwk::{JwkSet, KeyAlgorithm};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, errors::ErrorKind};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long the keys are kept. heirloom publishes a new key two hours before it signs.
const KEEP: Duration = Duration::from_mins(15);
/// How long to wait before an unknown `kid` makes us fetch the keys again: strangers can invent ids.
const COOL_DOWN: Duration = Duration::from_secs(10);

/// The claims of an access token.
#[derive(Deserialize)]
pub(crate) struct Token {
    /// The user's id.
    pub(crate) sub: String,
    /// The user's roles.
    #[serde(default)]
    pub(crate) roles: Vec<String>,
}

/// Why a token is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("The access token has expired.")]
    Expired,
    #[error("The access token is not valid.")]
    Invalid,
    /// The keys could not be fetched.
    #[error("The keys cannot be had.")]
    Unavailable,
}

/// Verifies access tokens of one issuer for one audience.
pub(crate) struct Verifier {
    jwks_uri: String,
    client: reqwest::Client,
    validation: Validation,
    keys: Mutex<Keys>,
}

#[derive(Default)]
struct Keys {
    set: Option<JwkSet>,
    fetched: Option<Instant>,
}

impl Verifier {
    pub(crate) fn new(issuer: &str, audience: &str) -> reqwest::Result<Self> {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.leeway = 0;
        let client = reqwest::Client::builder().timeout(Duration::from_secs(30)).no_proxy().build()?;
        let jwks_uri = format!("{issuer}/.well-known/jwks.json");
        Ok(Self { jwks_uri, client, validation, keys: Mutex::default() })
    }

    pub(crate) async fn verify(&self, token: &str) -> Result<Token, Refused> {
        let header = decode_header(token).map_err(|_| Refused::Invalid)?;
        // RFC 9068 §4: an ID token or anything else that is signed by the same key is no access token.
        if header.typ.as_deref() != Some("at+jwt") {
            return Err(Refused::Invalid);
        }
        let (key, algorithm) = self.key(&header.kid.ok_or(Refused::Invalid)?).await?;
        // Only the key's own algorithm, whatever the token's header says (RFC 8725 §3.1).
        let validation = Validation { algorithms: vec![algorithm], ..self.validation.clone() };
        let verified = decode::<Token>(token, &key, &validation).map_err(|error| {
            let expired = matches!(error.kind(), ErrorKind::ExpiredSignature);
            if expired { Refused::Expired } else { Refused::Invalid }
        })?;
        Ok(verified.claims)
    }

    /// The key and its algorithm: a cached one, or else after fetching the keys again.
    async fn key(&self, kid: &str) -> Result<(DecodingKey, Algorithm), Refused> {
        let mut keys = self.keys.lock().await;
        let age = keys.fetched.map(|fetched| fetched.elapsed());
        let known = keys.set.as_ref().is_some_and(|set| set.find(kid).is_some());
        if age.is_none_or(|age| age > KEEP) || (!known && age.is_none_or(|age| age > COOL_DOWN)) {
            match self.fetch().await {
                Ok(set) => keys.set = Some(set),
                Err(error) => eprintln!("the keys can't be had: {error}"),
            }
            keys.fetched = Some(Instant::now());
        }
        let set = keys.set.as_ref().ok_or(Refused::Unavailable)?;
        let jwk = set.find(kid).ok_or(Refused::Invalid)?;
        let known = [(KeyAlgorithm::RS256, Algorithm::RS256), (KeyAlgorithm::ES256, Algorithm::ES256)];
        let algorithm = known.into_iter().find(|(named, _)| jwk.common.key_algorithm == Some(*named));
        let (_, algorithm) = algorithm.ok_or(Refused::Invalid)?;
        Ok((DecodingKey::from_jwk(jwk).map_err(|_| Refused::Invalid)?, algorithm))
    }

    async fn fetch(&self) -> reqwest::Result<JwkSet> {
        self.client.get(&self.jwks_uri).send().await?.error_for_status()?.json().await
    }
}
