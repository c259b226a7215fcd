//! Random sequences of what clients do and of time that passes, compared with a small model, on the real store.

use heirloom::clock::Timestamp;
use heirloom::oauth::SessionId;
use heirloom::session::{Session, SessionEvent};
use heirloom::user::Command;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::{Answer, Server};

/// One step of a sequence.
#[derive(Clone, Debug)]
enum Step {
    SignIn,
    /// Somebody presents one of the family's newest tokens; 0 is the newest.
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
        12 => (0..3usize, 0..8usize, prop::bool::weighted(0.1), scope).prop_map(
            |(family, back, confidential, scope)| Step::Present { family, back, confidential, scope }
        ),
        1 => Just(Step::Revoke),
        4 => prop_oneof![Just(1), Just(4), Just(11), Just(29), Just(31), Just(301), Just(9 * 86_400), Just(14 * 86_400)].prop_map(Step::Wait),
    ]
}

/// The model of a family.
struct Family {
    id: SessionId,
    /// All tokens in the order in which they were issued.
    line: Vec<String>,
    /// When each token was issued.
    given_at: Vec<Timestamp>,
    over: bool,
    /// Whether an old token was used: then the log must say that the family has ended.
    reused: bool,
}

/// The row of the table that decides about a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    /// Row 7.
    Rotates,
    /// Row 8.
    AnswersTheCurrentPair,
    /// Row 9.
    Refuses,
    /// Row 10.
    EndsTheFamily,
}

impl Family {
    fn of(answer: &Answer, now: Timestamp) -> Self {
        let line = vec![answer.refresh_token()];
        Self { id: answer.session(), line, given_at: vec![now], over: false, reused: false }
    }

    /// Whether the family has expired: unused for 14 days, or 60 days old.
    fn is_expired(&self, now: Timestamp) -> bool {
        const DAY: u64 = 86_400;
        let newest_at = self.given_at[self.given_at.len() - 1];
        now.since(newest_at).as_secs() >= 14 * DAY || now.since(self.given_at[0]).as_secs() >= 60 * DAY
    }

    /// The row of a token, from 7 to 10. The server started long before.
    fn row(&self, generation: usize, now: Timestamp) -> Row {
        let newest = self.line.len() - 1;
        let is_known = newest - generation <= 4;
        // A token is replaced when its successor is issued.
        let rotated_at = |generation: usize| self.given_at[generation + 1];
        if generation == newest {
            return Row::Rotates;
        }
        let oldest = if is_known { generation } else { newest - 4 };
        match (now.since(rotated_at(oldest)).as_secs() < 30, is_known) {
            (true, true) => Row::AnswersTheCurrentPair,
            (true, false) => Row::Refuses,
            (false, _) => Row::EndsTheFamily,
        }
    }

    /// Notes that a token was answered, and by which row.
    fn note(&mut self, row: Row, answer: &Answer, now: Timestamp) {
        assert!(!self.over, "an ended family answered");
        let token = answer.refresh_token();
        match row {
            Row::Rotates => {
                assert!(!self.line.contains(&token), "an old token came back");
                self.line.push(token);
                self.given_at.push(now);
            }
            Row::AnswersTheCurrentPair => assert_eq!(Some(&token), self.line.last(), "the family forked"),
            Row::Refuses | Row::EndsTheFamily => panic!("{row:?}, and it was answered"),
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
                server
                    .app
                    .accounts
                    .change(crate::support::USER.0, Command::EndSessions { keep: None })
                    .await
                    .unwrap();
                for family in &mut families {
                    family.over = true;
                }
            }
            Step::Present { family, back, confidential, scope } => {
                let index = families.len().saturating_sub(1 + family);
                present(&server, &mut families[index], (back, confidential, scope)).await;
            }
        }
        for family in &families {
            check(&server, family).await;
        }
    }
}

async fn present(server: &Server, family: &mut Family, how: (usize, bool, Option<&str>)) {
    let (back, confidential, scope) = how;
    let generation = family.line.len().saturating_sub(1 + back);
    let token = family.line[generation].clone();
    let row = family.row(generation, server.now());
    let (lives, fits) = (!family.over && !family.is_expired(server.now()), scope != Some("read admin"));
    // Nobody is signed out by mistake: rows 7 and 8 must answer tokens.
    let is_good = matches!(row, Row::Rotates | Row::AnswersTheCurrentPair) && !confidential && fits && lives;
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
            family.note(row, &answer, server.now());
        }
        (400, "invalid_grant" | "invalid_scope") => assert!(!is_good, "{}", answer.text),
        other => panic!("{other:?}"),
    }
    // No reuse is missed.
    family.reused |= lives && !confidential && row == Row::EndsTheFamily;
    family.over |= family.reused;
}

/// The snapshot is the fold of the log, and an ended family stays ended.
async fn check(server: &Server, family: &Family) {
    let events = server.events(family.id).await;
    let folded = events.iter().fold(None, Session::apply).unwrap();
    let snapshot = server.app.store.load(Session::stream(family.id).unwrap()).await.unwrap().unwrap();
    assert_eq!(Session::decode(&snapshot.data).unwrap(), folded);
    assert_eq!(snapshot.version, events.len() as u64);
    let ends = events.iter().filter(|event| matches!(event, SessionEvent::Ended { .. })).count();
    assert!(ends <= 1, "a family ends once");
    assert!(ends == 0 || family.over, "a family was ended by mistake: {events:?}");
    assert!(ends == 1 || !family.reused, "a reuse ended nothing: {events:?}");
}
