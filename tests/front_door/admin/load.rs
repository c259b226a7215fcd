//! What throttling and the hashing pool are doing, as an administrator sees it.

use serde_json::json;

use super::Office;
use crate::support::{Server, USER};

#[tokio::test]
async fn failed_and_throttled_sign_ins_are_visible_to_the_administrator() {
    let office = Office::on(Server::with(|setup| setup.config.throttle.account_attempts = 3).await).await;
    let server = &office.server;
    for number in 0..5 {
        server.sign_in_as(USER.0, &format!("wrong-{number}")).await;
    }
    // The same again within two seconds counts once.
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
