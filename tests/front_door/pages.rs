//! No list endpoint reads more than one page, however long the list is.

use std::collections::BTreeSet;
use std::time::Duration;

use heirloom::app::backchannel_logout::delivery::{self, LogoutDelivery};
use heirloom::oauth::ClientId;
use heirloom::store::{Append, Expected, RecordChange, StreamId};
use serde_json::{Value, json};

use crate::admin::Office;
use crate::counting::{Counts, counted};
use crate::devices::{FIREFOX, sign_in_on};
use crate::support::{Answer, PUBLIC, Server, USER};

const LIMIT: usize = 5;

/// Every endpoint with pages.
fn paged() -> BTreeSet<String> {
    let specification: Value = serde_json::from_str(&heirloom::http::docs::specification().unwrap()).unwrap();
    let has_limit = |operations: &Value| {
        let parameters = operations["get"]["parameters"].as_array().cloned().unwrap_or_default();
        parameters.iter().any(|parameter| parameter["name"] == "limit")
    };
    let paths = specification["paths"].as_object().unwrap().iter();
    paths.filter(|(_, operations)| has_limit(operations)).map(|(path, _)| path.clone()).collect()
}

/// Adds twenty of everything that has a list, and twenty refreshes to a session.
async fn add_twenty(office: &Office, round: usize, session: &mut Answer) {
    let server = &office.server;
    for number in 0..20 {
        let name = format!("p{round}-{number:02}");
        server.app.accounts.register(&name, USER.1, Vec::new()).await.unwrap();
        let client = json!({"id": name, "type": "public", "scopes": ["read"]});
        assert_eq!(office.post("/admin/clients", client).await.status, 201);
        server.app.accounts.invite(Vec::new(), Duration::from_hours(1)).await.unwrap();
        sign_in_on(server, FIREFOX, &name).await;
        *session = server.refresh(&session.refresh_token()).await;
        add_delivery(server, &name).await;
    }
}

/// Adds a logout token that a client is to get.
async fn add_delivery(server: &Server, client: &str) {
    let client = client.parse::<ClientId>().unwrap();
    let (user, login, since) = ([1; 16].into(), [2; 16].into(), server.now());
    let key = delivery::pending(&client, since, &[3; 16]);
    let delivery = LogoutDelivery { client, user, login, since, tries: 0, last_error: None };
    let append = Append {
        stream: StreamId::new(b'-', b"records").unwrap(),
        expected: Expected::NoStream,
        events: Vec::new(),
        snapshot: Vec::new(),
        records: vec![RecordChange::Put(key, delivery.encode())],
    };
    server.app.store.append(append).await.unwrap();
}

/// The cost of a page, in reads and rows, and where the next page begins.
async fn cost(
    office: &Office,
    counts: &Counts,
    path: &str,
    token: &str,
    after: &str,
) -> ((usize, usize), String) {
    let after = if after.is_empty() { String::new() } else { format!("&after={after}") };
    let url = format!("{}{path}?limit={LIMIT}{after}", office.server.base);
    counts.take();
    let answer = office.server.send(office.server.client.get(url).bearer_auth(token)).await;
    let cost = counts.take();
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    let next = &answer.json["next"];
    (cost, next.as_str().map_or_else(|| next.to_string(), str::to_owned))
}

#[tokio::test]
async fn no_list_endpoint_reads_more_than_its_page() {
    let mut counts = None;
    let server = Server::with(|setup| {
        counts = Some(counted(setup));
        setup.config.sessions.per_user = 1000;
    })
    .await;
    let (office, counts) = (Office::on(server).await, counts.unwrap());
    let mut session = sign_in_on(&office.server, FIREFOX, "refreshed").await;
    let (user, id) = (office.user().await, session.session());
    let lists = [
        ("/account/sessions", ""),
        ("/admin/users", ""),
        ("/admin/users/{id}/sessions", user.as_str()),
        ("/admin/clients", ""),
        ("/admin/clients/{id}/sessions", PUBLIC),
        ("/admin/invitations", ""),
        ("/admin/logout-deliveries", ""),
        ("/admin/events", ""),
    ];
    // A timeline's line may stand for several events; `timeline.rs` checks for how many at most.
    let timelines = ["/account/sessions/{id}/events", "/admin/sessions/{id}/events"];
    let measured: BTreeSet<_> =
        lists.map(|(path, _)| path).into_iter().chain(timelines).map(str::to_owned).collect();
    assert_eq!(measured, paged(), "every one is measured here");

    let mut costs = Vec::new();
    for round in 0..3 {
        add_twenty(&office, round, &mut session).await;
        let mut these = Vec::new();
        for (path, of) in lists {
            let token =
                if path.starts_with("/admin") { office.token.clone() } else { session.access_token() };
            let path = path.replace("{id}", of);
            let (first, next) = cost(&office, &counts, &path, &token, "").await;
            let (second, _) = cost(&office, &counts, &path, &token, &next).await;
            for (reads, rows) in [first, second] {
                assert!(rows <= LIMIT, "{path}: {rows} rows");
                assert!(reads <= 4 + LIMIT * 4, "{path}: {reads} reads");
            }
            these.push((path, first, second));
        }
        costs.push(these);
    }
    assert_eq!(costs[0], costs[1], "twice as much of everything costs the same");
    assert_eq!(costs[1], costs[2]);
    for (path, token) in timelines.into_iter().zip([session.access_token(), office.token.clone()]) {
        let path = path.replace("{id}", &id.to_string());
        let ((reads, rows), _) = cost(&office, &counts, &path, &token, "").await;
        assert!(reads <= 8 && rows <= 64 * 2, "{path}: {reads} reads, {rows} rows of a row of 60 refreshes");
    }
}
