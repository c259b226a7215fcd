//! The servers on which refusals are provoked: one that works, and others that fail in one way each.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use heirloom::config::{SignUp, Throttle};
use heirloom::password::hash::Cost;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::Documented;
use super::requests::{authorized, refused, sign_in, takes_a_place, whole, with, wrong_password};
use crate::admin::{Office, sign_in_for};
use crate::faults::{Failing, Fault};
use crate::sign_up::{PASSWORD, person, sign_up};
use crate::specification::Operation;
use crate::support::codes::Ask;
use crate::support::{Answer, CONFIDENTIAL, PUBLIC, SECRET, Server, Setup, USER};

/// A client of the administration's that may only refresh.
pub(super) const TV: &str = "tv";
/// A client of the configuration's that may ask for little, and whose access tokens can't be revoked.
pub(super) const RADIO: &str = "radio";
/// A client that the configuration switches off.
pub(super) const SWITCHED_OFF: &str = "off";

/// A server with people who are signed in, and what there is to name in a request.
pub(super) struct Scene {
    pub(super) office: Office,
    /// An access token of the user's for the account.
    pub(super) account: String,
    /// One that has expired.
    pub(super) expired: String,
    /// An authorization code that nobody has redeemed.
    pub(super) code: String,
    /// One that the radio got.
    pub(super) of_radio: String,
    user: String,
    session: String,
    /// An account that was made with an invitation.
    invited: String,
}

impl Scene {
    async fn open(change: impl FnOnce(&mut Setup)) -> Self {
        let server = Server::with(|setup| {
            add_clients(setup);
            // Only then is an address one account's.
            setup.config.accounts.login_with_email = true;
            change(setup);
        })
        .await;
        let expired = sign_in_for(&server, USER, "account profile").await.access_token();
        server.wait(3600);
        let office = Office::on(server).await;
        let tv = json!({"id": TV, "type": "public", "grants": ["refresh_token"]});
        assert_eq!(office.post("/admin/clients", tv).await.status, 201);
        let invitation = office.post("/admin/invitations", json!({"valid_for": 3600})).await.json;
        let mut bob = person("bob", "bob@example.com");
        bob["invitation"] = invitation["code"].clone();
        assert_eq!(sign_up(&office.server, &bob).await.status, 201);
        let signed_in = sign_in_for(&office.server, USER, "account profile").await;
        let of_radio = form(&office.server, &sign_in(RADIO, USER.1, "")).await.access_token();
        let code = office.server.code(Ask::default()).await;
        let claims = signed_in.claims();
        let named = |claim: &str| claims[claim].as_str().unwrap().to_owned();
        let (user, session) = (named("sub"), named("sid"));
        let invited = invitation["user"].as_str().unwrap().to_owned();
        Self { office, account: signed_in.access_token(), expired, code, of_radio, user, session, invited }
    }

    /// The same, on a server that was set up otherwise meanwhile.
    async fn restarted(self, change: impl FnOnce(&mut Setup)) -> Self {
        let server = self.office.server.restart(change).await;
        Self { office: Office { server, ..self.office }, ..self }
    }

    /// A request without any credentials.
    pub(super) fn bare(&self, operation: &Operation, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.office.server.base);
        self.office.server.client.request(operation.method(), url)
    }

    /// The path of an operation, about something that is there.
    pub(super) fn path_of(&self, operation: &Operation) -> String {
        operation.path_of(match operation.path {
            path if path.starts_with("/admin/users") => &self.user,
            path if path.starts_with("/admin/clients") => TV,
            path if path.starts_with("/admin/invitations") => &self.invited,
            _ => &self.session,
        })
    }

    /// The access token of somebody who may do it.
    pub(super) fn token(&self, operation: &Operation) -> &str {
        if operation.id().starts_with("admin") { &self.office.token } else { &self.account }
    }

    /// The access token of somebody who may do other things.
    pub(super) fn token_for_others(&self, operation: &Operation) -> &str {
        if operation.id().starts_with("admin") { &self.account } else { &self.office.token }
    }
}

fn add_clients(setup: &mut Setup) {
    let public = setup.config.clients.iter().find(|client| client.id.as_str() == PUBLIC).unwrap();
    let (mut radio, mut off) = (public.clone(), public.clone());
    radio.id = RADIO.parse().unwrap();
    radio.metadata.scope = "read".parse().unwrap();
    radio.metadata.revoke_access_tokens = false;
    off.id = SWITCHED_OFF.parse().unwrap();
    off.disabled = true;
    setup.config.clients.extend([radio, off]);
}

/// All servers.
pub(super) struct Scenes {
    working: Scene,
    /// It answers for another host.
    elsewhere: Scene,
    /// Nobody can sign up.
    closed: Scene,
    /// Its store does not answer.
    down: Scene,
    /// Its store is damaged.
    damaged: Scene,
    /// It hashes other people's passwords all the time.
    busy: Scene,
}

impl Scenes {
    pub(super) async fn open() -> Self {
        let working = Scene::open(|_| {}).await;
        let hosts = Some(vec!["id.example.com".to_owned()]);
        let elsewhere = Scene::open(|_| {}).await.restarted(|setup| setup.config.server.hosts = hosts).await;
        let closed = Scene::open(|_| {}).await;
        let closed = closed.restarted(|setup| setup.config.accounts.registration = SignUp::Closed).await;
        let (down, damaged) = (broken(Fault::Read).await, broken(Fault::Damage).await);
        Self { working, elsewhere, closed, down, damaged, busy: busy().await }
    }

    /// The answer to a request that provokes the refusal. `None`: nothing is known that does.
    pub(super) async fn provoke(&self, documented: &Documented) -> Option<Answer> {
        let operation = &documented.operation;
        let request = match (documented.status, documented.name) {
            (421, _) => refused(&self.elsewhere, documented)?,
            (403, "registration_closed") => whole(&self.closed, operation),
            (429, _) => return limited(documented).await,
            (500, "server_error" | "failed") => whole(&self.damaged, operation),
            (503, "temporarily_unavailable" | "unavailable") if may_be_busy(operation.id()) => {
                return Some(self.held_up(documented).await);
            }
            (503, "temporarily_unavailable" | "unavailable") => whole(&self.down, operation),
            _ => refused(&self.working, documented)?,
        };
        Some(Answer::of(request.send().await.unwrap()).await)
    }

    /// Asks the busy server until it is: between two hashes there may be a place. What is answered is held on to, as it
    /// takes a place where events are followed.
    async fn held_up(&self, documented: &Documented) -> Answer {
        let mut answers = Vec::new();
        for turn in 0..500 {
            let answer = takes_a_place(&self.busy, &documented.operation, turn).send().await.unwrap();
            if answer.status() == documented.status {
                return Answer::of(answer).await;
            }
            answers.push(answer);
        }
        panic!("{} found a place 500 times: {:?}", documented.operation.id(), answers.last())
    }
}

/// Where too many ask at once: passwords are hashed there, or events are followed.
fn may_be_busy(id: &str) -> bool {
    let hashes = ["token", "signUp", "changePassword", "deleteAccount", "deleteAccountByPost"];
    hashes.contains(&id) || ["adminCreateUser", "adminSetPassword", "adminFollowEvents"].contains(&id)
}

/// A server whose store breaks as soon as everybody is signed in.
async fn broken(fault: Fault) -> Scene {
    let broken = Arc::new(AtomicBool::new(false));
    let own = Arc::clone(&broken);
    let around =
        move |inner| Arc::new(Failing { inner, broken: own, fault }) as Arc<dyn heirloom::store::Store>;
    let scene = Scene::open(|setup| setup.store = Some(Box::new(around))).await;
    broken.store(true, Ordering::SeqCst);
    scene
}

/// A server with one place in the hashing queue, which others take again and again.
async fn busy() -> Scene {
    let scene = Scene::open(|_| {}).await;
    let scene = scene.restarted(|setup| {
        (setup.config.passwords.threads, setup.config.passwords.queue) = (1, 1);
        let throttle = &mut setup.config.throttle;
        (throttle.account_attempts, throttle.network_attempts, throttle.network_sign_ups) =
            (1000, 1000, 1000);
        setup.cost = Cost::RECOMMENDED;
    });
    let scene = scene.await;
    for other in 0..3 {
        let accounts = Arc::clone(&scene.office.server.app.accounts);
        tokio::spawn(async move {
            for turn in 0_u64.. {
                // Refused or not, the next one follows at once.
                drop(accounts.register(&format!("other-{other}-{turn}"), PASSWORD, Vec::new()).await);
                tokio::task::yield_now().await;
            }
        });
    }
    scene
}

/// Asks for more than is free, on a server of its own.
async fn limited(documented: &Documented) -> Option<Answer> {
    let (operation, name) = (&documented.operation, documented.name);
    let scene = Scene::open(|_| {}).await;
    let scene = scene.restarted(|setup| {
        setup.config.throttle = Throttle {
            account_attempts: 1,
            network_sign_ups: 1,
            refresh_burst: 1,
            sign_in_burst: u32::from(name == "too_many_sign_ins"),
            client_token_burst: 1,
            change_burst: 1,
            ..Throttle::default()
        };
    });
    let scene = scene.await;
    let mut device = sign_in_for(&scene.office.server, USER, "account").await;
    for turn in 0..5 {
        let request = match (operation.id(), name) {
            ("token", "slow_down") => with(&scene, operation, &sign_in(PUBLIC, "wrong", "")),
            ("token", "too_many_sign_ins") => whole(&scene, operation),
            ("token", "too_many_client_tokens") => {
                let scope = if turn == 0 { "read" } else { "write" };
                let form = json!(format!("grant_type=client_credentials&scope={scope}"));
                with(&scene, operation, &form).basic_auth(CONFIDENTIAL, Some(SECRET))
            }
            ("token", "too_many_refreshes") => {
                let token = device.refresh_token();
                let form = format!("grant_type=refresh_token&client_id={PUBLIC}&refresh_token={token}");
                with(&scene, operation, &json!(form))
            }
            ("signUp", _) => takes_a_place(&scene, operation, turn),
            ("changeAccount", _) => with(&scene, operation, &json!({"display_name": format!("Ann {turn}")})),
            ("changePassword" | "deleteAccount" | "deleteAccountByPost", _) => {
                with(&scene, operation, &wrong_password(operation.id()))
            }
            ("endSession" | "endSessions", _) => {
                let other = sign_in_for(&scene.office.server, USER, "account").await.session();
                authorized(&scene, operation, scene.bare(operation, &operation.path_of(&other.to_string())))
            }
            _ => return None,
        };
        let answer = Answer::of(request.send().await.unwrap()).await;
        if answer.status == documented.status {
            return Some(answer);
        }
        device = answer;
    }
    Some(device)
}

async fn form(server: &Server, form: &Value) -> Answer {
    let request = server.token().header("content-type", "application/x-www-form-urlencoded");
    server.send(request.body(form.as_str().unwrap().to_owned())).await
}
