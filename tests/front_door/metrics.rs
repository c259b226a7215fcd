//! The metrics, on their own listener.

use heirloom::http::operations::metrics;
use heirloom::http::server;

use crate::support::{Answer, Server, Setup, USER, client};

/// The metrics page, from a real listener.
async fn numbers(of: &Server) -> Answer {
    let listener = server::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let options = server::ServerOptions::default();
    let endpoint = metrics::endpoint(&of.app.monitoring, &options.places);
    let serving = tokio::spawn(server::serve(listener, endpoint, options, async { drop(stopped.await) }));
    let page = Answer::of(client().get(format!("http://{address}/metrics")).send().await.unwrap()).await;
    let other = Answer::of(client().get(format!("http://{address}/oauth/token")).send().await.unwrap()).await;
    assert_eq!(other.status, 404, "nothing else is there");
    assert_eq!(
        (page.header("x-content-type-options"), other.header("x-content-type-options")),
        ("nosniff", "nosniff")
    );
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
    page
}

#[tokio::test]
async fn what_looks_the_same_to_a_client_is_told_apart_and_nobody_is_named() {
    let server = Server::start().await;
    let first = server.sign_in().await;
    let second = server.refresh(&first.refresh_token()).await;
    server.refresh(&second.refresh_token()).await.refresh_token();
    server.wait(60);
    assert_eq!(server.refresh(&first.refresh_token()).await.status, 400);
    assert_eq!(server.refresh(&first.refresh_token()).await.status, 400);
    assert_eq!(server.refresh("nonsense").await.status, 400);
    assert_eq!(server.sign_in_as(USER.0, "wrong").await.status, 400);
    let page = numbers(&server).await;
    for name in ["connections_refused_by_source", "bodies_refused"] {
        assert!(page.text.contains(&format!("\nheirloom_{name}_total 0\n")), "{}", page.text);
    }
    assert!(page.header("content-type").starts_with("text/plain; version=0.0.4"));
    for (grant, outcome, count) in [
        ("password", "ok", 1),
        ("password", "credentials", 1),
        ("refresh_token", "ok", 2),
        ("refresh_token", "reuse", 1),
        ("refresh_token", "ended_reuse", 1),
        ("refresh_token", "not_a_token", 1),
    ] {
        let line = format!(r#"heirloom_token_requests_total{{grant="{grant}",outcome="{outcome}"}} {count}"#);
        assert!(page.text.lines().any(|found| found == line), "{line}\n{}", page.text);
    }
    assert!(page.text.contains("\nheirloom_sign_ins_failed_total 1\n"), "{}", page.text);
    assert!(page.text.contains("\nheirloom_sweeper_paused_seconds "), "{}", page.text);
    assert!(!page.text.contains(USER.0) && !page.text.contains("127.0.0.1"), "{}", page.text);
    assert_eq!(server.get("/metrics").await.status, 404, "not on the public listener");
}

#[tokio::test]
async fn the_groups_of_the_store_on_the_disk_are_counted() {
    let server = Server::with(Setup::on_disk).await;
    server.sign_in().await.access_token();
    let page = numbers(&server).await;
    for figure in ["groups_total", "changes_total", "largest_group", "longest_group_microseconds"] {
        let value =
            page.text.lines().find_map(|line| line.strip_prefix(&format!("heirloom_store_{figure} ")));
        assert!(value.is_some_and(|value| value != "0"), "{figure}\n{}", page.text);
    }
    assert!(page.text.contains("\nheirloom_store_longest_read_microseconds "), "{}", page.text);
}
