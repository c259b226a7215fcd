//! `kill -9` at the worst moments.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::process::Signal;

use crate::answer::{Client, generation};
use crate::chain::{Chain, Load, assert_no_family_ended};
use crate::support::{Dev, PATIENCE, free_port};

/// Sends a refresh and does not read the answer.
fn send_and_do_not_read(dev: &Dev, client: Client<'_>, token: &str) -> TcpStream {
    let (id, secret) = match client {
        Client::Public(id) => (id, ""),
        Client::Confidential(id, secret) => (id, secret),
    };
    let form =
        format!("grant_type=refresh_token&refresh_token={token}&client_id={id}&client_secret={secret}");
    let host = dev.caller.base.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", dev.port())).unwrap();
    write!(
        stream,
        "POST /oauth/token HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         content-length: {}\r\n\r\n{form}",
        form.len()
    )
    .unwrap();
    stream
}

/// Waits until the server has answered on this connection, without reading the answer.
fn answered(stream: &TcpStream) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(stream.peek(&mut [0]).unwrap(), 1);
}

/// Waits for the next second of the clock.
async fn next_second() {
    let second = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let now = second();
    while second() == now {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn an_answer_that_a_kill_swallowed_comes_again() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::on_port(folder.path(), free_port());
    let mut retries = Vec::new();
    for confidential in [true, false] {
        let client = if confidential { dev.confidential() } else { dev.public() };
        let token = dev.caller.sign_in(client, dev.user()).await.refresh_token();
        // This rotation is certainly committed: another connection got the same pair, which must stay the answer.
        let unread = send_and_do_not_read(&dev, client, &token);
        answered(&unread);
        let told = dev.caller.refresh(client, &token).await.pair();
        retries.push((confidential, token, Some(told)));
        // This rotation may be committed or not.
        let token = dev.caller.sign_in(client, dev.user()).await.refresh_token();
        drop(send_and_do_not_read(&dev, client, &token));
        retries.push((confidential, token, None));
    }
    let dev = dev.kill_and_start(folder.path());
    // A token that is made now has another `iat` than one made before.
    next_second().await;
    for (confidential, token, told) in retries {
        let client = if confidential { dev.confidential() } else { dev.public() };
        let first = dev.caller.refresh(client, &token).await.pair();
        let second = dev.caller.refresh(client, &token).await.pair();
        assert_eq!(first, second);
        assert_eq!(generation(&first.1), generation(&token) + 1);
        if let Some(told) = told {
            assert_eq!(first, told, "the same two tokens");
        }
        // The chain goes on.
        assert_eq!(dev.caller.refresh(client, &first.1).await.status, 200);
    }
    assert_no_family_ended(&dev.process.log());
}

/// Keycloak accepted tokens again after a restart that had been rotated away (CVE-2026-9802).
#[tokio::test]
async fn an_ended_family_stays_ended_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path());
    let strict = dev.register_strict().await;
    let mut line = vec![dev.caller.sign_in(strict, dev.user()).await.refresh_token()];
    let other = dev.caller.sign_in(strict, dev.user()).await.refresh_token();
    for _ in 0..6 {
        let newest = line.last().unwrap();
        line.push(dev.caller.refresh(strict, newest).await.refresh_token());
    }
    let reuse = dev.caller.refresh(strict, &line[0]).await;
    assert_eq!(reuse.outcome(), (400, "invalid_grant"));
    let ended = |log: &str| log.lines().filter(|line| line.contains("session.end=\"reuse\"")).count();
    assert_eq!(ended(&dev.process.log()), 1, "{}", dev.process.log());
    let dev = dev.kill_and_start(folder.path());
    for token in &line {
        assert_eq!(dev.caller.refresh(strict, token).await.outcome(), (400, "invalid_grant"));
    }
    assert_eq!(ended(&dev.process.log()), 1, "ended once");
    assert_eq!(dev.caller.refresh(strict, &other).await.status, 200);
}

/// Three rounds; more with `HEIRLOOM_KILL_ROUNDS`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_rotation_survives_a_kill_under_load() {
    let rounds = std::env::var("HEIRLOOM_KILL_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(3);
    let folder = tempfile::tempdir().unwrap();
    let mut dev = Arc::new(Dev::on_port(folder.path(), free_port()));
    let mut chains = Chain::start(&dev, 8).await;
    for round in 1..=rounds {
        let load = Load::begin(&dev, chains);
        load.answered(100 + round * 37 % 100).await;
        dev.process.signal(Signal::KILL);
        chains = load.end().await;
        let port = dev.port();
        // Waits for the killed process.
        drop(dev);
        dev = Arc::new(Dev::on_port(folder.path(), port));
        for chain in &mut chains {
            chain.holds(&dev).await;
        }
    }
    assert_no_family_ended(&dev.process.log());
}
