//! Apps that are down, slow or refuse.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::endings::log_out;
use super::{APPS, Scene, sid};
use crate::admin::{ADMIN, Office, sign_in_for};
use crate::support::Answer;
use crate::support::receiver::{Answering, Receiver};

/// Metrics of deliveries: delivered, failed, given up, pending.
async fn counted(scene: &Scene) -> [u64; 4] {
    let page = scene.server.app.monitoring.metrics();
    ["deliveries_total", "delivery_failures_total", "deliveries_given_up_total", "deliveries_pending"].map(
        |name| {
            let line = page.lines().find_map(|line| line.strip_prefix(&format!("heirloom_logout_{name} ")));
            line.unwrap_or_else(|| panic!("{name}: {page}")).parse().unwrap()
        },
    )
}

#[tokio::test]
async fn an_app_that_fails_is_tried_again_by_a_schedule_until_it_accepts() {
    let scene = Scene::start().await;
    let (mut browser, [app]) = scene.signed_in([APPS[0]]).await;
    let other = Receiver::start().await;
    log_out(&mut browser).await;
    let mut tokens = Vec::new();
    for (answering, pause) in [
        (Answering::Status(500), 12),
        (Answering::Status(400), 72),
        (Answering::Redirect(other.uri()), 360),
        (Answering::Status(404), 1080),
        (Answering::Status(503), 4320),
    ] {
        scene.apps[0].answers(answering.clone());
        scene.deliver().await;
        let came = scene.apps[0].take();
        assert_eq!(came.len(), 1, "{answering:?}");
        tokens.extend(came);
        // The pauses are 10 s, a minute, 5 and 15 minutes and an hour, and up to a fifth longer.
        scene.server.wait(pause * 5 / 6 - 1);
        scene.deliver().await;
        assert_eq!(scene.apps[0].take().len(), 0, "too early after {answering:?}");
        scene.server.wait(pause / 6 + 1);
    }
    scene.apps[0].answers(Answering::Status(204));
    scene.deliver().await;
    tokens.extend(scene.apps[0].take());
    scene.server.wait(86_400);
    scene.deliver().await;
    assert_eq!((tokens.len(), scene.apps[0].take().len(), other.take().len()), (6, 0, 0));
    let parts: Vec<Value> = tokens.iter().map(|token| Answer::part(token, 1)).collect();
    let ids: BTreeSet<_> = parts.iter().map(|part| part["jti"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 6, "each try has a token of its own");
    assert!(parts.iter().all(|part| part["sid"] == sid(&app) && part["sub"] == app.claims()["sub"]));
    assert!(parts.windows(2).all(|two| two[0]["iat"].as_u64() < two[1]["iat"].as_u64()));
    assert_eq!(counted(&scene).await, [1, 5, 0, 0]);
}

#[tokio::test]
async fn an_app_that_was_down_is_told_when_it_is_up_again() {
    let mut scene = Scene::start().await;
    let (mut browser, [app, _]) = scene.signed_in([APPS[0], APPS[1]]).await;
    scene.apps[0].down().await;
    log_out(&mut browser).await;
    assert_eq!(scene.told().await, [vec![], vec![sid(&app)], vec![]], "it holds up nobody else");
    assert_eq!(counted(&scene).await, [1, 1, 0, 1]);
    scene.apps[0].up().await;
    assert_eq!(scene.told().await[0].len(), 0, "not before its time");
    scene.server.wait(12);
    assert_eq!(scene.told().await, [vec![sid(&app)], vec![], vec![]]);
    assert_eq!(counted(&scene).await, [2, 1, 0, 0]);
}

#[tokio::test]
async fn an_app_that_never_answers_holds_up_nobody_else() {
    let scene = Scene::start().await;
    scene.apps[0].answers(Answering::Never);
    let mut browsers = Vec::new();
    for _ in 0..3 {
        browsers.push(scene.signed_in([APPS[0], APPS[1]]).await.0);
    }
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let stopped = async { drop(stopped.await) };
    let logouts = std::sync::Arc::clone(&scene.server.app.backchannel_logout);
    let delivering = tokio::spawn(logouts.keep_delivering(stopped));
    for browser in &mut browsers {
        log_out(browser).await;
        // It is told at once: nobody had to move the clock, or to look.
        scene.apps[1].next().await;
    }
    scene.apps[0].next().await;
    scene.apps[0].next().await;
    assert_eq!(scene.apps[0].take().len(), 0, "two at once, the third waits");
    // It stops by itself, and does not wait long for who does not answer.
    stop.send(()).unwrap();
    tokio::time::timeout(std::time::Duration::from_secs(8), delivering).await.unwrap().unwrap();
    assert_eq!(counted(&scene).await, [3, 0, 0, 3]);
}

#[tokio::test]
async fn who_stays_down_for_three_days_is_given_up_and_listed_for_a_week() {
    let scene = Scene::start().await;
    scene.apps[0].answers(Answering::Status(500));
    let (mut browser, [app]) = scene.signed_in([APPS[0]]).await;
    let begun = scene.server.now();
    log_out(&mut browser).await;
    let (mut tries, listed) = (0, async || {
        let page = heirloom::app::backchannel_logout::DeliveryPage::default();
        scene.server.app.backchannel_logout.list(page, 10).await.unwrap().0
    });
    while counted(&scene).await[2] == 0 {
        scene.deliver().await;
        tries += scene.apps[0].take().len();
        scene.server.wait(60);
    }
    let days = scene.server.now().since(begun).as_secs() / 86_400;
    assert!((2..=3).contains(&days) && (50..90).contains(&tries), "{days} days, {tries} tries");
    assert_eq!(counted(&scene).await, [0, tries as u64, 1, 0]);
    let given_up = listed().await;
    assert_eq!(given_up[0].delivery.tries as usize, tries);
    assert_eq!(given_up[0].delivery.last_error.as_deref(), Some("it answered 500"));
    assert_eq!(given_up[0].delivery.login.to_string(), sid(&app));
    scene.apps[0].answers(Answering::Status(200));
    scene.server.wait(6 * 86_400);
    assert_eq!(scene.told().await[0].len(), 0, "it is not tried any more");
    assert_eq!(listed().await.len(), 1);
    scene.server.wait(86_400);
    scene.deliver().await;
    assert_eq!(listed().await.len(), 0);
}

#[tokio::test]
async fn whose_turn_does_not_come_in_three_days_is_given_up_and_not_tried() {
    let scene = Scene::start().await;
    let (mut browser, _) = scene.signed_in([APPS[0]]).await;
    log_out(&mut browser).await;
    // The deliveries are made, and nothing is delivered.
    scene.server.app.backchannel_logout.take_up().await.unwrap();
    scene.server.wait(3 * 86_400 + 1);
    scene.deliver().await;
    assert_eq!(scene.apps[0].take().len(), 0);
    assert_eq!(counted(&scene).await[2], 1);
}

#[tokio::test]
async fn administrators_see_what_is_pending_and_what_was_given_up() {
    let Scene { server, apps } = Scene::start().await;
    let office = Office::on(server).await;
    let scene = Scene { server: office.server, apps };
    scene.apps[0].answers(Answering::Status(500));
    scene.apps[1].answers(Answering::Status(418));
    let (mut browser, [app, _]) = scene.signed_in([APPS[0], APPS[1]]).await;
    let since = scene.server.now().to_string();
    log_out(&mut browser).await;
    scene.server.app.backchannel_logout.take_up().await.unwrap();
    let list = async |query: &str| {
        let token = sign_in_for(&scene.server, ADMIN, "admin").await.access_token();
        let url = format!("{}/admin/logout-deliveries{query}", scene.server.base);
        let answer = scene.server.send(scene.server.client.get(url).bearer_auth(token)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json
    };
    let (user, login) = (app.claims()["sub"].clone(), sid(&app));
    let before = json!({
        "client": APPS[0], "user": user, "login": login, "state": "pending", "since": since, "tries": 0,
        "next_try_at": since,
    });
    assert_eq!(list("").await["deliveries"][0], before);
    scene.deliver().await;
    let first = list("?limit=1").await;
    let [shown] = first["deliveries"].as_array().unwrap().as_slice() else { panic!("{first}") };
    assert_eq!((&shown["tries"], &shown["last_error"]), (&json!(1), &json!("it answered 500")));
    assert!(shown["next_try_at"].as_str() > Some(since.as_str()), "{shown}");
    let second = list(&format!("?limit=1&after={}", first["next"].as_str().unwrap())).await;
    assert_eq!(second["deliveries"][0]["client"], APPS[1]);

    // The first accepts at last, and the second is given up.
    while counted(&scene).await[2] == 0 {
        scene.server.wait(3600);
        scene.deliver().await;
        scene.apps[0].answers(Answering::Status(200));
    }
    let all = list("").await;
    let [given_up] = all["deliveries"].as_array().unwrap().as_slice() else { panic!("{all}") };
    assert_eq!((&given_up["client"], &given_up["state"]), (&json!(APPS[1]), &json!("given_up")));
    assert_eq!(given_up["last_error"], "it answered 418");
    assert!(given_up["given_up_at"].is_string() && given_up["next_try_at"].is_null(), "{given_up}");
}
