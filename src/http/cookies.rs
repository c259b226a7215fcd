//! Reads cookies byte by byte.

use poem::Request;
use poem::http::header;
use zeroize::Zeroizing;

/// The non-empty values of the cookies with this name, compared byte by byte (RFC 6265bis §4.2 and §5.7). A parser
/// with other rules for names than the browser's could take another host's cookie for one with the prefix `__Host-`.
pub(super) fn values<'a>(
    request: &'a Request,
    name: &'a str,
) -> impl Iterator<Item = Zeroizing<String>> + 'a {
    let lines = request.headers().get_all(header::COOKIE).iter();
    let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    pairs.filter_map(move |pair| {
        let (found, value) = pair.split_at_checked(pair.iter().position(|byte| *byte == b'=')?)?;
        let value = trimmed(value.strip_prefix(b"=")?);
        let is_ours = trimmed(found) == name.as_bytes();
        (is_ours && !value.is_empty()).then(|| Zeroizing::new(String::from_utf8_lossy(value).into_owned()))
    })
}

/// Removes the white space around it that RFC 6265bis §5.7 defines: spaces and tabs only.
fn trimmed(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}
