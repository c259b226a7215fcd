//! The configuration: what it takes, what it refuses, and how it says so.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that can't go on should stop"
)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use heirloom::client::{
    Delivery, RefreshTokens, RetryWindow, ReusePolicy, SecretDigest, TokenEndpointAuthMethod,
};
use heirloom::config::{AccessTokenType, Accounts, Config, ConfigErrors, Flag, LogFormat, SignUp, Sources};
use heirloom::oauth::GrantType;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A folder with a configuration in it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn with(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("heirloom.toml"), text).unwrap();
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn sources(&self) -> Sources {
        Sources { file: self.path().join("heirloom.toml"), ..Sources::default() }
    }

    fn load(&self) -> Result<Config, ConfigErrors> {
        Config::load(&self.sources())
    }
}

/// A configuration that holds, with `more` behind it.
fn with(more: &str) -> Folder {
    Folder::with(&format!("issuer = \"https://id.example.com\"\n{more}"))
}

fn load(more: &str) -> Config {
    with(more).load().unwrap_or_else(|errors| panic!("{errors}"))
}

/// The mistakes of `more`, each as `line: message | suggestion`; the first line of `more` is line 2.
fn mistakes(more: &str) -> Vec<String> {
    let errors = with(more).load().expect_err("no mistake was found");
    let text = |problem: &heirloom::config::Problem| {
        let place = problem.place.to_string();
        let line = place
            .rsplit_once("heirloom.toml")
            .map_or(place.as_str(), |(_, line)| line)
            .trim_start_matches(':');
        format!("{line}: {} | {}", problem.message, problem.suggestion)
    };
    errors.problems().iter().map(text).collect()
}

/// Asserts that `more` has exactly one mistake, at `line`, whose text has `part` in it.
fn refused(more: &str, line: usize, part: &str) {
    let found = mistakes(more);
    assert!(found.len() == 1, "{more}\n{found:#?}");
    assert!(
        found.iter().all(|one| one.starts_with(&format!("{line}: ")) && one.contains(part)),
        "{more}\n{found:#?}"
    );
}

#[test]
fn three_lines_are_enough() {
    let config = load("");
    assert_eq!(config.issuer, "https://id.example.com");
    assert_eq!(config.server.listen, ["127.0.0.1:8080".parse().unwrap()]);
    assert_eq!(config.default_audience.as_str(), "https://id.example.com/api");
    assert_eq!(config.tokens.lifetimes.access_token, Duration::from_mins(10));
    assert_eq!(config.tokens.lifetimes.refresh_idle, Duration::from_hours(14 * 24));
    assert_eq!(config.tokens.lifetimes.refresh_absolute, Duration::from_hours(60 * 24));
    assert_eq!(config.tokens.public_window, RetryWindow::For(Duration::from_secs(30)));
    assert_eq!(config.tokens.confidential_window, RetryWindow::UntilUsed);
    assert_eq!(config.lead_time, Duration::from_hours(2));
    assert!(!config.password_grant && config.clients.is_empty());
    assert_eq!(config.scope_roles["admin"], ["admin"]);
}

#[test]
fn the_example_holds_and_its_defaults_are_the_defaults() {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/heirloom.toml")).unwrap();
    let folder = Folder::with(&text);
    for file in ["web-app.secret", "api-server.secret"] {
        fs::write(folder.path().join(file), format!("{SECRET}\n")).unwrap();
    }
    let config = folder.load().unwrap_or_else(|errors| panic!("{errors}"));

    let plain = load("");
    assert_eq!(config.server, plain.server);
    assert_eq!(config.log, plain.log);
    assert_eq!(config.tokens, plain.tokens);
    assert_eq!(config.passwords, plain.passwords);
    assert_eq!(config.throttle, plain.throttle);
    assert_eq!(config.accounts, plain.accounts);
    assert_eq!(config.sessions, plain.sessions);
    assert_eq!(config.lead_time, plain.lead_time);
    assert_eq!(config.data, folder.path().join("data"));
    assert_eq!((config.nearly_full, plain.nearly_full), (256 << 20, 256 << 20));
    assert_eq!(config.keys, folder.path().join("keys"));

    let [phone, web, browser, api] = config.clients.as_slice() else { panic!("four clients") };
    assert!(phone.metadata.token_endpoint_auth_method.is_public() && phone.secrets.is_empty());
    assert_eq!(phone.metadata.retry_window, RetryWindow::For(Duration::from_mins(1)));
    assert_eq!(phone.metadata.lifetimes.refresh_absolute, Duration::from_hours(180 * 24));
    assert_eq!(web.metadata.token_endpoint_auth_method, TokenEndpointAuthMethod::ClientSecret);
    assert_eq!(web.secrets, [SecretDigest::of(SECRET)]);
    assert_eq!(web.metadata.retry_window, RetryWindow::UntilUsed);
    assert_eq!(web.metadata.grant_types, GrantType::ALL);
    assert!(web.metadata.revoke_access_tokens && phone.metadata.revoke_access_tokens);
    assert_eq!(
        (web.metadata.refresh_token_delivery, &web.metadata.origins[..], &web.metadata.introspects[..]),
        (Delivery::Body, &[][..], &[][..])
    );
    assert_eq!(browser.metadata.refresh_token_delivery, Delivery::Cookie);
    assert_eq!(browser.metadata.origins, ["https://app.example.com".parse().unwrap()]);
    assert!(api.metadata.grant_types.is_empty());
    assert_eq!(api.metadata.introspects, ["https://api.example.com".parse().unwrap()]);
}

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
fn a_mistake_in_a_list_is_told_by_the_line_of_its_item() {
    let client = "[[clients]]\nid = \"a\"\ntype = \"public\"\nscopes = [\n\"profile\",\n\"raed write\",\n\"openid\"]\n";
    let found = mistakes(client);
    let lines: Vec<_> = found.iter().map(|mistake| mistake.split(". |").next().unwrap()).collect();
    assert_eq!(
        lines,
        [
            "7: `scopes`: No audience has a scope raed",
            "7: `scopes`: No audience has a scope write",
            "8: `scopes`: The scope openid is not supported",
        ]
    );
}

#[test]
fn a_field_of_another_type_is_one_mistake() {
    let client = "[[clients]]\nid = \"a\"\ntype = \"public\"\nrefresh_token_delivery = \"cookie\"\n";
    refused(&format!("{client}origins = 1"), 6, "`origins` is a number, not a list of texts");
    refused(&format!("{client}origins = [1]"), 6, "`origins` is a number, not a text");
}

#[test]
fn every_setting_of_the_example_that_is_commented_out_is_known() {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/heirloom.toml")).unwrap();
    let text = text
        .replace("# [server.tls]", "[server.tls]")
        .replace("# certificate", "certificate")
        .replace("# key", "key")
        .replace("# threads", "threads")
        .replace("# queue", "queue");
    let folder = Folder::with(&text);
    fs::create_dir(folder.path().join("tls")).unwrap();
    for file in ["web-app.secret", "api-server.secret", "tls/chain.pem", "tls/key.pem"] {
        fs::write(folder.path().join(file), SECRET).unwrap();
    }
    let config = folder.load().unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(config.server.tls.expect("TLS is on").key, folder.path().join("tls/key.pem"));
    assert_eq!((config.passwords.threads, config.passwords.queue), (3, 40));
}

#[test]
fn three_mistakes_are_three_messages_with_line_and_suggestion() {
    let folder = Folder::with(
        "issuer = \"https://id.example.com\"\n\n[tokens]\nacess_token = \"10m\"\nreuse = \"end\"\n\n[server]\nlisten = \"8080\"\n",
    );
    let errors = folder.load().unwrap_err();
    let file = folder.path().join("heirloom.toml");
    let expected = format!(
        "{file}:4: unknown key `acess_token` in [tokens]\n    did you mean `access_token`?\n\
         {file}:5: `reuse`: It is one of: end-family, refuse.\n\
         {file}:8: `listen`: \"8080\" is no address\n    write an address and a port: \"127.0.0.1:8080\", \"[::]:443\"\n\
         3 mistakes in the configuration; nothing was started",
        file = file.display()
    );
    assert_eq!(errors.to_string(), expected);
}

#[test]
fn a_syntax_error_does_not_hide_the_other_mistakes_nor_invent_some() {
    let folder = Folder::with("issuer = \"https://id.example.com\nlog = 1\n[tokens]\nacess_token = \"1m\"\n");
    let errors = folder.load().unwrap_err().to_string();
    assert!(errors.contains("heirloom.toml:1: not valid TOML"), "{errors}");
    assert!(errors.contains("heirloom.toml:4: unknown key `acess_token`"), "{errors}");
    assert!(!errors.contains("`issuer` is missing"), "{errors}");
}

#[test]
fn what_only_follows_from_a_syntax_error_is_not_shown() {
    for text in [
        "issuer \"https://id.example.com\"",
        "issuer = https://id.example.com",
        "issuer = \"https://id.example.com\"\n[tokens]\naccess_token = 10m",
        "issuer = \"https://id.example.com\"\n[[clients]]\nid = \"a\"\ntype = public",
    ] {
        let errors = Folder::with(text).load().unwrap_err();
        assert_eq!(errors.problems().len(), 1, "{text}\n{errors}");
    }
}

#[test]
fn an_unknown_key_that_is_like_none_lists_those_there_are() {
    let found = mistakes("colour = 1\n[server]\ncolour = 1");
    assert!(found[0].contains("default_audience, grants, issuer"), "{found:#?}");
    assert!(
        found[1].contains(
            "there are: body_memory, cors_headers, drain, hsts, keep_alive, listen, max_connections, "
        ),
        "{found:#?}"
    );
}

#[test]
fn a_file_that_is_not_there_is_one_mistake() {
    let folder = Folder::with("");
    fs::remove_file(folder.path().join("heirloom.toml")).unwrap();
    let errors = folder.load().unwrap_err();
    assert_eq!(errors.problems().len(), 1, "{errors}");
    assert!(errors.to_string().contains("can't be read"), "{errors}");
}

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
fn the_password_grant_is_off_until_it_is_turned_on() {
    let client = "[[clients]]\nid = \"a\"\ntype = \"public\"\n";
    refused(&format!("{client}grants = [\"password\"]"), 5, "set password = true in [grants]");
    assert_eq!(load(client).clients[0].metadata.grant_types, [GrantType::RefreshToken]);
    let on = load(&format!("[grants]\npassword = true\n{client}"));
    assert_eq!(on.clients[0].metadata.grant_types, GrantType::ALL);
    assert!(on.warnings().iter().any(|warning| warning.contains("RFC 9700")));
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
        (format!("{public}scopes = [\"openid\"]"), 7, "no ID tokens"),
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
fn a_scope_belongs_to_one_audience_and_the_built_in_ones_to_none() {
    refused(
        "default_audience = \"a\"\n[audiences.a]\nscopes = [\"x\"]\n[audiences.b]\nscopes = [\"x\"]",
        6,
        "belongs to the audience \"a\" already",
    );
    for scope in ["openid", "offline_access", "account", "admin", "profile"] {
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
fn the_environment_wins_over_the_file_and_a_flag_over_both() {
    let folder =
        with("[server]\nlisten = \"127.0.0.1:1\"\n[log]\nformat = \"text\"\n[tokens]\naccess_token = \"1h\"");
    let mut sources = folder.sources();
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    sources.environment = vec![
        variable("HEIRLOOM__SERVER__LISTEN", "127.0.0.1:2, [::1]:2"),
        variable("HEIRLOOM__LOG__FORMAT", "json"),
        variable("HEIRLOOM__GRANTS__PASSWORD", "true"),
        variable("HEIRLOOM__PASSWORDS__MIN_LENGTH", "15"),
        variable("HOME", "/nowhere"),
    ];
    sources.flags =
        vec![Flag { name: "--listen", setting: "server.listen", value: "127.0.0.1:3".to_owned() }];
    let config = Config::load(&sources).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(config.server.listen, ["127.0.0.1:3".parse().unwrap()]);
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.tokens.lifetimes.access_token, Duration::from_hours(1));
    assert!(config.password_grant);
    assert_eq!(config.passwords.min_length, 15);
    sources.flags.clear();
    assert_eq!(Config::load(&sources).unwrap().server.listen.len(), 2);
}

#[test]
fn mistakes_outside_the_file_name_the_variable_or_the_flag() {
    let folder = with("[[clients]]\nid = \"a\"\ntype = \"public\"");
    let mut sources = folder.sources();
    let variable = |name: &str| (name.to_owned(), "x".to_owned());
    sources.environment = vec![
        variable("HEIRLOOM__SERVER__LISTN"),
        variable("HEIRLOOM__LOG__FORMAT"),
        variable("HEIRLOOM__CLIENTS__B__NAME"),
        variable("HEIRLOOM__CLIENTS__NAME"),
        variable("HEIRLOOM__ISSUER__X"),
    ];
    sources.flags = vec![Flag { name: "--data", setting: "data.folder", value: String::new() }];
    let errors = Config::load(&sources).unwrap_err().to_string();
    for part in [
        "HEIRLOOM__SERVER__LISTN: unknown key `listn` in [server]\n    did you mean `listen`?",
        "HEIRLOOM__LOG__FORMAT: `format` can't be \"x\"",
        "HEIRLOOM__CLIENTS__B__NAME: the file declares none of the clients as `b`\n    there are: a",
        "HEIRLOOM__CLIENTS__NAME: the file declares none of the clients",
        "HEIRLOOM__ISSUER__X: `issuer` is a text, not a section",
        "--data: `folder` is empty",
        "6 mistakes",
    ] {
        assert!(errors.contains(part), "{part}\n{errors}");
    }
}

#[test]
fn secrets_come_from_files_and_variables_and_are_never_shown() {
    let client = "[[clients]]\nid = \"my-web_app\"\ntype = \"confidential\"\n";
    let (old, new) = ("a".repeat(32), "b".repeat(32));
    let digests = |config: &Config| config.clients[0].secrets.clone();

    let folder = with(&format!("{client}secret_file = \"secret\""));
    fs::write(folder.path().join("secret"), format!("{new}\n{old}\n")).unwrap();
    assert_eq!(digests(&folder.load().unwrap()), [SecretDigest::of(&new), SecretDigest::of(&old)]);
    let config = load(&format!("{client}secrets = [\"{new}\", \"{old}\"]"));
    assert_eq!(digests(&config), [SecretDigest::of(&new), SecretDigest::of(&old)]);

    // Another form of the same setting, from a later source, wins.
    let mut sources = folder.sources();
    sources.environment = vec![("HEIRLOOM__CLIENTS__MY_WEB_APP__SECRET".to_owned(), old.clone())];
    assert_eq!(digests(&Config::load(&sources).unwrap()), [SecretDigest::of(&old)]);
    let file = folder.path().join("secret").display().to_string();
    let folder = with(&format!("{client}secret = \"{old}\""));
    let mut sources = folder.sources();
    sources.environment = vec![("HEIRLOOM__CLIENTS__MY_WEB_APP__SECRET_FILE".to_owned(), file)];
    assert_eq!(digests(&Config::load(&sources).unwrap()).len(), 2);

    for wrong in [
        format!("{client}secret = \"hush\""),
        format!("{client}secret = \"hush\"\nsecret_file = \"heirloom.toml\""),
        format!("{client}secret = \"hush-hush-hush-hush-hush-hush-hush\"\nsecrets = [\"hush\"]"),
        format!("{client}secret = \"hush\\u0000hush-hush-hush-hush-hush-hush\""),
        format!("{client}secret = \"hush-hush-hush-hush-hush-hush-hush\ntype = 1"),
        format!("{client}secrets = []"),
        format!("{client}secret_file = \"none\""),
    ] {
        let found = mistakes(&wrong);
        assert!(!found.iter().any(|one| one.contains("hush")), "{found:#?}");
    }
    assert!(!format!("{config:?}").contains(&old));
}

#[test]
fn only_the_loader_can_allow_short_secrets() {
    let folder = with("[[clients]]\nid = \"my-web_app\"\ntype = \"confidential\"\nsecret = 's:e%c/r-t'");
    assert!(folder.load().is_err());
    let sources = Sources { short_secrets: true, ..folder.sources() };
    assert!(Config::load(&sources).is_ok());
    refused("short_secrets = true", 2, "unknown key");
}

#[test]
fn a_secret_that_others_may_read_is_told_and_one_that_they_may_write_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let client = "[[clients]]\nid = \"a\"\ntype = \"confidential\"\n";
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let told = |folder: &Folder| {
        let warnings = folder.load().unwrap().warnings();
        warnings.into_iter().filter(|warning| warning.contains("may read it")).collect::<Vec<_>>()
    };
    let folder = with(&format!("{client}secret_file = \"secret\""));
    let secret = folder.path().join("secret");
    fs::write(&secret, SECRET).unwrap();
    for (bits, who) in [(0o600, None), (0o400, None), (0o640, Some("its group")), (0o644, Some("everybody"))]
    {
        mode(&secret, bits);
        let told = told(&folder);
        assert_eq!(told.len(), usize::from(who.is_some()), "{bits:o} {told:?}");
        assert!(told.iter().all(|told| told.contains(who.unwrap()) && told.contains("secret")), "{told:?}");
    }
    mode(&secret, 0o622);
    let refused = folder.load().unwrap_err().to_string();
    assert!(
        refused.contains("heirloom.toml:5") && refused.contains("written by everybody (mode 622)"),
        "{refused}"
    );

    // A file that holds no secret may be read by everybody, but not written.
    mode(&secret, 0o600);
    let config = folder.path().join("heirloom.toml");
    mode(&config, 0o644);
    assert_eq!(told(&folder), [""; 0]);
    for inline in [format!("{client}secret = \"{SECRET}\""), format!("{client}secrets = [\"{SECRET}\"]")] {
        let folder = with(&inline);
        let config = folder.path().join("heirloom.toml");
        mode(&config, 0o644);
        assert!(told(&folder)[0].contains("heirloom.toml holds clients' secrets"), "{:?}", told(&folder));
        mode(&config, 0o600);
        assert_eq!(told(&folder), [""; 0]);
    }
    mode(&config, 0o646);
    assert!(folder.load().unwrap_err().to_string().contains("everybody may write it (mode 646)"));
}

#[test]
fn who_cant_sign_in_and_what_lies_open_is_told() {
    let told = |more: &str, part: &str| load(more).warnings().iter().any(|warning| warning.contains(part));
    let client = "[[clients]]\nid = \"app-a\"\ntype = \"public\"\n";
    assert!(told(client, "nobody gets tokens through app-a"));
    assert!(!told(&format!("[grants]\npassword = true\n{client}"), "nobody gets tokens"));
    let everywhere = "is every address of this machine";
    for listen in ["0.0.0.0:80", "[::]:80"] {
        let server = format!("[server]\nlisten = \"{listen}\"\n");
        assert!(told(&server, everywhere), "{listen}");
        assert!(!told(&format!("{server}trusted_proxies = [\"10.0.0.0/8\"]\n"), everywhere));
    }
    assert!(!told("[server]\nlisten = \"127.0.0.1:80\"\n", everywhere));
}

#[test]
fn an_unreadable_secret_is_one_mistake() {
    refused(
        "[audiences.\"https://api\"]\nscopes = [\"read\"]\n[[clients]]\nid = \"a\"\ntype = \"confidential\"\n\
         secret_file = \"none\"\nintrospects = [\"https://api\"]\ngrants = []",
        7,
        "can't be read",
    );
}
