//! The server uses a renewed certificate while it runs.

use std::fs;
use std::path::Path;
use std::time::Instant;

use crate::answer::Caller;
use crate::production::{Installation, PHONE, USER};
use crate::support::{PATIENCE, Process, free_port, heirloom, set_mode, text};

/// Replaces a file by another one in one step, as renewals do.
fn replace(path: &Path, contents: &str) {
    let fresh = path.with_extension("fresh");
    fs::write(&fresh, contents).unwrap();
    set_mode(&fresh, 0o600);
    fs::rename(fresh, path).unwrap();
}

/// A caller that trusts only this certificate.
fn believing(installation: &Installation, certificate: &str) -> Caller {
    let certificate = reqwest::Certificate::from_pem(certificate.as_bytes()).unwrap();
    let base = format!("https://localhost:{}", installation.port);
    Caller::with(&base, |builder| builder.tls_certs_only([certificate]))
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_without_a_restart_and_a_bad_one_is_told() {
    let installation = Installation::new();
    installation.add_user();
    let metrics = format!("127.0.0.1:{}", free_port());
    let config = installation.config();
    let mut command = heirloom(&["serve", "--config", text(&config)]);
    command.env("HEIRLOOM__SERVER__METRICS", &metrics);
    let mut process = Process::start(command, &installation.path("log"));
    process.logged("listening");
    let (cert, key) = (installation.path("chain.pem"), installation.path("tls-key.pem"));
    let old = installation.caller();
    let token = old.sign_in(PHONE, USER).await.refresh_token();

    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let renewed = made.cert.pem();
    replace(&key, &made.signing_key.serialize_pem());
    replace(&cert, &renewed);
    process.logged("was renewed");
    let new = believing(&installation, &renewed);
    assert_eq!(new.refresh(PHONE, &token).await.status, 200, "new connections get it");

    // A pair that does not fit is logged, and the previous pair stays in use.
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    replace(&key, &other.signing_key.serialize_pem());
    let told = process.logged("can't be used: the previous one stays in use");
    assert!(told.contains("tls-key.pem"), "{told}");
    let caller = believing(&installation, &renewed);
    let numbers = Caller::plain(&format!("http://{metrics}"));
    let deadline = Instant::now() + PATIENCE;
    loop {
        let health = caller.get("/health/ready").await;
        assert_eq!(health.status, 200, "{}", health.text);
        let page = numbers.get("/metrics").await.text;
        if health.json["certificate_refused"] == true && page.contains("heirloom_tls_certificate_refused 1") {
            assert!(health.json["certificate_days_left"].as_u64().unwrap() > 700_000, "{}", health.text);
            assert!(page.contains("heirloom_tls_certificate_days_left 7"), "{page}");
            break;
        }
        assert!(Instant::now() < deadline, "{}", health.text);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }

    // An expired certificate is used, since the operator wants it, and logged.
    let mut parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    parameters.not_after = rcgen::date_time_ymd(2001, 1, 1);
    let pair = rcgen::KeyPair::generate().unwrap();
    replace(&cert, &parameters.self_signed(&pair).unwrap().pem());
    replace(&key, &pair.serialize_pem());
    let told = process.logged("has expired");
    assert!(told.contains("2001-01-01"), "{told}");
}
