//! A checked authorization request on its way through a browser, under a MAC: nothing about it is stored, so requests of
//! strangers cost the store nothing, and many tabs never disturb each other.

use minicbor::{Decode, Encode};

use super::authorization_request::AuthorizationRequest;
use super::ids::{LoginId, SessionId, UserId};
use super::mac::{MacKeys, Seal};
use crate::clock::Timestamp;

/// What stands in the URLs and forms of the pages.
const REQUEST: Seal = Seal { prefix: "har_", label: "heirloom authorization request v1" };
/// What a client gets for a pushed request (RFC 9126 §2.2). It is not taken by a page.
const PUSHED: Seal = Seal { prefix: "hpr_", label: "heirloom pushed request v1" };

/// A request, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SealedRequest {
    /// The request.
    #[n(0)]
    pub request: AuthorizationRequest,
    /// When it was first shown, or pushed.
    #[n(1)]
    pub at: Timestamp,
    /// The id of the session that it starts. So one request starts one session.
    #[n(2)]
    pub session: SessionId,
    /// Whether the client pushed it: then it is good once (RFC 9126 §7.3).
    #[n(3)]
    pub is_pushed: bool,
    /// The user whom an `id_token_hint` named.
    #[n(4)]
    pub hinted: Option<UserId>,
    /// The log in that the person did for this request.
    #[n(5)]
    pub authentication: Option<Authentication>,
}

/// Somebody proved who they are. It is recognised by its login, not by comparing the readings of a clock, which may have
/// been set back in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Authentication {
    /// The login.
    #[n(0)]
    pub login: LoginId,
    /// Its `auth_time` then.
    #[n(1)]
    pub auth_time: Timestamp,
}

impl SealedRequest {
    /// The text for URLs and forms; `None` if there is no secret for that.
    #[must_use]
    pub fn seal(&self, keys: &MacKeys) -> Option<String> {
        self.sealed(keys, REQUEST)
    }

    /// The text for a request URI (RFC 9126 §2.2); `None` if there is no secret for that.
    #[must_use]
    pub fn seal_pushed(&self, keys: &MacKeys) -> Option<String> {
        self.sealed(keys, PUSHED)
    }

    /// Reads the text of a URL or form.
    #[must_use]
    pub fn open(keys: &MacKeys, text: &str) -> Option<Self> {
        Self::opened(keys, REQUEST, text)
    }

    /// Reads the text of a request URI.
    #[must_use]
    pub fn open_pushed(keys: &MacKeys, text: &str) -> Option<Self> {
        Self::opened(keys, PUSHED, text)
    }

    fn sealed(&self, keys: &MacKeys, seal: Seal) -> Option<String> {
        // Encoding into memory can't fail.
        keys.seal_text(seal, &minicbor::to_vec(self).ok()?)
    }

    fn opened(keys: &MacKeys, seal: Seal, text: &str) -> Option<Self> {
        minicbor::decode(&keys.open_text(seal, text).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::{Parameters, PkceRule};

    fn keys() -> MacKeys {
        MacKeys::new((1, &[1; 32]), [])
    }

    fn request() -> SealedRequest {
        let pairs = [
            ("client_id", "web"),
            ("redirect_uri", "https://app.example/cb?a=b"),
            ("response_type", "code"),
            ("response_mode", "form_post"),
            ("state", "ä+%00 "),
            ("scope", "openid read"),
            ("resource", "https://api.example"),
            ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
            ("code_challenge_method", "S256"),
            ("nonce", "n"),
            ("prompt", "login consent"),
            ("max_age", "10"),
            ("ui_locales", "de fr"),
            ("login_hint", "ann"),
        ];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let parameters = Parameters::new(pairs);
        let request = parameters.request(parameters.client_id().unwrap(), PkceRule::Required).unwrap();
        SealedRequest {
            request,
            at: Timestamp::from_millis(1_795_780_800_000),
            session: [1; 16].into(),
            is_pushed: false,
            hinted: Some([2; 16].into()),
            authentication: Some(Authentication {
                login: [3; 16].into(),
                auth_time: Timestamp::from_seconds(9),
            }),
        }
    }

    #[test]
    fn a_request_is_read_back_and_a_pushed_one_by_its_own_way_only() {
        let (keys, request) = (keys(), request());
        let text = request.seal(&keys).unwrap();
        let pushed = request.seal_pushed(&keys).unwrap();
        assert!(text.starts_with("har_") && pushed.starts_with("hpr_"));
        assert_eq!(SealedRequest::open(&keys, &text).as_ref(), Some(&request));
        assert_eq!(SealedRequest::open_pushed(&keys, &pushed).as_ref(), Some(&request));
        for taken in [&pushed, &pushed.replace("hpr_", "har_")] {
            assert_eq!(SealedRequest::open(&keys, taken), None);
        }
        for taken in [&text, &text.replace("har_", "hpr_")] {
            assert_eq!(SealedRequest::open_pushed(&keys, taken), None);
        }
        assert_eq!(SealedRequest::open(&MacKeys::new((1, &[2; 32]), []), &text), None);
        assert_eq!(SealedRequest::open(&keys, "har_"), None);
    }

    #[test]
    fn debug_shows_neither_state_nor_nonce() {
        let text = format!("{:?}", request());
        assert!(!text.contains('ä') && !text.contains("nonce"), "{text}");
    }
}
