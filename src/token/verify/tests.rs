//! Tests with forged tokens. The forger has the private key, so a token is refused only by the check under test.

use std::sync::Arc;

use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};

use super::*;
use crate::clock::ManualClock;
use crate::oauth::SigningAlgorithm;
use crate::token::claims::AccessTokenClaims;
use crate::token::keyring::Keyring;
use crate::token::life::KeyLife;

const ISSUER: &str = "https://id.example";
const NOW: Timestamp = Timestamp::from_seconds(1_795_225_265);

/// A server's keys, and a forger who has the private key.
struct Forger {
    keys: SigningKeys,
    pair: RsaKeyPair,
    kid: String,
    _folder: tempfile::TempDir,
}

impl Forger {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(NOW));
        let folder = Keyring::in_folder(temp.path());
        let keys =
            SigningKeys::open(folder.clone(), KeyLife::default(), Some(SigningAlgorithm::Rs256), clock)
                .unwrap();
        let file = folder.signing_keys(&KeyLife::default(), NOW).unwrap().remove(0).file;
        let der = PrivatePkcs8KeyDer::from_pem_file(temp.path().join(file)).unwrap();
        let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap();
        let kid = keys.signer().unwrap().kid().to_string();
        Self { keys, pair, kid, _folder: temp }
    }

    #[expect(clippy::disallowed_methods, reason = "a forger brings his own generator")]
    fn sign(&self, header: &str, claims: &str, by: &'static dyn RsaEncoding) -> String {
        let mut token = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let mut signature = vec![0; self.pair.public().modulus_len()];
        self.pair.sign(by, &SystemRandom::new(), token.as_bytes(), &mut signature).unwrap();
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        token
    }

    fn header(&self) -> Value {
        json!({"alg": "RS256", "kid": self.kid, "typ": "at+jwt"})
    }

    fn verify(&self, token: &str) -> Result<AccessToken, VerifyError> {
        Verifier::new(ISSUER, ISSUER).verify(&self.keys, token, NOW)
    }

    /// A token with heirloom's header and these claims.
    fn claims(&self, claims: &str) -> Result<AccessToken, VerifyError> {
        self.verify(&self.sign(&self.header().to_string(), claims, &RSA_PKCS1_SHA256))
    }

    /// A token with this header and heirloom's claims.
    fn headed(&self, header: &str) -> Result<AccessToken, VerifyError> {
        self.verify(&self.sign(header, &good().to_string(), &RSA_PKCS1_SHA256))
    }
}

fn good() -> Value {
    let iat = NOW.seconds();
    json!({
        "iss": ISSUER, "sub": "u1", "aud": ["https://api.example", ISSUER], "client_id": "app", "scope": "account",
        "sid": "s1", "jti": "j1", "iat": iat, "exp": iat + 600, "auth_time": iat, "roles": ["user"],
    })
}

fn with(mut object: Value, name: &str, value: Value) -> String {
    object[name] = value;
    object.to_string()
}

fn without(mut object: Value, name: &str) -> String {
    object.as_object_mut().unwrap().shift_remove(name).unwrap();
    object.to_string()
}

#[test]
fn a_token_of_ours_is_taken_until_it_expires() {
    let forger = Forger::new();
    let claims = AccessTokenClaims {
        iss: ISSUER,
        sub: "u1",
        aud: &[ISSUER],
        client_id: "app",
        scope: "",
        sid: "s1",
        jti: "j1",
        iat: NOW.seconds(),
        exp: NOW.seconds() + 600,
        auth_time: Some(NOW.seconds()),
        roles: &[],
    };
    let token = forger.keys.signer().unwrap().sign(TokenType::AtJwt, &claims).unwrap();
    let verifier = Verifier::new(ISSUER, ISSUER);
    let at = |seconds: u64| {
        verifier.verify(&forger.keys, &token, Timestamp::from_seconds(NOW.seconds() + seconds))
    };
    let token = at(0).unwrap();
    assert_eq!((token.sub.as_str(), token.scope.as_str(), token.roles.len()), ("u1", "", 0));
    assert_eq!(token.aud, [ISSUER]);
    assert!(at(599).is_ok());
    assert_eq!(at(600), Err(VerifyError::Expired));

    // Unchanged, the forger's token is valid: only what the tests below change makes the difference.
    assert_eq!(forger.claims(&good().to_string()).unwrap().roles, ["user"]);
    assert!(forger.headed(&forger.header().to_string()).is_ok());
}

/// Algorithm confusion (RFC 8725 §2.1): `none`, and HS256 with the public key as its secret
/// (CVE-2015-9235).
#[test]
fn other_algorithms_are_refused() {
    let forger = Forger::new();
    for alg in ["none", "None", "HS256", "PS256", "RS384", "RS512", "ES256", "rs256", ""] {
        let header = with(forger.header(), "alg", json!(alg));
        assert_eq!(forger.headed(&header), Err(VerifyError::Algorithm), "{alg}");
        let unsigned =
            format!("{}.{}.", URL_SAFE_NO_PAD.encode(&header), URL_SAFE_NO_PAD.encode(good().to_string()));
        assert_eq!(forger.verify(&unsigned), Err(VerifyError::Algorithm), "{alg}");
    }
    // The header says RS256; the signature uses another padding or another hash.
    for by in [&RSA_PKCS1_SHA384 as &'static dyn RsaEncoding, &RSA_PSS_SHA256] {
        let token = forger.sign(&forger.header().to_string(), &good().to_string(), by);
        assert_eq!(forger.verify(&token), Err(VerifyError::Signature));
    }
    // HMAC with the public key as its secret.
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(with(forger.header(), "alg", json!("HS256"))),
        URL_SAFE_NO_PAD.encode(good().to_string())
    );
    let public = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, forger.pair.public().as_ref());
    let tag = ring::hmac::sign(&public, message.as_bytes());
    let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag));
    assert_eq!(forger.verify(&token), Err(VerifyError::Algorithm));
}

/// `kid` as a path or SQL, and `jku`, `x5u`, `jwk` that name the attacker's key (RFC 8725 §3.10).
#[test]
fn only_a_published_key_verifies_and_nothing_is_fetched() {
    let forger = Forger::new();
    let other = crate::token::Kid::from_bytes([1; 32]).to_string();
    for kid in ["../../etc/passwd", "' OR 1=1 --", &"k".repeat(10_000), &other, ""] {
        let header = with(forger.header(), "kid", json!(kid));
        assert_eq!(forger.headed(&header), Err(VerifyError::UnknownKey), "{kid:.40}");
    }
    assert_eq!(forger.headed(&without(forger.header(), "kid")), Err(VerifyError::Malformed));
    for (name, value) in [
        ("jku", json!("https://evil.example/jwks.json")),
        ("x5u", json!("https://evil.example/cert.pem")),
        ("x5c", json!(["MIIB"])),
        ("jwk", json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"})),
    ] {
        assert_eq!(forger.headed(&with(forger.header(), name, value)), Err(VerifyError::Malformed), "{name}");
    }
}

/// jsonwebtoken treated times of another type as absent (CVE-2026-25537); ZITADEL accepted tokens without `exp`
/// (CVE-2026-56665).
#[test]
fn times_are_integers_in_range() {
    let forger = Forger::new();
    for name in ["exp", "iat", "auth_time"] {
        let text = good().to_string();
        let number = good()[name].to_string();
        let soon = format!("\"{name}\":{number}");
        for wrong in [
            "\"1795225865\"",
            "1795225865.0",
            "1.795225865e9",
            "1e400",
            "-1",
            "null",
            "[1]",
            "18446744073709551616",
        ] {
            let claims = text.replace(&soon, &format!("\"{name}\":{wrong}"));
            assert_ne!(claims, text);
            assert_eq!(forger.claims(&claims), Err(VerifyError::Claims), "{name} {wrong}");
        }
        assert_eq!(forger.claims(&without(good(), name)), Err(VerifyError::Claims), "{name} missing");
        let beyond = with(good(), name, json!(253_402_300_800_u64));
        assert_eq!(forger.claims(&beyond), Err(VerifyError::Claims), "{name} in the year 10000");
    }
    let backwards = with(good(), "iat", json!(NOW.seconds() + 600));
    assert_eq!(forger.claims(&backwards), Err(VerifyError::Claims));
    assert_eq!(forger.claims(&with(good(), "exp", json!(NOW.seconds()))), Err(VerifyError::Claims));
}

/// RFC 8725 §3.8 to §3.11, RFC 9068 §4.
#[test]
fn type_audience_and_issuer_are_exact() {
    let forger = Forger::new();
    for typ in ["JWT", "AT+JWT", "application/at+jwt", "id+jwt", ""] {
        assert_eq!(forger.headed(&with(forger.header(), "typ", json!(typ))), Err(VerifyError::Type), "{typ}");
    }
    assert_eq!(forger.headed(&without(forger.header(), "typ")), Err(VerifyError::Malformed));
    let plain =
        forger.sign(&with(forger.header(), "typ", json!("JWT")), &good().to_string(), &RSA_PKCS1_SHA256);
    let lenient = Verifier::new(ISSUER, ISSUER).allow_plain_jwt(true);
    assert!(lenient.verify(&forger.keys, &plain, NOW).is_ok());

    for iss in ["https://id.example/", "https://ID.example", "http://id.example", ""] {
        assert_eq!(forger.claims(&with(good(), "iss", json!(iss))), Err(VerifyError::Issuer), "{iss}");
    }
    for aud in [json!("https://api.example"), json!([]), json!(["https://id.example/"]), json!("")] {
        assert_eq!(forger.claims(&with(good(), "aud", aud.clone())), Err(VerifyError::Audience), "{aud}");
    }
    for aud in [json!(null), json!(1), json!({"0": ISSUER}), json!([ISSUER, 1])] {
        assert_eq!(forger.claims(&with(good(), "aud", aud.clone())), Err(VerifyError::Claims), "{aud}");
    }
    for name in ["iss", "aud", "sub", "client_id", "sid", "jti"] {
        assert_eq!(forger.claims(&without(good(), name)), Err(VerifyError::Claims), "{name}");
    }
}

/// Authlib accepted an unknown `crit` (CVE-2025-59420; RFC 7515 §4.1.11). Parsers differ in which of two duplicate
/// members they use.
#[test]
fn what_comes_twice_or_is_critical_is_refused() {
    let forger = Forger::new();
    let twice = |object: &Value, name: &str| {
        // The second time the name is written with an escape: it is the same name.
        let escaped = format!("\\u{:04x}{}", name.as_bytes()[0], &name[1..]);
        let text = object.to_string();
        let plain = text.replacen('{', &format!("{{\"{name}\":{},", object[name]), 1);
        let hidden = text.replacen('{', &format!("{{\"{escaped}\":{},", object[name]), 1);
        [plain, hidden]
    };
    for name in ["alg", "kid", "typ"] {
        for header in twice(&forger.header(), name) {
            assert_eq!(forger.headed(&header), Err(VerifyError::Malformed), "{header}");
        }
    }
    for name in good().as_object().unwrap().keys() {
        for claims in twice(&good(), name) {
            assert_eq!(forger.claims(&claims), Err(VerifyError::Claims), "{claims}");
        }
    }
    for crit in [json!(["exp"]), json!(["b64"]), json!([]), json!(null)] {
        assert_eq!(
            forger.headed(&with(forger.header(), "crit", crit.clone())),
            Err(VerifyError::Malformed),
            "{crit}"
        );
    }
    assert_eq!(forger.headed(&with(forger.header(), "b64", json!(false))), Err(VerifyError::Malformed));
    assert_eq!(forger.claims(&with(good(), "cnf", json!({}))), Err(VerifyError::Claims));
}

#[test]
fn what_is_too_long_is_not_looked_at() {
    let forger = Forger::new();
    assert!(forger.claims(&with(good(), "jti", json!("j".repeat(1000)))).is_ok());
    let long = with(good(), "jti", json!("j".repeat(MAX_TOKEN)));
    assert_eq!(forger.claims(&long), Err(VerifyError::Malformed));
}

#[test]
fn a_damaged_token_is_refused() {
    let forger = Forger::new();
    let token = forger.sign(&forger.header().to_string(), &good().to_string(), &RSA_PKCS1_SHA256);
    assert!(forger.verify(&token).is_ok());
    let (message, signature) = token.rsplit_once('.').unwrap();
    for broken in [
        String::new(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        message.to_owned(),
        format!("{token}."),
        format!("{token}.x"),
        format!(".{token}"),
        format!("{token}="),
        format!("{token}A"),
        format!(" {token}"),
        format!("{message}.{}", signature.chars().rev().collect::<String>()),
        format!("{message}.{}", &signature[1..]),
        token.clone() + &"A".repeat(MAX_TOKEN),
    ] {
        assert!(forger.verify(&broken).is_err(), "{broken:.80}");
    }
    for at in (0..token.len()).step_by(3) {
        let mut flipped = token.clone().into_bytes();
        flipped[at] = if flipped[at] == b'A' { b'B' } else { b'A' };
        assert!(forger.verify(&String::from_utf8(flipped).unwrap()).is_err(), "at {at}");
    }
}
