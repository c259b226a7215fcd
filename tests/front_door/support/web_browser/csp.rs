//! The part of a page's Content Security Policy that governs its forms.

use url::Url;

use crate::support::Answer;

/// A directive of the answer's policy.
pub(crate) fn directive(answer: &Answer, name: &str) -> Option<String> {
    let directives = answer.header("content-security-policy").split(';').map(str::trim);
    let mut of_name = directives.filter_map(|directive| directive.strip_prefix(name));
    of_name.find(|rest| rest.is_empty() || rest.starts_with(' ')).map(|rest| rest.trim().to_owned())
}

/// Whether a list of sources allows a URL (CSP 3 §6.7.2.8).
pub(crate) fn allows(sources: &str, page: &Url, to: &Url) -> bool {
    sources.split_whitespace().any(|source| match source {
        "'none'" => false,
        "'self'" => to.origin() == page.origin(),
        scheme if scheme.ends_with(':') => scheme.trim_end_matches(':') == to.scheme(),
        other => fits(other, to),
    })
}

/// Whether a source with a host fits, as in `https://app.example` or `http://127.0.0.1:*`.
fn fits(source: &str, to: &Url) -> bool {
    let (scheme, rest) =
        source.split_once("://").unwrap_or_else(|| panic!("no source of a policy: {source}"));
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let port_fits = match port {
        Some("*") => true,
        Some(port) => to.port_or_known_default().is_some_and(|given| given.to_string() == port),
        None => to.port().is_none(),
    };
    let path_fits =
        path.is_empty() || to.path() == path || (path.ends_with('/') && to.path().starts_with(path));
    to.scheme() == scheme && to.host_str() == Some(host) && port_fits && path_fits
}
