//! An app that is told of logouts: a small listener on loopback.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::Answer;

/// How the app answers.
#[derive(Clone, Debug)]
pub(crate) enum Answering {
    /// By this status.
    Status(u16),
    /// By a redirect to this URL.
    Redirect(String),
    /// Not at all.
    Never,
}

/// An app.
pub(crate) struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

struct Shared {
    answering: Mutex<Answering>,
    tokens: Mutex<Vec<String>>,
    came: Notify,
}

impl Receiver {
    /// An app that accepts everything.
    pub(crate) async fn start() -> Self {
        let shared = Shared {
            answering: Mutex::new(Answering::Status(200)),
            tokens: Mutex::default(),
            came: Notify::new(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut receiver = Self { address, shared: Arc::new(shared), listening: None };
        receiver.listen(listener);
        receiver
    }

    /// Its `backchannel_logout_uri`.
    pub(crate) fn uri(&self) -> String {
        format!("http://{}/backchannel-logout", self.address)
    }

    pub(crate) fn answers(&self, answering: Answering) {
        *self.shared.answering.lock().unwrap() = answering;
    }

    /// Goes down: connections are refused.
    pub(crate) async fn down(&mut self) {
        if let Some(listening) = self.listening.take() {
            listening.abort();
            let _ = listening.await;
        }
    }

    /// Comes up again.
    pub(crate) async fn up(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.listen(listener);
    }

    /// The logout tokens that came since the last call, whatever was answered.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.shared.tokens.lock().unwrap())
    }

    /// The `sid` of each logout token that came since the last call.
    pub(crate) fn logins(&self) -> Vec<Value> {
        self.take().iter().map(|token| Answer::part(token, 1)["sid"].clone()).collect()
    }

    /// Waits for the next logout token.
    pub(crate) async fn next(&self) -> String {
        let next = async {
            loop {
                let came = self.shared.came.notified();
                if let Some(token) = self.shared.first() {
                    return token;
                }
                came.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), next).await.unwrap()
    }

    fn listen(&mut self, listener: TcpListener) {
        let shared = Arc::clone(&self.shared);
        self.listening = Some(tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(Arc::clone(&shared).answer(stream));
            }
        }));
    }
}

impl Shared {
    /// Takes the token that came first.
    fn first(&self) -> Option<String> {
        let mut tokens = self.tokens.lock().unwrap();
        (!tokens.is_empty()).then(|| tokens.remove(0))
    }

    async fn answer(self: Arc<Self>, mut stream: TcpStream) {
        let mut request = Vec::new();
        let token = loop {
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).await.unwrap();
            assert!(read > 0, "the request ends early: {request:?}");
            request.extend(&buffer[..read]);
            if let Some(token) = token(&String::from_utf8(request.clone()).unwrap()) {
                break token;
            }
        };
        let answering = self.answering.lock().unwrap().clone();
        self.tokens.lock().unwrap().push(token);
        self.came.notify_one();
        let answer = match answering {
            Answering::Status(status) => format!("HTTP/1.1 {status} Such\r\ncontent-length: 0\r\n\r\n"),
            Answering::Redirect(to) => {
                format!("HTTP/1.1 307 There\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")
            }
            Answering::Never => return std::future::pending().await,
        };
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.shutdown().await;
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(listening) = &self.listening {
            listening.abort();
        }
    }
}

/// The logout token of a request that has come whole. Fails if it is no POST of a form with a logout token alone.
fn token(request: &str) -> Option<String> {
    let (head, body) = request.split_once("\r\n\r\n")?;
    let head = head.to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    if body.len() < length.parse().unwrap() {
        return None;
    }
    assert!(head.starts_with("post /backchannel-logout http/1.1\r\n"), "{head}");
    assert!(head.contains("\r\ncontent-type: application/x-www-form-urlencoded"), "{head}");
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let [(name, token)] = pairs.as_slice() else { panic!("{body}") };
    assert_eq!(name, "logout_token");
    Some(token.clone())
}
