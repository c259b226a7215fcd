use std::sync::Mutex;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// What an app has got.
type Got = Arc<Mutex<Vec<String>>>;

/// An app that answers each request with this text, as it is.
async fn app(answer: &str) -> (String, Got) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/a/logout?x=1", listener.local_addr().unwrap());
    let (got, answer) = (Got::default(), answer.to_owned());
    let seen = Arc::clone(&got);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            answer_one(stream, &answer, &seen).await;
        }
    });
    (uri, got)
}

async fn answer_one(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &str, got: &Got) {
    let mut request = Vec::new();
    while !request.ends_with(b"logout_token=a.b.c") {
        let mut buffer = [0; 1024];
        match stream.read(&mut buffer).await.unwrap() {
            0 => break,
            read => request.extend(&buffer[..read]),
        }
    }
    got.lock().unwrap().push(String::from_utf8(request).unwrap());
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

fn requests(connect: u64, whole: u64) -> Requests {
    let limits = TimeLimits { connect: Duration::from_millis(connect), whole: Duration::from_millis(whole) };
    Requests { limits, tls: OnceCell::new() }
}

async fn told(uri: &str) -> Result<(), String> {
    requests(5000, 5000).send(uri, "a.b.c").await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_token_is_posted_as_a_form() {
    let (uri, got) = app(ANSWER).await;
    assert_eq!(told(&uri).await, Ok(()));
    let host = uri.strip_prefix("http://").unwrap().split('/').next().unwrap().to_owned();
    let got = got.lock().unwrap()[0].clone();
    let (head, body) = got.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<_> = head.split("\r\n").map(str::to_lowercase).collect();
    assert_eq!(lines.remove(0), "post /a/logout?x=1 http/1.1");
    lines.sort_unstable();
    let host = format!("host: {host}");
    let expected = [
        "connection: close",
        "content-length: 18",
        "content-type: application/x-www-form-urlencoded",
        host.as_str(),
        "user-agent: heirloom",
    ];
    assert_eq!((lines.as_slice(), body), (&expected.map(str::to_owned)[..], "logout_token=a.b.c"));
}

#[tokio::test]
async fn success_is_any_2xx_and_nothing_else() {
    for (line, outcome) in [
        ("204 No Content", Ok(())),
        ("202 Accepted", Ok(())),
        ("400 Bad Request", Err("it answered 400")),
        ("404 Not Found", Err("it answered 404")),
        ("500 Internal Server Error", Err("it answered 500")),
    ] {
        let (uri, _) = app(&format!("HTTP/1.1 {line}\r\n\r\n")).await;
        assert_eq!(told(&uri).await, outcome.map_err(str::to_owned), "{line}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (other, got) = app(ANSWER).await;
    for code in [301, 302, 303, 307, 308] {
        let answer = format!("HTTP/1.1 {code} Moved\r\nlocation: {other}\r\ncontent-length: 0\r\n\r\n");
        let (uri, _) = app(&answer).await;
        assert_eq!(told(&uri).await, Err(format!("it redirects ({code}), which is not followed")));
    }
    assert!(got.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_answer_is_read_to_a_bound_only() {
    let endless = format!("HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n{}", "a".repeat(100_000));
    let (uri, _) = app(&endless).await;
    assert_eq!(told(&uri).await, Ok(()));
}

/// It has heard everything, and says nothing more.
#[tokio::test]
async fn who_has_answered_was_told_even_if_the_body_never_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\na").await.unwrap();
        std::future::pending::<()>().await;
    });
    requests(5000, 3000).send(&uri, "a.b.c").await.unwrap();
}

#[tokio::test]
async fn who_does_not_answer_in_time_was_not_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/", listener.local_addr().unwrap());
    let error = requests(5000, 50).send(&uri, "a.b.c").await.unwrap_err();
    assert!(matches!(error, RequestError::Timeout(_)), "{error}");
    // It takes the connection, and says nothing of TLS.
    let uri = uri.replace("http:", "https:");
    let requests = requests(50, 5000);
    requests.tls.set(client_config(RootCertStore::empty()).unwrap()).unwrap();
    let error = requests.send(&uri, "a.b.c").await.unwrap_err();
    assert!(matches!(error, RequestError::ConnectTimeout(_)), "{error}");
}

#[tokio::test]
async fn who_is_not_there_or_breaks_off_was_not_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let error = told(&uri).await.unwrap_err();
    assert!(error.starts_with("no connection: "), "{error}");
    for answer in ["", "HTTP/1.1 200", "SMTP\r\n\r\n"] {
        let (uri, _) = app(answer).await;
        let error = told(&uri).await.unwrap_err();
        assert!(error.starts_with("no answer: "), "{answer:?}: {error}");
    }
}

#[tokio::test]
async fn https_needs_a_certificate_of_a_trusted_authority_for_this_name() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let server = server.unwrap().with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key);
    let acceptor = TlsAcceptor::from(Arc::new(server.unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let got = Got::default();
    let got_there = Arc::clone(&got);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            answer_one(stream, ANSWER, &got_there).await;
        }
    });
    let told = |host: &str, roots: RootCertStore| {
        let (uri, requests) = (format!("https://{host}:{port}/logout"), requests(5000, 5000));
        requests.tls.set(client_config(roots).unwrap()).unwrap();
        async move { requests.send(&uri, "a.b.c").await }
    };
    told("localhost", roots.clone()).await.unwrap();
    assert_eq!(got.lock().unwrap().len(), 1);
    for (host, roots) in [("127.0.0.1", roots), ("localhost", RootCertStore::empty())] {
        let error = told(host, roots).await.unwrap_err();
        assert!(error.to_string().contains("certificate"), "{host}: {error}");
    }
    assert_eq!(got.lock().unwrap().len(), 1);
}
