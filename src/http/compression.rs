//! Compressed requests, which are refused.

use poem::Request;
use poem::http::header;

/// What is said of a compressed body.
pub(super) const COMPRESSED: &str = "The body must not be compressed: send it without Content-Encoding.";

/// Whether a request's body is compressed (RFC 9110 §8.4): to unpack what anybody may send is not worth its risks.
pub(super) fn is_compressed(request: &Request) -> bool {
    let mut codings = request.headers().get_all(header::CONTENT_ENCODING).iter();
    codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}
