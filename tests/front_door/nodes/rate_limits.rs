//! How often something may be done over several nodes: as often as on one.

use std::time::Duration;

use heirloom::app::TokenError;
use heirloom::app::authorizations::AuthorizeError;
use heirloom::app::logins::CurrentLogin;
use heirloom::config::Throttle;
use heirloom::oauth::Scope;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::codes::Ask;
use crate::support::{Answer, CONFIDENTIAL, SECRET, Server, Setup, USER};

/// What somebody does again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Refresh,
    ClientToken,
    Authorize,
    SignIn,
    ChangeProfile,
    EndSessions,
    ChangePassword,
    GetPasswordRefused,
}

const PASSWORDS: [&str; 2] = [USER.1, "marble-kettle-57-orchid"];

fn scopes() -> Vec<String> {
    (0..30).map(|number| format!("s{number}")).collect()
}

/// Permits an action three times at once, and then once a second; everything else as often as anybody likes.
fn limited(action: Action) -> impl FnOnce(&mut Setup) {
    let if_one_of = |actions: &[Action]| if actions.contains(&action) { 3 } else { 0 };
    let throttle = Throttle {
        refresh_burst: if_one_of(&[Action::Refresh]),
        client_token_burst: if_one_of(&[Action::ClientToken]),
        sign_in_burst: if_one_of(&[Action::Authorize, Action::SignIn, Action::GetPasswordRefused]),
        change_burst: if_one_of(&[Action::ChangeProfile, Action::EndSessions, Action::ChangePassword]),
        change_every: Duration::from_secs(1),
        ..Throttle::default()
    };
    move |setup| {
        setup.config.throttle = throttle;
        if action == Action::ClientToken {
            let all: Scope = scopes().join(" ").parse().unwrap();
            setup.config.audiences[0].scopes = all.clone();
            setup.client(CONFIDENTIAL, |client| client.metadata.scope = all);
        }
    }
}

/// Somebody who does an action, once more each time.
struct Person {
    login: CurrentLogin,
    refresh_token: String,
    access_token: String,
    number: u8,
}

impl Person {
    /// Signed in, long enough ago that it counts no more.
    async fn on(node: &Server) -> Self {
        let (login, signed_in) = (node.log_in().await, node.sign_in_for_account().await);
        node.wait(60);
        let (refresh_token, access_token) = (signed_in.refresh_token(), signed_in.access_token());
        Self { login, refresh_token, access_token, number: 0 }
    }

    /// Whether it was permitted, and after how many seconds to come back if not.
    async fn go(&mut self, node: &Server, action: Action) -> Result<(), String> {
        self.number += 1;
        let number = usize::from(self.number);
        let answer = match action {
            Action::Refresh => {
                let answer = node.refresh(&self.refresh_token).await;
                if answer.status == 200 {
                    self.refresh_token = answer.refresh_token();
                }
                answer
            }
            Action::ClientToken => {
                let form = [("grant_type", "client_credentials"), ("scope", &scopes()[number])];
                node.send(node.token().basic_auth(CONFIDENTIAL, Some(SECRET)).form(&form)).await
            }
            Action::Authorize => return self.authorize(node).await,
            Action::SignIn => node.sign_in().await,
            Action::ChangeProfile => {
                self.call(node, (Method::PATCH, ""), json!({"display_name": format!("Ann {number}")})).await
            }
            Action::EndSessions => {
                assert_eq!(node.sign_in().await.status, 200);
                self.call(node, (Method::DELETE, "/sessions"), Value::Null).await
            }
            Action::ChangePassword => {
                let (old, new) = (PASSWORDS[(number - 1) % 2], PASSWORDS[number % 2]);
                let body = json!({"current_password": old, "new_password": new});
                let answer = self.call(node, (Method::PUT, "/password"), body).await;
                self.number -= u8::from(answer.status == 429);
                answer
            }
            Action::GetPasswordRefused => {
                let body = json!({"current_password": USER.1, "new_password": "iloveyou"});
                self.call(node, (Method::PUT, "/password"), body).await
            }
        };
        match answer.status {
            429 => Err(answer.header("retry-after").to_owned()),
            422 if action == Action::GetPasswordRefused => Ok(()),
            status => {
                assert!(status < 300, "{action:?}: {}", answer.text);
                Ok(())
            }
        }
    }

    async fn authorize(&self, node: &Server) -> Result<(), String> {
        let authorized = node.authorize(&self.login, Ask { session: self.number, ..Ask::default() }).await;
        authorized.map(drop).map_err(|error| match error {
            AuthorizeError::Failed(TokenError::TooManyAuthorizations { retry_after }) => {
                retry_after.as_secs().to_string()
            }
            AuthorizeError::Used(_) | AuthorizeError::User | AuthorizeError::Failed(_) => panic!("{error}"),
        })
    }

    async fn call(&self, node: &Server, (method, path): (Method, &str), body: Value) -> Answer {
        let request = node.client.request(method, format!("{}/account{path}", node.base));
        let request = request.bearer_auth(&self.access_token);
        node.send(if body.is_null() { request } else { request.json(&body) }).await
    }
}

/// Each tells the others, and hears what they have told.
async fn share(nodes: &[&Server]) {
    for node in nodes.iter().chain(nodes) {
        if let Some(shared) = &node.app.shared_counters {
            shared.share_takes().await.unwrap();
        }
    }
}

/// Does an action at the nodes in turn until it is refused, and then at some later times.
async fn over(nodes: &[&Server], action: Action) -> (usize, Vec<Result<(), String>>) {
    let mut person = Person::on(nodes[0]).await;
    share(nodes).await;
    let (mut seen, mut turn) = (Vec::new(), nodes.iter().cycle());
    // Seconds before each.
    for pause in [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 2, 0, 0, 0] {
        nodes[0].wait(pause);
        seen.push(person.go(turn.next().unwrap(), action).await);
        share(nodes).await;
    }
    let refused = seen.iter().position(Result::is_err).unwrap();
    (refused, seen.split_off(7))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_done_at_two_nodes_in_turn_is_limited_as_at_one() {
    for action in [
        Action::Refresh,
        Action::ClientToken,
        Action::Authorize,
        Action::SignIn,
        Action::ChangeProfile,
        Action::EndSessions,
        Action::ChangePassword,
        Action::GetPasswordRefused,
    ] {
        let alone = over(&[&Server::with(limited(action)).await], action).await;
        let later = ["1", "", "1", "1", "", "", "1", "1"];
        let later = later.map(|seconds| if seconds.is_empty() { Ok(()) } else { Err(seconds.to_owned()) });
        assert_eq!(alone, (3, later.to_vec()), "{action:?}");
        let one = Server::with(|setup| {
            setup.in_postgres();
            limited(action)(setup);
        })
        .await;
        let other = one.another(|_| {}).await;
        // One more at first: of the first at each node the other hears nothing.
        assert_eq!(over(&[&one, &other], action).await, (4, alone.1), "{action:?}");
    }
}

async fn pair(action: Action) -> [Server; 2] {
    let one = Server::with(|setup| {
        setup.in_postgres();
        limited(action)(setup);
    })
    .await;
    let other = one.another(|_| {}).await;
    [one, other]
}

async fn entries(node: &Server) -> Vec<String> {
    node.sql("SELECT octet_length(entry) || ' ' || encode(entry, 'hex') FROM exchange_entry ORDER BY number")
        .await
}

#[tokio::test]
async fn what_is_done_now_and_then_is_told_nobody_and_names_are_told_never() {
    let [one, other] = pair(Action::Refresh).await;
    let signed_in = one.sign_in_for_account().await;
    let mut token = signed_in.refresh_token();
    let before = entries(&one).await.len();
    for node in [&one, &other, &one, &other] {
        token = node.refresh(&token).await.refresh_token();
        share(&[&one, &other]).await;
        one.wait(40);
    }
    assert_eq!(entries(&one).await.len(), before);
    for _ in 0..3 {
        token = one.refresh(&token).await.refresh_token();
    }
    share(&[&one, &other]).await;
    let entries = entries(&one).await;
    assert_eq!(entries.len(), before + 1);
    let (length, entry) = entries.last().unwrap().split_once(' ').unwrap();
    assert!(length.parse::<usize>().unwrap() < 64, "{length}");
    let session = signed_in.session().to_string().replace('-', "");
    assert!(!entry.contains(&session), "{session} in {entry}");
}

#[tokio::test]
async fn while_the_others_cant_be_told_a_node_goes_on_alone_and_tells_once_afterwards() {
    let [one, other] = pair(Action::Refresh).await;
    let mut token = one.sign_in().await.refresh_token();
    one.sql("ALTER TABLE exchange_head RENAME TO gone").await;
    for _ in 0..3 {
        token = one.refresh(&token).await.refresh_token();
        assert!(one.app.shared_counters.as_ref().unwrap().share_takes().await.is_err());
    }
    assert_eq!(one.refresh(&token).await.outcome(), (429, "slow_down"), "by its own buckets");
    token = other.refresh(&token).await.refresh_token();
    one.sql("ALTER TABLE gone RENAME TO exchange_head").await;
    share(&[&one, &other]).await;
    share(&[&one, &other]).await;
    // Of three, the first was quiet: there is one of three left.
    assert_eq!(one.refresh(&token).await.status, 429);
    let answer = other.refresh(&token).await;
    assert_eq!(answer.status, 429, "it has taken one, and has heard of two");
    assert_eq!(answer.header("retry-after"), "1");
}

#[tokio::test]
async fn a_node_that_starts_knows_what_was_permitted_before() {
    let [one, other] = pair(Action::Refresh).await;
    let mut token = one.sign_in().await.refresh_token();
    for node in [&one, &other, &one, &other] {
        token = node.refresh(&token).await.refresh_token();
        share(&[&one, &other]).await;
    }
    let third = one.another(|_| {}).await;
    // As at its start.
    third.app.shared_counters.as_ref().unwrap().hear().await.unwrap();
    token = third.refresh(&token).await.refresh_token();
    assert_eq!(third.refresh(&token).await.status, 429, "of four, the first two were quiet");
}

/// The clock is set back by an hour, while the log's time is what it was.
#[tokio::test]
async fn a_clock_that_is_set_back_does_not_stop_the_buckets() {
    let [one, other] = pair(Action::Refresh).await;
    let mut token = one.sign_in().await.refresh_token();
    for node in [&one, &other, &one, &other] {
        token = node.refresh(&token).await.refresh_token();
        share(&[&one, &other]).await;
    }
    one.clock.set(one.now().before(Duration::from_mins(59)));
    share(&[&one, &other]).await;
    one.wait(2);
    assert_eq!(one.refresh(&token).await.status, 200);
}
