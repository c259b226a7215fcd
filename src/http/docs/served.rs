//! Serves the pages and their files: cached by `ETag`, compressed, under one security policy.

use bytes::Bytes;
use poem::endpoint::make_sync;
use poem::http::{HeaderMap, HeaderValue, StatusCode, header};
use poem::{Endpoint, Request, Response};

use crate::http::oauth::jwks::is_cached;

/// The values that the page fills in; none, except in a demo.
#[derive(Clone, Debug, Default)]
pub struct FilledIn {
    /// The public demo client.
    pub client_id: String,
    /// The demo user.
    pub username: String,
}

/// Only the page's own scripts and styles, no other host, and no frame around it.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// Escapes a text for an attribute in quotation marks.
pub(super) fn attribute(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
}

/// The content of one path.
pub(super) struct Served {
    etag: String,
    media_type: &'static str,
    is_gzip: bool,
    content: Bytes,
}

impl Served {
    /// A file; gzipped if `is_gzip`.
    pub(super) fn file(content: Bytes, media_type: &'static str, is_gzip: bool) -> Self {
        Self { etag: etag(&content), media_type, is_gzip, content }
    }

    /// As an endpoint.
    pub(super) fn endpoint(self) -> impl Endpoint + 'static {
        make_sync(move |request| self.answer(&request))
    }

    /// A page of HTML.
    pub(super) fn page(text: String) -> Self {
        let content = Bytes::from(text);
        Self { etag: etag(&content), media_type: "text/html; charset=utf-8", is_gzip: false, content }
    }

    /// The answer to a request for it.
    pub(super) fn answer(&self, request: &Request) -> Response {
        let answer = Response::builder()
            .header(header::CONTENT_SECURITY_POLICY, POLICY)
            .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
            .header(header::REFERRER_POLICY, "no-referrer")
            .header("Cross-Origin-Resource-Policy", "same-origin")
            // Cached, but revalidated each time: so there is no mix of old and new files after an update.
            .header(header::CACHE_CONTROL, "no-cache")
            .header(header::ETAG, &self.etag);
        let answer = if self.is_gzip { answer.header(header::VARY, "Accept-Encoding") } else { answer };
        if is_cached(request, &self.etag) {
            return answer.status(StatusCode::NOT_MODIFIED).finish();
        }
        if self.is_gzip && !takes_gzip(request.headers()) {
            return answer.status(StatusCode::NOT_ACCEPTABLE).body("This file is sent as gzip only.\n");
        }
        let answer = if self.is_gzip { answer.header(header::CONTENT_ENCODING, "gzip") } else { answer };
        answer.content_type(self.media_type).body(self.content.clone())
    }
}

/// RFC 9110 §12.5.3: without `Accept-Encoding` every coding is accepted; `q=0` refuses one.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let mut listed = headers.get_all(header::ACCEPT_ENCODING).iter().peekable();
    let says_nothing = listed.peek().is_none();
    let mut codings = listed.flat_map(|value| value.to_str().unwrap_or_default().split(','));
    says_nothing
        || codings.any(|coding| {
            let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
            let weight = weight.trim().trim_start_matches("q=");
            let refused = !weight.is_empty() && weight.trim_start_matches(['0', '.']).is_empty();
            matches!(name.trim(), "gzip" | "x-gzip" | "*") && !refused
        })
}

fn etag(content: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, content);
    let digest = digest.as_ref().iter().take(12).map(|byte| format!("{byte:02x}"));
    format!("\"{}\"", digest.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_taken_unless_it_is_refused() {
        let takes = |value: &str| {
            takes_gzip(&HeaderMap::from_iter([(
                header::ACCEPT_ENCODING,
                HeaderValue::from_str(value).unwrap(),
            )]))
        };
        assert!(takes_gzip(&HeaderMap::new()));
        assert!(takes("gzip") && takes("br, gzip;q=0.5") && takes("*"));
        assert!(!takes("br") && !takes("gzip;q=0, br") && !takes("gzip; q=0.00") && !takes(""));
    }
}
