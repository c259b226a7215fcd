//! The answers that the listener sends itself, without calling the endpoint.

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, PRAGMA, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use hyper::{Response, StatusCode};

use bytes::Bytes;

use crate::http::error::MALFORMED;

/// Browsers must not guess another content type (`X-Content-Type-Options`).
pub(super) const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// Why the listener answers a request itself. Each answer is JSON in the form of RFC 6749 §5.2, in its character set,
/// and is never cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestRefusal {
    /// The head does not parse.
    Malformed,
    /// More than one `Content-Length`, or one beside `Transfer-Encoding`: two parsers could read two different
    /// requests.
    AmbiguousLength,
    /// A `Transfer-Encoding` other than `chunked`, or one from an HTTP/1.0 client.
    TransferCoding,
    /// No `Host`, or more than one.
    Host,
    /// The head did not arrive in time.
    HeadTimedOut,
    /// The body did not arrive in time.
    BodyTimedOut,
    /// The body is, or claims to be, longer than the limit.
    BodyTooLarge,
    /// Too many headers, or too many bytes of them.
    HeadersTooLarge,
    /// There is no room for the body now.
    NoRoom,
    /// The endpoint panicked.
    Panicked,
}

/// The message about a body over the limit.
pub const BODY_TOO_LARGE: &str = "The body of the request is too large.";

const INVALID_REQUEST: &str = "invalid_request";
const TEMPORARILY_UNAVAILABLE: &str = "temporarily_unavailable";
const SERVER_ERROR: &str = "server_error";

impl RequestRefusal {
    /// All of them, in the order of their discriminants.
    const ALL: [Self; 10] = [
        Self::Malformed,
        Self::AmbiguousLength,
        Self::TransferCoding,
        Self::Host,
        Self::HeadTimedOut,
        Self::BodyTimedOut,
        Self::BodyTooLarge,
        Self::HeadersTooLarge,
        Self::NoRoom,
        Self::Panicked,
    ];

    /// The number from which [`Self::from_code`] makes it again.
    pub(super) fn code(self) -> usize {
        self as usize
    }

    pub(super) fn from_code(code: usize) -> Option<Self> {
        Self::ALL.get(code).copied()
    }

    pub(super) fn status(self) -> StatusCode {
        self.parts().0
    }

    /// The status, RFC 6749 error code and description.
    fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Malformed => (StatusCode::BAD_REQUEST, INVALID_REQUEST, MALFORMED),
            // RFC 9112 §6.3: a server may reject such a request, and must close the connection.
            Self::AmbiguousLength => {
                (StatusCode::BAD_REQUEST, INVALID_REQUEST, "The request gives its length more than once.")
            }
            Self::TransferCoding => (
                StatusCode::BAD_REQUEST,
                INVALID_REQUEST,
                "The only transfer coding taken is chunked, with HTTP/1.1.",
            ),
            // RFC 9112 §3.2.
            Self::Host => {
                (StatusCode::BAD_REQUEST, INVALID_REQUEST, "The request needs exactly one valid Host.")
            }
            Self::HeadTimedOut => (
                StatusCode::REQUEST_TIMEOUT,
                INVALID_REQUEST,
                "The headers of the request did not arrive in time.",
            ),
            Self::BodyTimedOut => (
                StatusCode::REQUEST_TIMEOUT,
                INVALID_REQUEST,
                "The body of the request did not arrive in time.",
            ),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, INVALID_REQUEST, BODY_TOO_LARGE),
            // RFC 6585 §5.
            Self::HeadersTooLarge => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                INVALID_REQUEST,
                "The headers of the request are too many or too large.",
            ),
            // RFC 9110 §15.6.4.
            Self::NoRoom => (
                StatusCode::SERVICE_UNAVAILABLE,
                TEMPORARILY_UNAVAILABLE,
                "The server has no room for the body of the request now. Try again in a moment.",
            ),
            Self::Panicked => {
                (StatusCode::INTERNAL_SERVER_ERROR, SERVER_ERROR, "The server met an unexpected condition.")
            }
        }
    }

    /// The response to send.
    pub(super) fn response(self) -> Response<BoxBody<Bytes, std::io::Error>> {
        let (status, error, description) = self.parts();
        let json = format!(r#"{{"error":"{error}","error_description":"{description}"}}"#);
        let body = Full::new(Bytes::from(json)).map_err(|never| match never {}).boxed();
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_finds_its_refusal_again() {
        for refusal in RequestRefusal::ALL {
            assert_eq!(RequestRefusal::from_code(refusal.code()), Some(refusal));
        }
        assert_eq!(RequestRefusal::from_code(RequestRefusal::ALL.len()), None);
    }

    /// RFC 6749 §5.2: %x20-21 / %x23-5B / %x5D-7E.
    #[test]
    fn every_description_is_in_the_character_set() {
        for refusal in RequestRefusal::ALL {
            let (_, _, description) = refusal.parts();
            assert!(description.bytes().all(|b| matches!(b, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E)));
        }
    }
}
