//! The operators' socket: who is let in, by the real accept loop.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use heirloom::http::server::{ServerOptions, serve_operators};
use poem::endpoint::make_sync;
use poem::{EndpointExt as _, Response};
use tokio::net::UnixListener;
use tokio::process::Command;

/// The user `nobody`, on every Unix.
const NOBODY: u32 = 65_534;

/// A server of the user `uid`, on a socket that every user can reach. It answers who it thinks the peer is.
fn serve(folder: &Path, uid: u32, requests: &Arc<AtomicUsize>) -> PathBuf {
    let socket = folder.join(format!("socket-{uid}"));
    let listener = UnixListener::bind(&socket).unwrap();
    fs::set_permissions(&socket, Permissions::from_mode(0o777)).unwrap();
    let requests = Arc::clone(requests);
    let endpoint = make_sync(move |request| {
        requests.fetch_add(1, Ordering::SeqCst);
        Response::builder().body(request.remote_addr().to_string())
    });
    let endpoint = endpoint.map_to_response();
    tokio::spawn(serve_operators(listener, uid, endpoint, ServerOptions::default(), std::future::pending()));
    socket
}

/// Sends a request over a socket from a separate process, which runs as `uid` if that is given.
async fn ask(socket: &Path, uid: Option<u32>) -> Output {
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--max-time", "10", "--unix-socket"]).arg(socket).arg("http://localhost/admin/users");
    if let Some(uid) = uid {
        curl.uid(uid).gid(uid);
    }
    curl.output().await.unwrap()
}

#[tokio::test]
async fn a_peer_of_another_uid_is_turned_away_and_one_of_the_servers_own_is_served() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let requests = Arc::new(AtomicUsize::new(0));
    let own = rustix::process::geteuid();
    let uid = own.as_raw();
    // Every server lets root in. So if the test runs as root, the client runs as somebody else; otherwise the server
    // belongs to somebody else.
    let (closed, open, stranger) = if own.is_root() {
        (serve(folder.path(), uid, &requests), serve(folder.path(), NOBODY, &requests), Some(NOBODY))
    } else {
        (serve(folder.path(), uid.wrapping_add(1), &requests), serve(folder.path(), uid, &requests), None)
    };
    for _ in 0..3 {
        let turned_away = ask(&closed, stranger).await;
        assert_ne!(turned_away.status.code(), Some(0));
        assert!(turned_away.stdout.is_empty(), "{}", String::from_utf8_lossy(&turned_away.stdout));
    }
    assert_eq!(requests.load(Ordering::SeqCst), 0, "no request of a stranger is looked at");
    // The same client is served where it is the server's own user.
    let served = ask(&open, stranger).await;
    let seen = format!("operator://{}", stranger.unwrap_or(uid));
    assert_eq!(String::from_utf8_lossy(&served.stdout), seen, "{}", String::from_utf8_lossy(&served.stderr));
    if own.is_root() {
        let served = ask(&closed, None).await;
        assert_eq!(String::from_utf8_lossy(&served.stdout), "operator://0", "the next one is served");
        let root = ask(&open, None).await;
        assert_eq!(String::from_utf8_lossy(&root.stdout), "operator://0", "root is let in everywhere");
    }
}
