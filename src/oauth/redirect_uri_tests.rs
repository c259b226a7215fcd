//! What is a redirect URI, and which ones match.

use proptest::prelude::*;

use super::*;

fn uri(text: &str) -> RedirectUri {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str) -> InvalidRedirectUri {
    text.parse::<RedirectUri>().expect_err(text)
}

#[test]
fn what_clients_register_is_accepted() {
    for text in [
        "https://app.example.com",
        "https://app.example.com/",
        "https://app.example.com/callback",
        "https://app.example.com:8443/cb?tenant=a%2Fb&x",
        "https://xn--bcher-kva.example/cb",
        "https://[2001:db8::1]/cb",
        "http://127.0.0.1",
        "http://127.0.0.1/callback",
        "http://127.0.0.1:33418/",
        "http://[::1]:8080/cb",
        "http://localhost/callback",
        "http://localhost:3000/callback",
        "com.example.app:/callback",
        "com.example.app://callback",
        "com.example.app:///callback",
        "com.googleusercontent.apps.123-abc:/oauth2redirect",
        "cursor://anysphere.cursor-mcp/oauth/callback",
    ] {
        assert_eq!(uri(text).as_str(), text);
        assert!(uri(text).matches(&uri(text), false), "{text}");
    }
}

#[test]
fn every_mistake_has_its_message() {
    for (text, error) in mistakes() {
        assert_eq!(refused(&text), error, "{text}");
        assert!(error.suggestion().ends_with('.'));
    }
    // Neither a dot in the scheme nor a host: any app may have it.
    assert_eq!(refused("myapp:///callback"), InvalidRedirectUri::NotHttps);
}

fn mistakes() -> Vec<(String, InvalidRedirectUri)> {
    use InvalidRedirectUri as No;
    let normal = |text: &str| No::NotNormal(Some(text.to_owned()));
    let scheme = |text: &str| No::Scheme(text.to_owned());
    let parameter = |text: &str| No::Parameter(text.to_owned());
    vec![
        (String::new(), No::Length),
        (format!("https://a.example/{}", "a".repeat(495)), No::Length),
        ("https://a.example/a b".to_owned(), No::Characters),
        ("https://a.example\\@evil.example/".to_owned(), No::Characters),
        ("https://a.example/\t".to_owned(), No::Characters),
        ("https://a.example/\n".to_owned(), No::Characters),
        ("https://bücher.example/".to_owned(), No::Characters),
        ("https://a.example/\"".to_owned(), No::Characters),
        ("https://a.example/<".to_owned(), No::Characters),
        ("https://a.example/%0a".to_owned(), No::PercentEncoding),
        ("https://a.example/?x=%00".to_owned(), No::PercentEncoding),
        ("https://a.example/%".to_owned(), No::PercentEncoding),
        ("https://a.example/%2".to_owned(), No::PercentEncoding),
        ("https://a.example/%+2".to_owned(), No::PercentEncoding),
        ("https://a.example/a%2Fb".to_owned(), No::PercentEncoding),
        ("https://a.example/a%5cb".to_owned(), No::PercentEncoding),
        ("https://a.example/%2e%2E/b".to_owned(), No::PercentEncoding),
        ("https://a.example/#x".to_owned(), No::Fragment),
        ("https://a.example/#".to_owned(), No::Fragment),
        ("https://*.example/".to_owned(), No::Wildcard),
        ("https://a.example/*".to_owned(), No::Wildcard),
        ("https://user@a.example/".to_owned(), No::Credentials),
        ("https://@a.example/".to_owned(), No::Credentials),
        ("http://localhost:80@evil.example/".to_owned(), No::Credentials),
        ("com.example.app://x@y/".to_owned(), No::Credentials),
        ("/callback".to_owned(), No::Relative),
        ("//a.example/callback".to_owned(), No::Relative),
        ("https:evil.example".to_owned(), No::Relative),
        ("com.example.app:callback".to_owned(), No::Relative),
        ("1com.example:/callback".to_owned(), No::Relative),
        ("javascript:alert(1)".to_owned(), scheme("javascript")),
        ("JavaScript:alert(1)".to_owned(), scheme("javascript")),
        ("javascript://a.example/%20alert(1)".to_owned(), scheme("javascript")),
        ("data:text/html,x".to_owned(), scheme("data")),
        ("file:///etc/passwd".to_owned(), scheme("file")),
        ("urn:ietf:wg:oauth:2.0:oob".to_owned(), scheme("urn")),
        ("http://a.example/".to_owned(), No::NotHttps),
        ("http://127.0.0.1.evil.example/".to_owned(), No::NotHttps),
        ("http://127.0.0.2/".to_owned(), No::NotHttps),
        ("http://localhost.evil.example/".to_owned(), No::NotHttps),
        ("app:/callback".to_owned(), No::NotHttps),
        ("https://A.example/".to_owned(), normal("https://a.example/")),
        ("HTTPS://a.example/".to_owned(), normal("https://a.example/")),
        ("https:///evil.example".to_owned(), normal("https://evil.example/")),
        ("https:/evil.example".to_owned(), normal("https://evil.example/")),
        ("https://a.example:443/cb".to_owned(), normal("https://a.example/cb")),
        ("https://a.example:08443/cb".to_owned(), normal("https://a.example:8443/cb")),
        ("https://a.example/a/../b".to_owned(), normal("https://a.example/b")),
        ("https://a.example/./b".to_owned(), normal("https://a.example/b")),
        ("https://a.example?x".to_owned(), normal("https://a.example/?x")),
        ("http://127.1/".to_owned(), normal("http://127.0.0.1/")),
        ("http://0x7f.0.0.1/".to_owned(), normal("http://127.0.0.1/")),
        ("http://[0::1]/".to_owned(), normal("http://[::1]/")),
        ("com.example.App:/callback".to_owned(), normal("com.example.app:/callback")),
        ("com.example.app:/a/../b".to_owned(), normal("com.example.app:/b")),
        ("http://[fe80::1%25eth0]/".to_owned(), No::NotNormal(None)),
        ("http://127.0.0.1:65536/".to_owned(), No::NotNormal(None)),
        ("http://127.0.0.1:80.evil.example/".to_owned(), No::NotNormal(None)),
        ("https://".to_owned(), No::NotNormal(None)),
        ("https://a.example./".to_owned(), No::Host),
        ("https://a.example.:8443/".to_owned(), No::Host),
        ("https://a;b.example/".to_owned(), No::Host),
        ("https://a.example/?code=1".to_owned(), parameter("code")),
        ("https://a.example/?a&%73tate=1".to_owned(), parameter("state")),
    ]
}

#[test]
fn only_the_port_of_a_loopback_uri_is_free() {
    let matches = |own: &str, other: &str, is_public| uri(own).matches(&uri(other), is_public);
    for (own, other) in [
        ("http://127.0.0.1/callback", "http://127.0.0.1:54321/callback"),
        ("http://127.0.0.1:1/callback", "http://127.0.0.1:65535/callback"),
        ("http://127.0.0.1:1/callback", "http://127.0.0.1/callback"),
        ("http://127.0.0.1", "http://127.0.0.1:8080"),
        ("http://[::1]/cb?x=1", "http://[::1]:2/cb?x=1"),
    ] {
        assert!(matches(own, other, true) && matches(own, other, false), "{own} {other}");
    }
    // Whoever owns the name `localhost` may not be this machine: an app that is confidential runs on a server.
    assert!(matches("http://localhost/cb", "http://localhost:3/cb", true));
    assert!(!matches("http://localhost/cb", "http://localhost:3/cb", false));
    for (own, other) in [
        ("http://127.0.0.1/callback", "http://127.0.0.1:1/other"),
        ("http://127.0.0.1/callback", "http://127.0.0.1:1/callback/"),
        ("http://127.0.0.1/callback", "http://127.0.0.1:1/callback?x"),
        ("http://127.0.0.1/callback", "http://localhost/callback"),
        ("http://127.0.0.1/callback", "http://[::1]/callback"),
        ("http://127.0.0.1/callback", "https://127.0.0.1/callback"),
        ("http://127.0.0.1", "http://127.0.0.1/"),
        ("https://127.0.0.1/cb", "https://127.0.0.1:1/cb"),
        ("https://localhost/cb", "https://localhost:1/cb"),
        ("https://a.example/cb", "https://a.example:8443/cb"),
        ("https://a.example/cb", "https://a.example/CB"),
        ("https://a.example/cb", "https://a.example/cb/"),
        ("https://a.example", "https://a.example/"),
        ("https://a.example/cb?a=1", "https://a.example/cb?a=1&b"),
        ("com.example.app:/cb", "com.example.app://cb"),
        ("com.example.app://cb", "com.example.app://cb:1"),
    ] {
        assert!(!matches(own, other, true) && !matches(other, own, true), "{own} {other}");
    }
}

#[test]
fn a_person_reads_the_host_or_the_app_s_scheme() {
    for (text, host) in [
        ("https://app.example.com/cb", "app.example.com"),
        ("https://app.example.com:8443/?x", "app.example.com:8443"),
        ("https://app.example.com", "app.example.com"),
        ("http://127.0.0.1:54321/cb", "127.0.0.1"),
        ("http://[::1]:5/cb", "[::1]"),
        ("http://localhost/cb", "localhost"),
        ("com.example.app:/cb", "com.example.app:"),
        ("cursor://anysphere.cursor-mcp/cb", "cursor:"),
    ] {
        assert_eq!(uri(text).host(), host, "{text}");
    }
    assert!(uri("http://[::1]/").is_loopback() && !uri("https://localhost/").is_loopback());
    assert!(uri("com.example.app:/").has_private_scheme() && !uri("http://localhost").has_private_scheme());
}

/// Text that looks like a URI and often is one.
fn nearly_a_uri() -> impl Strategy<Value = String> {
    let scheme = prop_oneof![
        Just("https:"),
        Just("http:"),
        Just("HTTPS:"),
        Just("com.example.app:"),
        Just("javascript:"),
        Just("data:"),
        Just("")
    ];
    let slashes =
        prop_oneof![8 => Just("//"), 1 => Just("/"), 1 => Just("///"), 1 => Just(""), 1 => Just("\\\\")];
    let host = prop_oneof![
        Just("127.0.0.1"),
        Just("[::1]"),
        Just("localhost"),
        Just("app.example.com"),
        Just("user@app.example.com"),
        Just("127.0.0.1.evil.example"),
        Just("localhost@evil.example"),
        Just("[fe80::1%25eth0]"),
        Just("a.example."),
        Just("A.example"),
        Just("bücher.example"),
        Just("xn--bcher-kva.example"),
        Just("0x7f.1"),
        Just("")
    ];
    let port = prop_oneof![4 => Just(String::new()), 4 => (0..70_000_u32).prop_map(|port| format!(":{port}")), 1 => Just(":".to_owned())];
    let path = "(/(\\.|\\.\\.|[a-zA-Z0-9._~;,'()+=@:-]{0,4}|%[0-9a-fA-F]{2}|\\\\|\t|\n| |%0a|%2f){0,2}){0,3}";
    let query = "(\\?[a-z0-9=&%/'+]{0,8})?";
    (scheme, slashes, host, port, path, query).prop_map(|(scheme, slashes, host, port, path, query)| {
        format!("{scheme}{slashes}{host}{port}{path}{query}")
    })
}

/// Scheme, host, port and path, read without a library.
fn parts(uri: &RedirectUri) -> (String, String, Option<u16>, String) {
    let (scheme, rest) = uri.as_str().split_once(':').unwrap();
    let rest = rest.split('?').next().unwrap();
    let Some(rest) = rest.strip_prefix("//") else {
        return (scheme.to_owned(), String::new(), None, rest.to_owned());
    };
    let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    let port = authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'));
    let (host, port) = port.map_or((authority, None), |(host, port)| (host, Some(port.parse().unwrap())));
    (scheme.to_owned(), host.to_owned(), port, path.to_owned())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// A browser reads a redirect URI as the `url` crate does (WHATWG URL): what is accepted is read the same by both, so
    /// nobody is sent elsewhere than was registered.
    #[test]
    fn what_is_accepted_is_read_by_a_browser_as_it_is_read_here(text in nearly_a_uri()) {
        let Ok(uri) = text.parse::<RedirectUri>() else { return Ok(()) };
        let url = Url::parse(&text).unwrap();
        let (scheme, host, port, path) = parts(&uri);
        prop_assert_eq!(url.scheme(), scheme);
        prop_assert_eq!(url.host_str().unwrap_or_default(), host);
        prop_assert_eq!(url.port(), port);
        let path = if path.is_empty() && !uri.has_private_scheme() { "/".to_owned() } else { path };
        prop_assert_eq!(url.path(), path);
        prop_assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none());
        prop_assert!(["https", "http"].contains(&url.scheme()) || url.scheme().contains('.'));
        prop_assert!(url.scheme() != "http" || ["127.0.0.1", "[::1]", "localhost"].contains(&url.host_str().unwrap()));
    }

    /// Whatever matches what is registered goes to the same scheme, host and path, and to the same port unless that is free.
    #[test]
    fn what_matches_differs_in_the_port_of_a_loopback_uri_only(own in nearly_a_uri(), other in nearly_a_uri(), public: bool) {
        let (Ok(own), Ok(other)) = (own.parse::<RedirectUri>(), other.parse::<RedirectUri>()) else { return Ok(()) };
        let (a, b) = (parts(&own), parts(&other));
        let query = |uri: &RedirectUri| uri.as_str().split_once('?').map(|(_, query)| query.to_owned());
        let same = (&a.0, &a.1, &a.3) == (&b.0, &b.1, &b.3) && query(&own) == query(&other);
        let is_free = a.0 == "http" && (public || a.1 != "localhost");
        prop_assert_eq!(own.matches(&other, public), same && (a.2 == b.2 || is_free));
        prop_assert_eq!(own.matches(&other, public), other.matches(&own, public));
    }
}
