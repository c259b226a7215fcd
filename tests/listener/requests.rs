//! What the listener serves and what it refuses.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::child_server::ChildServer;
use crate::raw::{Raw, listen, until};
use heirloom::http::server::Limits;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, timeout};

const HEAD: &str = "POST /echo HTTP/1.1\r\nHost: localhost\r\n";

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let server = listen(Limits::default());
    let mut client = Raw::connect(server.addr).await;
    for length in [0, 1, 5_000, 65_536] {
        client.send(format!("{HEAD}Content-Length: {length}\r\n\r\n{}", "x".repeat(length))).await;
        let answer = client.answer().await.unwrap();
        assert_eq!((answer.status, answer.text()), (200, &*format!("{length} bytes")));
        assert_eq!(answer.header("connection"), None);
    }
    client.send(format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")).await;
    let answer = client.answer().await.unwrap();
    assert_eq!((answer.status, answer.text(), answer.header("connection")), (200, "5 bytes", Some("close")));
    client.assert_closed().await;
}

#[tokio::test]
async fn requests_sent_at_once_are_answered_in_order() {
    let server = listen(Limits::default());
    let mut client = Raw::connect(server.addr).await;
    let one = "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nGET ";
    client
        .send(format!(
            "{one}\r\nGET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n{one}GET / HTTP/1.1\r\n\r\n{one}"
        ))
        .await;
    for text in ["4 bytes", "ok", "4 bytes"] {
        assert_eq!(client.answer().await.unwrap().text(), text);
    }
    client.answer().await.unwrap().assert_refused(400);
    client.assert_closed().await;
}

#[tokio::test]
async fn a_client_that_closes_its_sending_half_is_answered() {
    let server = listen(Limits::default());
    let mut client = Raw::connect(server.addr).await;
    client.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    client.stream.shutdown().await.unwrap();
    assert_eq!(client.answer().await.unwrap().status, 200);
    client.assert_closed().await;
}

#[tokio::test]
async fn a_client_that_asks_before_it_sends_is_told() {
    let server = listen(Limits::default());
    let mut client = Raw::connect(server.addr).await;
    client.send(format!("{HEAD}Expect: 100-continue\r\nContent-Length: 3\r\n\r\n")).await;
    assert_eq!(client.answer().await.unwrap().status, 100);
    client.send("abc").await;
    assert_eq!(client.answer().await.unwrap().text(), "3 bytes");
    client.send(format!("{HEAD}Expect: 100-continue\r\nContent-Length: 70000\r\n\r\n")).await;
    client.answer().await.unwrap().assert_refused(413);
}

#[tokio::test]
async fn http_1_0_is_served_once() {
    let server = listen(Limits::default());
    let mut client = Raw::connect(server.addr).await;
    client.send("GET / HTTP/1.0\r\n\r\n").await;
    assert_eq!(client.answer().await.unwrap().text(), "ok");
    client.assert_closed().await;
}

#[tokio::test]
async fn a_body_over_the_limit_with_a_length_is_refused_unread() {
    let server = listen(Limits::default());
    // The client sends only the head: the answer does not wait for the body.
    for length in ["65537", "60000000", "18446744073709551615", "99999999999999999999"] {
        let mut client = Raw::connect(server.addr).await;
        client.send(format!("{HEAD}Content-Length: {length}\r\n\r\n")).await;
        client.answer().await.unwrap().assert_refused(413);
        client.stream.shutdown().await.unwrap();
        client.assert_closed().await;
    }
    // A client that first sends everything and then reads still gets the answer.
    let mut client = Raw::connect(server.addr).await;
    assert!(client.send(format!("{HEAD}Content-Length: 20000000\r\n\r\n{}", "x".repeat(20_000_000))).await);
    client.answer().await.unwrap().assert_refused(413);
    client.stream.shutdown().await.unwrap();
    client.assert_closed().await;
    assert_eq!(server.seen.begun.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_chunked_body_over_the_limit_is_refused() {
    let server = listen(Limits::default());
    let mut client = Raw::connect(server.addr).await;
    client.send(format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n")).await;
    for _ in 0..66 {
        assert!(client.send(format!("400\r\n{}\r\n", "x".repeat(1024))).await);
    }
    client.answer().await.unwrap().assert_refused(413);
    client.stream.shutdown().await.unwrap();
    client.assert_closed().await;
    // The endpoint saw the error, and the listener wrote the answer.
    assert_eq!(server.seen.too_large.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_long_stream_takes_no_memory() {
    const MEGABYTES: usize = 60;
    let server = ChildServer::start(None).await;
    // A few uploads first, so that the memory that the first requests take is not measured.
    for _ in 0..3 {
        upload(&server, 1, "Content-Length: 1000000").await;
        upload(&server, 1, "Transfer-Encoding: chunked").await;
    }
    let before = server.peak_kib();
    upload(&server, MEGABYTES, "Content-Length: 60000000").await;
    upload(&server, MEGABYTES, "Transfer-Encoding: chunked").await;
    // The kernel counts memory in batches for each processor, so it may seem to shrink a little.
    let grown = server.peak_kib().saturating_sub(before);
    println!("a long stream: {grown} KiB more");
    assert!(grown < 1024, "{grown} KiB");
}

/// Sends `megabytes` megabytes, and expects 413 or a closed connection.
async fn upload(server: &ChildServer, megabytes: usize, framing: &str) {
    let mut client = Raw::connect(server.addr).await;
    client.send(format!("{HEAD}{framing}\r\n\r\n")).await;
    let piece = if framing.starts_with('T') {
        format!("f4240\r\n{}\r\n", "x".repeat(1_000_000))
    } else {
        "x".repeat(1_000_000)
    };
    for _ in 0..megabytes {
        if !client.send(&piece).await {
            return;
        }
    }
    client.answer().await.unwrap().assert_refused(413);
}

/// Request smuggling (RFC 9112 §6.3 and §11.2).
#[tokio::test]
async fn an_ambiguous_request_is_refused_and_the_connection_closed() {
    let server = listen(Limits::default());
    let body = "5\r\nabcde\r\n0\r\n\r\n";
    let smuggled = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for head in [
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 15\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 15\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 15\r\nContent-Length: 15\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 15\r\nContent-Length: 5\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 15, 15\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
        "POST /echo HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST /echo HTTP/1.1\r\nContent-Length: 15\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 15\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length : 15\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\n Content-Length: 15\r\n\r\n",
        "POST /echo HTTP/1.1\nHost: a\nContent-Length: 15\n\n",
        "REFUSED /6 HTTP/1.1\r\nHost: a\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\x7f\x03\x03",
    ] {
        let mut client = Raw::connect(server.addr).await;
        client.send(format!("{head}{body}{smuggled}")).await;
        client.answer().await.unwrap().assert_refused(400);
        client.stream.shutdown().await.unwrap();
        client.assert_closed().await;
    }
    assert_eq!(server.seen.begun.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn too_many_headers_or_bytes_of_them_are_refused() {
    let server = listen(Limits::default());
    let get = "GET / HTTP/1.1\r\nHost: localhost\r\n";
    for headers in
        ["a: b\r\n".repeat(100), format!("a: {}\r\n", "b".repeat(500_000)), "a: bcdefgh\r\n".repeat(50_000)]
    {
        let mut client = Raw::connect(server.addr).await;
        client.send(format!("{get}{headers}\r\n")).await;
        client.answer().await.unwrap().assert_refused(431);
        client.stream.shutdown().await.unwrap();
        client.assert_closed().await;
    }
    assert_eq!(server.seen.begun.load(Ordering::SeqCst), 0);
    let mut client = Raw::connect(server.addr).await;
    client.send(format!("{get}{}\r\n", "a: b\r\n".repeat(99))).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    client.send(format!("{get}a: {}\r\n\r\n", "b".repeat(32_000))).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
}

#[tokio::test]
async fn a_slow_request_is_told_so() {
    let limits = Limits {
        header_read_timeout: Duration::from_secs(2),
        body_read_timeout: Duration::from_millis(600),
        ..Limits::default()
    };
    let server = listen(limits);
    let mut client = Raw::connect(server.addr).await;
    client.send("GET / HT").await;
    client.answer().await.unwrap().assert_refused(408);
    client.stream.shutdown().await.unwrap();
    client.assert_closed().await;

    let mut client = Raw::connect(server.addr).await;
    assert_eq!(client.get("/").await.unwrap().status, 200);
    client.send(format!("{HEAD}Content-Length: 3\r\n\r\na")).await;
    client.answer().await.unwrap().assert_refused(408);
    assert_eq!(server.seen.timed_out.load(Ordering::SeqCst), 1);

    // The second request has no more time for its head than the first one.
    let mut client = Raw::connect(server.addr).await;
    assert_eq!(client.get("/").await.unwrap().status, 200);
    client.send("GET / HT").await;
    client.answer().await.unwrap().assert_refused(408);

    // A client that has sent nothing gets no answer.
    Raw::connect(server.addr).await.assert_closed().await;
}

#[tokio::test]
async fn a_silent_connection_is_closed_after_the_idle_timeout_and_not_before() {
    let limits = Limits {
        idle_timeout: Duration::from_millis(600),
        header_read_timeout: Duration::from_millis(100),
        ..Limits::default()
    };
    let server = listen(limits);
    let mut client = 'begun: loop {
        let mut client = Raw::connect(server.addr).await;
        for _ in 0..3 {
            assert_eq!(client.get("/").await.unwrap().status, 200);
            let paused = Instant::now();
            tokio::time::sleep(Duration::from_millis(250)).await;
            // The machine stood still: the connection was silent for longer than this test means it to be.
            if paused.elapsed() > Duration::from_millis(500) {
                continue 'begun;
            }
        }
        break client;
    };
    assert_eq!(client.get("/").await.unwrap().status, 200);
    let start = Instant::now();
    client.assert_closed().await;
    assert!(start.elapsed() > Duration::from_millis(500), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_panic_is_an_answer() {
    let server = listen(Limits::default());
    let mut client = Raw::connect(server.addr).await;
    for path in ["/panic", "/panic-at-once"] {
        let answer = client.get(path).await.unwrap();
        assert_eq!((answer.status, answer.header("cache-control")), (500, Some("no-store")), "{path}");
        assert!(answer.text().contains(r#""error":"server_error""#), "{path}: {}", answer.text());
    }
    assert_eq!(client.get("/").await.unwrap().status, 200);
}

#[tokio::test]
async fn an_unread_body_does_not_become_a_request() {
    let server = listen(Limits::default());
    let mut client = Raw::connect(server.addr).await;
    let inner = "GET /panic HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let length = inner.len();
    client.send(format!("POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{inner}")).await;
    let answer = client.answer().await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    client.assert_closed().await;
    assert_eq!(server.seen.begun.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_let_go() {
    let limits = Limits { write_timeout: Duration::from_millis(500), ..Limits::default() };
    let server = listen(limits);
    let mut client = Raw::connect(server.addr).await;
    client.send("GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    // The listener ends at once, since no connection is left.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    server.shutdown.send(()).unwrap();
    timeout(Duration::from_secs(6), server.ended).await.expect("no connection is left").unwrap().unwrap();
}

#[tokio::test]
async fn more_connections_than_allowed_wait_and_are_served_when_there_is_room() {
    let limits = Limits { max_connections: 8, ..Limits::default() };
    let server = listen(limits);
    let mut first = Vec::new();
    for _ in 0..8 {
        let mut client = Raw::connect(server.addr).await;
        client.send("GET /stuck HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        first.push(client);
    }
    until(|| server.seen.begun.load(Ordering::SeqCst) == 8).await;
    let mut next = Raw::connect(server.addr).await;
    next.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(timeout(Duration::from_millis(300), next.stream.readable()).await.is_err());
    assert_eq!(server.seen.begun.load(Ordering::SeqCst), 8);
}
