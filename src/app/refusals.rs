//! Log lines about refused secrets: one each, with the address, the client, the account where it is known, and the
//! reason, but never with what was typed. Under a flood, further ones are counted instead.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, Timestamp};
use crate::oauth::{ClientId, UserId};

/// The kind of secret that was presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Secret {
    /// A password, to sign in.
    Password,
    /// A password, to set another one.
    PasswordToChange,
    /// A password, to delete the account.
    PasswordToDelete,
    /// A client's secret.
    Client,
    /// Other parts of a token request: a refresh token, a scope, a resource.
    TokenRequest,
    /// An invitation's code.
    Invitation,
    /// No secret: a sign-up itself.
    SignUp,
}

impl Secret {
    /// The log message about a refusal.
    const fn message(self) -> &'static str {
        match self {
            Self::Password => "sign-in refused",
            Self::PasswordToChange => "password change refused",
            Self::PasswordToDelete => "account deletion refused",
            Self::Client => "client authentication failed",
            Self::TokenRequest => "token request refused",
            Self::Invitation | Self::SignUp => "sign-up refused",
        }
    }
}

/// A secret that was refused.
#[derive(Clone, Copy, Debug)]
pub struct RefusedSecret<'a> {
    /// What it was.
    pub secret: Secret,
    /// Why: a word of a fixed set.
    pub reason: &'static str,
    /// The client, where it is known.
    pub client: Option<&'a ClientId>,
    /// The account, where it is known.
    pub user: Option<UserId>,
    /// Who asked.
    pub peer: IpAddr,
}

/// How many lines of one [`Kind`] are logged in one [`WINDOW`]; the rest is counted.
const LINES: u32 = 20;
const WINDOW: Duration = Duration::from_mins(1);

/// How often an undeclared proxy is logged at most.
const WARNED_EVERY: Duration = Duration::from_hours(1);

/// Refusals that are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    secret: Secret,
    reason: &'static str,
    /// Whether the account exists: a flood of invented names must not suppress lines about existing accounts.
    of_account: bool,
}

/// How many lines were written and left out. Secrets and reasons are fixed sets, so the map is bounded.
#[derive(Debug, Default)]
struct Refusals(Mutex<BTreeMap<Kind, Lines>>);

#[derive(Clone, Copy, Debug, Default)]
struct Lines {
    since: Timestamp,
    written: u32,
    left_out: u64,
}

impl Refusals {
    /// Whether to log a refusal; if not, it is counted. And how many were left out in a window that has ended.
    fn note(&self, kind: Kind, now: Timestamp) -> (bool, u64) {
        let mut kinds = self.kinds();
        let lines = kinds.entry(kind).or_insert(Lines { since: now, ..Lines::default() });
        let left_out = lines.settle(now);
        let is_written = lines.written < LINES;
        if is_written {
            lines.written = lines.written.saturating_add(1);
        } else {
            lines.left_out = lines.left_out.saturating_add(1);
        }
        (is_written, left_out)
    }

    /// How many were left out in windows that have ended.
    fn settled(&self, now: Timestamp) -> Vec<(Kind, u64)> {
        let mut kinds = self.kinds();
        let settled = kinds.iter_mut().map(|(kind, lines)| (*kind, lines.settle(now)));
        settled.filter(|(_, left_out)| *left_out > 0).collect()
    }

    fn kinds(&self) -> MutexGuard<'_, BTreeMap<Kind, Lines>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    /// Starts a new window if the last one has ended or the clock was set back. Returns how many were left out in it.
    fn settle(&mut self, now: Timestamp) -> u64 {
        if self.since <= now && now.since(self.since) < WINDOW {
            return 0;
        }
        std::mem::replace(self, Self { since: now, ..Self::default() }).left_out
    }
}

/// Logs refused secrets and undeclared proxies.
pub struct RefusalLog {
    refusals: Refusals,
    /// When an undeclared proxy was last logged.
    undeclared_proxy: Mutex<Option<Timestamp>>,
    clock: Arc<dyn Clock>,
}

impl RefusalLog {
    /// Nothing was said yet.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { refusals: Refusals::default(), undeclared_proxy: Mutex::default(), clock }
    }

    /// Logs a refused secret, or counts it.
    pub fn note(&self, refused: RefusedSecret<'_>) {
        let RefusedSecret { secret, reason, client, user, peer } = refused;
        let kind = Kind { secret, reason, of_account: user.is_some() };
        let (is_written, left_out) = self.refusals.note(kind, self.clock.now());
        say_left_out(kind, left_out);
        if is_written {
            let (client, user) = (client.map(tracing::field::display), user.map(tracing::field::display));
            tracing::warn!(
                peer.address = %peer,
                client.id = client,
                user.id = user,
                reason,
                "{}",
                secret.message()
            );
        }
    }

    /// Logs now and then how many lines were left out; never returns.
    pub async fn keep_counting(self: Arc<Self>) {
        loop {
            tokio::time::sleep(WINDOW).await;
            self.say_left_out();
        }
    }

    /// Warns, once an hour, of a peer that sends forwarding headers and is not a trusted proxy.
    pub fn note_undeclared_proxy(&self, peer: IpAddr) {
        let now = self.clock.now();
        let is_due = {
            let mut warned = self.undeclared_proxy.lock().unwrap_or_else(PoisonError::into_inner);
            let is_due = warned.is_none_or(|then| now < then || now.since(then) >= WARNED_EVERY);
            if is_due {
                *warned = Some(now);
            }
            is_due
        };
        if is_due {
            tracing::warn!(
                peer.address = %peer,
                "X-Forwarded-For of a peer that is not in [server] trusted_proxies was ignored. Only a proxy of your own \
                 that sets the header itself may be named there: whoever is, is believed. Until yours is, all who come through \
                 it count as one network"
            );
        }
    }

    /// Logs how many lines were left out in windows that have ended.
    pub fn say_left_out(&self) {
        for (kind, left_out) in self.refusals.settled(self.clock.now()) {
            say_left_out(kind, left_out);
        }
    }
}

fn say_left_out(Kind { secret, reason, of_account }: Kind, left_out: u64) {
    if left_out > 0 {
        tracing::warn!(
            reason,
            user.known = of_account,
            refusals = left_out,
            "{}: more of them than are written",
            secret.message()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Kind = Kind { secret: Secret::Password, reason: "credentials", of_account: false };

    #[test]
    fn a_flood_is_counted_and_told_once_it_is_over() {
        let refusals = Refusals::default();
        let start = Timestamp::from_seconds(1_000_000);
        let written = (0..1000).filter(|_| refusals.note(KIND, start) == (true, 0)).count();
        assert_eq!(written, 20);
        assert_eq!(
            refusals.note(Kind { reason: "throttled", ..KIND }, start),
            (true, 0),
            "each reason by itself"
        );
        let later = start.after(WINDOW);
        assert_eq!(refusals.settled(start.after(Duration::from_secs(59))), []);
        assert_eq!(refusals.note(KIND, later), (true, 980));
        assert_eq!(refusals.settled(later), []);
        // The end of a flood that nothing follows.
        assert_eq!((0..30).filter(|_| refusals.note(KIND, later).0).count(), 19);
        assert_eq!(refusals.settled(later.after(WINDOW)), [(KIND, 11)]);
        assert_eq!(refusals.settled(later.after(WINDOW)), []);
    }

    #[test]
    fn names_that_nobody_has_hide_no_attack_on_an_account() {
        let refusals = Refusals::default();
        let start = Timestamp::from_seconds(1_000_000);
        let of_account = Kind { of_account: true, ..KIND };
        assert_eq!((0..1000).filter(|_| refusals.note(KIND, start).0).count(), 20);
        assert_eq!((0..50).filter(|_| refusals.note(of_account, start).0).count(), 20, "bounded as well");
        assert_eq!(refusals.settled(start.after(WINDOW)), [(KIND, 980), (of_account, 30)]);
    }

    #[test]
    fn a_clock_that_is_set_back_silences_nothing() {
        let refusals = Refusals::default();
        let start = Timestamp::from_seconds(1_000_000);
        assert_eq!((0..50).filter(|_| refusals.note(KIND, start).0).count(), 20);
        assert_eq!(refusals.note(KIND, Timestamp::from_seconds(1000)), (true, 30));
    }
}
