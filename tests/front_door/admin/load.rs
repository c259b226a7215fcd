//! An administrator sees what throttling and the hashing pool are doing.

use serde_json::json;

use super::Office;
use crate::support::{PUBLIC, Server, USER};

#[tokio::test]
async fn failed_and_throttled_sign_ins_are_visible_to_the_administrator() {
    let office = Office::on(Server::with(|setup| setup.config.throttle.account_attempts = 3).await).await;
    let server = &office.server;
    for number in 0..5 {
        server.sign_in_as(USER.0, &format!("wrong-{number}")).await;
    }
    // The same attempt within two seconds counts once.
    server.sign_in_as("nobody", "wrong").await;
    server.sign_in_as("nobody", "wrong").await;
    let load = office.get("/admin/sign-in-load").await;
    assert_eq!(
        load.json["attempts"],
        json!({
            "admitted": 6, "repeats": 1, "familiar": 0, "throttled_by_account": 2, "throttled_by_network": 0,
            "succeeded": 1, "failed": 5, "abandoned": 0,
        }),
        "{}",
        load.text
    );
    let hashes = server.app.passwords.hashes_started();
    assert_eq!(load.json["hashing"]["started"], json!(hashes));
    assert_eq!(load.json["since"], json!(crate::support::NOW.to_string()));
}

#[tokio::test]
async fn a_forwarded_address_from_an_untrusted_peer_is_no_way_around_the_limit_of_sign_ins() {
    for (trusted, outcomes, throttled) in
        [(false, [400, 400, 400, 429, 429], 2), (true, [400, 400, 400, 400, 400], 0)]
    {
        let server = Server::with(|setup| {
            setup.config.throttle.network_attempts = 3;
            if trusted {
                setup.config.server.trusted_proxies = vec!["127.0.0.1".to_owned()];
            }
        });
        let office = Office::on(server.await).await;
        let mut statuses = Vec::new();
        for number in 0..5 {
            let (name, address) = (format!("nobody-{number}"), format!("203.0.{number}.7"));
            let form = [
                ("grant_type", "password"),
                ("client_id", PUBLIC),
                ("username", name.as_str()),
                ("password", "wrong"),
            ];
            let request = office.server.token().header("x-forwarded-for", address).form(&form);
            statuses.push(office.server.send(request).await.status);
        }
        assert_eq!(statuses, outcomes, "trusted: {trusted}");
        let load = office.get("/admin/sign-in-load").await;
        assert_eq!(load.json["attempts"]["throttled_by_network"], json!(throttled));
    }
}
