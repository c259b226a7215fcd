//! Reads the bytes of a request's body, for the parsers of forms and JSON.

use bytes::Bytes;
use poem::http::header;
use poem::{Body, Request};

use super::server::read_body;

/// Why there is no body to parse. The messages are for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    /// The body is compressed. Decompressing bodies from anybody would invite decompression bombs.
    #[error("The body must not be compressed: send it without Content-Encoding.")]
    Compressed,
    /// An earlier extractor has taken it.
    #[error("The request has no body.")]
    Missing,
    /// The connection broke off. For a body beyond the limits the listener sends its own answer.
    #[error("The body is broken.")]
    Broken,
}

/// Reads a body, within the limits that the listener attached to it.
///
/// # Errors
/// [`Unreadable`].
pub(super) async fn read(request: &Request, body: Option<Body>) -> Result<Bytes, Unreadable> {
    if is_compressed(request) {
        return Err(Unreadable::Compressed);
    }
    read_body(body.ok_or(Unreadable::Missing)?).await.map_err(|_| Unreadable::Broken)
}

/// RFC 9110 §8.4.
fn is_compressed(request: &Request) -> bool {
    let mut codings = request.headers().get_all(header::CONTENT_ENCODING).iter();
    codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}
