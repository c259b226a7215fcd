//! `/`: a page for people who open the server's address, with links to the rest.

use poem::endpoint::make_sync;
use poem::error::NotFoundError;
use poem::http::{HeaderMap, HeaderValue, header};
use poem::{Endpoint, EndpointExt as _, Response};
use url::Url;

use super::served::{FilledIn, Served, attribute};

/// The page. A program that accepts only JSON gets 404, as at every unknown path.
pub(super) fn endpoint(
    issuer: &str,
    filled_in: Option<&FilledIn>,
) -> impl Endpoint<Output = Response> + 'static {
    let served = Served::page(page(issuer, filled_in));
    let answer = make_sync(move |request| {
        if takes_html(request.headers()) {
            let mut answer = served.answer(&request);
            answer.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
            Ok(answer)
        } else {
            Err(poem::Error::from(NotFoundError))
        }
    });
    answer.map_to_response()
}

/// The links begin with the issuer's path, so that they are right with and without a `/` at the end of this one.
fn page(issuer: &str, filled_in: Option<&FilledIn>) -> String {
    let path = Url::parse(issuer).map_or_else(|_| String::new(), |issuer| issuer.path().to_owned());
    let base = format!("{}/", path.trim_end_matches('/'));
    let demo = if filled_in.is_some() { DEMO } else { "" };
    include_str!("home.html").replace("{base}", &attribute(&base)).replace("{demo}", demo)
}

const DEMO: &str = "<aside>It is a demo (<code>heirloom dev</code>), for this machine only. The terminal in which it runs shows \
                    the demo's users, their passwords and clients, and two lines to paste. <a href=\"demo\">A page of the \
                    demo</a> signs in by the browser.</aside>\n";

/// RFC 9110 §12.5.1: without `Accept`, everything is accepted.
fn takes_html(headers: &HeaderMap) -> bool {
    let mut listed = headers.get_all(header::ACCEPT).iter().peekable();
    let says_nothing = listed.peek().is_none();
    let mut types = listed.flat_map(|value| value.to_str().unwrap_or_default().split(','));
    says_nothing
        || types.any(|media_type| {
            let name = media_type.split(';').next().unwrap_or_default().trim();
            ["text/html", "text/*", "*/*"].iter().any(|known| name.eq_ignore_ascii_case(known))
        })
}
