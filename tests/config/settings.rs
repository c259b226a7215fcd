//! The values that settings accept, and their defaults.

use std::time::Duration;

use crate::folder::{Folder, load, mistakes, refused};
use heirloom::client::RetryWindow;
use heirloom::config::{AccessTokenType, Accounts, SignUp};
use heirloom::oauth::GrantType;

#[test]
fn an_issuer_is_an_https_url_in_its_normal_form() {
    for (issuer, part) in [
        ("id.example.com", "is no URL"),
        ("ftp://id.example.com", "neither https nor http"),
        ("http://id.example.com", "is not https"),
        ("https://id.example.com?a=b", "a query"),
        ("https://id.example.com#a", "a fragment"),
        ("https://me@id.example.com", "credentials"),
        ("https://id.example.com/", "issuer = \"https://id.example.com\""),
        ("https://ID.example.com", "issuer = \"https://id.example.com\""),
        ("https://id.example.com:443", "issuer = \"https://id.example.com\""),
    ] {
        let errors = Folder::with(&format!("issuer = \"{issuer}\"")).load().unwrap_err().to_string();
        assert!(errors.contains(part) && errors.contains("\n1 mistake "), "{issuer}: {errors}");
    }
    for issuer in [
        "https://id.example.com:8443",
        "https://example.com/id",
        "http://127.0.0.1:8080",
        "http://[::1]",
        "http://localhost",
    ] {
        assert_eq!(
            Folder::with(&format!("issuer = \"{issuer}\"")).load().map(|config| config.issuer),
            Ok(issuer.to_owned())
        );
    }
    let insecure = Folder::with("issuer = \"http://id.internal\"\nallow_insecure_issuer = true");
    assert!(insecure.load().unwrap().warnings().iter().any(|warning| warning.contains("not https")));
    assert!(Folder::with("").load().unwrap_err().to_string().contains("heirloom.toml: `issuer` is missing"));
}

#[test]
fn lifetimes_are_bounded_and_in_order() {
    refused("[tokens]\naccess_token = \"25h\"", 3, "from 1s to 1d");
    refused("[tokens]\naccess_token = \"ten\"", 3, "is no length of time");
    refused("[tokens]\naccess_token = 600", 3, "is a number, not a text");
    refused("[tokens]\naccess_token = \"2500ms\"\nretry_window = \"0s\"", 3, "Write whole seconds");
    refused("[tokens]\nrefresh_idle = \"5m\"", 3, "Let refresh_idle be 10m or more");
    refused("[tokens]\nrefresh_idle = \"61d\"", 3, "Let refresh_absolute be 61d or more");
    refused("[tokens]\nretry_window = \"5m\"", 3, "not shorter than half");
    refused("[tokens]\naccess_token = \"1m\"", 3, "Let retry_window be 20s or less");
    let config =
        load("[tokens]\naccess_token = \"2s\"\nretry_window = \"0s\"\nretry_window_confidential = \"1h\"");
    assert_eq!(config.tokens.confidential_window, RetryWindow::For(Duration::from_hours(1)));
}

#[test]
fn the_password_grant_is_off_until_it_is_turned_on() {
    let client = "[[clients]]\nid = \"a\"\ntype = \"public\"\n";
    refused(&format!("{client}grants = [\"password\"]"), 5, "set password = true in [grants]");
    assert_eq!(load(client).clients[0].metadata.grant_types, [GrantType::RefreshToken]);
    let on = load(&format!("[grants]\npassword = true\n{client}"));
    assert_eq!(on.clients[0].metadata.grant_types, [GrantType::Password, GrantType::RefreshToken]);
    assert!(on.warnings().iter().any(|warning| warning.contains("RFC 9700")));
}

#[test]
fn each_client_that_needs_neither_pkce_nor_a_nonce_is_warned_of() {
    let client = |id: &str, pkce: &str| {
        format!(
            "[[clients]]\nid = \"{id}\"\ntype = \"confidential\"\nsecret = \"{}\"\n\
             redirect_uris = [\"https://a.example/\"]\npkce = \"{pkce}\"\n",
            id.repeat(32)
        )
    };
    let all = [client("a", "legacy"), client("b", "optional"), client("c", "legacy")].concat();
    let told: Vec<_> = load(&all).warnings().into_iter().filter(|text| text.contains("legacy")).collect();
    assert!(told.len() == 2 && told[0].contains("client a ") && told[1].contains("client c "), "{told:?}");
    let public = "[[clients]]\nid = \"a\"\ntype = \"public\"\nredirect_uris = [\"https://a.example/\"]\n";
    refused(&format!("{public}pkce = \"legacy\""), 6, "A public client can't leave PKCE out");
}

#[test]
fn nobody_signs_up_until_the_configuration_says_who_may() {
    assert_eq!(load("").accounts, Accounts::default());
    assert_eq!(load("").accounts.registration, SignUp::Closed);
    let text = "[accounts]\nregistration = \"invite\"\nlogin_with_email = true\nroles = [\"user\"]";
    let expected =
        Accounts { registration: SignUp::Invite, login_with_email: true, roles: vec!["user".to_owned()] };
    assert_eq!(load(text).accounts, expected);
    refused("[accounts]\nregistration = \"all\"", 3, "write \"open\" or \"invite\" or \"closed\"");
    refused("[accounts]\nroles = [\"a b\"]", 3, "a role is a word without spaces");
    refused("[throttle]\nnetwork_sign_ups = 0", 3, "from 1 to 1000000");
}

#[test]
fn old_refreshes_are_kept_for_a_month_for_another_time_or_all() {
    let kept = |text: &str| load(text).sessions.rotations_kept;
    assert_eq!(kept(""), Some(Duration::from_hours(30 * 24)));
    assert_eq!(kept("[sessions]\nrotations_kept = \"36h\""), Some(Duration::from_hours(36)));
    assert_eq!(kept("[sessions]\nrotations_kept = \"all\""), None);
    refused("[sessions]\nrotations_kept = \"none\"", 3, "is no duration");
    refused("[sessions]\nrotations_kept = \"1m\"", 3, "write a duration from \"1h\" to");
}

#[test]
fn logins_last_for_the_set_times_and_persistent_ones_may_be_off() {
    let hours = Duration::from_hours;
    let text = "[logins]\nidle = \"1h\"\nabsolute = \"8h\"\npersistent = \"7d\"";
    let logins = load(text).logins;
    assert_eq!((logins.idle, logins.absolute, logins.persistent), (hours(1), hours(8), Some(hours(168))));
    assert_eq!(load("[logins]\npersistent = \"off\"").logins.persistent, None);
    refused("[logins]\nidle = \"1m\"", 3, "write a duration from \"5m\" to");
    refused("[logins]\nabsolute = \"500d\"", 3, "write a duration from \"5m\" to");
    refused("[logins]\npersistent = \"never\"", 3, "is no duration");
}

#[test]
fn a_scope_belongs_to_one_audience_and_the_built_in_ones_to_none() {
    refused(
        "default_audience = \"a\"\n[audiences.a]\nscopes = [\"x\"]\n[audiences.b]\nscopes = [\"x\"]",
        6,
        "belongs to the audience \"a\" already",
    );
    for scope in ["openid", "offline_access", "account", "admin", "profile", "email"] {
        refused(&format!("[audiences.a]\nscopes = [\"{scope}\"]"), 3, "can't be declared");
    }
    refused("[audiences.\"https://id.example.com\"]", 2, "called like the issuer");
    refused("[audiences.\"with space\"]", 2, "without spaces");
    refused("[audiences.a]\ntyp = \"jwt\"", 3, "write \"at+jwt\" or \"JWT\"");
    assert!(mistakes("[audiences.a]\n[audiences.b]")[0].contains("`default_audience` is missing"));
    refused(
        "[audiences.a]\nscopes = [\"read\"]\n[scopes.raed]\nrequires = [\"editor\"]",
        4,
        "did you mean `read`?",
    );
    refused("[scopes.admin]\nrequires = []", 2, "requires no role");
    let config = load(
        "[audiences.a]\nscopes = [\"read\", \"write\"]\ntyp = \"JWT\"\n[scopes.write]\nrequires = [\"editor\"]",
    );
    assert_eq!((config.default_audience.as_str(), config.audiences[0].typ), ("a", AccessTokenType::Jwt));
    assert_eq!(config.scope_roles["write"], ["editor"]);
}

#[test]
fn the_rest_is_checked_too() {
    refused("[server]\nlisten = []", 2, "`listen` is empty");
    refused("[server]\ntrusted_proxies = [\"10.0.0.0/8\", \"proxy\"]", 3, "no network");
    refused("[server]\nmax_connections = 3", 3, "from 16 to 1000000");
    refused("[server]\nmax_connections_per_address = 0", 3, "from 1 to 1000000");
    refused("[server]\nkeep_alive = \"0s\"", 3, "from \"1s\" to \"1h\"");
    refused("[server]\nbody_memory = \"64\"", 3, "`body_memory`");
    refused("[server]\nhsts = \"on\"", 3, "no duration");
    for name in ["*", "X Client", "", "ü", "a:b"] {
        refused(&format!("[server]\ncors_headers = [\"X-Client\", \"{name}\"]"), 3, "no name of a header");
    }
    let server =
        load("[server]\nmax_connections = 500\nhsts = \"off\"\ncors_headers = [\"X-Client\"]").server;
    assert_eq!((server.max_connections_per_address, server.hsts), (50, None));
    assert_eq!(server.cors_headers, ["X-Client"]);
    assert!(load("").server.hsts.is_some() && !load("").server.path_stripped);
    let below = |more: &str| {
        Folder::with(&format!("issuer = \"https://example.com/auth\"\n[server]\n{more}"))
            .load()
            .unwrap()
            .server
    };
    assert_eq!(below("").hsts, None, "it would bind the other programs of the host");
    assert_eq!(below("hsts = \"1h\"").hsts, Some(Duration::from_hours(1)));
    assert!(below("path_stripped = true").path_stripped);
    assert_eq!(load("").server.keep_alive, Duration::from_secs(75), "longer than proxies keep theirs");
    for id in [".", ".."] {
        refused(&format!("[[clients]]\nid = \"{id}\"\ntype = \"public\""), 3, "a step between folders");
    }
    refused("[server]\nmetrics = \"9464\"", 3, "9464");
    let metrics = load("[server]\nmetrics = \"127.0.0.1:9464\"").server.metrics;
    assert_eq!(metrics, Some(([127, 0, 0, 1], 9464).into()));
    assert_eq!(load("").server.metrics, None);
    refused("[server.tls]\ncertificate = \"none.pem\"\nkey = \"heirloom.toml\"", 3, "can't be read");
    refused("[server.tls]\nkey = \"heirloom.toml\"", 2, "a certificate and its key");
    refused("[log]\nfilter = \"heirloom=loud\"", 3, "`filter`");
    refused("[passwords]\nmin_length = 7", 3, "from 8 to 64");
    refused("[passwords]\nqueue = 4097", 3, "from 1 to 4096");
    refused("[grants]\npassword = \"true\"", 3, "without quotes");
    refused("[data]\nnearly_full_mib = 1", 3, "is no number that it can be");
    refused("[data]\nfolder = \"d\"\n[keys]\nfolder = \"d/keys\"", 5, "lie in one another");
    refused("[sevrer]\nlisten = \"127.0.0.1:1\"", 2, "did you mean `server`?");
}

#[test]
fn id_tokens_are_signed_by_rs256_by_the_algorithm_of_access_tokens_and_by_what_else_is_listed() {
    use heirloom::oauth::SigningAlgorithm::{Es256, Rs256};
    for (keys, access_tokens, id_tokens, alone) in [
        ("", Rs256, &[Rs256][..], None),
        ("id_token_algorithms = [\"ES256\"]", Rs256, &[Rs256, Es256], Some(Es256)),
        ("algorithm = \"ES256\"", Es256, &[Rs256, Es256], Some(Rs256)),
        ("algorithm = \"ES256\"\nid_token_algorithms = [\"ES256\"]", Es256, &[Rs256, Es256], Some(Rs256)),
    ] {
        let config = load(&format!("[keys]\n{keys}"));
        assert_eq!((config.algorithm, &*config.id_token_algorithms), (access_tokens, id_tokens), "{keys}");
        assert_eq!(config.id_tokens_alone(), alone, "{keys}");
    }
    refused("[keys]\nid_token_algorithms = [\"RS256\", \"none\"]", 3, "write \"RS256\" or \"ES256\"");
    let client = |more| {
        format!(
            "{more}\n[[clients]]\nid = \"spa\"\ntype = \"public\"\nredirect_uris = [\"https://a.example/\"]\n\
             id_token_signed_response_alg = \"ES256\""
        )
    };
    let algorithm = |config: heirloom::config::Config| {
        config.clients.first().map(|client| client.metadata.id_token_signed_response_alg)
    };
    let listed = load(&client("[keys]\nid_token_algorithms = [\"ES256\"]"));
    assert_eq!(algorithm(listed), Some(Es256));
    refused(&client(""), 7, "does not sign ID tokens by ES256");
}
