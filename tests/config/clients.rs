//! Clients in the configuration: settings that must fit together, and whose rules take precedence.

use std::time::Duration;

use crate::folder::{Folder, SECRET, load, mistakes, refused};
use heirloom::client::{Delivery, RefreshTokens, RetryWindow, ReusePolicy, SecretDigest};
use heirloom::config::{Config, Dev};
use heirloom::oauth::GrantType;

#[test]
fn what_is_registered_for_a_browser_holds_together() {
    const SPA: &str = "[[clients]]\nid = \"spa\"\ntype = \"public\"\n";
    let cookie = format!("{SPA}refresh_token_delivery = \"cookie\"\n");
    for (text, part) in [
        (format!("{SPA}origins = [\"https://app.example.com/\"]\n"), "An origin is"),
        (format!("{SPA}origins = [\"null\"]\n"), "An origin is"),
        (format!("{SPA}origins = [\"*\"]\n"), "An origin is"),
        (format!("{SPA}origins = [\"http://app.example.com\"]\n"), "is not https"),
        (format!("{SPA}origins = [\"http://localhost:3000\"]\n"), "is not https"),
        (format!("{SPA}origins = [\"https://a.example\", \"https://a.example\"]\n"), "listed twice"),
        (cookie.clone(), "in a cookie has no origins"),
        (
            format!("{SPA}refresh_token_delivery = \"header\"\n"),
            "`refresh_token_delivery`: It is one of: body, cookie.",
        ),
        (
            format!("{cookie}origins = [\"https://a.example\"]\nsecret = \"{SECRET}\"\n")
                .replace("public", "confidential"),
            "A confidential client has no cookie",
        ),
        (format!("{SPA}introspects = [\"https://id.example.com/api\"]\n"), "can't introspect"),
        (format!("{SPA}introspects = [\"https://other.example\"]\n"), "There is no audience"),
    ] {
        let mistakes = mistakes(&text);
        assert!(mistakes.iter().any(|mistake| mistake.contains(part)), "{text}: {mistakes:?}");
    }
    let local = "issuer = \"http://localhost:8080\"\n";
    let folder = Folder::with(&format!("{local}{cookie}origins = [\"http://localhost:3000\"]\n"));
    assert_eq!(folder.load().unwrap().clients[0].metadata.refresh_token_delivery, Delivery::Cookie);
    let plain = "issuer = \"http://id.internal\"\nallow_insecure_issuer = true\n";
    let folder = Folder::with(&format!("{plain}{cookie}origins = [\"https://a.example\"]\n"));
    assert!(folder.load().unwrap_err().to_string().contains("the issuer is not https"));
}

#[test]
fn the_retry_window_of_public_clients_may_be_until_used_for_all_and_for_one() {
    const CLIENTS: &str = "[[clients]]\nid = \"a\"\ntype = \"public\"\nretry_window = \"until-used\"\n\
                           [[clients]]\nid = \"b\"\ntype = \"public\"\naccess_token = \"40s\"\n";
    let windows = |text: &str| {
        load(&format!("{text}{CLIENTS}"))
            .clients
            .iter()
            .map(|client| client.metadata.retry_window)
            .collect::<Vec<_>>()
    };
    let short = RetryWindow::For(Duration::from_secs(10));
    assert_eq!(windows("[tokens]\nretry_window = \"10s\"\n"), [RetryWindow::UntilUsed, short]);
    assert_eq!(windows("[tokens]\nretry_window = \"until-used\"\n"), [RetryWindow::UntilUsed; 2]);
}

#[test]
fn a_client_s_own_rules_win_over_those_of_all() {
    let config = load(
        "[tokens]\naccess_token = \"1h\"\nreuse = \"refuse\"\n[grants]\npassword = true\n\
         [[clients]]\nid = \"a\"\ntype = \"public\"\n\
         [[clients]]\nid = \"b\"\ntype = \"public\"\naccess_token = \"5m\"\nretry_window = \"10s\"\nreuse = \"end-family\"\n\
         refresh_tokens = \"never\"\ndisabled = true\n\
         [[clients]]\nid = \"c\"\ntype = \"public\"\ngrants = [\"password\"]\n",
    );
    let [a, b, c] = config.clients.as_slice() else { panic!("three clients") };
    assert_eq!(
        (a.metadata.lifetimes.access_token, a.metadata.reuse),
        (Duration::from_hours(1), ReusePolicy::Refuse)
    );
    assert_eq!(a.metadata.retry_window, RetryWindow::For(Duration::from_secs(30)));
    assert_eq!(
        (b.metadata.lifetimes.access_token, b.metadata.reuse),
        (Duration::from_mins(5), ReusePolicy::EndFamily)
    );
    assert_eq!(b.metadata.retry_window, RetryWindow::For(Duration::from_secs(10)));
    assert_eq!((b.metadata.refresh_tokens, b.disabled), (RefreshTokens::Never, true));
    assert_eq!((c.metadata.refresh_tokens, c.disabled), (RefreshTokens::Never, false));
}

#[test]
fn a_client_that_does_not_hold_together_is_refused() {
    let public = "[grants]\npassword = true\n[[clients]]\nid = \"a\"\ntype = \"public\"\n";
    for (more, line, part) in [
        (format!("{public}secret = \"{SECRET}\""), 7, "a public client has a secret"),
        (format!("{public}retry_window = \"while-used\""), 7, "is no length of time"),
        (format!("{public}introspects_usernames = true"), 7, "learns no user's name"),
        (format!("{public}retry_window = \"5m\""), 7, "not shorter than half"),
        (format!("{public}access_token = \"40s\""), 7, "not shorter than half"),
        (format!("{public}grants = [\"pasword\"]"), 7, "Did you mean `password`?"),
        (format!("{public}grants = []"), 4, "has no grant"),
        (
            format!("{public}grants = [\"password\"]\nrefresh_tokens = \"always\""),
            8,
            "without the refresh_token grant",
        ),
        (format!("{public}refresh_tokens = \"offline_access\""), 7, "Add offline_access to its scopes"),
        (
            format!("{public}scopes = [\"raed\"]\n[audiences.api]\nscopes = [\"read\"]"),
            7,
            "Did you mean `read`?",
        ),
        (format!("{public}default_audience = \"nowhere\""), 7, "There is no audience nowhere."),
        (format!("{public}[[clients]]\nid = \"a\"\ntype = \"public\""), 8, "declared twice"),
        (format!("{public}colour = \"red\""), 7, "unknown key `colour`"),
        ("[[clients]]\nid = \"a\"".to_owned(), 2, "`type`: The field type is missing."),
        ("[[clients]]\ntype = \"public\"".to_owned(), 2, "has no `id`"),
        ("[[clients]]\nid = \"a\"\ntype = \"confidential\"".to_owned(), 2, "has no secret"),
        (
            "[[clients]]\nid = \"a\"\ntype = \"confidential\"\nsecret = \"short\"".to_owned(),
            5,
            "32 to 256 characters, not 5",
        ),
        ("[clients]\nid = \"a\"".to_owned(), 2, "[[clients]]"),
    ] {
        refused(&more, line, part);
    }
}

#[test]
fn client_credentials_are_for_a_confidential_client_that_lists_them() {
    let grants = "grants = [\"client_credentials\"]";
    let public = "[[clients]]\nid = \"a\"\ntype = \"public\"\n";
    refused(&format!("{public}{grants}"), 5, "has no secret");
    let confidential = format!("[[clients]]\nid = \"a\"\ntype = \"confidential\"\nsecret = \"{SECRET}\"\n");
    assert_eq!(load(&confidential).clients[0].metadata.grant_types, [GrantType::RefreshToken]);
    let listed = load(&format!("{confidential}{grants}"));
    assert_eq!(listed.clients[0].metadata.grant_types, [GrantType::ClientCredentials]);
}

/// Its tokens would have the `sub` of a user.
#[test]
fn a_client_of_dev_with_the_id_of_a_user_has_no_client_credentials() {
    let grants = |id: &str| {
        let dev = Dev {
            listen: Vec::new(),
            port: 8080,
            data: "data".into(),
            keys: "keys".into(),
            public_client: "public".parse().unwrap(),
            confidential_client: id.parse().unwrap(),
            secret: SecretDigest::of(SECRET),
        };
        Config::dev(dev).unwrap().clients[1].metadata.grant_types.clone()
    };
    assert_eq!(grants("demo"), GrantType::ALL);
    let usual = [GrantType::Password, GrantType::RefreshToken, GrantType::AuthorizationCode];
    assert_eq!(grants("01890a5d-ac96-774b-bcce-b302099a8057"), usual);
    assert_eq!(grants("01890A5DAC96774BBCCEB302099A8057"), usual);
}
