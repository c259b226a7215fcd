//! The metrics: numbers only, no names and no addresses.

pub(super) mod page;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use self::page::{head, sample};
use super::backchannel_logout::{DeliveryCounts, DeliveryStats};
use super::certificate::CertificateStatus;
use super::error::TokenError;
use super::nodes::write_metrics;
use super::sweep::{Sweeper, SweeperStats};
use super::{Nodes, Repository};
use crate::clock::{Clock, Timestamp};
use crate::password::pool::{HashingPool, PoolStats};
use crate::session::{CodeRefused, Denied, EndReason};
use crate::store::{RecordKey, StoreError, StoreStats};
use crate::throttle::{Stats as ThrottleStats, Throttle};

/// How requests at the token endpoint ended: a fixed set of grants and outcomes.
#[derive(Debug, Default)]
pub struct TokenRequests(Mutex<BTreeMap<(&'static str, &'static str), u64>>);

impl TokenRequests {
    /// Counts a request of `grant`.
    pub(crate) fn count<T>(&self, grant: &'static str, answer: Result<&T, &TokenError>) {
        let outcome = answer.map_or_else(outcome, |_| "ok");
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry((grant, outcome)).or_default();
        *count = count.saturating_add(1);
    }
}

/// How sign-ins at heirloom's own pages ended.
#[derive(Debug, Default)]
pub struct LoginOutcomes(Mutex<BTreeMap<&'static str, u64>>);

impl LoginOutcomes {
    /// Counts a sign-in.
    pub(super) fn count<T>(&self, answer: Result<&T, &TokenError>) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(answer.map_or_else(outcome, |_| "ok")).or_default();
        *count = count.saturating_add(1);
    }

    fn write(&self, page: &mut String) {
        head(page, "heirloom_logins_total", "counter", "Sign-ins at heirloom's own pages by outcome.");
        for (outcome, count) in &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            sample(page, "heirloom_logins_total", &format!(r#"{{outcome="{outcome}"}}"#), *count);
        }
    }
}

/// The outcome as a label: some errors that look the same to a client are distinguished.
pub(super) const fn outcome(error: &TokenError) -> &'static str {
    match error {
        TokenError::Client => "client",
        TokenError::GrantNotRegistered => "grant_not_registered",
        TokenError::PasswordGrantOff => "password_grant_off",
        TokenError::AccessTokenRevocation => "access_token_revocation",
        TokenError::Credentials => "credentials",
        TokenError::Throttled { .. } => "throttled",
        TokenError::TooManyRefreshes { .. } => "too_many_refreshes",
        TokenError::TooManyClientTokens { .. } => "too_many_client_tokens",
        TokenError::TooManySignIns { .. } => "too_many_sign_ins",
        TokenError::TooManyChanges { .. } => "too_many_changes",
        TokenError::Busy { .. } => "busy",
        TokenError::NoKey => "no_key",
        TokenError::SecretUnusable => "secret_unusable",
        TokenError::TooManyAuthorizations { .. } => "too_many_authorizations",
        TokenError::Scope(_) | TokenError::Session(Denied::Scope) | TokenError::Code(CodeRefused::Scope) => {
            "scope"
        }
        TokenError::Target | TokenError::Session(Denied::Target) | TokenError::Code(CodeRefused::Target) => {
            "target"
        }
        TokenError::NotAToken => "not_a_token",
        TokenError::NotACode => "not_a_code",
        TokenError::Session(Denied::Unknown) | TokenError::Code(CodeRefused::Unknown) => "unknown",
        TokenError::Session(Denied::Ended(reason)) | TokenError::Code(CodeRefused::Ended(reason)) => {
            match reason {
                EndReason::Reuse => "ended_reuse",
                EndReason::Logout => "ended_logout",
                EndReason::User => "ended_user",
                EndReason::Admin => "ended_admin",
                EndReason::UserEpoch => "ended_user_epoch",
                EndReason::ClientEpoch => "ended_client_epoch",
                EndReason::Expired => "ended_expired",
                EndReason::Evicted => "ended_evicted",
                EndReason::Rollback => "ended_rollback",
                EndReason::Restored => "ended_restored",
                EndReason::LoginEnded => "ended_login_ended",
                EndReason::ConsentWithdrawn => "ended_consent_withdrawn",
                EndReason::CodeReuse => "ended_code_reuse",
            }
        }
        TokenError::Session(Denied::ForeignClient) | TokenError::Code(CodeRefused::ForeignClient) => {
            "foreign_client"
        }
        TokenError::Session(Denied::Expired) | TokenError::Code(CodeRefused::Expired) => "expired",
        TokenError::Session(Denied::User) | TokenError::Code(CodeRefused::User) => "user_epoch",
        TokenError::Session(Denied::Client) | TokenError::Code(CodeRefused::Client) => "client_epoch",
        TokenError::Session(Denied::Login) | TokenError::Code(CodeRefused::Login) => "login_ended",
        TokenError::Code(CodeRefused::Consent) => "consent_withdrawn",
        TokenError::Session(Denied::Restored) | TokenError::Code(CodeRefused::Restored) => "restored",
        TokenError::Session(Denied::Rollback) => "rollback",
        TokenError::Session(Denied::Straggler) => "straggler",
        TokenError::Session(Denied::Reuse) | TokenError::Code(CodeRefused::Reuse) => "reuse",
        TokenError::Code(CodeRefused::RedirectUri) => "redirect_uri",
        TokenError::Code(CodeRefused::Verifier) => "verifier",
        TokenError::Code(CodeRefused::Twice) => "code_twice",
        TokenError::Store(error) => match error {
            StoreError::Unavailable(_) => "store_unavailable",
            StoreError::NoRoom(_) => "store_no_room",
            StoreError::WrongExpectedVersion | StoreError::RecordExists => "store_conflict",
            StoreError::TooLarge | StoreError::Corrupt(_) => "store_failed",
        },
        TokenError::Undecodable(_) | TokenError::Internal(_) => "failed",
    }
}

/// The service for monitoring: metrics and health.
pub struct Monitoring {
    pub(super) token_requests: Arc<TokenRequests>,
    pub(super) logins: Arc<LoginOutcomes>,
    pub(super) deliveries: Arc<DeliveryCounts>,
    pub(super) passwords: Arc<HashingPool>,
    pub(super) throttle: Arc<Throttle>,
    pub(super) sweeper: Arc<Sweeper>,
    pub(super) nodes: Arc<Nodes>,
    pub(super) repository: Repository,
    /// The state of the listener's certificate.
    pub(super) certificate: Mutex<Option<CertificateStatus>>,
    pub(super) clock: Arc<dyn Clock>,
    /// When this process started.
    pub process_started: Timestamp,
}

impl Monitoring {
    /// What the clock says.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// How the sweeper is getting on.
    #[must_use]
    pub fn sweeper_stats(&self) -> SweeperStats {
        self.sweeper.stats()
    }

    /// Records the state of the listener's certificate.
    pub fn note_certificate(&self, status: CertificateStatus) {
        *self.certificate.lock().unwrap_or_else(PoisonError::into_inner) = Some(status);
    }

    /// The state of the listener's certificate; `None` if it has none.
    #[must_use]
    pub fn certificate(&self) -> Option<CertificateStatus> {
        *self.certificate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many whole days the certificate is still valid.
    #[must_use]
    pub fn certificate_days_left(&self) -> Option<u64> {
        let until = self.certificate()?.until?;
        Some(until.since(self.clock.now()).as_secs() / 86_400)
    }

    /// The store's counters, and the state of its disk.
    #[must_use]
    pub fn store_stats(&self) -> StoreStats {
        self.repository.store().stats()
    }

    /// Whether the store answers at all.
    ///
    /// # Errors
    /// [`StoreError`] if not.
    pub async fn store_answers(&self) -> Result<(), StoreError> {
        self.repository.record(RecordKey::index(0, &[b"ready"])).await.map(drop)
    }

    /// The counters of the limits and of password hashing, since the process started.
    #[must_use]
    pub fn sign_in_stats(&self) -> (ThrottleStats, PoolStats) {
        (self.throttle.stats(), self.passwords.stats())
    }

    /// All numbers, in the Prometheus text format (version 0.0.4).
    #[must_use]
    pub fn metrics(&self) -> String {
        let mut page = String::new();
        head(&mut page, "heirloom_token_requests_total", "counter", "Token requests by grant and outcome.");
        for ((grant, outcome), count) in
            &*self.token_requests.0.lock().unwrap_or_else(PoisonError::into_inner)
        {
            let labels = format!(r#"{{grant="{grant}",outcome="{outcome}"}}"#);
            sample(&mut page, "heirloom_token_requests_total", &labels, *count);
        }
        self.logins.write(&mut page);
        let (passwords, throttle) = (self.passwords.stats(), self.throttle.stats());
        let sweeper = self.sweeper.stats();
        let store = self.repository.store().stats();
        for (name, help, value) in [
            ("hashes_started_total", "Password hashes begun.", passwords.hashes_started),
            (
                "hashes_refused_total",
                "Sign-ins refused because the hashing queue was full.",
                passwords.refused_busy,
            ),
            (
                "hashes_refused_by_source_total",
                "Sign-ins refused because one account or network had too many at once.",
                passwords.refused_source,
            ),
            (
                "sign_ins_throttled_by_account_total",
                "Attempts too soon for the account.",
                throttle.throttled_by_account,
            ),
            (
                "sign_ins_throttled_by_network_total",
                "Attempts too soon for the network.",
                throttle.throttled_by_network,
            ),
            ("sign_ins_failed_total", "Wrong passwords.", throttle.failed),
            ("sessions_ended_by_sweeper_total", "Sessions that the sweeper ended.", sweeper.total.ended),
            ("sessions_removed_total", "Ended sessions removed after the retention.", sweeper.total.removed),
            (
                "rotations_summarized_total",
                "Refreshes whose events the sweeper put into summaries.",
                sweeper.total.summarized,
            ),
            (
                "invitations_swept_total",
                "Invitations that the sweeper found expired, or removed.",
                sweeper.total.invitations,
            ),
            ("logins_swept_total", "Logins that the sweeper found over, or removed.", sweeper.total.logins),
            (
                "consents_removed_total",
                "Withdrawn consents removed after the retention.",
                sweeper.total.consents,
            ),
            ("store_groups_total", "Groups of changes that were written and synced.", store.groups),
            ("store_changes_total", "Changes in all groups, refused ones included.", store.changes),
            (
                "sweeper_failures_total",
                "Sessions, logins, invitations and consents that the sweeper could not settle.",
                sweeper.total.failed,
            ),
        ] {
            let name = format!("heirloom_{name}");
            head(&mut page, &name, "counter", help);
            sample(&mut page, &name, "", value);
        }
        gauges(&mut page, &passwords, &sweeper, &store);
        logout_deliveries(&mut page, &self.deliveries.stats());
        self.certificate_gauges(&mut page);
        write_metrics(&mut page, &self.nodes);
        page
    }

    /// The gauges of the listener's certificate, if it has one.
    fn certificate_gauges(&self, page: &mut String) {
        let Some(status) = self.certificate() else { return };
        let days = self.certificate_days_left();
        for (name, help, value) in [
            ("tls_certificate_days_left", "Whole days that the certificate is still good.", days),
            (
                "tls_certificate_refused",
                "Whether the files hold a certificate or key that can't be used; the one before goes on.",
                Some(u64::from(status.refused)),
            ),
        ] {
            let Some(value) = value else { continue };
            let name = format!("heirloom_{name}");
            head(page, &name, "gauge", help);
            sample(page, &name, "", value);
        }
    }
}

/// The current values, and some maxima since the start.
fn gauges(page: &mut String, passwords: &PoolStats, sweeper: &SweeperStats, store: &StoreStats) {
    for (name, help, value) in [
        ("hashing_memory_bytes", "Memory held for hashing.", count(passwords.memory_bytes)),
        ("store_largest_group", "Changes in the largest group.", store.largest_group),
        ("store_longest_group_microseconds", "How long the slowest group took.", micros(store.longest_group)),
        (
            "store_longest_read_microseconds",
            "How long the longest read took; no group begins meanwhile.",
            micros(store.longest_read),
        ),
        ("store_free_bytes", "Free space on the store's disk.", store.free_bytes),
        (
            "store_floor_bytes",
            "The free space below which the disk is nearly full: nothing new is begun then.",
            store.floor_bytes,
        ),
        (
            "store_nearly_full",
            "1 while the disk is nearly full, and nothing new is begun.",
            u64::from(store.nearly_full.is_some()),
        ),
        ("store_purging_streams", "Removed streams whose events still take space.", count(store.purging)),
        (
            "sweeper_paused_seconds",
            "For how long still nothing is swept.",
            sweeper.paused.map_or(0, |wait| wait.as_secs()),
        ),
    ] {
        let name = format!("heirloom_{name}");
        head(page, &name, "gauge", help);
        sample(page, &name, "", value);
    }
}

/// What became of logout tokens.
fn logout_deliveries(page: &mut String, deliveries: &DeliveryStats) {
    for (name, kind, help, value) in [
        ("deliveries_total", "counter", "Logout tokens that clients have accepted.", deliveries.delivered),
        (
            "delivery_failures_total",
            "counter",
            "Tries to deliver a logout token that failed; most are repeated.",
            deliveries.failed,
        ),
        (
            "deliveries_given_up_total",
            "counter",
            "Logout tokens that could not be delivered in three days.",
            deliveries.given_up,
        ),
        ("deliveries_pending", "gauge", "Logout tokens that are still to be delivered.", deliveries.pending),
    ] {
        let name = format!("heirloom_logout_{name}");
        head(page, &name, kind, help);
        sample(page, &name, "", value);
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
