//! Nothing is forgotten when the server ends at any moment, and nobody is told twice without need.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::endings::log_out;
use super::{APPS, Scene, sid};
use crate::faults::{Failing, Fault, Once};
use crate::support::USER;
use crate::support::receiver::{Answering, Receiver};

#[tokio::test]
async fn a_logout_before_the_end_of_the_server_is_told_after_the_start() {
    let scene = Scene::start().await;
    let (mut browser, [app, _]) = scene.signed_in([APPS[0], APPS[1]]).await;
    log_out(&mut browser).await;
    let apps = scene.apps.each_ref().map(Receiver::uri);
    let scene = scene.restart(|_| {}).await;
    assert_eq!(apps, scene.apps.each_ref().map(Receiver::uri));
    assert_eq!(scene.told().await, [vec![sid(&app)], vec![sid(&app)], vec![]]);
    let scene = scene.restart(|_| {}).await;
    assert_eq!(scene.told().await[0].len(), 0, "once");
}

#[tokio::test]
async fn what_was_left_is_taken_up_at_the_start_and_delivered_after_another() {
    let scene = Scene::start().await;
    let (mut browser, [app]) = scene.signed_in([APPS[0]]).await;
    log_out(&mut browser).await;
    // The start makes the delivery, and the server ends before it is tried.
    let scene = scene.restart(|_| {}).await;
    scene.server.app.backchannel_logout.take_up().await.unwrap();
    let scene = scene.restart(|_| {}).await;
    scene.server.app.backchannel_logout.take_up().await.unwrap();
    let metrics = scene.server.app.monitoring.metrics();
    assert!(metrics.contains("heirloom_logout_deliveries_pending 1\n"), "{metrics}");
    assert_eq!(scene.told().await, [vec![sid(&app)], vec![], vec![]]);
}

#[tokio::test]
async fn an_app_that_was_down_before_and_after_a_restart_is_told_at_last() {
    let mut scene = Scene::start().await;
    let (mut browser, [app]) = scene.signed_in([APPS[0]]).await;
    scene.apps[0].down().await;
    log_out(&mut browser).await;
    scene.deliver().await;
    scene.server.wait(12);
    scene.deliver().await;
    let mut scene = scene.restart(|_| {}).await;
    scene.deliver().await;
    scene.server.wait(86_400);
    scene.apps[0].up().await;
    assert_eq!(scene.told().await, [vec![sid(&app)], vec![], vec![]]);
}

/// The change of records by which deliveries take the place of their entry fails, or nobody knows whether it did.
#[tokio::test]
async fn a_store_that_fails_between_the_logout_and_the_delivery_loses_nothing() {
    for landed in [false, true] {
        let broken = Arc::new(AtomicBool::new(false));
        let fault = Arc::clone(&broken);
        let scene = Scene::with(|setup| {
            setup.store = Some(Box::new(move |inner| {
                if landed {
                    Arc::new(Once { inner, broken: fault })
                } else {
                    Arc::new(Failing { inner, broken: fault, fault: Fault::Append })
                }
            }));
        })
        .await;
        let (mut browser, [app, _]) = scene.signed_in([APPS[0], APPS[1]]).await;
        log_out(&mut browser).await;
        broken.store(true, Ordering::SeqCst);
        assert!(scene.server.app.backchannel_logout.deliver_due().await.is_err());
        broken.store(false, Ordering::SeqCst);
        assert_eq!(scene.told().await, [vec![sid(&app)], vec![sid(&app)], vec![]], "landed: {landed}");
    }
}

/// That an app has accepted could not be written down: it is told once more, rather than never.
#[tokio::test]
async fn an_answer_that_could_not_be_recorded_has_the_app_told_again() {
    let broken = Arc::new(AtomicBool::new(false));
    let fault = Arc::clone(&broken);
    let scene = Scene::with(|setup| {
        setup.store =
            Some(Box::new(|inner| Arc::new(Failing { inner, broken: fault, fault: Fault::Append })));
    })
    .await;
    let (mut browser, [app]) = scene.signed_in([APPS[0]]).await;
    log_out(&mut browser).await;
    scene.server.app.backchannel_logout.take_up().await.unwrap();
    broken.store(true, Ordering::SeqCst);
    assert!(scene.server.app.backchannel_logout.deliver_due().await.is_err());
    broken.store(false, Ordering::SeqCst);
    scene.deliver().await;
    scene.deliver().await;
    assert_eq!(scene.apps[0].logins(), [sid(&app), sid(&app)]);
}

#[tokio::test]
async fn a_delivery_goes_where_the_client_is_registered_now() {
    let scene = Scene::start().await;
    let (mut browser, [app, _]) = scene.signed_in([APPS[0], APPS[1]]).await;
    for app in &scene.apps {
        app.answers(Answering::Status(500));
    }
    log_out(&mut browser).await;
    scene.deliver().await;
    let uri = scene.apps[2].uri();
    let scene = scene
        .restart(|setup| {
            // One has moved, the other does not want to be told any more.
            setup.client(APPS[0], |client| {
                client.metadata.backchannel_logout_uri = Some(uri.parse().unwrap());
            });
            setup.client(APPS[1], |client| client.metadata.backchannel_logout_uri = None);
        })
        .await;
    for app in &scene.apps {
        app.answers(Answering::Status(200));
        app.take();
    }
    scene.server.wait(12);
    assert_eq!(scene.told().await, [vec![], vec![], vec![sid(&app)]]);
    let page = heirloom::app::backchannel_logout::DeliveryPage::default();
    assert!(scene.server.app.backchannel_logout.list(page, 10).await.unwrap().0.is_empty());
}

/// Stored bytes that can't be read are of somebody: nobody else waits for them, nor does the start.
#[tokio::test]
async fn what_cant_be_read_of_one_logout_stops_no_other_and_no_start() {
    let broken = Arc::new(AtomicBool::new(false));
    let fault = Arc::clone(&broken);
    let scene = Scene::with(|setup| {
        setup.store =
            Some(Box::new(|inner| Arc::new(Failing { inner, broken: fault, fault: Fault::Damage })));
    })
    .await;
    let (_, [_]) = scene.signed_in([APPS[0]]).await;
    let user = scene.server.app.accounts.account_named(USER.0).await.unwrap().unwrap();
    scene.server.app.sessions.end_all_sessions(user, None).await.unwrap_or_else(|_| panic!("it ends them"));
    broken.store(true, Ordering::SeqCst);
    scene.server.app.backchannel_logout.take_up().await.unwrap();
    broken.store(false, Ordering::SeqCst);
    let (mut browser, [app]) = scene.signed_in([APPS[1]]).await;
    log_out(&mut browser).await;
    assert_eq!(scene.told().await, [vec![], vec![sid(&app)], vec![]]);
}
