//! Reads the credentials of a client from the `Authorization` header and the body (RFC 6749 §2.3.1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use poem::http::{HeaderMap, header};
use zeroize::Zeroizing;

use super::form::{Form, decode};
use crate::app::authenticate::Credentials;

/// The credentials of a request. If they can be read in several ways, all readings together count as one attempt.
pub struct Claim {
    /// The possible readings, the most likely first.
    pub readings: Vec<Credentials>,
    /// Whether they came in the `Authorization` header.
    pub by_header: bool,
}

/// Why there are no usable credentials. The messages are fixed and may be sent to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// No credentials at all.
    #[error("The client_id is missing.")]
    Missing,
    /// The `Authorization` header can't be parsed, or is not `Basic`.
    #[error("The Authorization header is not Basic with a client_id and a secret.")]
    Malformed,
    /// Header and body have different credentials (RFC 6749 §2.3: no more than one method).
    #[error("The Authorization header and the body name different clients or secrets.")]
    Contradiction,
}

/// Reads the credentials of a request.
///
/// # Errors
/// [`ClaimError`].
pub fn claim(headers: &HeaderMap, form: &mut Form) -> Result<Claim, ClaimError> {
    let body_id = form.take("client_id");
    let body_secret = form.take("client_secret");
    let mut authorization = headers.get_all(header::AUTHORIZATION).iter();
    let value = match authorization.next() {
        // Some clients add the access token to every request; here it is ignored.
        Some(value) if body_id.is_some() && !has_scheme(value.as_bytes(), "basic") => None,
        value => value,
    };
    let Some(value) = value else {
        let id = body_id.ok_or(ClaimError::Missing)?.to_string();
        return Ok(Claim { readings: vec![Credentials { id, secret: body_secret }], by_header: false });
    };
    if authorization.next().is_some() {
        return Err(ClaimError::Malformed);
    }
    let mut readings = basic(value.as_bytes()).ok_or(ClaimError::Malformed)?;
    // A `client_id` in the body beside `Basic` is accepted if it is the same.
    let contradicts = |reading: &Credentials| {
        body_id.as_ref().is_some_and(|id| **id != reading.id)
            || body_secret.as_ref().is_some_and(|secret| Some(secret) != reading.secret.as_ref())
    };
    readings.retain(|reading| !contradicts(reading));
    if readings.is_empty() {
        return Err(ClaimError::Contradiction);
    }
    Ok(Claim { readings, by_header: true })
}

/// Reads `Basic` credentials (RFC 7617 §2). RFC 6749 §2.3.1 has them form-encoded first, but half of all libraries
/// don't do that, so both readings are returned.
fn basic(value: &[u8]) -> Option<Vec<Credentials>> {
    let text = std::str::from_utf8(value).ok()?;
    let (scheme, encoded) = text.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(LENIENT.decode(encoded.trim_matches(' ')).ok()?);
    let pair = std::str::from_utf8(&decoded).ok()?;
    let (id, secret) = pair.split_once(':')?;
    let raw = credentials(id.to_owned(), Zeroizing::new(secret.to_owned()));
    let form_decoded = match (decode(id.as_bytes()), decode(secret.as_bytes())) {
        (Ok(id), Ok(secret)) => Some(credentials(id.to_string(), secret)),
        (Ok(_) | Err(_), Err(_)) | (Err(_), Ok(_)) => None,
    };
    let same = form_decoded.as_ref() == Some(&raw);
    Some(form_decoded.into_iter().chain((!same).then_some(raw)).collect())
}

/// Whether an `Authorization` header has this scheme (RFC 9110 §11.1: case-insensitive).
fn has_scheme(value: &[u8], scheme: &str) -> bool {
    value
        .split(|byte| *byte == b' ')
        .next()
        .is_some_and(|found| found.eq_ignore_ascii_case(scheme.as_bytes()))
}

/// Padding may be left out: some clients do.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// An empty secret means a public client.
fn credentials(id: String, secret: Zeroizing<String>) -> Credentials {
    Credentials { id, secret: (!secret.is_empty()).then_some(secret) }
}

/// A `Basic` header for tests and printed examples.
#[must_use]
pub fn basic_header(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claimed(authorization: Option<&str>, body: &str) -> Result<Vec<(String, Option<String>)>, ClaimError> {
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        }
        let claim = claim(&headers, &mut Form::parse(body.as_bytes()).unwrap())?;
        assert_eq!(claim.by_header, authorization.is_some());
        let plain = |reading: Credentials| (reading.id, reading.secret.map(|secret| secret.to_string()));
        Ok(claim.readings.into_iter().map(plain).collect())
    }

    fn one(id: &str, secret: Option<&str>) -> Vec<(String, Option<String>)> {
        vec![(id.to_owned(), secret.map(str::to_owned))]
    }

    /// RFC 6749 §2.3.1 requires form-encoding; many libraries send them raw.
    #[test]
    fn basic_credentials_are_read_form_encoded_and_raw() {
        let encoded = basic_header("my-web_app", "s%3Ae%25c%2Fr-t");
        let readings = claimed(Some(&encoded), "").unwrap();
        assert_eq!(readings[0], ("my-web_app".to_owned(), Some("s:e%c/r-t".to_owned())));
        assert_eq!(readings.len(), 2);
        // Raw, it is not valid form-encoding: there is one reading, split at the first colon.
        let raw = basic_header("my-web_app", "s:e%c/r-t");
        assert_eq!(claimed(Some(&raw), ""), Ok(one("my-web_app", Some("s:e%c/r-t"))));
    }

    #[test]
    fn a_header_that_is_not_basic_is_malformed() {
        for value in ["Basic", "Basic !!!", "Basic bm9jb2xvbg==", "Basic /zp4", "basic"] {
            assert_eq!(claimed(Some(value), "client_id=web"), Err(ClaimError::Malformed), "{value}");
        }
        assert_eq!(claimed(Some("Bearer abc"), "").err(), Some(ClaimError::Malformed));
    }

    #[test]
    fn an_access_token_beside_a_client_id_in_the_body_is_not_looked_at() {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, "Bearer abc".parse().unwrap());
        let mut form = Form::parse(b"client_id=web&client_secret=secret").unwrap();
        let claim = claim(&headers, &mut form).unwrap();
        assert!(!claim.by_header && claim.readings[0].id == "web");
    }

    #[test]
    fn the_scheme_has_any_case_and_padding_may_be_left_out() {
        for value in ["Basic d2ViOnNlY3JldDE=", "basic d2ViOnNlY3JldDE", "BASIC  d2ViOnNlY3JldDE= "] {
            assert_eq!(claimed(Some(value), ""), Ok(one("web", Some("secret1"))), "{value}");
        }
    }

    #[test]
    fn two_authorization_headers_are_malformed() {
        let mut headers = HeaderMap::new();
        for secret in ["secret", "another"] {
            headers.append(header::AUTHORIZATION, basic_header("web", secret).parse().unwrap());
        }
        let claim = claim(&headers, &mut Form::default()).map(|claim| claim.by_header);
        assert_eq!(claim, Err(ClaimError::Malformed));
    }

    /// RFC 6749 §2.3: one way of authenticating a request.
    #[test]
    fn a_header_and_a_body_that_contradict_each_other_are_refused() {
        let header = basic_header("web", "secret");
        assert_eq!(claimed(Some(&header), "client_id=web"), Ok(one("web", Some("secret"))));
        assert!(claimed(Some(&header), "client_id=web&client_secret=secret").is_ok());
        for body in ["client_id=other", "client_secret=other"] {
            assert_eq!(claimed(Some(&header), body), Err(ClaimError::Contradiction), "{body}");
        }
    }

    #[test]
    fn an_empty_secret_is_a_public_clients() {
        assert_eq!(claimed(Some(&basic_header("web", "")), ""), Ok(one("web", None)));
        assert_eq!(claimed(None, "client_id=web&client_secret="), Ok(one("web", None)));
        assert_eq!(claimed(None, "client_secret=x"), Err(ClaimError::Missing));
    }
}
