//! Makes users and live sessions before the server starts: through the store and the aggregates, as the server itself
//! writes them, but many at a time.

use std::cell::Cell;
use std::fs;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use heirloom::app::assemble::{Environment, make_keys};
use heirloom::app::{App, policy};
use heirloom::client::Registration;
use heirloom::clock::{Clock, Steps, SystemClock, Timestamp};
use heirloom::config::{self, Config};
use heirloom::oauth::{
    Generation, Kid, MacKeys, Nonce, RefreshToken, RefreshTokenCodec, Scope, SessionEpoch, SessionId, UserId,
};
use heirloom::password::Password;
use heirloom::password::hash::Cost;
use heirloom::password::pool::Source;
use heirloom::random::Random;
use heirloom::session::{self, Availability, Device, Presented, Refresh, Session, Start, device, index};
use heirloom::store::postgres::PostgresStore;
use heirloom::store::sled::{GroupLimits, SledOptions, SledStore};
use heirloom::store::{Append, Expected, RecordChange, Store};
use heirloom::token::{IfMissing, Keyring, RefreshSecrets};
use heirloom::user::{self, Command, User, Username, vault};
use serde::{Deserialize, Serialize};

use super::installation::{CLIENT, Installation, SEED};

/// Every user's password; it needs no encoding in a form.
pub(crate) const PASSWORD: &str = "tulip-quartz-93-lantern";
/// How many users sign in during the measurement: enough that no user reaches the limit of sessions.
pub(crate) const CROWD: usize = 1024;
/// How many refreshes each session has: with its first two events, it has five.
pub(crate) const ROTATIONS: u32 = 3;
/// How many sessions each user has.
const A_USER: usize = 20;
/// The time over which the sessions began; the last one began a day ago.
const SPAN: Duration = Duration::from_hours(5 * 24);
/// How many appends are under way at once.
const AT_ONCE: usize = 2048;
/// The user agent of each session's device.
const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";

/// The sessions that were made. Their refresh tokens are computed when needed, not kept.
pub(crate) struct Seeded {
    codec: RefreshTokenCodec,
    plan: Plan,
    /// The number of sessions.
    pub(crate) sessions: usize,
    /// The position at which the log ended then.
    pub(crate) position: u64,
}

/// The ids, nonces and times of everything that is made.
#[derive(Clone, Copy)]
struct Plan {
    /// Random, so that each plan has other ids.
    salt: u64,
    sessions: u64,
    now: Timestamp,
}

/// A plan and its results, as kept in a file.
#[derive(Deserialize, Serialize)]
struct Kept {
    salt: u64,
    sessions: usize,
    now_millis: u64,
    position: u64,
}

/// Values that all sessions share.
struct Common {
    plan: Plan,
    client: Arc<Registration>,
    scope: Scope,
    kid: Kid,
    audience: heirloom::oauth::Audience,
}

impl Seeded {
    fn of(installation: &Installation, kept: &Kept) -> anyhow::Result<Self> {
        let now = Timestamp::from_millis(kept.now_millis);
        let secrets = RefreshSecrets::open(Keyring::in_folder(installation.keys()), IfMissing::Refuse, now)?;
        let (id, secret) = secrets.current().ok_or_else(|| secrets.missing())?;
        Ok(Self {
            codec: RefreshTokenCodec::new(Arc::new(MacKeys::new((id, secret.as_bytes()), []))),
            plan: Plan { salt: kept.salt, sessions: kept.sessions as u64, now },
            sessions: kept.sessions,
            position: kept.position,
        })
    }

    /// The newest refresh token of a session.
    pub(crate) fn token(&self, number: usize) -> String {
        let number = number as u64;
        let token = self.codec.encode(&RefreshToken {
            session: self.plan.session(number),
            generation: Generation(ROTATIONS),
            nonce: self.plan.nonce(number, ROTATIONS),
        });
        token.unwrap_or_default()
    }

    /// The id of the session that a refresh token belongs to.
    pub(crate) fn session_of(&self, token: &str) -> anyhow::Result<SessionId> {
        Ok(self.codec.decode(token)?.session)
    }
}

/// Makes the keys, the users and `sessions` live sessions, unless they exist already.
pub(crate) async fn seed(installation: &Installation, sessions: usize) -> anyhow::Result<Seeded> {
    let file = installation.folder.join(SEED);
    if let Ok(kept) = fs::read(&file) {
        return Seeded::of(installation, &serde_json::from_slice(&kept)?);
    }
    let (salt, now) = (u64::from_be_bytes(Random::system().bytes()?), SystemClock.now());
    let plan = Plan { salt, sessions: sessions as u64, now };
    let position = make(installation, plan, sessions).await?;
    let kept = Kept { salt, sessions, now_millis: now.millis(), position };
    fs::write(file, serde_json::to_vec(&kept)?)?;
    Seeded::of(installation, &kept)
}

/// Makes everything. Returns where the log ends.
async fn make(installation: &Installation, plan: Plan, sessions: usize) -> anyhow::Result<u64> {
    let (config, clock) = (installation.config()?, Arc::new(SystemClock) as Arc<dyn Clock>);
    let keyring = Keyring::in_folder(&config.keys);
    make_keys(&keyring, &config, &clock)?;
    let store = open(&config).await?;
    let random = Random::system();
    let environment = Environment {
        store: store.clone(),
        cluster: None,
        exchange: None,
        keyring,
        clock,
        random,
        cost: Cost::RECOMMENDED,
    };
    let app = App::assemble(&config, environment)?;
    app.indexes.prepare().await?;
    // One hash for all users, because hashing takes long.
    let source = Source { block: 1, site: 1, account: 1, known: true };
    let hash = minicbor::to_vec(app.passwords.hash(Password::parse(PASSWORD)?, source).await?)?;
    let holders = sessions.div_ceil(A_USER);
    append_all(&store, ("users", CROWD + holders), move |number| plan.user(number, &hash)).await?;
    let client = app.clients.declared.find(&CLIENT.parse()?).context("the client is not declared")?;
    let common = Common {
        plan,
        audience: client.metadata.default_audience.clone(),
        client,
        scope: "read write".parse()?,
        kid: app.keys.signing.signer()?.kid(),
    };
    append_all(&store, ("sessions", sessions), move |number| common.session(number)).await?;
    Ok(store.stats().position)
}

async fn open(config: &Config) -> anyhow::Result<Arc<dyn Store>> {
    if let config::Store::Postgres(settings) = &config.store {
        return Ok(Arc::new(PostgresStore::open((**settings).clone()).await?));
    }
    let limits = GroupLimits { keys: 4096, bytes: 4 * 1024 * 1024 };
    let options =
        SledOptions { limits, queue: AT_ONCE, cache_bytes: 512 * 1024 * 1024, ..SledOptions::default() };
    Ok(Arc::new(SledStore::open(&config.data, options)?))
}

/// Makes the appends and waits until all are durable.
async fn append_all(
    store: &Arc<dyn Store>,
    (what, count): (&'static str, usize),
    make: impl Fn(usize) -> anyhow::Result<Append> + 'static,
) -> anyhow::Result<()> {
    let (make, next) = (Rc::new(make), Rc::new(Cell::new(0)));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..AT_ONCE.min(count) {
        let (store, make, next) = (Arc::clone(store), Rc::clone(&make), Rc::clone(&next));
        tasks.spawn_local(async move {
            loop {
                let number = next.get();
                if number == count {
                    return anyhow::Ok(());
                }
                next.set(number + 1);
                store.append(make(number)?).await?;
                if (number + 1).is_multiple_of(100_000) {
                    eprintln!("  {} of {count} {what}", number + 1);
                }
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}

impl Plan {
    /// Random bytes that are the same each time (`SplitMix64`), for a `kind` and a number.
    fn bytes<const N: usize>(self, kind: u64, number: u64) -> [u8; N] {
        let mut state = self.salt ^ kind.wrapping_mul(0xA076_1D64_78BD_642F) ^ number.rotate_left(24);
        let mut bytes = [0; N];
        for chunk in bytes.chunks_mut(8) {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            let random = (mixed ^ (mixed >> 31)).to_be_bytes();
            chunk.copy_from_slice(random.get(..chunk.len()).unwrap_or_default());
        }
        bytes
    }

    fn began(self, number: u64) -> Timestamp {
        let span = u64::try_from(SPAN.as_millis()).unwrap_or(u64::MAX);
        let first = self.now.before(SPAN + Duration::from_hours(24));
        first.after(Duration::from_millis(span / self.sessions.max(1) * number))
    }

    fn session(self, number: u64) -> SessionId {
        let millis = self.began(number).millis();
        let random = self.bytes(1, number);
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().into()
    }

    fn nonce(self, number: u64, generation: u32) -> Nonce {
        self.bytes::<16>(2 + u64::from(generation), number).into()
    }

    /// The users that sign in come first, then those that have the sessions.
    fn user_id(self, number: u64) -> UserId {
        let millis = self.now.before(Duration::from_hours(30 * 24)).millis();
        uuid::Builder::from_unix_timestamp_millis(millis + number, &self.bytes(0, number)).into_uuid().into()
    }

    fn user(self, number: usize, hash: &[u8]) -> anyhow::Result<Append> {
        let id = self.user_id(number as u64);
        let at = self.now.before(Duration::from_hours(29 * 24));
        let events = user::decide(None, Command::Register { roles: vec!["user".to_owned()] }, at)?;
        let name: Username = user_name(number).parse()?;
        let id_bytes = id.as_bytes().to_vec();
        Ok(Append {
            stream: user::stream(id).context("a stream's name")?,
            expected: Expected::NoStream,
            snapshot: events.iter().fold(User::default(), User::apply).encode(),
            events: events.iter().map(user::UserEvent::encode).collect(),
            records: vec![
                RecordChange::Insert(vault::by_name(&name), id_bytes),
                RecordChange::Put(vault::display_name(id), name.as_str().as_bytes().to_vec()),
                RecordChange::Put(vault::password(id), hash.to_vec()),
            ],
        })
    }
}

/// The name of a user.
pub(crate) fn user_name(number: usize) -> String {
    format!("person-{number}")
}

impl Common {
    /// The events of a session, decided by the functions that the server itself decides by.
    fn session(&self, number: usize) -> anyhow::Result<Append> {
        let number = number as u64;
        let plan = self.plan;
        let (id, began, policy) = (plan.session(number), plan.began(number), policy(&self.client));
        let user = plan.user_id(CROWD as u64 + number / A_USER as u64);
        let mut events = session::start(Start {
            client: (self.client.id.clone(), SessionEpoch::default()),
            user: (user, SessionEpoch::default()),
            scope: self.scope.clone(),
            permitted: self.scope.clone(),
            audience: Some(self.audience.clone()),
            refreshable: true,
            policy,
            nonce: plan.nonce(number, 0),
            installation_epoch: 0,
            kid: self.kid,
            now: began,
        })
        .events;
        let mut state = events.iter().fold(None, Session::apply);
        for generation in 0..ROTATIONS {
            let command = Refresh {
                session: id,
                presented: Presented {
                    generation: Generation(generation),
                    nonce: plan.nonce(number, generation),
                },
                client: &self.client.id,
                client_epoch: Some(SessionEpoch::default()),
                user_epoch: Some(SessionEpoch::default()),
                installation_epoch: 0,
                login_has_ended: false,
                requested: None,
                resources: &[],
                permitted: &self.scope,
                policy,
                nonce: plan.nonce(number, generation + 1),
                kid: self.kid,
                now: began.after(Duration::from_hours(5) * (generation + 1)),
                steps: Steps::default(),
                availability: Availability::of(Duration::MAX),
                skew: Duration::ZERO,
            };
            let decided = session::decide(state.as_ref(), &command);
            decided.outcome?;
            state = decided.events.iter().fold(state, Session::apply);
            events.extend(decided.events);
        }
        let state = state.context("no session")?;
        let mut records = index::changes(id, None, &state);
        records
            .push(RecordChange::Put(device::record(user, id), Device::new(Some(USER_AGENT), None).encode()));
        Ok(Append {
            stream: Session::stream(id).context("a stream's name")?,
            expected: Expected::NoStream,
            events: events.iter().map(session::SessionEvent::encode).collect(),
            snapshot: state.encode(),
            records,
        })
    }
}
