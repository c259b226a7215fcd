//! `Origin`: which pages may send requests, and which may read the answer.

use reqwest::Method;

use crate::browser::{
    APP, BROWSER, GONE, REFRESH, REFUSED, SIGN_IN, SPA, cookie, post, sign_in, with_browser,
};
use crate::support::{Answer, PUBLIC, Server};

#[tokio::test]
async fn every_request_needs_an_origin_that_is_the_clients() {
    let server = Server::with(with_browser).await;
    let signed_in = sign_in(&server).await;
    let pair = cookie(&signed_in);
    let position = server.position().await;
    let wrong = [
        "null",
        SPA,
        "https://app.example.com.evil.example",
        "http://app.example.com",
        "",
        "https://APP.example.com",
    ];
    for (path, form) in [
        ("/oauth/token", &SIGN_IN[..]),
        ("/oauth/token", &REFRESH),
        ("/oauth/revoke", &[("client_id", BROWSER)]),
    ] {
        let missing = server.send(post(&server, path, form).header("cookie", &pair)).await;
        assert_eq!(missing.outcome(), REFUSED, "{path}");
        assert_eq!(missing.header("set-cookie"), "");
        for origin in wrong {
            let request = post(&server, path, form).header("cookie", &pair).header("origin", origin);
            let answer = server.send(request).await;
            assert_eq!(answer.outcome(), REFUSED, "{path} from {origin}");
            assert_eq!(answer.header("set-cookie"), "");
            assert_eq!(answer.header("access-control-allow-origin"), "", "{path} from {origin}");
        }
        let twice = post(&server, path, form).header("cookie", &pair);
        let twice = twice.header("origin", APP).header("origin", "https://evil.example");
        assert_eq!(server.send(twice).await.outcome(), REFUSED);
    }
    assert_eq!(server.position().await, position);
    // The pages of the documentation.
    let own = server.base.clone();
    let docs = server.send(post(&server, "/oauth/token", &SIGN_IN).header("origin", own)).await;
    assert_eq!(docs.status, 200);
    // Other clients need no `Origin`.
    assert_eq!(server.sign_in().await.status, 200);
}

/// Some libraries send cookies with every request. Then a browser does not accept `*`.
#[tokio::test]
async fn what_is_public_can_be_asked_for_with_cookies_by_the_pages_of_clients() {
    let server = Server::with(with_browser).await;
    for path in ["/.well-known/openid-configuration", "/.well-known/jwks.json"] {
        for (origin, said) in
            [(APP, (APP, "true")), (SPA, (SPA, "true")), ("https://anybody.example", ("*", ""))]
        {
            let request = server.client.get(format!("{}{path}", server.base)).header("origin", origin);
            let answer = server.send(request).await;
            assert_eq!((answer.status, readers(&answer)), (200, said), "{path} from {origin}");
            let requested = preflight(&server, path, origin, "GET").await;
            assert_eq!((requested.status, readers(&requested)), (204, said), "{path} from {origin}");
        }
        let plain = server.get(path).await;
        assert_eq!((plain.status, readers(&plain)), (200, ("*", "")), "{path}");
    }
}

async fn preflight(server: &Server, path: &str, origin: &str, method: &str) -> Answer {
    let request = server.client.request(Method::OPTIONS, format!("{}{path}", server.base));
    let request = request.header("origin", origin).header("access-control-request-method", method);
    server.send(request.header("access-control-request-headers", "authorization,content-type")).await
}

/// Which origin may read an answer, and whether cookies are allowed.
fn readers(answer: &Answer) -> (&str, &str) {
    assert_eq!(answer.header("vary"), "Origin", "{answer:?}");
    (answer.header("access-control-allow-origin"), answer.header("access-control-allow-credentials"))
}

/// Request headers that libraries send. The last one is allowed by the configuration.
const SENT: [&str; 10] = [
    "Authorization",
    "Content-Type",
    "If-None-Match",
    "If-Match",
    "X-Requested-With",
    "traceparent",
    "tracestate",
    "baggage",
    "DPoP",
    "X-Client-Version",
];

#[tokio::test]
async fn a_preflight_is_for_the_pages_of_all_clients() {
    let server = Server::with(|setup| {
        with_browser(setup);
        setup.config.server.cors_headers = vec!["X-Client-Version".to_owned()];
    })
    .await;
    for (path, method) in [("/oauth/token", "POST"), ("/oauth/revoke", "POST"), ("/oauth/userinfo", "GET")] {
        for (origin, credentials) in [(APP, "true"), (SPA, "")] {
            let answer = preflight(&server, path, origin, method).await;
            assert_eq!((answer.status, readers(&answer)), (204, (origin, credentials)), "{path}");
            assert!(
                answer.header("access-control-allow-methods").split(", ").any(|allowed| allowed == method)
            );
            let sent: Vec<_> = answer.header("access-control-allow-headers").split(", ").collect();
            for header in SENT {
                assert!(sent.contains(&header), "{header} is not in {sent:?}");
            }
            assert!(!answer.header("access-control-max-age").is_empty());
        }
        for origin in ["https://evil.example", "null", ""] {
            let answer = preflight(&server, path, origin, method).await;
            assert_eq!((answer.status, readers(&answer)), (204, ("", "")), "{path} from {origin}");
            assert_eq!(answer.header("access-control-allow-methods"), "");
        }
    }
    let public = preflight(&server, "/.well-known/jwks.json", "https://anybody.example", "GET").await;
    assert_eq!((public.status, readers(&public)), (204, ("*", "")));
    assert_eq!(public.header("access-control-allow-methods"), "GET, HEAD");
    // Without `Access-Control-Request-Method` it is not a preflight.
    let plain = server.client.request(Method::OPTIONS, format!("{}/oauth/token", server.base));
    assert_eq!(server.send(plain.header("origin", APP)).await.status, 405);
}

#[tokio::test]
async fn an_answer_is_for_the_pages_of_its_client_also_an_error() {
    let server = Server::with(with_browser).await;
    let from = |origin: &'static str, form: &[(&str, &str)]| {
        server.send(post(&server, "/oauth/token", form).header("origin", origin))
    };
    assert_eq!(readers(&from(APP, &SIGN_IN).await), (APP, "true"));
    let [grant, _, name, password] = SIGN_IN;
    let public = [grant, ("client_id", PUBLIC), name, password];
    let answer = from(SPA, &public).await;
    assert_eq!((answer.status, readers(&answer)), (200, (SPA, "")));
    assert!(answer.header("access-control-expose-headers").contains("WWW-Authenticate"));
    // Pages of another client may not read the answer.
    let answer = from(APP, &public).await;
    assert_eq!((answer.status, readers(&answer)), (200, ("", "")));
    // Errors of a known client, and of an unknown one.
    let wrong = [grant, ("client_id", BROWSER), name, ("password", "wrong")];
    let answer = from(APP, &wrong).await;
    assert_eq!((answer.outcome(), readers(&answer)), (GONE, (APP, "true")));
    let answer = from(SPA, &[("client_id", "nobody")]).await;
    assert_eq!((answer.outcome(), readers(&answer)), ((400, "invalid_client"), (SPA, "")));
    let answer = from("https://evil.example", &[("client_id", "nobody")]).await;
    assert_eq!(readers(&answer), ("", ""));
    let answer = server.send(server.token().header("origin", APP).body("{}")).await;
    assert_eq!((answer.outcome(), readers(&answer)), (REFUSED, (APP, "true")));
    for path in ["/oauth/nothing", "/oauth/token"] {
        let answer =
            server.send(server.client.get(format!("{}{path}", server.base)).header("origin", APP)).await;
        assert_eq!((answer.error(), readers(&answer)), ("invalid_request", (APP, "true")), "{path}");
    }
    // Without an `Origin` nobody may read it, and `Vary` tells caches that the answer depends on it.
    assert_eq!(readers(&server.sign_in().await), ("", ""));
    let jwks = server.client.get(format!("{}/.well-known/jwks.json", server.base)).header("origin", APP);
    let jwks = server.send(jwks).await;
    assert_eq!(readers(&jwks), (APP, "true"));
}

#[tokio::test]
async fn our_own_api_answers_the_pages_of_the_tokens_client() {
    let server = Server::with(with_browser).await;
    let form: Vec<_> = SIGN_IN.into_iter().chain([("scope", "profile")]).collect();
    let signed_in = server.send(post(&server, "/oauth/token", &form).header("origin", APP)).await;
    let token = signed_in.access_token();
    let userinfo = |origin: &'static str, token: &str| {
        let request = server.client.get(format!("{}/oauth/userinfo", server.base)).bearer_auth(token);
        server.send(request.header("origin", origin))
    };
    let answer = userinfo(APP, &token).await;
    assert_eq!((answer.status, readers(&answer)), (200, (APP, "true")));
    let answer = userinfo(SPA, &token).await;
    assert_eq!((answer.status, readers(&answer)), (200, ("", "")));
    server.wait(600);
    let expired = userinfo(APP, &token).await;
    assert_eq!(
        (expired.status, readers(&expired)),
        (401, (APP, "true")),
        "so that the page sees that it expired"
    );
    assert!(expired.header("access-control-expose-headers").contains("WWW-Authenticate"));
}

/// Otherwise the app's page could read the codes of every other client for which the person needs no consent.
#[tokio::test]
async fn no_page_of_a_client_reads_the_pages_of_heirloom_itself() {
    let server = Server::with(with_browser).await;
    for path in
        ["/oauth/authorize?client_id=x", "/login", "/consent", "/logout", "/profile", "/devices", "/signup"]
    {
        let url = format!("{}{path}", server.base);
        for origin in [APP, SPA] {
            let answer = server.send(server.client.get(&url).header("origin", origin)).await;
            assert_ne!(answer.status, 404, "{path}");
            let preflight = server.client.request(Method::OPTIONS, &url).header("origin", origin);
            let preflight = server.send(preflight.header("access-control-request-method", "GET")).await;
            for answer in [answer, preflight] {
                assert_eq!(answer.header("access-control-allow-origin"), "", "{path} from {origin}");
                assert_eq!(answer.header("access-control-allow-credentials"), "", "{path} from {origin}");
            }
        }
    }
}
