//! The headers of every page.

use poem::Response;
use poem::http::{HeaderValue, StatusCode, header};

use super::super::error::no_store;

/// Where the forms of a page may lead. Browsers check every redirect that follows a form, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum FormTarget<'a> {
    /// Only to heirloom's own pages.
    Own,
    /// At last to a client, at this redirect URI.
    Client(&'a str),
}

impl FormTarget<'_> {
    /// The scheme that forms may lead to besides the own pages, as in `https:`.
    fn scheme(self) -> Option<String> {
        let Self::Client(uri) = self else { return None };
        let (scheme, _) = uri.split_once(':')?;
        // RFC 3986 §3.1. Nothing else may stand in the policy.
        let is_scheme = scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        (is_scheme && !scheme.is_empty()).then(|| format!(" {}:", scheme.to_ascii_lowercase()))
    }
}

/// Makes a page an answer, with all its headers.
pub(in crate::http) fn answer(status: StatusCode, html: String, target: FormTarget<'_>) -> Response {
    let policy = format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action \
         'self'{}",
        target.scheme().unwrap_or_default()
    );
    let mut response = Response::builder().status(status).content_type("text/html; charset=utf-8").body(html);
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    protect(&mut response);
    // A client may show a sign-in in a window of its own (OpenID Connect's `display=popup`) and hears from it when it
    // is back at the client. A policy for openers would cut the two apart, so only the other pages have one.
    if target == FormTarget::Own {
        let headers = response.headers_mut();
        headers.insert("Cross-Origin-Opener-Policy", HeaderValue::from_static("same-origin"));
    }
    response
}

/// Sends the browser to another page.
pub(in crate::http) fn redirect(location: &str) -> Response {
    let mut response = Response::builder().status(StatusCode::SEE_OTHER).finish();
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    protect(&mut response);
    response
}

/// The headers that pages and redirects have in common.
fn protect(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    // With `no-referrer`, browsers would send `Origin: null` with forms.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert("Permissions-Policy", HeaderValue::from_static(PERMISSIONS));
    headers.insert("Cross-Origin-Resource-Policy", HeaderValue::from_static("same-origin"));
    // Pages are of one person, in one language.
    headers.insert(header::VARY, HeaderValue::from_static("Cookie, Accept-Language"));
    no_store(response);
}

/// What no page needs.
const PERMISSIONS: &str = "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), \
                           magnetometer=(), microphone=(), midi=(), payment=(), usb=()";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_may_lead_to_the_scheme_of_the_client_and_to_nothing_else() {
        let policy = |target| {
            let answer = answer(StatusCode::OK, String::new(), target);
            let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
            policy.split_once("form-action ").unwrap().1.to_owned()
        };
        assert_eq!(policy(FormTarget::Own), "'self'");
        for (uri, scheme) in [
            ("https://app.example.com/callback", " https:"),
            ("http://127.0.0.1:4711/", " http:"),
            ("com.example.app:/callback", " com.example.app:"),
            ("HTTPS://app.example.com", " https:"),
            ("no scheme at all; script-src *:x", ""),
            ("x;script-src:y", ""),
            (":", ""),
            ("", ""),
        ] {
            assert_eq!(policy(FormTarget::Client(uri)), format!("'self'{scheme}"), "{uri}");
        }
    }
}
