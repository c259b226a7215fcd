//! Any sequence of what clients and time can do, against a small model, on the real store.

use std::collections::HashMap;

use heirloom::clock::Timestamp;
use heirloom::oauth::SessionId;
use heirloom::session::{Session, SessionEvent};
use heirloom::user::Command;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::{Answer, Server};

/// One step.
#[derive(Clone, Debug)]
enum Step {
    SignIn,
    /// Somebody presents one of the family's newest tokens: 0 is the newest.
    Present {
        family: usize,
        back: usize,
        confidential: bool,
        scope: Option<&'static str>,
    },
    /// All of the user's sessions are ended.
    Revoke,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let scope = prop_oneof![4 => Just(None), 1 => Just(Some("read")), 1 => Just(Some("read admin"))];
    prop_oneof![
        2 => Just(Step::SignIn),
        12 => (0..3usize, 0..5usize, prop::bool::weighted(0.1), scope).prop_map(
            |(family, back, confidential, scope)| Step::Present { family, back, confidential, scope }
        ),
        1 => Just(Step::Revoke),
        4 => prop_oneof![Just(1), Just(4), Just(29), Just(31), Just(301), Just(9 * 86_400), Just(14 * 86_400)].prop_map(Step::Wait),
    ]
}

/// What the model knows of a family.
struct Family {
    id: SessionId,
    /// All tokens in the order in which they were given out.
    line: Vec<String>,
    /// Who succeeded whom.
    successors: HashMap<String, String>,
    /// When the newest token was given out.
    newest_at: Timestamp,
    started_at: Timestamp,
    over: bool,
}

impl Family {
    fn of(answer: &Answer, now: Timestamp) -> Self {
        let line = vec![answer.refresh_token()];
        let (newest_at, started_at) = (now, now);
        Self { id: answer.session(), line, successors: HashMap::new(), newest_at, started_at, over: false }
    }

    /// Whether it has expired: 14 days unused, or 60 days old.
    fn is_expired(&self, now: Timestamp) -> bool {
        const DAY: u64 = 86_400;
        now.since(self.newest_at).as_secs() >= 14 * DAY || now.since(self.started_at).as_secs() >= 60 * DAY
    }

    /// A token and what came of it.
    fn note(&mut self, token: &str, answer: &Answer, now: Timestamp) {
        assert!(!self.over, "an ended family answered");
        let successor = answer.refresh_token();
        let known = self.successors.entry(token.to_owned()).or_insert_with(|| successor.clone());
        assert_eq!(*known, successor, "two successors of one token");
        if !self.line.contains(&successor) {
            assert_eq!(self.line.last().map(String::as_str), Some(token), "the family forked");
            self.line.push(successor);
            self.newest_at = now;
        }
        assert_eq!(answer.session(), self.id);
    }
}

#[test]
fn families_never_fork_never_revive_and_the_log_folds_to_the_snapshot() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&prop::collection::vec(step(), 1..40), |steps| {
            runtime.block_on(run(steps));
            Ok(())
        })
        .unwrap();
}

async fn run(steps: Vec<Step>) {
    let server = Server::start().await;
    let mut families = vec![Family::of(&server.sign_in().await, server.now())];
    for step in steps {
        match step {
            Step::Wait(seconds) => server.wait(seconds),
            Step::SignIn => families.push(Family::of(&server.sign_in().await, server.now())),
            Step::Revoke => {
                server.app.change(crate::support::USER.0, Command::EndSessions { keep: None }).await.unwrap();
                for family in &mut families {
                    family.over = true;
                }
            }
            Step::Present { family, back, confidential, scope } => {
                let index = families.len().saturating_sub(1 + family);
                present(&server, &mut families[index], (back, confidential, scope)).await;
            }
        }
        for family in &mut families {
            check(&server, family).await;
        }
    }
}

async fn present(server: &Server, family: &mut Family, how: (usize, bool, Option<&str>)) {
    let (back, confidential, scope) = how;
    let token = family.line[family.line.len().saturating_sub(1 + back)].clone();
    // Nobody is signed out by mistake: the newest token of a family that lives is good.
    let is_good = back == 0
        && !confidential
        && scope != Some("read admin")
        && !family.over
        && !family.is_expired(server.now());
    let answer = if confidential {
        server.refresh_confidential(&token).await
    } else {
        let scope: Vec<_> = scope.map(|scope| ("scope", scope)).into_iter().collect();
        server.refresh_with(&token, &scope).await
    };
    match answer.outcome() {
        (200, _) => {
            assert!(!confidential && scope != Some("read admin"), "more was given than may be");
            assert!(!family.is_expired(server.now()), "an expired family answered");
            family.note(&token, &answer, server.now());
        }
        (400, "invalid_grant" | "invalid_scope") => assert!(!is_good, "{}", answer.text),
        other => panic!("{other:?}"),
    }
}

/// fold(log) = snapshot; and what has ended is over.
async fn check(server: &Server, family: &mut Family) {
    let events = server.events(family.id).await;
    let folded = events.iter().fold(None, Session::apply).unwrap();
    let snapshot = server.app.store.load(Session::stream(family.id).unwrap()).await.unwrap().unwrap();
    assert_eq!(Session::decode(&snapshot.data).unwrap(), folded);
    assert_eq!(snapshot.version, events.len() as u64);
    let ends = events.iter().filter(|event| matches!(event, SessionEvent::Ended { .. })).count();
    assert!(ends <= 1, "a family ends once");
    family.over |= ends == 1;
}
