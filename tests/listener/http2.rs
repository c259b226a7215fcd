//! HTTP/2, with TLS and without.

use std::time::Duration;

use crate::raw::{PATIENCE, Raw, RawH2, listen, listen_with};
use heirloom::http::server::{Limits, ServerOptions, tls_config};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::time::{Instant, timeout};

/// A listener that closes connections after a second without a request, and checks often.
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
    // After its answer, the connection is idle like any other.
    let idle = Instant::now();
    assert!(client.frame_of(crate::raw::GOAWAY).await.is_some());
    assert!(idle.elapsed() > Duration::from_millis(800), "{:?}", idle.elapsed());
}

#[tokio::test]
async fn an_http2_answer_that_its_client_takes_slowly_keeps_its_connection_until_it_takes_no_more() {
    let server = impatient();
    let (mut frames, _writing) = loop {
        // If the machine stood still, the client took nothing for longer than this test means it to.
        if let Some(taken) = taken_slowly(&server).await {
            break taken;
        }
    };
    let stalled = async { while frames.recv().await.unwrap().0 != crate::raw::GOAWAY {} };
    timeout(PATIENCE, stalled).await.expect("it is idle");
}

/// A client that has taken 150 kB of an answer in two seconds, some each time; `None` if a pause was too long. It returns
/// what comes further: the kind and the length of each frame.
async fn taken_slowly(
    server: &crate::raw::Listening,
) -> Option<(tokio::sync::mpsc::UnboundedReceiver<(u8, usize)>, OwnedWriteHalf)> {
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
            if seen.send((head[3], payload.len())).is_err() {
                return;
            }
        }
    });
    let more = 8192_u32.to_be_bytes();
    let mut bytes = 0;
    for _ in 0..16 {
        let paused = Instant::now();
        tokio::time::sleep(Duration::from_millis(120)).await;
        if paused.elapsed() > Duration::from_millis(700) {
            return None;
        }
        for stream in [0, 1] {
            writing.write_all(&crate::raw::frame(crate::raw::WINDOW_UPDATE, 0, stream, &more)).await.unwrap();
        }
        while let Ok((kind, length)) = frames.try_recv() {
            assert_ne!(kind, crate::raw::GOAWAY, "after {bytes} bytes");
            bytes += length;
        }
    }
    assert!(bytes > 150_000, "{bytes}");
    Some((frames, writing))
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
    let limits = Limits { header_read_timeout: Duration::from_secs(2), ..Limits::default() };
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
    // A connection that never begins its handshake is closed.
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
