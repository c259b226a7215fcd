//! Delivers: tries what is due, several at once, but few of one client, so that one that is slow or down holds up nobody
//! else.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::time::{sleep, timeout};

use super::BackchannelLogout;
use super::delivery::{self, LogoutDelivery};
use super::expand::is_for_a_time;
use super::under_way::UnderWay;
use crate::app::error::TokenError;
use crate::clock::Timestamp;
use crate::oauth::ClientId;
use crate::store::cluster::Lease;
use crate::store::{RecordChange, RecordKey};
use crate::token::{LogoutEvents, LogoutTokenClaims, SigningAlgorithm, TokenType};

/// The most deliveries that are tried at once.
const AT_ONCE: usize = 32;
/// The most of one client.
const OF_ONE_CLIENT: usize = 2;
/// The longest pause between two looks, whatever the clock says: somebody may set it.
const LOOKS_EVERY: Duration = Duration::from_mins(1);
/// The same where other nodes write entries too: nobody wakes this one up for them.
const LOOKS_FOR_OTHERS_EVERY: Duration = Duration::from_secs(1);
/// The pause after an error of the store or of the keys.
const AFTER_ERROR: Duration = Duration::from_secs(5);
/// How long those that are being tried may take when the server stops.
const DRAIN: Duration = Duration::from_secs(2);
/// For how long those that were given up are listed.
const LISTED_FOR: Duration = Duration::from_hours(7 * 24);
/// For how long a logout token is good. §2.4: it is recommended to be "at most two minutes in the future".
const TOKEN_LIFETIME: Duration = Duration::from_mins(2);
/// Why one was given up that was never tried.
const TOO_LATE: &str = "its turn did not come in three days";
/// How many records are read at a time.
const PAGE: usize = 100;

/// What became of a try.
enum Tried {
    /// The client has accepted it.
    Accepted,
    /// The client is gone, or wants to be told no more.
    Unwanted,
    /// It failed, for this reason.
    Failed(String),
}

impl BackchannelLogout {
    /// Takes up what was left when the last process ended: makes its deliveries, and counts them. Call it before the
    /// sweeper removes anything. What can't be read is no reason not to start.
    ///
    /// # Errors
    /// [`TokenError`] if the store does not work.
    pub async fn take_up(&self) -> Result<(), TokenError> {
        match self.take_up_all().await {
            Err(error) if !is_for_a_time(&error) => {
                tracing::error!(error = %error, "not every logout can be taken up that apps are still to be told of");
                Ok(())
            }
            taken_up => taken_up,
        }
    }

    async fn take_up_all(&self) -> Result<(), TokenError> {
        self.expand().await?;
        let (mut pending, mut after) = (0_u64, None);
        loop {
            let page = self.repository.scan(delivery::all_pending(), after, PAGE).await?;
            pending = pending.saturating_add(u64::try_from(page.len()).unwrap_or(u64::MAX));
            match page.last() {
                Some((last, _)) if page.len() == PAGE => after = Some(last.clone()),
                Some(_) | None => break,
            }
        }
        self.counts.found(pending);
        Ok(())
    }

    /// Delivers, while this node holds the lease, until `stopping` is over; then waits a moment for what is being tried.
    pub async fn keep_delivering(self: Arc<Self>, stopping: impl Future<Output = ()> + Send) {
        let mut stopping = pin!(stopping);
        let mut under_way = UnderWay::default();
        self.nodes.want(Lease::LogoutDeliveries);
        // What the last process left was taken up before.
        let mut held = !self.nodes.are_several();
        let longest = if self.nodes.are_several() { LOOKS_FOR_OTHERS_EVERY } else { LOOKS_EVERY };
        loop {
            let wait = match self.look_if_held(&mut under_way, &mut held).await {
                Ok(next) => next.map_or(longest, |next| next.since(self.clock.now()).min(longest)),
                Err(error) => pause_after(&error),
            };
            let settled = tokio::select! {
                () = &mut stopping => break,
                () = self.repository.outbox().notified() => Ok(()),
                settled = under_way.next(), if !under_way.tasks.is_empty() => settled,
                () = sleep(wait) => Ok(()),
            };
            if let Err(error) = settled {
                let pause = pause_after(&error);
                tokio::select! {
                    () = &mut stopping => break,
                    () = sleep(pause) => {}
                }
            }
        }
        // What is cut off is tried again after the next start.
        let _ = timeout(DRAIN, async {
            while !under_way.tasks.is_empty() {
                let _ = under_way.next().await;
            }
        })
        .await;
    }

    /// As [`BackchannelLogout::look`], if it is this node that delivers. When it becomes so, it takes up what the node
    /// before has left.
    async fn look_if_held(
        self: &Arc<Self>,
        under_way: &mut UnderWay,
        held: &mut bool,
    ) -> Result<Option<Timestamp>, TokenError> {
        if !self.nodes.holds(Lease::LogoutDeliveries) {
            if std::mem::take(held) {
                // They count where they are delivered.
                self.counts.found(0);
            }
            return Ok(None);
        }
        if !*held {
            self.take_up().await?;
            *held = true;
        }
        self.look(under_way).await
    }

    /// Tries all that is due now, and waits until it has been tried.
    ///
    /// # Errors
    /// [`TokenError`] if the store or the keys fail; what is left stays pending.
    pub async fn deliver_due(self: &Arc<Self>) -> Result<(), TokenError> {
        let mut under_way = UnderWay::default();
        loop {
            self.look(&mut under_way).await?;
            if under_way.tasks.is_empty() {
                return Ok(());
            }
            under_way.next().await?;
        }
    }

    /// Makes deliveries of what has ended, begins to try what is due, and forgets what was given up long ago. Returns when
    /// the next one is due.
    async fn look(self: &Arc<Self>, under_way: &mut UnderWay) -> Result<Option<Timestamp>, TokenError> {
        self.expand().await?;
        self.forget_given_up().await?;
        let mut next: Option<Timestamp> = None;
        for client in under_way.in_turn(self.clients_with_pending().await?) {
            let due = self.begin_due(client, under_way).await?;
            next = [next, due].into_iter().flatten().min();
        }
        Ok(next)
    }

    /// The clients with pending deliveries.
    async fn clients_with_pending(&self) -> Result<Vec<ClientId>, TokenError> {
        let (mut clients, mut after) = (Vec::new(), None);
        loop {
            let found = self.repository.scan(delivery::all_pending(), after, 1).await?;
            let Some((key, value)) = found.into_iter().next() else { return Ok(clients) };
            after = Some(match LogoutDelivery::decode(&value) {
                Ok(delivery) => {
                    let last = delivery::last_of(&delivery.client);
                    clients.push(delivery.client);
                    last
                }
                Err(error) => {
                    self.drop_unreadable(key.clone(), &error).await?;
                    key
                }
            });
        }
    }

    /// Begins to try what is due to a client, as far as there is room. Returns when the next one is due.
    async fn begin_due(
        self: &Arc<Self>,
        client: ClientId,
        under_way: &mut UnderWay,
    ) -> Result<Option<Timestamp>, TokenError> {
        let limit = under_way.of(&client).saturating_add(OF_ONE_CLIENT);
        let now = self.clock.now();
        for (key, value) in self.repository.scan(delivery::pending_of(&client), None, limit).await? {
            if under_way.has(&key) {
                continue;
            }
            let (due, id) = delivery::place_of(&key).unwrap_or_default();
            if due > now {
                return Ok(Some(due));
            }
            // Whichever ends first makes room, and then there is another look.
            if under_way.of(&client) >= OF_ONE_CLIENT || under_way.tasks.len() >= AT_ONCE {
                return Ok(None);
            }
            match LogoutDelivery::decode(&value) {
                Ok(delivery) => {
                    let deliver = Arc::clone(self).deliver(key.clone(), id, delivery);
                    under_way.begin(key, client.clone(), deliver);
                }
                Err(error) => self.drop_unreadable(key, &error).await?,
            }
        }
        Ok(None)
    }

    /// Tries a delivery, and writes down what became of it.
    async fn deliver(
        self: Arc<Self>,
        key: RecordKey,
        id: [u8; 16],
        delivery: LogoutDelivery,
    ) -> Result<(), TokenError> {
        let outcome = self.tried(&delivery).await?;
        let mut changes = vec![RecordChange::Delete(key)];
        let error = match outcome {
            Tried::Failed(error) => error,
            Tried::Accepted | Tried::Unwanted => {
                self.repository.change_records(changes).await?;
                self.counts.settled();
                if matches!(outcome, Tried::Accepted) {
                    self.counts.delivered();
                }
                return Ok(());
            }
        };
        let now = self.clock.now();
        let [jitter] = self.random.bytes()?;
        let next = delivery.next_try(now, jitter);
        let failed = delivery.failed(&error);
        let key = next
            .map_or_else(|| delivery::given_up(now, &id), |due| delivery::pending(&failed.client, due, &id));
        changes.push(RecordChange::Put(key, failed.encode()));
        self.repository.change_records(changes).await?;
        self.counts.failed();
        let error = failed.last_error.as_deref().unwrap_or_default();
        let (client, user, login, tries) = (&failed.client, failed.user, failed.login, failed.tries);
        if next.is_some() {
            tracing::debug!(client.id = %client, login.id = %login, tries, error, "a client was not told of a logout");
        } else {
            self.counts.given_up();
            self.counts.settled();
            tracing::warn!(
                client.id = %client, user.id = %user, login.id = %login, tries, error,
                "given up: a client could not be told of a logout"
            );
        }
        Ok(())
    }

    async fn tried(&self, delivery: &LogoutDelivery) -> Result<Tried, TokenError> {
        // Also what has waited behind others to a client that is down.
        if delivery.is_old(self.clock.now()) {
            return Ok(Tried::Failed(delivery.last_error.clone().unwrap_or_else(|| TOO_LATE.to_owned())));
        }
        // As it is registered now: an operator may have corrected the URI.
        let known = self.clients.known(&delivery.client).await?;
        let Some(metadata) = known.as_ref().map(|known| &known.registration.metadata) else {
            return Ok(Tried::Unwanted);
        };
        let Some(uri) = &metadata.backchannel_logout_uri else { return Ok(Tried::Unwanted) };
        // A key that is missing for one algorithm fails its clients alone.
        let token = match self.logout_token(delivery, metadata.id_token_signed_response_alg) {
            Ok(token) => token,
            Err(error) => return Ok(Tried::Failed(error.to_string())),
        };
        Ok(match self.requests.send(uri.as_str(), &token).await {
            Ok(()) => Tried::Accepted,
            Err(error) => Tried::Failed(error.to_string()),
        })
    }

    /// The token of one try, signed as the client's ID tokens are. Each has a `jti` of its own: §2.6 lets a client refuse one
    /// that it has seen, but a try is repeated because nobody knows what became of the last one.
    fn logout_token(
        &self,
        delivery: &LogoutDelivery,
        algorithm: SigningAlgorithm,
    ) -> Result<String, TokenError> {
        let now = self.clock.now();
        let (user, login) = (delivery.user.to_string(), delivery.login.to_string());
        let claims = LogoutTokenClaims {
            iss: &self.settings.issuer,
            sub: &user,
            aud: delivery.client.as_str(),
            iat: now.seconds(),
            exp: now.after(TOKEN_LIFETIME).seconds(),
            jti: &URL_SAFE_NO_PAD.encode(self.random.bytes::<16>()?),
            sid: &login,
            events: LogoutEvents::default(),
        };
        Ok(self.keys.signing.id_token_signer(algorithm)?.sign(TokenType::LogoutJwt, &claims)?)
    }

    async fn forget_given_up(&self) -> Result<(), TokenError> {
        let oldest = self.clock.now().before(LISTED_FOR);
        loop {
            let front = self.repository.scan(delivery::all_given_up(), None, PAGE).await?;
            let read = front.len();
            let old: Vec<_> = front
                .into_iter()
                .take_while(|(key, _)| delivery::place_of(key).is_none_or(|(at, _)| at < oldest))
                .map(|(key, _)| RecordChange::Delete(key))
                .collect();
            let is_last = old.len() < PAGE || read < PAGE;
            if !old.is_empty() {
                self.repository.change_records(old).await?;
            }
            if is_last {
                return Ok(());
            }
        }
    }

    async fn drop_unreadable(
        &self,
        key: RecordKey,
        error: &crate::encoding::DecodeError,
    ) -> Result<(), TokenError> {
        tracing::error!(error = %error, "a pending logout delivery can't be read: it is dropped");
        self.repository.change_records(vec![RecordChange::Delete(key)]).await?;
        self.counts.settled();
        Ok(())
    }
}

/// Logs an error, and says how long to wait.
fn pause_after(error: &TokenError) -> Duration {
    if error.should_log() {
        tracing::error!(error = %error, "clients can't be told of logouts at the moment");
    }
    AFTER_ERROR
}
