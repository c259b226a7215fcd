//! A listener on loopback, and clients that speak to it byte by byte.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use heirloom::http::server::{BodyError, Limits, ServerOptions, bind, read_body, serve};
use poem::{Endpoint, Request, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Longer than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// Counts what the endpoint has seen.
#[derive(Debug, Default)]
pub struct Seen {
    pub begun: AtomicUsize,
    pub answered: AtomicUsize,
    pub too_large: AtomicUsize,
    pub timed_out: AtomicUsize,
    pub held: AtomicUsize,
    pub release: Notify,
}

/// The answers: `/echo` the length of its body, `/drip` one byte every 100 ms for 15 times, `/slow` after 50 ms,
/// `/held` when released, `/stuck` never, `/big` 8 MiB; `/panic` panics in its future, `/panic-at-once` before that
/// exists; all others answer "ok" without reading.
pub fn endpoint(seen: &Arc<Seen>) -> impl Endpoint + 'static {
    let seen = Arc::clone(seen);
    Hasty(poem::endpoint::make(move |request: Request| {
        let seen = Arc::clone(&seen);
        async move {
            seen.begun.fetch_add(1, Ordering::SeqCst);
            let response = answer(request, &seen).await;
            seen.answered.fetch_add(1, Ordering::SeqCst);
            response
        }
    }))
}

/// An endpoint that panics before it returns a future.
struct Hasty<E>(E);

impl<E: Endpoint> Endpoint for Hasty<E> {
    type Output = E::Output;

    fn call(&self, request: Request) -> impl Future<Output = poem::Result<E::Output>> + Send {
        assert_ne!(request.uri().path(), "/panic-at-once", "as asked");
        self.0.call(request)
    }
}

async fn answer(mut request: Request, seen: &Seen) -> Response {
    let path = request.uri().path().to_owned();
    match path.as_str() {
        "/echo" => match read_body(request.take_body()).await {
            Ok(body) => Response::builder().body(format!("{} bytes", body.len())),
            Err(error) => {
                match error {
                    BodyError::TooLarge => seen.too_large.fetch_add(1, Ordering::SeqCst),
                    BodyError::TimedOut => seen.timed_out.fetch_add(1, Ordering::SeqCst),
                    BodyError::NoRoom | BodyError::Broken => 0,
                };
                Response::builder().status(poem::http::StatusCode::IM_A_TEAPOT).body("the endpoint's answer")
            }
        },
        "/slow" => {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Response::from("ok")
        }
        "/held" => {
            let released = seen.release.notified();
            seen.held.fetch_add(1, Ordering::SeqCst);
            released.await;
            Response::from("ok")
        }
        "/stuck" => std::future::pending().await,
        "/drip" => {
            let (mut writer, reader) = tokio::io::duplex(1024);
            tokio::spawn(async move {
                for _ in 0..15 {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    let _ = writer.write_all(b"x").await;
                }
            });
            Response::builder().body(poem::Body::from_async_read(reader))
        }
        "/panic" => panic!("as asked"),
        "/big" => Response::builder().body(vec![b'x'; 8 << 20]),
        _ => Response::from("ok"),
    }
}

/// A listener that runs in this process.
pub struct Listening {
    pub addr: SocketAddr,
    pub seen: Arc<Seen>,
    pub shutdown: oneshot::Sender<()>,
    pub ended: JoinHandle<std::io::Result<()>>,
}

pub fn listen(limits: Limits) -> Listening {
    listen_with(ServerOptions { limits, ..ServerOptions::default() })
}

pub fn listen_with(options: ServerOptions) -> Listening {
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = listener.local_addr().unwrap();
    let seen = Arc::new(Seen::default());
    let (shutdown, signal) = oneshot::channel::<()>();
    let serving = serve(listener, endpoint(&seen), options, async {
        let _ = signal.await;
    });
    Listening { addr, seen, shutdown, ended: tokio::spawn(serving) }
}

/// Waits until `condition` holds.
pub async fn until(condition: impl Fn() -> bool) {
    let holds = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, holds).await.expect("the condition to hold");
}

/// An answer of the listener.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Their names are in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(each, _)| each == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// Asserts that the listener itself refused the request, in the form of RFC 6749 §5.2, and closes the connection.
    pub fn assert_refused(&self, status: u16) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        assert_eq!(self.header("cache-control"), Some("no-store"), "{self:?}");
        assert_eq!(self.header("pragma"), Some("no-cache"), "{self:?}");
        assert_eq!(self.header("x-content-type-options"), Some("nosniff"), "{self:?}");
        assert_eq!(self.header("connection"), Some("close"), "{self:?}");
        let json: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(json["error"], "invalid_request");
        assert!(json["error_description"].as_str().is_some_and(|text| !text.is_empty()));
        assert_eq!(json.as_object().unwrap().len(), 2);
    }
}

/// An HTTP/1.1 client that sends any bytes.
pub struct Raw {
    pub stream: TcpStream,
    read: Vec<u8>,
}

impl Raw {
    pub async fn connect(addr: SocketAddr) -> Self {
        let stream = timeout(PATIENCE, TcpStream::connect(addr)).await.unwrap().unwrap();
        Self::over(stream)
    }

    /// Connects from another address of this machine.
    pub async fn connect_from(source: &str, addr: SocketAddr) -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(format!("{source}:0").parse().unwrap()).unwrap();
        Self::over(timeout(PATIENCE, socket.connect(addr)).await.unwrap().unwrap())
    }

    pub fn over(stream: TcpStream) -> Self {
        Self { stream, read: Vec::new() }
    }

    /// Sends bytes; false if the connection is closed.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok()
    }

    pub async fn get(&mut self, path: &str) -> Option<Answer> {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        self.answer().await
    }

    /// The next answer; `None` if the connection ends before it begins.
    pub async fn answer(&mut self) -> Option<Answer> {
        timeout(PATIENCE, self.read_answer()).await.expect("an answer, or the end")
    }

    async fn read_answer(&mut self) -> Option<Answer> {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.fill().await {
                assert!(self.read.is_empty(), "half an answer: {:?}", String::from_utf8_lossy(&self.read));
                return None;
            }
        };
        let head = String::from_utf8(self.read.drain(..end).collect()).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
        while self.read.len() < length {
            assert!(self.fill().await, "half a body: {head}");
        }
        Some(Answer { status, headers, body: self.read.drain(..length).collect() })
    }

    async fn fill(&mut self) -> bool {
        matches!(self.stream.read_buf(&mut self.read).await, Ok(1..))
    }

    /// Asserts that nothing more comes and that the connection ends without a reset.
    pub async fn assert_closed(&mut self) {
        let mut rest = Vec::new();
        let end = timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await.expect("the end");
        assert!(end.is_ok(), "{end:?}");
        assert!(rest.is_empty() && self.read.is_empty(), "{:?}", String::from_utf8_lossy(&rest));
    }
}

/// An HTTP/2 client that writes its own frames.
pub struct RawH2 {
    pub stream: TcpStream,
}

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// A frame (RFC 9113 §4.1).
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// The head of a request (RFC 7541): method (2 GET, 3 POST), `http`, `path`, authority `a`.
pub fn head(method: u8, path: &str) -> Vec<u8> {
    let mut bytes = vec![0x80 | method, 0x86, 0x04, u8::try_from(path.len()).unwrap()];
    bytes.extend_from_slice(path.as_bytes());
    bytes.extend_from_slice(&[0x41, 1, b'a']);
    bytes
}

/// A header field that is not indexed.
pub fn field(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0, u8::try_from(name.len()).unwrap()];
    bytes.extend_from_slice(name.as_bytes());
    assert!(value.len() < 127);
    bytes.push(u8::try_from(value.len()).unwrap());
    bytes.extend_from_slice(value.as_bytes());
    bytes
}

impl RawH2 {
    pub async fn connect(addr: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
        Self { stream }
    }

    /// Sends bytes; false if the connection is closed.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// The next frame: kind, flags, stream, payload; `None` at the end.
    pub async fn frame(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        timeout(PATIENCE, async {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head).await.ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            self.stream.read_exact(&mut payload).await.ok()?;
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            Some((head[3], head[4], stream, payload))
        })
        .await
        .expect("a frame, or the end")
    }

    /// The next frame of a kind.
    pub async fn frame_of(&mut self, kind: u8) -> Option<(u8, u8, u32, Vec<u8>)> {
        loop {
            let frame = self.frame().await?;
            if frame.0 == kind {
                return Some(frame);
            }
        }
    }
}

/// Limits the file descriptors of this process.
pub fn limit_descriptors(count: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(count), maximum }).unwrap();
}
