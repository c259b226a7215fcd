//! How many round trips to a shared store a request takes: reads that don't depend on each other are made at the same time.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};

use heirloom::oauth::Actor;
use heirloom::store::{
    Append, Appended, RecordKey, RecordedEvent, Remove, Snapshot, Store, StoreFuture, StreamId, Summarize,
};
use serde_json::json;
use tokio::sync::{Notify, oneshot};

use crate::admin::Office;
use crate::support::codes::Ask;
use crate::support::{Answer, CONFIDENTIAL, SECRET, Server, Setup, USER};

/// A store that many nodes might share, whose calls wait for each other.
struct Distant {
    inner: Arc<dyn Store>,
    line: Arc<Line>,
}

/// The calls that are under way, by name, while somebody counts.
#[derive(Default)]
struct Line {
    waiting: Mutex<Option<Vec<Waiting>>>,
    called: Notify,
}

/// The name of a call, and what lets it go on.
type Waiting = (String, oneshot::Sender<()>);

impl Line {
    /// Answers a request, and says which calls were under way together, one round trip after another. Everything runs on
    /// one thread: what a request asks for at once is there before anybody looks.
    async fn round_trips<T>(&self, request: impl Future<Output = T>) -> (T, Vec<String>) {
        *self.waiting.lock().unwrap() = Some(Vec::new());
        let (mut request, mut trips) = (pin!(request), Vec::new());
        let answer = loop {
            tokio::select! {
                answer = &mut request => break answer,
                () = self.called.notified() => {}
            }
            let waiting = self.waiting.lock().unwrap().as_mut().map(std::mem::take).unwrap_or_default();
            if waiting.is_empty() {
                continue;
            }
            let (mut names, calls): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
            names.sort();
            trips.push(names.join(" "));
            for call in calls {
                call.send(()).unwrap();
            }
        };
        *self.waiting.lock().unwrap() = None;
        (answer, trips)
    }

    async fn pass(&self, name: String) {
        let passed = self.waiting.lock().unwrap().as_mut().map(|waiting| {
            let (pass, passed) = oneshot::channel();
            waiting.push((name, pass));
            self.called.notify_one();
            passed
        });
        if let Some(passed) = passed {
            passed.await.unwrap();
        }
    }
}

fn kind(stream: &StreamId) -> char {
    char::from(stream.category())
}

impl Distant {
    fn call<'a, T: Send + 'a>(&'a self, name: String, call: StoreFuture<'a, T>) -> StoreFuture<'a, T> {
        Box::pin(async move {
            self.line.pass(name).await;
            call.await
        })
    }
}

impl Store for Distant {
    fn append(&self, append: Append) -> StoreFuture<'_, Appended> {
        self.call(format!("append-{}", kind(&append.stream)), self.inner.append(append))
    }

    fn remove(&self, remove: Remove) -> StoreFuture<'_, ()> {
        self.call("remove".to_owned(), self.inner.remove(remove))
    }

    fn summarize(&self, summarize: Summarize) -> StoreFuture<'_, ()> {
        self.call("summarize".to_owned(), self.inner.summarize(summarize))
    }

    fn load(&self, stream: StreamId) -> StoreFuture<'_, Option<Snapshot>> {
        self.call(kind(&stream).to_string(), self.inner.load(stream))
    }

    fn read_stream(&self, stream: StreamId, after: u64, limit: usize) -> StoreFuture<'_, Vec<RecordedEvent>> {
        self.call("stream".to_owned(), self.inner.read_stream(stream, after, limit))
    }

    fn read_log(&self, after: u64, limit: usize) -> StoreFuture<'_, Vec<RecordedEvent>> {
        self.call("log".to_owned(), self.inner.read_log(after, limit))
    }

    fn record(&self, key: RecordKey) -> StoreFuture<'_, Option<Vec<u8>>> {
        self.call("record".to_owned(), self.inner.record(key))
    }

    fn scan(
        &self,
        prefix: RecordKey,
        after: Option<RecordKey>,
        limit: usize,
    ) -> StoreFuture<'_, Vec<(RecordKey, Vec<u8>)>> {
        self.call("scan".to_owned(), self.inner.scan(prefix, after, limit))
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn is_nearly_full(&self) -> bool {
        self.inner.is_nearly_full()
    }
}

/// Puts the server's store far away.
fn distant(setup: &mut Setup) -> Arc<Line> {
    let line = Arc::<Line>::default();
    let mine = Arc::clone(&line);
    setup.store = Some(Box::new(|inner| Arc::new(Distant { inner, line: mine })));
    line
}

async fn server() -> (Server, Arc<Line>) {
    let mut line = None;
    let server = Server::with(|setup| line = Some(distant(setup))).await;
    (server, line.unwrap())
}

async fn restart(server: Server) -> (Server, Arc<Line>) {
    let mut line = None;
    let server = server.restart(|setup| line = Some(distant(setup))).await;
    (server, line.unwrap())
}

/// `c` is the client, `i` the installation, `s` the session, `u` the user, `l` the login.
#[tokio::test]
async fn a_refresh_takes_two_round_trips_and_three_for_a_session_that_this_node_has_not_seen() {
    let (server, line) = server().await;
    let signed_in = server.sign_in().await;
    let (first, trips) = line.round_trips(server.refresh(&signed_in.refresh_token())).await;
    assert_eq!((first.status, trips), (200, vec!["c i s".into(), "u".into(), "append-s".into()]));
    let (second, trips) = line.round_trips(server.refresh(&first.refresh_token())).await;
    assert_eq!((second.status, trips), (200, vec!["c i s u".into(), "append-s".into()]));
    let (again, trips) = line.round_trips(server.refresh(&first.refresh_token())).await;
    assert_eq!((again.status, trips), (200, vec!["c i s u".into()]), "a lost answer");

    let (server, line) = restart(server).await;
    let (third, trips) = line.round_trips(server.refresh(&second.refresh_token())).await;
    assert_eq!((third.status, trips), (200, vec!["c i s".into(), "u".into(), "append-s".into()]));
}

/// A client that an administrator registered must be looked up; `record` is its secrets.
#[tokio::test]
async fn a_refresh_of_a_registered_client_takes_no_more() {
    let (server, line) = server().await;
    let office = Office::on(server).await;
    let new = json!({"id": "tv", "type": "public", "scopes": ["read"]});
    assert_eq!(office.post("/admin/clients", new).await.status, 201);
    let server = &office.server;
    let refresh = async |token: &str| {
        server.post(&[("grant_type", "refresh_token"), ("client_id", "tv"), ("refresh_token", token)]).await
    };
    let form = [("grant_type", "password"), ("client_id", "tv"), ("username", USER.0), ("password", USER.1)];
    let mut token = server.post(&form).await.refresh_token();
    for expected in [&["c i record s", "u", "append-s"][..], &["c i record s u", "append-s"]] {
        let (answer, trips) = line.round_trips(refresh(&token)).await;
        assert_eq!((answer.status, trips), (200, expected.iter().map(|trip| (*trip).to_owned()).collect()));
        token = answer.refresh_token();
    }
    let (refused, trips) = line.round_trips(refresh("hrt_invented")).await;
    assert_eq!((refused.outcome(), trips), ((400, "invalid_grant"), vec!["c record".to_owned()]));
}

#[tokio::test]
async fn a_session_that_ends_with_its_login_takes_no_more() {
    let (server, line) = server().await;
    let redeemed = server.redeem(&server.code(Ask::default()).await).await;
    let (first, trips) = line.round_trips(server.refresh(&redeemed.refresh_token())).await;
    assert_eq!((first.status, trips), (200, vec!["c i s".into(), "l u".into(), "append-s".into()]));
    let (second, trips) = line.round_trips(server.refresh(&first.refresh_token())).await;
    assert_eq!((second.status, trips), (200, vec!["c i l s u".into(), "append-s".into()]));
}

#[tokio::test]
async fn a_code_is_redeemed_after_two_round_trips_of_reads() {
    let (server, line) = server().await;
    let code = server.code(Ask::default()).await;
    let (redeemed, trips) = line.round_trips(server.redeem(&code)).await;
    assert_eq!((redeemed.status, &trips[..3]), (200, &["c i s".into(), "l u".into(), "append-s".into()][..]));
}

#[tokio::test]
async fn checking_a_token_takes_one_round_trip() {
    let (server, line) = server().await;
    let tokens = server.refresh(&server.sign_in_for_account().await.refresh_token()).await;
    let (listed, trips) = line.round_trips(own_sessions(&server, &tokens)).await;
    assert_eq!((listed.status, trips[0].as_str()), (200, "c i s u"));

    let tokens = server.refresh_confidential(&server.sign_in_confidential().await.refresh_token()).await;
    for token in [tokens.refresh_token(), tokens.access_token()] {
        let introspect = server.client.post(format!("{}/oauth/introspect", server.base));
        let introspect = introspect.basic_auth(CONFIDENTIAL, Some(SECRET)).form(&[("token", &token)]);
        let (answer, trips) = line.round_trips(server.send(introspect)).await;
        assert_eq!((answer.status, trips), (200, vec!["c c i s u".into()]), "{}", answer.text);
    }
}

async fn own_sessions(server: &Server, tokens: &Answer) -> Answer {
    let url = format!("{}/account/sessions", server.base);
    server.send(server.client.get(url).bearer_auth(tokens.access_token())).await
}

/// Two nodes on one database: what one answers holds on the other from that moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_a_restore_ends_have_ended_on_every_node() {
    let one = Server::with(Setup::in_postgres).await;
    let other = one.another_node().await;
    let old = one.sign_in_for_account().await;
    let (_, cookie) = one.log_in_with_cookie().await;
    assert!(other.app.logins.current(&cookie).await.unwrap().is_some());
    assert_eq!(own_sessions(&other, &old).await.status, 200);
    let old = other.refresh(&old.refresh_token()).await;
    assert_eq!(old.status, 200, "{}", old.text);

    one.app.installation.end_sessions_by_restore(Actor::Operator(0)).await.unwrap();
    assert_eq!(own_sessions(&other, &old).await.status, 401);
    assert_eq!(other.refresh(&old.refresh_token()).await.outcome(), (400, "invalid_grant"));
    assert_eq!(other.app.logins.current(&cookie).await.unwrap(), None);

    // What begins on the other node is of the new epoch: it holds on both.
    let new = other.sign_in_for_account().await;
    assert_eq!(own_sessions(&one, &new).await.status, 200);
    let new = one.refresh(&new.refresh_token()).await;
    assert_eq!(other.refresh(&new.refresh_token()).await.status, 200);
}
