//! How the listener shuts down.

use std::io::Write as _;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::raw::{PATIENCE, Raw, RawH2, listen, until};
use heirloom::http::server::Limits;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

#[tokio::test]
async fn draining_under_load_answers_what_was_accepted() {
    let server = listen(Limits::default());
    let mut idle = Raw::connect(server.addr).await;
    assert_eq!(idle.get("/").await.unwrap().status, 200);
    let clients: Vec<_> = (0..50)
        .map(|_| {
            let addr = server.addr;
            tokio::spawn(async move {
                let mut client = Raw::connect(addr).await;
                let mut answered = 0;
                while let Some(answer) = client.get("/slow").await {
                    assert_eq!(answer.status, 200);
                    answered += 1;
                    if answer.header("connection") == Some("close") {
                        client.assert_closed().await;
                        break;
                    }
                }
                answered
            })
        })
        .collect();
    until(|| server.seen.answered.load(Ordering::SeqCst) > 200).await;
    server.shutdown.send(()).unwrap();
    let start = Instant::now();

    idle.assert_closed().await;
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
    let mut answered = 1;
    for client in clients {
        answered += timeout(PATIENCE, client).await.unwrap().unwrap();
    }
    timeout(Duration::from_secs(6), server.ended).await.expect("drained").unwrap().unwrap();
    assert_eq!(server.seen.begun.load(Ordering::SeqCst), answered);
    assert_eq!(server.seen.answered.load(Ordering::SeqCst), answered);
}

#[tokio::test]
async fn draining_waits_for_what_is_being_answered() {
    let server = listen(Limits::default());
    let mut h1 = Raw::connect(server.addr).await;
    h1.send("GET /held HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let mut h2 = RawH2::connect(server.addr).await;
    let held = crate::raw::head(2, "/held");
    h2.send(&crate::raw::frame(
        crate::raw::HEADERS,
        crate::raw::END_HEADERS | crate::raw::END_STREAM,
        1,
        &held,
    ))
    .await;
    until(|| server.seen.held.load(Ordering::SeqCst) == 2).await;
    server.shutdown.send(()).unwrap();
    // The listener refuses new connections, so draining has begun.
    timeout(PATIENCE, async { while TcpStream::connect(server.addr).await.is_ok() {} }).await.unwrap();
    server.seen.release.notify_waiters();
    let answer = h1.answer().await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert_eq!(h2.frame_of(crate::raw::DATA).await.unwrap().3, b"ok");
    drop(h2);
    timeout(Duration::from_secs(6), server.ended).await.expect("drained").unwrap().unwrap();
}

#[tokio::test]
async fn stuck_clients_do_not_outlive_the_deadline() {
    let limits = Limits { drain_deadline: Duration::from_secs(1), ..Limits::default() };
    let server = listen(limits);
    let mut clients = Vec::new();
    for sent in [
        "GET /stuck HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\na",
        "GET / HT",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    ] {
        let mut client = Raw::connect(server.addr).await;
        client.send(sent).await;
        clients.push(client);
    }
    until(|| server.seen.begun.load(Ordering::SeqCst) == 3).await;
    server.shutdown.send(()).unwrap();
    let start = Instant::now();
    timeout(PATIENCE, server.ended).await.unwrap().unwrap().unwrap();
    let took = start.elapsed();
    assert!(took > Duration::from_millis(900) && took < Duration::from_secs(4), "{took:?}");
}

/// One thread and no await: the listener has not accepted the client's connection when shutdown is requested.
#[tokio::test]
async fn a_connection_in_the_kernels_queue_is_served() {
    let server = listen(Limits::default());
    Raw::connect(server.addr).await.get("/").await.unwrap();
    let mut client = std::net::TcpStream::connect(server.addr).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    client.set_nonblocking(true).unwrap();
    server.shutdown.send(()).unwrap();
    let mut client = Raw::over(TcpStream::from_std(client).unwrap());
    let answer = client.answer().await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    timeout(Duration::from_secs(6), server.ended).await.expect("drained").unwrap().unwrap();
}
