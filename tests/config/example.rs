//! The smallest configuration, and the example that names every setting.

use std::fs;
use std::time::Duration;

use crate::folder::{Folder, SECRET, load};
use heirloom::client::{
    ConsentPolicy, Delivery, PkcePolicy, RetryWindow, SecretDigest, TokenEndpointAuthMethod,
};
use heirloom::oauth::GrantType;

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
    for file in ["web-app.secret", "api-server.secret", "nightly-report.secret"] {
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
    assert_eq!(config.logins, plain.logins);
    assert_eq!(config.lead_time, plain.lead_time);
    assert_eq!(config.data, folder.path().join("data"));
    assert_eq!((config.nearly_full, plain.nearly_full), (256 << 20, 256 << 20));
    assert_eq!(config.keys, folder.path().join("keys"));

    let [phone, web, browser, api, report] = config.clients.as_slice() else { panic!("five clients") };
    assert_eq!(report.metadata.grant_types, [GrantType::ClientCredentials]);
    assert_eq!(report.metadata.roles, ["reporter"]);
    assert!(phone.metadata.token_endpoint_auth_method.is_public() && phone.secrets.is_empty());
    assert_eq!(phone.metadata.retry_window, RetryWindow::For(Duration::from_mins(1)));
    assert_eq!(phone.metadata.lifetimes.refresh_absolute, Duration::from_hours(180 * 24));
    assert_eq!(web.metadata.token_endpoint_auth_method, TokenEndpointAuthMethod::ClientSecret);
    assert_eq!(web.secrets, [SecretDigest::of(SECRET)]);
    assert_eq!(web.metadata.retry_window, RetryWindow::UntilUsed);
    let grants = [GrantType::RefreshToken, GrantType::AuthorizationCode];
    assert_eq!(web.metadata.grant_types, grants);
    assert_eq!(web.metadata.redirect_uris, ["https://www.example.com/callback".parse().unwrap()]);
    assert_eq!((web.metadata.pkce, web.metadata.consent), (PkcePolicy::Required, ConsentPolicy::Implied));
    assert_eq!((phone.metadata.redirect_uris.len(), phone.metadata.consent), (2, ConsentPolicy::Ask));
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
fn every_setting_of_the_example_that_is_commented_out_is_known() {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/heirloom.toml")).unwrap();
    let text = text
        .replace("# [server.tls]", "[server.tls]")
        .replace("# certificate", "certificate")
        .replace("# key = ", "key = ")
        .replace("# threads", "threads")
        .replace("# queue", "queue");
    let folder = Folder::with(&text);
    fs::create_dir(folder.path().join("tls")).unwrap();
    for file in
        ["web-app.secret", "api-server.secret", "nightly-report.secret", "tls/chain.pem", "tls/key.pem"]
    {
        fs::write(folder.path().join(file), SECRET).unwrap();
    }
    let config = folder.load().unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(config.server.tls.expect("TLS is on").key, folder.path().join("tls/key.pem"));
    assert_eq!((config.passwords.threads, config.passwords.queue), (3, 40));
}
