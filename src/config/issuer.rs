//! `issuer`: the name that the server has in its tokens.

use url::{Host, Url};

use super::section::{At, Section};

/// Reads `issuer` (RFC 8414 §2), the same text everywhere: clients and resource servers compare it byte by byte.
pub(super) fn issuer(root: &mut Section<'_>) -> Option<String> {
    const EXAMPLE: &str = "write for example issuer = \"https://id.example.com\"";
    let insecure = root.boolean("allow_insecure_issuer").is_some_and(|at| at.value);
    if !root.has("issuer") {
        root.problems.note(&root.place, "`issuer` is missing", EXAMPLE);
    }
    let At { value, place } = root.text("issuer")?;
    let note = |message: &str, suggestion: &str| {
        root.problems.note(&place, format!("`issuer` {message}"), suggestion);
        None
    };
    let Ok(url) = Url::parse(&value) else { return note("is no URL", EXAMPLE) };
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return note("has no host", EXAMPLE),
    };
    match url.scheme() {
        "https" => {}
        "http" if loopback || insecure => {}
        "http" => {
            return note(
                "is not https",
                "use https, or set allow_insecure_issuer = true in a closed network",
            );
        }
        _ => return note("is neither https nor http", EXAMPLE),
    }
    // RFC 8414 §2: no query or fragment components.
    if url.query().is_some()
        || url.fragment().is_some()
        || !url.username().is_empty()
        || url.password().is_some()
    {
        return note("has a query, a fragment or credentials", EXAMPLE);
    }
    let normal = url.as_str().trim_end_matches('/');
    if normal != value {
        return note("is not written in its normal form", &format!("write issuer = \"{normal}\""));
    }
    Some(value)
}
