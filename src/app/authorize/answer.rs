//! The answer to an authorization request (RFC 6749 §4.1.2, §4.1.2.1; RFC 9207).

use std::fmt;
use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::app::error::TokenError;
use crate::client::Registration;
use crate::oauth::ErrorCode;
use crate::oauth::authorization_request::Answer;

/// What a client is answered at its redirect URI.
#[derive(Clone)]
pub struct ClientAnswer {
    /// The client.
    pub client: Arc<Registration>,
    /// Where the answer goes.
    pub redirect_uri: Box<str>,
    /// By which way, and with which `state`.
    pub answer: Answer,
    /// The code, or an error with its description.
    pub outcome: Result<String, (ErrorCode, String)>,
}

/// A code is a secret.
impl fmt::Debug for ClientAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = self.outcome.as_ref().err().map(|(code, _)| code);
        f.debug_struct("ClientAnswer").field("error", &error).finish_non_exhaustive()
    }
}

impl ClientAnswer {
    /// The parameters. `iss` is in every answer, so that a client that talks to several servers can't be made to take one
    /// for another (RFC 9207 §2).
    #[must_use]
    pub fn parameters<'a>(&'a self, issuer: &'a str) -> Vec<(&'static str, &'a str)> {
        let mut parameters = match &self.outcome {
            Ok(code) => vec![("code", code.as_str())],
            Err((code, description)) => {
                vec![("error", code.as_str()), ("error_description", description.as_str())]
            }
        };
        parameters.extend(self.answer.state.as_deref().map(|state| ("state", state)));
        parameters.push(("iss", issuer));
        parameters
    }

    /// The redirect URI with the parameters in its query; what the query has already is kept (RFC 6749 §3.1.2).
    #[must_use]
    pub fn url(&self, issuer: &str) -> String {
        with_query(&self.redirect_uri, &self.parameters(issuer))
    }
}

/// RFC 3986 §2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A URL with more parameters in its query.
#[must_use]
pub fn with_query(url: &str, parameters: &[(&str, &str)]) -> String {
    let mut url = url.to_owned();
    let mut separator = match url.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some((_, query)) if query.ends_with('&') => "",
        Some(_) => "&",
    };
    for (name, value) in parameters {
        url.push_str(separator);
        url.push_str(name);
        url.push('=');
        url.extend(utf8_percent_encode(value, RESERVED));
        separator = "&";
    }
    url
}

/// What a client is told of an error: a code of RFC 6749 §4.1.2.1, which has none for "too often".
pub(super) fn told(error: &TokenError) -> (ErrorCode, String) {
    let code = error.code();
    let told = if code == ErrorCode::SlowDown { ErrorCode::TemporarilyUnavailable } else { code };
    (told, error.description().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_redirect_uri_has_in_its_query_is_kept() {
        let code = [("code", "hac_a"), ("state", "ä+ &=#%00\0")];
        let query = "code=hac_a&state=%C3%A4%2B%20%26%3D%23%2500%00";
        for (url, expected) in [
            ("https://app.example/cb", format!("https://app.example/cb?{query}")),
            ("https://app.example/cb?a=b", format!("https://app.example/cb?a=b&{query}")),
            ("https://app.example/cb?", format!("https://app.example/cb?{query}")),
            ("https://app.example/cb?a=b&", format!("https://app.example/cb?a=b&{query}")),
            ("com.example.app:/cb", format!("com.example.app:/cb?{query}")),
        ] {
            assert_eq!(with_query(url, &code), expected);
        }
    }
}
