//! Attacks on sign-ins. While each of them runs, a person on a known network signs in 8 of 8 times, and one on a new
//! network within a minute.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use heirloom::config::{SignUp, Throttle};
use heirloom::password::hash::Cost;
use reqwest::RequestBuilder;
use serde_json::json;

use crate::support::{Answer, PUBLIC, Server, USER};

/// The attacker's own account.
const MALLORY: (&str, &str) = ("mallory", "violet-anchor-71-harbour");
/// The network from which the person has signed in before.
const HOME: &str = "2001:db8:1::1";
/// The network from which the attacker's account has signed in before.
const LAIR: &str = "203.0.113.66";

/// A server with the default limits, with slow hashes, and with clients that name their address in `X-Forwarded-For`.
async fn server() -> Server {
    let server = Server::with(|setup| {
        setup.config.throttle = Throttle::default();
        setup.config.server.trusted_proxies = vec!["127.0.0.1".to_owned()];
        setup.config.accounts.registration = SignUp::Open;
        setup.config.passwords.threads = 1;
        setup.config.passwords.queue = 16;
        setup.cost = Cost::new(8 * 1024, 1, 1).unwrap();
    })
    .await;
    server.app.accounts.register(MALLORY.0, MALLORY.1, Vec::new()).await.unwrap();
    assert_eq!(sign_in(&server, USER, HOME).await.status, 200);
    server
}

fn attempt(server: &Server, (name, password): (&str, &str), address: &str) -> RequestBuilder {
    let form = [
        ("grant_type", "password"),
        ("client_id", PUBLIC),
        ("username", name),
        ("password", password),
        ("scope", "account"),
    ];
    server.token().header("x-forwarded-for", address).form(&form)
}

async fn sign_in(server: &Server, who: (&str, &str), address: &str) -> Answer {
    server.send(attempt(server, who, address)).await
}

/// The `n`th of the 256 /64s of one subscriber.
fn lan(n: usize) -> String {
    format!("2001:db8:bad:{:x}::1", n % 256)
}

/// Sends the requests of `flood` again and again over `connections` connections. Meanwhile the person signs in.
async fn holds_against(
    server: Server,
    connections: usize,
    flood: impl Fn(&Server, usize) -> RequestBuilder,
) -> Vec<u16> {
    let server = Arc::new(server);
    let (stop, next) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    // The requests are made before, and repeat after `REQUESTS`.
    let requests: Arc<Vec<_>> = Arc::new((0..REQUESTS).map(|n| flood(&server, n).build().unwrap()).collect());
    let attackers: Vec<_> = (0..connections)
        .map(|_| {
            let (server, requests) = (Arc::clone(&server), Arc::clone(&requests));
            let (stop, next) = (Arc::clone(&stop), Arc::clone(&next));
            tokio::spawn(async move {
                let mut statuses = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let request = &requests[next.fetch_add(1, Ordering::Relaxed) % REQUESTS];
                    let answer = server.client.execute(request.try_clone().unwrap()).await.unwrap();
                    statuses.push(answer.status().as_u16());
                    drop(answer.bytes().await);
                }
                statuses
            })
        })
        .collect();
    let at_least = async |requests: usize| {
        while next.load(Ordering::Relaxed) < requests {
            tokio::task::yield_now().await;
        }
    };
    // All requests are under way and the first ones are answered: the flood is at its worst.
    at_least(connections + 2).await;
    for time in 0..8 {
        let answer = sign_in(&server, USER, HOME).await;
        assert_eq!(answer.status, 200, "the {time}th time from a known network: {}", answer.text);
    }
    let mut waited = 0;
    loop {
        let answer = sign_in(&server, USER, "2001:db8:2::1").await;
        if answer.status == 200 {
            break;
        }
        let seconds: u64 = answer.header("retry-after").parse().unwrap();
        waited += seconds;
        assert!(waited <= 60, "not in a minute from a new network: {}", answer.text);
        server.wait(seconds);
        // The attacker is always a little faster than the person.
        at_least(next.load(Ordering::Relaxed) + 2 * connections).await;
    }
    at_least(12 * connections).await;
    stop.store(true, Ordering::Relaxed);
    let mut statuses = Vec::new();
    for attacker in attackers {
        statuses.extend(attacker.await.unwrap());
    }
    assert_eq!(count(&statuses, 503), 0, "nobody fills the queue alone");
    statuses
}

const REQUESTS: usize = 1024;

fn count(statuses: &[u16], of: u16) -> usize {
    statuses.iter().filter(|status| **status == of).count()
}

#[tokio::test]
async fn the_right_password_of_one_account_in_parallel() {
    let server = server().await;
    assert_eq!(sign_in(&server, MALLORY, LAIR).await.status, 200);
    let before = server.app.passwords.hashes_started();
    let app = Arc::clone(&server.app);
    let statuses = holds_against(server, 36, |server, _| attempt(server, MALLORY, LAIR)).await;
    assert!(count(&statuses, 200) > 0 && count(&statuses, 429) > count(&statuses, 200), "{statuses:?}");
    // 59 sign-ins are left at first, and one a second is added. Besides those, only the requests under way when the
    // last was used, and the person's, are hashed.
    let hashed = app.passwords.hashes_started() - before;
    assert!(hashed < 59 + 16 + 70 + 9, "{hashed} hashed");
}

#[tokio::test]
async fn the_right_password_of_one_account_from_ever_new_networks() {
    let server = server().await;
    let before = server.app.passwords.hashes_started();
    let app = Arc::clone(&server.app);
    let statuses = holds_against(server, 36, |server, n| attempt(server, MALLORY, &lan(n))).await;
    assert!(count(&statuses, 429) > count(&statuses, 200), "{statuses:?}");
    let hashed = app.passwords.hashes_started() - before;
    assert!(hashed < 60 + 36 + 16 + 9, "{hashed} hashed");
}

#[tokio::test]
async fn a_right_current_password_and_a_new_one_that_is_refused() {
    let server = server().await;
    let token = sign_in(&server, MALLORY, LAIR).await.access_token();
    let before = server.app.passwords.hashes_started();
    let app = Arc::clone(&server.app);
    let statuses = holds_against(server, 36, |server, _| {
        let request = server.client.put(format!("{}/account/password", server.base));
        let body = json!({"current_password": MALLORY.1, "new_password": "iloveyou"});
        request.header("x-forwarded-for", LAIR).bearer_auth(&token).json(&body)
    })
    .await;
    assert!(count(&statuses, 422) > 0 && count(&statuses, 429) > 0, "{statuses:?}");
    assert!(app.passwords.hashes_started() - before <= 9, "none for what is refused");
}

#[tokio::test]
async fn wrong_passwords_at_the_deletion_of_an_account() {
    let server = server().await;
    let token = sign_in(&server, MALLORY, LAIR).await.access_token();
    let before = server.app.passwords.hashes_started();
    let app = Arc::clone(&server.app);
    let statuses = holds_against(server, 36, |server, n| {
        let request = server.client.delete(format!("{}/account", server.base));
        let body = json!({"password": format!("wrong {n}")});
        request.header("x-forwarded-for", LAIR).bearer_auth(&token).json(&body)
    })
    .await;
    assert!(count(&statuses, 403) >= 10 && count(&statuses, 429) > 0, "{statuses:?}");
    assert!(app.passwords.hashes_started() - before < 10 + 16 + 9, "no more than guesses");
}

#[tokio::test]
async fn invented_names_from_the_256_networks_of_one_subscriber() {
    let server = server().await;
    let statuses =
        holds_against(server, 64, |server, n| attempt(server, (&format!("invented-{n}"), "wrong"), &lan(n)))
            .await;
    assert!(count(&statuses, 400) > 0 && count(&statuses, 429) > 0, "{statuses:?}");
}

#[tokio::test]
async fn guesses_at_the_persons_account_from_64_networks_of_one_subscriber() {
    let server = server().await;
    // The attack has gone on for half an hour.
    for n in 0..60 {
        let answer = sign_in(&server, (USER.0, &format!("earlier guess {n}")), &lan(n)).await;
        assert!(answer.status == 400 || answer.status == 429, "{}", answer.text);
        server.wait(30);
    }
    let statuses =
        holds_against(server, 64, |server, n| attempt(server, (USER.0, &format!("guess {n}")), &lan(n % 64)))
            .await;
    assert!(count(&statuses, 429) > 10 * count(&statuses, 400), "{statuses:?}");
}

#[tokio::test]
async fn sign_ups_from_the_256_networks_of_one_subscriber() {
    let server = server().await;
    let statuses = holds_against(server, 64, |server, n| {
        let body = json!({
            "username": format!("invented-{n}"),
            "email": format!("invented-{n}@example.com"),
            "password": "4@8({[<3#6!1|lI$5+7%2Zz0oO9gqxXvV",
        });
        let request = server.client.post(format!("{}/account", server.base));
        request.header("x-forwarded-for", lan(n)).json(&body)
    })
    .await;
    assert!(count(&statuses, 201) > 0 && count(&statuses, 429) > 0, "{statuses:?}");
}
