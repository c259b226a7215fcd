//! The listener: what it serves, and what it refuses.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::raw::{ChildServer, PATIENCE, Raw, RawH2, listen, listen_with};
use heirloom::http::server::{Limits, ServerOptions, tls_config};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
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
    // Only the head is sent: the answer waits for nothing.
    for length in ["65537", "60000000", "18446744073709551615", "99999999999999999999"] {
        let mut client = Raw::connect(server.addr).await;
        client.send(format!("{HEAD}Content-Length: {length}\r\n\r\n")).await;
        client.answer().await.unwrap().assert_refused(413);
        client.stream.shutdown().await.unwrap();
        client.assert_closed().await;
    }
    // One that first sends all, and reads then, gets to read the answer.
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
    // The endpoint knew, and the listener answered.
    assert_eq!(server.seen.too_large.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_long_stream_takes_no_memory() {
    const MEGABYTES: usize = 60;
    let server = ChildServer::start(None).await;
    // What the first requests take is not what is measured.
    for _ in 0..3 {
        upload(&server, 1, "Content-Length: 1000000").await;
        upload(&server, 1, "Transfer-Encoding: chunked").await;
    }
    let before = server.peak_kib();
    upload(&server, MEGABYTES, "Content-Length: 60000000").await;
    upload(&server, MEGABYTES, "Transfer-Encoding: chunked").await;
    // The kernel counts in batches for each processor, so it may seem to shrink a little.
    let grown = server.peak_kib().saturating_sub(before);
    println!("a long stream: {grown} KiB more");
    assert!(grown < 1024, "{grown} KiB");
}

/// Sends so many megabytes, and wants 413 or the end.
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
        header_read_timeout: Duration::from_millis(300),
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

    // The next request has no more time for its head than the first.
    let mut client = Raw::connect(server.addr).await;
    assert_eq!(client.get("/").await.unwrap().status, 200);
    client.send("GET / HT").await;
    client.answer().await.unwrap().assert_refused(408);

    // One that says nothing has nothing to be told.
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
    let mut client = Raw::connect(server.addr).await;
    for _ in 0..3 {
        assert_eq!(client.get("/").await.unwrap().status, 200);
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    assert_eq!(client.get("/").await.unwrap().status, 200);
    let start = Instant::now();
    client.assert_closed().await;
    assert!(start.elapsed() > Duration::from_millis(500), "{:?}", start.elapsed());
}

/// A listener that lets connections be idle for a second, and looks soon.
fn impatient() -> crate::raw::Listening {
    listen(Limits {
        header_read_timeout: Duration::from_millis(300),
        idle_timeout: Duration::from_secs(1),
        ..Limits::default()
    })
}

#[tokio::test]
async fn an_http2_answer_that_is_still_being_made_keeps_its_connection() {
    let server = impatient();
    let mut client = RawH2::connect(server.addr).await;
    let get = crate::raw::frame(
        crate::raw::HEADERS,
        crate::raw::END_HEADERS | crate::raw::END_STREAM,
        1,
        &crate::raw::head(2, "/drip"),
    );
    client.send(&get).await;
    let mut bytes = 0;
    loop {
        let (kind, flags, _, payload) = client.frame().await.unwrap();
        assert_ne!(kind, crate::raw::GOAWAY, "after {bytes} bytes");
        if kind == crate::raw::DATA {
            bytes += payload.len();
            if flags & crate::raw::END_STREAM != 0 {
                break;
            }
        }
    }
    assert_eq!(bytes, 15);
    // Afterwards it is idle like any other.
    let idle = Instant::now();
    assert!(client.frame_of(crate::raw::GOAWAY).await.is_some());
    assert!(idle.elapsed() > Duration::from_millis(800), "{:?}", idle.elapsed());
}

#[tokio::test]
async fn an_http2_answer_that_its_client_takes_slowly_keeps_its_connection_until_it_takes_no_more() {
    let server = impatient();
    let mut client = RawH2::connect(server.addr).await;
    let get = crate::raw::frame(
        crate::raw::HEADERS,
        crate::raw::END_HEADERS | crate::raw::END_STREAM,
        1,
        &crate::raw::head(2, "/big"),
    );
    client.send(&get).await;
    let (mut reading, mut writing) = client.stream.into_split();
    let (seen, mut frames) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut head = [0; 9];
        while reading.read_exact(&mut head).await.is_ok() {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            reading.read_exact(&mut payload).await.unwrap();
            seen.send((head[3], payload.len())).unwrap();
        }
    });
    let more = 8192_u32.to_be_bytes();
    let mut bytes = 0;
    for _ in 0..16 {
        tokio::time::sleep(Duration::from_millis(120)).await;
        for stream in [0, 1] {
            writing.write_all(&crate::raw::frame(crate::raw::WINDOW_UPDATE, 0, stream, &more)).await.unwrap();
        }
        while let Ok((kind, length)) = frames.try_recv() {
            assert_ne!(kind, crate::raw::GOAWAY, "after {bytes} bytes");
            bytes += length;
        }
    }
    assert!(bytes > 150_000, "{bytes}");
    let stalled = async { while frames.recv().await.unwrap().0 != crate::raw::GOAWAY {} };
    timeout(Duration::from_secs(4), stalled).await.expect("it is idle");
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
    // The listener's end is gone when draining has nothing to wait for.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    server.shutdown.send(()).unwrap();
    timeout(Duration::from_secs(1), server.ended).await.expect("no connection is left").unwrap().unwrap();
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
    let mut next = Raw::connect(server.addr).await;
    next.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(timeout(Duration::from_millis(300), next.stream.readable()).await.is_err());
    assert_eq!(server.seen.begun.load(Ordering::SeqCst), 8);
}

#[tokio::test]
async fn tls_is_served_with_both_protocols() {
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&key, private).unwrap();
    let limits = Limits { header_read_timeout: Duration::from_millis(500), ..Limits::default() };
    let server = listen_with(ServerOptions {
        limits,
        tls: Some(tls_config(&cert, &key).unwrap()),
        ..ServerOptions::default()
    });

    for (protocol, sent, begins) in [
        (
            &b"http/1.1"[..],
            "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            &b"HTTP/1.1 200"[..],
        ),
        (&b"h2"[..], "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", &[0, 0][..]),
    ] {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
        let tcp = Raw::connect(server.addr).await.stream;
        let mut tls = connector.connect("localhost".try_into().unwrap(), tcp).await.unwrap();
        assert_eq!(tls.get_ref().1.alpn_protocol(), Some(protocol));
        tls.write_all(sent.as_bytes()).await.unwrap();
        let mut read = vec![0; begins.len()];
        timeout(PATIENCE, tls.read_exact(&mut read)).await.unwrap().unwrap();
        assert_eq!(read, begins);
    }
    // One that never begins its handshake is let go.
    Raw::connect(server.addr).await.assert_closed().await;
}

#[tokio::test]
async fn http2_is_refused_in_the_same_words() {
    let server = listen(Limits::default());
    let mut client = RawH2::connect(server.addr).await;
    let mut many = crate::raw::head(2, "/");
    for _ in 0..101 {
        many.extend(crate::raw::field("a", "b"));
    }
    let mut long = crate::raw::head(2, "/");
    for _ in 0..90 {
        long.extend(crate::raw::field("a", &"b".repeat(126)));
    }
    let mut lengths = crate::raw::head(3, "/echo");
    lengths.extend(crate::raw::field("content-length", "70000"));
    assert!(long.len() > 11_000);
    for (stream, head, flags, expected) in
        [(1, many, crate::raw::END_STREAM, "too many"), (3, lengths, 0, "body of the request is too large")]
    {
        client
            .send(&crate::raw::frame(crate::raw::HEADERS, crate::raw::END_HEADERS | flags, stream, &head))
            .await;
        let (_, _, answered, payload) = client.frame_of(crate::raw::DATA).await.unwrap();
        let text = String::from_utf8(payload).unwrap();
        assert!(answered == stream && text.contains("invalid_request") && text.contains(expected), "{text}");
    }
    client
        .send(&crate::raw::frame(
            crate::raw::HEADERS,
            crate::raw::END_HEADERS | crate::raw::END_STREAM,
            5,
            &long,
        ))
        .await;
    assert_eq!(client.frame_of(crate::raw::DATA).await.unwrap().3, b"ok");
}
