//! The listener under attack.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::child_server::ChildServer;
use crate::raw::{PATIENCE, Raw, RawH2, frame, limit_descriptors, listen, listen_with};
use heirloom::http::server::{Limits, ServerOptions};
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, timeout};

/// Slowloris (CVE-2007-6750), with heads and with bodies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_dripping_connections_are_closed_within_ten_seconds() {
    limit_descriptors(8192);
    // The default limits leave room for a busy machine. Lower ones make the test quicker.
    let usual = Limits::default();
    assert!(usual.header_read_timeout.max(usual.body_read_timeout) <= Duration::from_secs(8));
    let (header_read_timeout, body_read_timeout) = (Duration::from_secs(2), Duration::from_secs(3));
    let server =
        listen(Limits { header_read_timeout, body_read_timeout, max_connections_per_source: 2000, ..usual });
    let addr = server.addr;
    let drips: Vec<_> = (0..1000)
        .map(|n| {
            tokio::spawn(
                async move { if n % 2 == 0 { drip_head(addr).await } else { drip_body(addr).await } },
            )
        })
        .collect();
    let start = Instant::now();
    let mut others = Vec::new();
    while start.elapsed() < Duration::from_secs(2) {
        let asked = Instant::now();
        assert_eq!(Raw::connect(addr).await.get("/").await.unwrap().status, 200);
        others.push(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (mut shortest, mut longest) = (PATIENCE, Duration::ZERO);
    for drip in drips {
        let lived = timeout(PATIENCE, drip).await.unwrap().unwrap();
        (shortest, longest) = (shortest.min(lived), longest.max(lived));
    }
    // A single one may be slow, if the machine stands still.
    others.sort_unstable();
    let usual = others[others.len() / 2];
    println!(
        "dripping connections: closed after {shortest:?} to {longest:?}; half of the others served within {usual:?}"
    );
    assert!(
        shortest > Duration::from_millis(1900) && longest < Duration::from_secs(10),
        "{shortest:?}, {longest:?}"
    );
    assert!(usual < Duration::from_secs(1), "{usual:?}");
}

async fn drip_head(addr: SocketAddr) -> Duration {
    drip(addr, "GET / HTTP/1.1\r\nHost: localhost\r\na: ").await
}

async fn drip_body(addr: SocketAddr) -> Duration {
    drip(addr, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n").await
}

/// How long the listener keeps the connection: until it has closed both directions.
async fn drip(addr: SocketAddr, begin: &str) -> Duration {
    // The listener counts from when it accepts the connection.
    let start = Instant::now();
    let mut client = Raw::connect(addr).await;
    client.send(begin).await;
    while client.send("a").await {
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(start.elapsed() < PATIENCE);
    }
    start.elapsed()
}

#[tokio::test]
async fn in_a_crowd_http2_connections_without_a_request_go_as_well() {
    let header_read_timeout = Duration::from_millis(500);
    let limits = Limits { max_connections: 16, header_read_timeout, ..Limits::default() };
    let server = listen(limits);
    let mut first = RawH2::connect(server.addr).await;
    let get = frame(
        crate::raw::HEADERS,
        crate::raw::END_HEADERS | crate::raw::END_STREAM,
        1,
        &crate::raw::head(2, "/"),
    );
    first.send(&get).await;
    timeout(PATIENCE, first.frame_of(crate::raw::HEADERS)).await.expect("an answer");
    // With the first one they are 14: seven eighths of 16.
    let mut others = Vec::new();
    for _ in 0..13 {
        let mut other = RawH2::connect(server.addr).await;
        other.send(&get).await;
        timeout(PATIENCE, other.frame_of(crate::raw::HEADERS)).await.expect("an answer");
        others.push(other);
    }
    // Long before the 75 seconds of `keep_alive`.
    assert!(timeout(PATIENCE, first.frame_of(crate::raw::GOAWAY)).await.expect("it is told to go").is_some());
}

#[tokio::test]
async fn one_address_leaves_places_for_the_others() {
    let limits = Limits { max_connections: 40, max_connections_per_source: 8, ..Limits::default() };
    let proxies = "127.0.0.9".parse().unwrap();
    let server = listen_with(ServerOptions { limits, proxies, ..ServerOptions::default() });
    let connect = |source: &'static str| Raw::connect_from(source, server.addr);
    let mut held = Vec::new();
    for _ in 0..8 {
        let mut client = connect("127.0.0.2").await;
        assert_eq!(client.get("/").await.unwrap().status, 200);
        held.push(client);
    }
    for _ in 0..100 {
        let mut client = connect("127.0.0.2").await;
        let ended = timeout(PATIENCE, client.stream.read_u8()).await.expect("it is closed at once");
        assert!(ended.is_err());
    }
    // Connections from another address are served, and all from a trusted proxy, which stands for many clients.
    assert_eq!(connect("127.0.0.3").await.get("/").await.unwrap().status, 200);
    let mut many = Vec::new();
    for _ in 0..16 {
        let mut client = connect("127.0.0.9").await;
        assert_eq!(client.get("/").await.unwrap().status, 200);
        many.push(client);
    }
    // A place that is given back can be used again.
    drop(held.pop());
    let again = async {
        loop {
            let mut client = connect("127.0.0.2").await;
            client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
            if timeout(PATIENCE, client.stream.read_u8()).await.unwrap().is_ok() {
                return;
            }
        }
    };
    timeout(PATIENCE, again).await.expect("a place");
}

/// A client that announces 60,000 bytes and sends 50,000.
async fn withheld(source: &str, addr: SocketAddr) -> Raw {
    let mut client = Raw::connect_from(source, addr).await;
    client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n").await;
    client.send("x".repeat(50_000)).await;
    client
}

async fn posted(source: &str, addr: SocketAddr, length: usize) -> crate::raw::Answer {
    let mut client = Raw::connect_from(source, addr).await;
    let body = "x".repeat(length);
    client.send(format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}")).await;
    client.answer().await.unwrap()
}

#[tokio::test]
async fn withheld_bodies_take_a_part_of_the_memory_and_leave_the_rest_to_others() {
    let limits = Limits { body_memory: 1 << 20, body_read_timeout: PATIENCE, ..Limits::default() };
    let server = listen(limits);
    let addr = server.addr;
    // One address may have an eighth, 128 KiB: two of these bodies fit.
    let mut flood = Vec::new();
    for _ in 0..60 {
        flood.push(withheld("127.0.0.2", addr).await);
    }
    let mut refused = 0;
    for client in &mut flood {
        if let Ok(answer) = timeout(Duration::from_millis(20), client.answer()).await {
            let answer = answer.unwrap();
            assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{answer:?}");
            assert!(answer.text().contains("temporarily_unavailable"));
            refused += 1;
        }
    }
    assert_eq!(refused, 58);
    // Small bodies are still accepted from that address, and large ones from another address.
    assert_eq!(posted("127.0.0.2", addr, 2000).await.status, 200);
    assert_eq!(posted("127.0.0.2", addr, 60_000).await.status, 503);
    assert_eq!(posted("127.0.0.3", addr, 60_000).await.text(), "60000 bytes");
    // The memory is free again when these clients have gone.
    drop(flood);
    let room = async { while posted("127.0.0.2", addr, 60_000).await.status != 200 {} };
    timeout(PATIENCE, room).await.expect("room");
}

#[tokio::test]
async fn of_the_bodies_on_one_http2_connection_one_small_one_is_not_counted() {
    let limits = Limits { body_memory: 128 << 10, body_read_timeout: PATIENCE, ..Limits::default() };
    let server = listen(limits);
    let begun = |stream: u32| {
        frame(crate::raw::HEADERS, crate::raw::END_HEADERS, stream, &crate::raw::head(3, "/echo"))
    };
    let whole = |stream: u32, length: usize| {
        [begun(stream), frame(crate::raw::DATA, crate::raw::END_STREAM, stream, &vec![b'x'; length])].concat()
    };
    let mut client = RawH2::connect(server.addr).await;
    // One address may have an eighth, 16 KiB. Of 20 bodies of 1,000 bytes, one does not count and 16 fit.
    for stream in (1..41).step_by(2) {
        client.send(&begun(stream)).await;
        client.send(&frame(crate::raw::DATA, 0, stream, &[b'x'; 1000])).await;
    }
    for _ in 0..3 {
        let answer = timeout(PATIENCE, client.frame_of(crate::raw::DATA)).await.expect("an answer");
        let (_, _, _, text) = answer.unwrap();
        assert!(String::from_utf8(text).unwrap().contains("temporarily_unavailable"));
    }
    // On another connection, small bodies are still accepted, one after the other; large ones are not.
    let mut other = RawH2::connect(server.addr).await;
    for (stream, length, expected) in [
        (1, 2000, "2000 bytes"),
        (3, 4096, "4096 bytes"),
        (5, 5000, "temporarily_unavailable"),
        (7, 1, "1 bytes"),
    ] {
        other.send(&whole(stream, length)).await;
        let (_, _, _, text) =
            timeout(PATIENCE, other.frame_of(crate::raw::DATA)).await.expect("an answer").unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains(expected), "{length}: {text}");
    }
}

#[tokio::test]
async fn at_the_descriptor_limit_it_rests_and_recovers() {
    let server = ChildServer::start(Some(64)).await;
    assert_eq!(Raw::connect(server.addr).await.get("/").await.unwrap().status, 200);
    // More connections than the listener has descriptors for; the others wait in the kernel's queue.
    let mut clients = Vec::new();
    for _ in 0..100 {
        let mut client = Raw::connect(server.addr).await;
        client.send("GET / HTTP/1.1\r\n").await;
        clients.push(client);
    }
    let mut waiting = Raw::connect(server.addr).await;
    waiting.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(timeout(Duration::from_millis(500), waiting.stream.readable()).await.is_err(), "at the limit");
    let before = server.ticks();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let used = server.ticks() - before;
    println!("at the descriptor limit: {used} ticks of 10 ms in 2 s");
    assert!(used < 20, "{used} ticks");
    drop(clients);
    assert_eq!(waiting.answer().await.unwrap().status, 200);
    assert_eq!(Raw::connect(server.addr).await.get("/").await.unwrap().status, 200);
}

/// Sends frames until the listener closes the connection. Returns how many were sent, and whether it closed in time.
async fn flood(addr: SocketAddr, first: &[u8], mut more: impl FnMut(u32) -> Vec<u8>) -> (u32, bool) {
    let mut client = RawH2::connect(addr).await;
    client.send(first).await;
    let mut sent = 0;
    let (mut reading, mut writing) = client.stream.into_split();
    let answers = tokio::spawn(async move {
        let mut all = Vec::new();
        let _ = reading.read_to_end(&mut all).await;
        all
    });
    while sent < 20_000 && !answers.is_finished() {
        if tokio::io::AsyncWriteExt::write_all(&mut writing, &more(sent)).await.is_err() {
            break;
        }
        sent += 1;
    }
    let ended = timeout(PATIENCE, answers).await.is_ok();
    (sent, ended)
}

/// Rapid reset (CVE-2023-44487), endless CONTINUATION (CERT VU#421644), empty DATA frames
/// (CVE-2019-9518).
#[tokio::test]
async fn http2_floods_end_their_connection_and_nothing_else() {
    let server = listen(Limits::default());
    let whole = crate::raw::END_HEADERS | crate::raw::END_STREAM;
    let get = crate::raw::head(2, "/slow");

    let resets = flood(server.addr, &[], |n| {
        let stream = |k: u32| (n * 32 + k) * 2 + 1;
        (0..32)
            .flat_map(|k| {
                let mut pair = frame(crate::raw::HEADERS, whole, stream(k), &get);
                pair.extend(frame(crate::raw::RST_STREAM, 0, stream(k), &8_u32.to_be_bytes()));
                pair
            })
            .collect()
    });
    let (sent, ended) = resets.await;
    println!("resets: {} streams, {} of them begun", sent * 32, server.seen.begun.load(Ordering::SeqCst));
    assert!(ended && sent < 20_000, "{sent}");

    let begin = frame(crate::raw::HEADERS, crate::raw::END_STREAM, 1, &get);
    let padding = crate::raw::field("a", &"b".repeat(100)).repeat(100);
    let (sent, ended) = flood(server.addr, &begin, |_| frame(crate::raw::CONTINUATION, 0, 1, &padding)).await;
    println!("continuation: {sent} frames");
    assert!(ended && sent < 1_000, "{sent}");

    let (sent, ended) = flood(server.addr, &begin, |_| frame(crate::raw::CONTINUATION, 0, 1, &[])).await;
    println!("empty continuation: {sent} frames");
    assert!(ended && sent < 1_000, "{sent}");

    let begin = frame(crate::raw::HEADERS, crate::raw::END_HEADERS, 1, &crate::raw::head(3, "/echo"));
    let (sent, ended) = flood(server.addr, &begin, |_| frame(crate::raw::DATA, 0, 1, &[]).repeat(10)).await;
    println!("empty data: {} frames", sent * 10);
    assert!(ended && sent < 20_000, "{sent}");

    assert_eq!(Raw::connect(server.addr).await.get("/").await.unwrap().status, 200);
}

#[tokio::test]
async fn http2_clients_that_send_nothing_whole_are_let_go() {
    let limits = Limits { header_read_timeout: Duration::from_millis(500), ..Limits::default() };
    let server = listen(limits);
    let mut client = RawH2::connect(server.addr).await;
    client.send(&frame(crate::raw::HEADERS, 0, 1, &crate::raw::head(2, "/"))).await;
    let start = Instant::now();
    while client.frame().await.is_some() {}
    // Not after the 75 s of a connection that is idle.
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}
