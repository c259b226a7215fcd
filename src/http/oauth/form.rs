//! Parses `application/x-www-form-urlencoded` strictly (WHATWG URL §5.1; RFC 6749 appendix B).
//!
//! The usual parsers replace bytes that are not UTF-8, keep broken percent signs and take the last of two values. Here
//! each of these is an error, so that two different byte strings never name the same user.

use percent_encoding::percent_decode;
use zeroize::Zeroizing;

/// The most parameters of one request.
const MAX_PARAMETERS: usize = 64;

/// The parameters of a form. No `Debug`, since they are secrets.
#[derive(Default)]
pub struct Form(Vec<(Zeroizing<String>, Zeroizing<String>)>);

/// Why bytes are not a form. The messages are fixed and may be sent to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// It has more parameters than any request needs.
    #[error("The request has too many parameters.")]
    TooMany,
    /// A percent sign is not followed by two hexadecimal digits.
    #[error("The request has a percent sign that encodes nothing.")]
    Percent,
    /// A name or value is not UTF-8.
    #[error("The request is not UTF-8.")]
    Utf8,
    /// A name or value contains NUL, CR or LF.
    #[error("The request has a line break or a NUL in a parameter.")]
    Control,
    /// A parameter is repeated (RFC 6749 §3.2).
    #[error("The request has a parameter more than once.")]
    Repeated,
}

impl Form {
    /// Parses a form. Only the parameter `resource` may be repeated (RFC 8707 §2). An empty value counts as left out
    /// (RFC 6749 §3.2).
    ///
    /// # Errors
    /// [`FormError`].
    pub fn parse(body: &[u8]) -> Result<Self, FormError> {
        let mut form = Self::default();
        for (name, value) in encoded_pairs(body) {
            if form.0.len() >= MAX_PARAMETERS {
                return Err(FormError::TooMany);
            }
            let (name, value) = (decode(name)?, decode(value)?);
            if *name != "resource" && form.0.iter().any(|(known, _)| *known == name) {
                return Err(FormError::Repeated);
            }
            form.0.push((name, value));
        }
        form.0.retain(|(_, value)| !value.is_empty());
        Ok(form)
    }

    /// Removes a parameter and returns it.
    pub fn take(&mut self, name: &str) -> Option<Zeroizing<String>> {
        let index = self.0.iter().position(|(known, _)| **known == name)?;
        Some(self.0.swap_remove(index).1)
    }

    /// A parameter, which stays where it is.
    #[must_use]
    pub fn peek(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| **known == name).map(|(_, value)| value.as_str())
    }

    /// Removes every value of a parameter and returns them.
    pub fn take_all(&mut self, name: &str) -> Vec<Zeroizing<String>> {
        std::iter::from_fn(|| self.take(name)).collect()
    }

    /// Every parameter with its value.
    #[must_use]
    pub fn into_pairs(self) -> Vec<(String, String)> {
        self.0.into_iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    /// Whether the parameter is there with a value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| **known == name)
    }
}

/// The parameters of an authorization request, as they are: what is there twice, and what has control characters, is told
/// to the client by whoever knows where it is. `state` is kept byte for byte.
///
/// # Errors
/// [`FormError`].
pub fn pairs(query: &[u8]) -> Result<Vec<(String, String)>, FormError> {
    let mut pairs = Vec::new();
    for (name, value) in encoded_pairs(query) {
        if pairs.len() >= MAX_PARAMETERS {
            return Err(FormError::TooMany);
        }
        pairs.push((text(name)?, text(value)?));
    }
    Ok(pairs)
}

fn encoded_pairs(body: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        (halves.next().unwrap_or_default(), halves.next().unwrap_or_default())
    })
}

fn text(encoded: &[u8]) -> Result<String, FormError> {
    let decoded = if encoded.contains(&b'%') || encoded.contains(&b'+') {
        unescape(encoded)?
    } else {
        encoded.to_vec()
    };
    String::from_utf8(decoded).map_err(|_| FormError::Utf8)
}

/// Decodes one name or value.
///
/// # Errors
/// [`FormError`].
pub fn decode(encoded: &[u8]) -> Result<Zeroizing<String>, FormError> {
    let text = text(encoded)?;
    if text.bytes().any(|byte| matches!(byte, b'\0' | b'\r' | b'\n')) {
        return Err(FormError::Control);
    }
    Ok(Zeroizing::new(text))
}

/// Decodes percent signs and pluses.
fn unescape(encoded: &[u8]) -> Result<Vec<u8>, FormError> {
    let mut rest = encoded;
    while let Some(index) = rest.iter().position(|byte| *byte == b'%') {
        let (_, behind) = rest.split_at_checked(index.saturating_add(1)).ok_or(FormError::Percent)?;
        match behind {
            [high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => rest = tail,
            _ => return Err(FormError::Percent),
        }
    }
    let mut decoded = Vec::with_capacity(encoded.len());
    for (index, piece) in encoded.split(|byte| *byte == b'+').enumerate() {
        if index > 0 {
            decoded.push(b' ');
        }
        decoded.extend(percent_decode(piece));
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(body: &str) -> Option<String> {
        Form::parse(body.as_bytes()).unwrap().take("a").map(|value| value.to_string())
    }

    /// So that two different byte strings never name the same user.
    #[test]
    fn bad_percent_encoding_bad_utf8_and_control_characters_are_refused() {
        for (body, text) in [("a=x%20y+z%2B", "x y z+"), ("a=x+y", "x y"), ("a=x%20y", "x y"), ("a=xy", "xy")]
        {
            assert_eq!(value(body).as_deref(), Some(text), "{body}");
        }
        for (body, error) in [
            ("a=%zz", FormError::Percent),
            ("a=%4", FormError::Percent),
            ("a=%", FormError::Percent),
            ("a=%ff", FormError::Utf8),
            ("a=%00", FormError::Control),
            ("a=x%0d%0ay", FormError::Control),
            ("a%0a=x", FormError::Control),
            ("a=\0", FormError::Control),
            ("a=x\ny", FormError::Control),
        ] {
            assert_eq!(Form::parse(body.as_bytes()).err(), Some(error), "{body}");
        }
        assert_eq!(Form::parse(b"a=\xff").err(), Some(FormError::Utf8));
    }

    /// RFC 6749 §3.2.
    #[test]
    fn repeats_are_refused_empty_values_left_out_and_unknown_names_passed_over() {
        assert_eq!(Form::parse(b"a=1&a=2").err(), Some(FormError::Repeated));
        assert_eq!(Form::parse(b"a=&a=2").err(), Some(FormError::Repeated));
        assert_eq!(value("a=&b=2"), None);
        assert_eq!(value("a"), None);
        let mut form = Form::parse(b"resource=x&resource=y&zz=1").unwrap();
        assert_eq!(form.take_all("resource").len(), 2);
        assert!(form.has("zz") && !form.has("resource"));
    }

    /// `state` goes back byte for byte.
    #[test]
    fn pairs_are_kept_as_they_are_with_repeats_and_control_characters() {
        let pairs = super::pairs(b"state=a%00%0d%0a%2B+b&state=&%00=x&y").unwrap();
        let expected = [("state", "a\0\r\n+ b"), ("state", ""), ("\0", "x"), ("y", "")];
        assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        for (query, error) in [
            (&b"state=%f"[..], FormError::Percent),
            (b"state=%ff", FormError::Utf8),
            (&b"a=b&".repeat(65), FormError::TooMany),
        ] {
            assert_eq!(super::pairs(query).err(), Some(error));
        }
    }

    /// A flood of form keys.
    #[test]
    fn ten_thousand_parameters_are_refused_after_the_first_few() {
        let body = (0..10_000).map(|index| format!("k{index}=v")).collect::<Vec<_>>().join("&");
        assert_eq!(Form::parse(body.as_bytes()).err(), Some(FormError::TooMany));
    }

    proptest! {
        #[test]
        fn what_a_client_encodes_is_what_is_read(text in "[^\0\r\n]{1,20}") {
            let encoded: String = percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC)
                .collect();
            prop_assert_eq!(value(&format!("a={encoded}")), Some(text));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = Form::parse(&bytes);
        }
    }
}
