//! Refresh tokens in a cookie: what the cookie looks like, which one heirloom reads, and when it is removed.

use std::sync::Arc;

use heirloom::client::RefreshTokens;
use heirloom::oauth::SessionId;

use crate::browser::{
    APP, BROWSER, GONE, REFRESH, REFUSED, SIGN_IN, cookie, post, refresh, sign_in, with_browser, with_https,
};
use crate::support::{Answer, PUBLIC, Server, Setup};

#[tokio::test]
async fn the_refresh_token_is_in_a_cookie_that_scripts_can_not_read_and_nowhere_else() {
    let server = Server::with(with_https).await;
    let first = sign_in(&server).await;
    assert!(first.json.get("refresh_token").is_none() && !first.text.contains("hrt_"));
    let header = first.header("set-cookie").to_owned();
    let (pair, attributes) = header.split_once("; ").unwrap();
    let (name, token) = pair.split_once('=').unwrap();
    let hash = name.strip_prefix("__Host-heirloom_").unwrap();
    assert!(hash.len() == 16 && token.starts_with("hrt_"), "{pair}");
    let mut attributes: Vec<_> = attributes.split("; ").collect();
    attributes.sort_unstable();
    assert_eq!(attributes, ["HttpOnly", "Max-Age=1209600", "Path=/", "SameSite=Strict", "Secure"]);
    // The next refresh token replaces it.
    server.wait(60);
    let second = refresh(&server, pair).await;
    assert!(second.json.get("refresh_token").is_none());
    assert_ne!(cookie(&second), pair);
    assert_eq!(cookie(&second).split_once('=').unwrap().0, name);
    assert_eq!(second.session(), first.session());
    // The end of the session is nearer than the idle expiry.
    server.wait(50 * 86_400);
    assert_eq!(refresh(&server, &cookie(&second)).await.outcome(), GONE);
}

#[tokio::test]
async fn the_cookie_lasts_until_the_token_expires_also_after_a_retry() {
    let server = Server::with(|setup| {
        with_browser(setup);
        setup.client(BROWSER, |client| {
            client.metadata.lifetimes.refresh_absolute = std::time::Duration::from_hours(20 * 24);
        });
    })
    .await;
    let first = cookie(&sign_in(&server).await);
    server.wait(10 * 86_400);
    let second = refresh(&server, &first).await;
    assert!(second.header("set-cookie").contains("Max-Age=864000"), "the session ends then");
    server.wait(10);
    let again = refresh(&server, &first).await;
    assert_eq!(cookie(&again), cookie(&second));
    assert!(again.header("set-cookie").contains("Max-Age=863990"));
}

#[tokio::test]
async fn an_issuer_below_a_path_does_not_trust_the_other_pages_of_its_host() {
    const ISSUER: &str = "https://example.com/auth";
    let with_path = |setup: &mut Setup| {
        with_browser(setup);
        ISSUER.clone_into(&mut setup.config.issuer);
        setup.config.server.path_stripped = true;
    };
    let at_root = sign_in(&Server::with(with_https).await).await;
    let server = Server::with(with_path).await;
    let other = post(&server, "/oauth/token", &SIGN_IN).header("origin", "https://example.com");
    assert_eq!(server.send(other).await.outcome(), REFUSED);
    let below = sign_in(&server).await;
    let name = |answer: &Answer| cookie(answer).split_once('=').unwrap().0.to_owned();
    assert_ne!(name(&below), name(&at_root));
    let server = Server::with(|setup| {
        with_path(setup);
        setup.client(BROWSER, |client| client.metadata.origins.push("https://example.com".parse().unwrap()));
    })
    .await;
    let listed = post(&server, "/oauth/token", &SIGN_IN).header("origin", "https://example.com");
    assert_eq!(server.send(listed).await.status, 200);
}

#[tokio::test]
async fn over_plain_http_on_loopback_the_name_has_no_prefix() {
    let server = Server::with(with_browser).await;
    let header = sign_in(&server).await.header("set-cookie").to_owned();
    assert!(header.starts_with("heirloom_") && !header.contains("Secure"), "{header}");
    assert!(header.contains("HttpOnly") && header.contains("SameSite=Strict"));
}

#[tokio::test]
async fn the_refresh_grant_takes_the_cookie_only_and_other_clients_take_none() {
    let server = Server::with(with_browser).await;
    let pair = cookie(&sign_in(&server).await);
    let token = pair.split_once('=').unwrap().1;
    let with_body = [REFRESH[0], REFRESH[1], ("refresh_token", token)];
    let request = |form: &[(&str, &str)]| post(&server, "/oauth/token", form).header("origin", APP);
    assert_eq!(server.send(request(&with_body)).await.outcome(), REFUSED);
    assert_eq!(server.send(request(&with_body).header("cookie", &pair)).await.outcome(), REFUSED);
    assert_eq!(server.send(request(&REFRESH)).await.outcome(), GONE, "without a cookie nobody is signed in");
    let other = [("grant_type", "refresh_token"), ("client_id", PUBLIC)];
    assert_eq!(server.send(request(&other).header("cookie", &pair)).await.outcome(), REFUSED);
    assert_eq!(refresh(&server, &pair).await.status, 200, "and the token is good all the while");
}

#[tokio::test]
async fn cookies_come_with_others_with_garbage_and_in_several_lines() {
    let server = Server::with(with_browser).await;
    let pair = cookie(&sign_in(&server).await);
    for header in [format!("a=b; {pair}; c=d"), format!(";;=; x; =y;{pair};\u{1F36A}=1; \"={{}}")] {
        let answer = refresh(&server, &header).await;
        assert_eq!(answer.status, 200, "{header}: {}", answer.text);
    }
    let lines = post(&server, "/oauth/token", &REFRESH).header("origin", APP).header("cookie", "a=b");
    assert_eq!(server.send(lines.header("cookie", &pair)).await.status, 200);
    let name = pair.split_once('=').unwrap().0;
    let bytes = [b"x=\xFF\xFE; ", pair.as_bytes()].concat();
    let request = post(&server, "/oauth/token", &REFRESH).header("origin", APP);
    assert_eq!(server.send(request.header("cookie", bytes)).await.status, 200);
    for (header, outcome) in [
        (format!("{name}=hrt_other; {pair}"), REFUSED),
        (format!("{pair}; {name}=hrt_other"), REFUSED),
        (format!("{pair}; {pair}"), REFUSED),
        (format!("{name}="), GONE),
        (name.to_owned(), GONE),
        (format!("{name}=nonsense"), GONE),
        (format!("{name}=\"; drop\""), GONE),
    ] {
        assert_eq!(refresh(&server, &header).await.outcome(), outcome, "{header}");
    }
}

/// Characters that browsers (RFC 6265bis) take for a part of a name, and that other readers take for white space around
/// it.
const SPACES: [&[u8]; 9] = [
    "\u{2000}".as_bytes(),
    "\u{A0}".as_bytes(),
    "\u{85}".as_bytes(),
    "\u{3000}".as_bytes(),
    "\u{1680}".as_bytes(),
    "\u{FEFF}".as_bytes(),
    "\u{202F}".as_bytes(),
    b"\xA0",
    b"\x85",
];

#[tokio::test]
async fn a_cookie_with_unicode_white_space_before_its_prefix_is_another_cookie() {
    let server = Server::with(with_https).await;
    let (own, planted) = (sign_in(&server).await, cookie(&sign_in(&server).await));
    let own_pair = cookie(&own);
    let send = async |header: Vec<u8>| {
        let request = post(&server, "/oauth/token", &REFRESH).header("origin", APP);
        server.send(request.header("cookie", header)).await
    };
    for space in SPACES {
        let planted = [space, planted.as_bytes()].concat();
        assert_eq!(send(planted.clone()).await.outcome(), GONE, "{space:?}");
        for header in [[&planted, &b"; "[..], own_pair.as_bytes()], [own_pair.as_bytes(), b"; ", &planted]] {
            let answer = send(header.concat()).await;
            assert_eq!((answer.status, answer.session()), (200, own.session()), "{space:?}: {}", answer.text);
        }
    }
    assert_eq!(
        send(format!("\t {planted} \t").into_bytes()).await.status,
        200,
        "spaces and tabs are none of a name"
    );
}

#[tokio::test]
async fn a_cookie_that_comes_twice_is_refused_and_taken_away() {
    let server = Server::with(with_https).await;
    let (first, second) = (sign_in(&server).await, sign_in(&server).await);
    let (own, planted) = (cookie(&first), cookie(&second));
    let name = own.split_once('=').unwrap().0;
    let both = format!("{own}; {planted}");
    let refused = refresh(&server, &both).await;
    assert_eq!(refused.outcome(), REFUSED);
    assert!(
        refused.json["error_description"].as_str().unwrap().contains("sign in again"),
        "{}",
        refused.text
    );
    let cleared = refused.header("set-cookie");
    assert!(cleared.starts_with(&format!("{name}=;")) && cleared.contains("Max-Age=0"), "{cleared}");
    assert!(cleared.contains("Path=/") && cleared.contains("Secure"), "{cleared}");
    // Nobody knows which of the two is the person's own, so signing out ends both sessions.
    let out = post(&server, "/oauth/revoke", &[("client_id", BROWSER)]).header("origin", APP);
    let out = server.send(out.header("cookie", &both)).await;
    assert_eq!(out.status, 200, "{}", out.text);
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    for session in [first.session(), second.session()] {
        assert!(server.event_names(session).await.contains(&"session_ended"));
    }
    assert_eq!(refresh(&server, &own).await.outcome(), GONE);
}

#[tokio::test]
async fn without_the_prefix_a_cookie_that_comes_twice_stays_where_it_is() {
    let server = Server::with(with_browser).await;
    let (own, planted) = (cookie(&sign_in(&server).await), cookie(&sign_in(&server).await));
    let both = format!("{own}; {planted}");
    let refused = refresh(&server, &both).await;
    // heirloom can remove only the cookie under its own path; the other one would then be taken for it.
    assert_eq!((refused.outcome(), refused.header("set-cookie")), (REFUSED, ""));
    assert!(refused.json["error_description"].as_str().unwrap().contains("Sign out"), "{}", refused.text);
    let out = post(&server, "/oauth/revoke", &[("client_id", BROWSER)]).header("origin", APP);
    assert_eq!(server.send(out.header("cookie", &both)).await.status, 200);
    for pair in [own, planted] {
        assert_eq!(refresh(&server, &pair).await.outcome(), GONE);
    }
}

#[tokio::test]
async fn signing_out_takes_the_token_from_the_cookie_and_clears_it() {
    let server = Server::with(with_https).await;
    let signed_in = sign_in(&server).await;
    let pair = cookie(&signed_in);
    let request = post(&server, "/oauth/revoke", &[("client_id", BROWSER)]).header("origin", APP);
    let out = server.send(request.header("cookie", &pair)).await;
    assert_eq!(out.status, 200);
    let name = pair.split_once('=').unwrap().0;
    let cleared = out.header("set-cookie");
    assert!(cleared.starts_with(&format!("{name}=;")) && cleared.contains("Max-Age=0"), "{cleared}");
    for attribute in ["Path=/", "Secure", "HttpOnly", "SameSite=Strict"] {
        assert!(cleared.contains(attribute), "{cleared}");
    }
    assert!(server.event_names(signed_in.session()).await.contains(&"session_ended"));
    let refused = refresh(&server, &pair).await;
    assert_eq!(refused.outcome(), GONE);
    assert_eq!(refused.header("set-cookie"), "", "a late refusal must not take away a newer cookie");
    // Signing out when nobody is signed in succeeds.
    let again = post(&server, "/oauth/revoke", &[("client_id", BROWSER)]).header("origin", APP);
    assert_eq!(server.send(again).await.status, 200);
}

#[tokio::test]
async fn revoking_clears_the_cookie_only_if_the_token_in_it_is_no_good_any_more() {
    let server = Server::with(with_browser).await;
    let (first, second) = (cookie(&sign_in(&server).await), cookie(&sign_in(&server).await));
    let third = sign_in(&server).await;
    let revoke = async |posted: &str, pair: &str| {
        let request = post(&server, "/oauth/revoke", &[("client_id", BROWSER), ("token", posted)]);
        let answer = server.send(request.header("origin", APP).header("cookie", pair)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.header("set-cookie").to_owned()
    };
    let token = |pair: &str| pair.split_once('=').unwrap().1.to_owned();
    let cleared = |header: &str| header.contains("Max-Age=0");
    // The form has garbage, another client's token, or a token of another session of this client.
    let foreign = server.sign_in().await.refresh_token();
    for other in ["nonsense", &foreign, &token(&first)] {
        assert_eq!(revoke(other, &second).await, "", "{other}");
    }
    assert_eq!(refresh(&server, &first).await.outcome(), GONE, "what was posted is revoked all the same");
    let newest = cookie(&refresh(&server, &second).await);
    // The form has a token of the cookie's own session, of any generation; or the cookie's token is invalid already.
    assert!(cleared(&revoke(&token(&second), &newest).await));
    assert_eq!(refresh(&server, &newest).await.outcome(), GONE);
    for dead in [first, newest, format!("{}=nonsense", second.split_once('=').unwrap().0)] {
        assert!(cleared(&revoke("nonsense", &dead).await), "{dead}");
    }
    assert_eq!(revoke("nonsense", "a=b").await, "", "there is none");
    assert_eq!(refresh(&server, &cookie(&third)).await.status, 200);
}

#[tokio::test]
async fn two_tabs_that_refresh_at_once_get_the_same_successor() {
    let server = Arc::new(Server::with(with_browser).await);
    let mut pair = cookie(&sign_in(&server).await);
    let mut sessions: Vec<SessionId> = Vec::new();
    for _ in 0..5 {
        let tabs: Vec<_> = (0..8)
            .map(|_| {
                let (server, pair) = (Arc::clone(&server), pair.clone());
                tokio::spawn(async move { refresh(&server, &pair).await })
            })
            .collect();
        let mut successors = Vec::new();
        for tab in tabs {
            let answer = tab.await.unwrap();
            successors.push(cookie(&answer));
            sessions.push(answer.session());
        }
        successors.dedup();
        assert_eq!(successors.len(), 1);
        pair = successors[0].clone();
        server.wait(600);
    }
    sessions.dedup();
    assert_eq!(sessions.len(), 1);
}

#[tokio::test]
async fn who_signs_in_without_a_refresh_token_is_not_left_with_anothers_cookie() {
    let server = Server::with(|setup| {
        with_browser(setup);
        setup.client(BROWSER, |client| client.metadata.refresh_tokens = RefreshTokens::OfflineAccess);
    })
    .await;
    let form: Vec<_> = SIGN_IN.into_iter().chain([("scope", "read offline_access")]).collect();
    let with = server.send(post(&server, "/oauth/token", &form).header("origin", APP)).await;
    assert!(with.header("set-cookie").contains("=hrt_"));
    let without = sign_in(&server).await;
    let header = without.header("set-cookie");
    assert!(header.contains("Max-Age=0") && !header.contains("hrt_"), "{header}");
}

#[tokio::test]
async fn a_cookie_lasts_400_days_at_most() {
    let server = Server::with(|setup| {
        with_browser(setup);
        setup.client(BROWSER, |client| {
            client.metadata.lifetimes.refresh_idle = std::time::Duration::from_hours(24 * 1000);
            client.metadata.lifetimes.refresh_absolute = std::time::Duration::from_hours(24 * 1000);
        });
    })
    .await;
    let answer = sign_in(&server).await;
    assert!(answer.header("set-cookie").ends_with("Max-Age=34560000"), "{}", answer.header("set-cookie"));
}
