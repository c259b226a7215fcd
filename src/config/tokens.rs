//! `[tokens]`: how long tokens last and what old ones do; the same settings at a client win over these.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::problem::Place;
use super::section::{At, Section, written};
use super::server::seconds;
use crate::client::{Lifetimes, RefreshTokens, RetryWindow, ReusePolicy, TokenEndpointAuthMethod};

const DAY: u64 = 86_400;
/// An access token can't be taken back: a day is the longest that heirloom lets one live.
const ACCESS: RangeInclusive<Duration> = seconds(1, DAY);
const REFRESH: RangeInclusive<Duration> = seconds(1, 3650 * DAY);
const WINDOW: RangeInclusive<Duration> = seconds(0, DAY);

/// What holds for a client that sets nothing itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRules {
    /// How long tokens last.
    pub lifetimes: Lifetimes,
    /// The retry window of public clients.
    pub public_window: RetryWindow,
    /// The retry window of confidential clients.
    pub confidential_window: RetryWindow,
    /// What an old refresh token does.
    pub reuse: ReusePolicy,
    /// Whether a sign-in gives a refresh token.
    pub refresh_tokens: RefreshTokens,
}

impl Default for TokenRules {
    fn default() -> Self {
        Self {
            lifetimes: Lifetimes::default(),
            public_window: RetryWindow::For(RetryWindow::USUAL),
            confidential_window: RetryWindow::UntilUsed,
            reuse: ReusePolicy::EndFamily,
            refresh_tokens: RefreshTokens::Always,
        }
    }
}

impl TokenRules {
    /// The retry window for a client of this kind.
    #[must_use]
    pub const fn window(&self, method: TokenEndpointAuthMethod) -> RetryWindow {
        match method {
            TokenEndpointAuthMethod::None => self.public_window,
            TokenEndpointAuthMethod::ClientSecret => self.confidential_window,
        }
    }
}

/// Reads `[tokens]`.
pub(super) fn tokens(root: &mut Section<'_>) -> TokenRules {
    let mut section = root.section("tokens");
    let usual = TokenRules::default();
    let lifetimes = lifetimes(&mut section, usual.lifetimes);
    let window = retry_window(&mut section, "retry_window");
    let window_place = window.as_ref().map(|at| at.place.clone()).or(lifetimes.access_place);
    let public_window = window.map_or(usual.public_window, |at| at.value);
    if let Some(place) = window_place {
        check_public_window(&section, &place, public_window, lifetimes.value.access_token);
    }
    let rules = TokenRules {
        lifetimes: lifetimes.value,
        public_window,
        confidential_window: retry_window(&mut section, "retry_window_confidential")
            .map_or(usual.confidential_window, |at| at.value),
        reuse: reuse(&mut section).unwrap_or(usual.reuse),
        refresh_tokens: refresh_tokens(&mut section).map_or(usual.refresh_tokens, |at| at.value),
    };
    section.finish();
    rules
}

/// Lifetimes, and where the access token's was set if it was.
pub(super) struct ReadLifetimes {
    pub(super) value: Lifetimes,
    pub(super) access_place: Option<Place>,
}

/// Reads the three lifetimes over those of `usual`, and checks them if any is set here.
pub(super) fn lifetimes(section: &mut Section<'_>, usual: Lifetimes) -> ReadLifetimes {
    let access = section.duration("access_token", &ACCESS).and_then(|at| whole_seconds(section, at));
    let idle = section.duration("refresh_idle", &REFRESH).and_then(|at| whole_seconds(section, at));
    let absolute = section.duration("refresh_absolute", &REFRESH).and_then(|at| whole_seconds(section, at));
    let or = |at: &Option<At<Duration>>, usual| at.as_ref().map_or(usual, |at| at.value);
    let value = Lifetimes {
        access_token: or(&access, usual.access_token),
        refresh_idle: or(&idle, usual.refresh_idle),
        refresh_absolute: or(&absolute, usual.refresh_absolute),
    };
    let too_short = |at: Option<&At<Duration>>, message: String, suggestion: String| {
        if let Some(at) = at {
            section.problems.note(&at.place, message, suggestion);
        }
    };
    if value.access_token > value.refresh_idle {
        too_short(
            idle.as_ref().or(access.as_ref()),
            format!("`access_token` is longer than `refresh_idle`, {}", written(value.refresh_idle)),
            format!("set refresh_idle = \"{}\" or more", written(value.access_token)),
        );
    }
    if value.refresh_idle > value.refresh_absolute {
        too_short(
            absolute.as_ref().or(idle.as_ref()),
            format!("`refresh_idle` is longer than `refresh_absolute`, {}", written(value.refresh_absolute)),
            format!("set refresh_absolute = \"{}\" or more", written(value.refresh_idle)),
        );
    }
    ReadLifetimes { value, access_place: access.map(|at| at.place) }
}

/// Lifetimes end up in `exp` and `expires_in`, which count seconds.
fn whole_seconds(section: &Section<'_>, at: At<Duration>) -> Option<At<Duration>> {
    if at.value.subsec_nanos() == 0 {
        return Some(at);
    }
    let message = format!("a lifetime of {} has a fraction of a second", written(at.value));
    section.problems.note(&at.place, message, "write whole seconds");
    None
}

/// Reads a retry window: a duration, or `until-used`.
pub(super) fn retry_window(section: &mut Section<'_>, key: &'static str) -> Option<At<RetryWindow>> {
    let text = section.text(key)?;
    if text.value == "until-used" {
        return Some(At { value: RetryWindow::UntilUsed, place: text.place });
    }
    let window = section.duration_of(&text, key, &WINDOW)?;
    Some(At { value: RetryWindow::For(window.value), place: window.place })
}

/// A public client's window must be shorter than half of its access token's life: a retry makes a new access token when
/// less than half of the recorded one's life is left, and a window that outlasts it would make one after the other.
/// `until-used` is chosen knowing that.
pub(super) fn check_public_window(
    section: &Section<'_>,
    place: &Place,
    window: RetryWindow,
    access: Duration,
) {
    let RetryWindow::For(window) = window else { return };
    if window.saturating_mul(2) < access || window.is_zero() {
        return;
    }
    let message = format!(
        "a retry window of {} is not shorter than half of the access token's life, {}",
        written(window),
        written(access)
    );
    let fitting = access.checked_div(3).unwrap_or_default().as_secs();
    section.problems.note(
        place,
        message,
        format!("set retry_window = \"{fitting}s\", or let access tokens live longer"),
    );
}

/// Reads `reuse`.
pub(super) fn reuse(section: &mut Section<'_>) -> Option<ReusePolicy> {
    let choices = [("end-family", ReusePolicy::EndFamily), ("refuse", ReusePolicy::Refuse)];
    section.choice("reuse", &choices).map(|at| at.value)
}

/// Reads `refresh_tokens`.
pub(super) fn refresh_tokens(section: &mut Section<'_>) -> Option<At<RefreshTokens>> {
    let choices = [
        ("always", RefreshTokens::Always),
        ("offline_access", RefreshTokens::OfflineAccess),
        ("never", RefreshTokens::Never),
    ];
    section.choice("refresh_tokens", &choices)
}
