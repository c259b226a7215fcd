//! What a client is registered with that runs in a browser: `origins` and `refresh_token_delivery`.

use super::section::{At, Section};
use crate::client::{Delivery, TokenEndpointAuthMethod};
use crate::oauth::Origin;

/// What was read.
#[derive(Default)]
pub(super) struct Browser {
    pub(super) origins: Vec<Origin>,
    pub(super) delivery: Delivery,
}

/// Reads `origins` and `refresh_token_delivery`, which must fit each other, the kind of client, and the issuer.
pub(super) fn browser(
    section: &mut Section<'_>,
    method: Option<TokenEndpointAuthMethod>,
    issuer: Option<&str>,
) -> Browser {
    let issuer = issuer.and_then(Origin::of);
    let has_origins = section.has("origins");
    let origins = origins(section, issuer.as_ref());
    let choices = [("body", Delivery::Body), ("cookie", Delivery::Cookie)];
    let delivery = section.choice("refresh_token_delivery", &choices);
    if let Some(At { value: Delivery::Cookie, place }) = &delivery {
        let note = |message: &str, suggestion: &str| section.problems.note(place, message, suggestion);
        if method == Some(TokenEndpointAuthMethod::ClientSecret) {
            note(
                "a confidential client has no cookie",
                "an app in a browser can't keep a secret: it is public",
            );
        }
        if !has_origins {
            note("a client with a cookie has no `origins`", "write origins = [\"https://app.example.com\"]");
        }
        // Only a cookie that goes over TLS alone can be tied to the host by its name.
        if issuer.is_some_and(|issuer| !issuer.is_https() && !issuer.is_loopback()) {
            note("a client has a cookie, and the issuer is not https", "let the issuer be https");
        }
    }
    Browser { origins, delivery: delivery.map(|at| at.value).unwrap_or_default() }
}

/// Reads `origins`: `https`, or pages of this machine where the issuer is one as well.
fn origins(section: &mut Section<'_>, issuer: Option<&Origin>) -> Vec<Origin> {
    const SUGGESTION: &str = "write for example \"https://app.example.com\", without a slash at the end";
    let mut origins: Vec<Origin> = Vec::new();
    for At { value, place } in section.texts("origins").unwrap_or_default() {
        match value.parse::<Origin>() {
            Ok(origin) if origins.contains(&origin) => {
                section.problems.note(&place, format!("{origin} is listed twice"), "leave one of them out");
            }
            Ok(origin) if origin.is_https() || is_local(&origin, issuer) => origins.push(origin),
            Ok(origin) => section.problems.note(
                &place,
                format!("the origin {origin} is not https"),
                "use https; plain http is for a loopback address beside an issuer on one",
            ),
            Err(error) => {
                let message = format!("`origins`: \"{}\": {error}", value.escape_debug());
                section.problems.note(&place, message, SUGGESTION);
            }
        }
    }
    origins
}

fn is_local(origin: &Origin, issuer: Option<&Origin>) -> bool {
    origin.is_loopback() && issuer.is_none_or(|issuer| !issuer.is_https() && issuer.is_loopback())
}
