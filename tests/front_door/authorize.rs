//! The authorization endpoint and the pages that it leads to: from a client's request to its answer.

mod answers;
mod flow;
mod guards;
mod head;
mod legacy;
mod log_out;
mod native;
mod pushed;
mod refusals;
mod twice;
mod widened;

use url::Url;

pub(crate) use crate::support::CALLBACK;
use crate::support::web_browser::Browser;
use crate::support::{PUBLIC, Server};

/// A challenge, and its verifier (RFC 7636, appendix B).
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// The URL of a request of the public client; `more` replaces parameters or adds some, and an empty value leaves one out.
pub(crate) fn request(browser: &Browser, more: &[(&str, &str)]) -> Url {
    let usual = [
        ("response_type", "code"),
        ("client_id", PUBLIC),
        ("redirect_uri", CALLBACK),
        ("scope", "openid read"),
        ("state", "a state"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let kept = usual.iter().filter(|(name, _)| !more.iter().any(|(other, _)| other == name));
    let mut url = browser.url("/oauth/authorize");
    url.query_pairs_mut().extend_pairs(kept.chain(more).filter(|(_, value)| !value.is_empty()));
    url
}

/// How much is in the store: every event and record.
async fn written(server: &Server) -> u64 {
    server.position().await
}
