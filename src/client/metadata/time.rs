//! Validates durations: of `[tokens]`, and of a client that sets its own.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::error::{Faults, MetadataError, shown};
use super::field::Field;
use super::raw::{RawMetadata, RawTime};
use super::rules::TokenRules;
use super::settings::{Lifetimes, RetryWindow, TokenEndpointAuthMethod};
use crate::clock::{duration_text, parse_duration};

const DAY: Duration = Duration::from_hours(24);
/// The longest life of an access token. It is short because an access token can't be taken back.
pub const LONGEST_ACCESS_TOKEN: Duration = DAY;
const LONGEST_SESSION: Duration = DAY.saturating_mul(3650);
const LONGEST_WINDOW: Duration = DAY;

impl RawMetadata {
    /// The settings of `[tokens]` over heirloom's defaults, and the errors in them. A wrong field counts as not set.
    /// The retry window of confidential clients is a separate setting: see [`retry_window`].
    #[must_use]
    pub fn token_rules(&self) -> (TokenRules, Vec<MetadataError>) {
        let (usual, mut faults) = (TokenRules::default(), Faults::default());
        let lifetimes = self.lifetimes(usual.lifetimes, LONGEST_ACCESS_TOKEN, &mut faults);
        let public = TokenEndpointAuthMethod::None;
        let rules = TokenRules {
            lifetimes,
            public_window: self.window(public, usual.public_window, lifetimes, &mut faults),
            confidential_window: usual.confidential_window,
            reuse: faults.word(Field::Reuse, self.reuse.as_deref(), usual.reuse),
            refresh_tokens: faults.word(
                Field::RefreshTokens,
                self.refresh_tokens.as_deref(),
                usual.refresh_tokens,
            ),
        };
        (rules, faults.0)
    }

    /// The three lifetimes; a missing or wrong one is taken from `usual`.
    pub(super) fn lifetimes(&self, usual: Lifetimes, longest: Duration, faults: &mut Faults) -> Lifetimes {
        let mut read = |field, raw: Option<&RawTime>, usual| match raw.map(|raw| lifetime(field, raw)) {
            None => usual,
            Some(Ok(time)) => time,
            Some(Err(error)) => {
                faults.add(error);
                usual
            }
        };
        let lifetimes = Lifetimes {
            access_token: read(Field::AccessToken, self.access_token.as_ref(), usual.access_token),
            refresh_idle: read(Field::RefreshIdle, self.refresh_idle.as_ref(), usual.refresh_idle),
            refresh_absolute: read(
                Field::RefreshAbsolute,
                self.refresh_absolute.as_ref(),
                usual.refresh_absolute,
            ),
        };
        if self.access_token.is_some() && lifetimes.access_token > longest {
            let (life, longest) = (duration_text(lifetimes.access_token), duration_text(longest));
            let problem =
                format!("{life} is longer than the longest access token of the configuration, {longest}.");
            let suggestion =
                format!("Write {longest} or less: signing keys are published no longer than that.");
            faults.add(MetadataError::new(Field::AccessToken, "range", problem).suggesting(suggestion));
        }
        self.check_order(lifetimes, faults);
        lifetimes
    }

    /// An unused refresh token must outlive an access token, and a session must outlive both. Each error is about a
    /// field that is set here; two that come from the defaults are checked where those are set.
    fn check_order(&self, lifetimes: Lifetimes, faults: &mut Faults) {
        let in_order = [
            (Field::AccessToken, self.access_token.is_some(), lifetimes.access_token),
            (Field::RefreshIdle, self.refresh_idle.is_some(), lifetimes.refresh_idle),
            (Field::RefreshAbsolute, self.refresh_absolute.is_some(), lifetimes.refresh_absolute),
        ];
        for ((shorter, short_is_set, short), (longer, long_is_set, long)) in
            in_order.into_iter().zip(in_order.into_iter().skip(1))
        {
            let is_set = short_is_set || long_is_set;
            if short <= long || !is_set || faults.any(&[shorter, longer]) {
                continue;
            }
            let field = if long_is_set { longer } else { shorter };
            let (shorter, longer) = (shorter.name(), longer.name());
            let (short, long) = (duration_text(short), duration_text(long));
            let problem = format!("{shorter}, {short}, is longer than {longer}, {long}.");
            let suggestion = format!("Let {longer} be {short} or more.");
            faults.add(MetadataError::new(field, "too_short", problem).suggesting(suggestion));
        }
    }

    /// The retry window of a client that authenticates by `method`; `usual` if it sets none. A public client's must be
    /// shorter than half of its access token's life: a retry makes a new access token when less than half of the
    /// recorded one's life is left, and a longer window would let retries make one access token after another.
    /// `until-used` has no such limit: whoever chooses it accepts that.
    pub(super) fn window(
        &self,
        method: TokenEndpointAuthMethod,
        usual: RetryWindow,
        lifetimes: Lifetimes,
        faults: &mut Faults,
    ) -> RetryWindow {
        let window = match self.retry_window.as_ref().map(retry_window) {
            None => usual,
            Some(Ok(window)) => window,
            Some(Err(error)) => {
                faults.add(error);
                return usual;
            }
        };
        let RetryWindow::For(length) = window else { return window };
        let access = lifetimes.access_token;
        let is_short = length.is_zero() || length.saturating_mul(2) < access;
        let field = match (&self.retry_window, &self.access_token) {
            (Some(_), _) => Field::RetryWindow,
            (None, Some(_)) => Field::AccessToken,
            // Both values come from `[tokens]`, where they have been checked.
            (None, None) => return window,
        };
        if !method.is_public() || is_short || faults.any(&[Field::AccessToken]) {
            return window;
        }
        let problem = format!(
            "A retry window of {} is not shorter than half of the access token's life, {}.",
            duration_text(length),
            duration_text(access)
        );
        let fitting = access.checked_div(3).unwrap_or_default().as_secs();
        let suggestion = format!("Let retry_window be {fitting}s or less, or let access tokens live longer.");
        faults.add(MetadataError::new(field, "too_long", problem).suggesting(suggestion));
        window
    }
}

/// Parses a lifetime of a token: whole seconds, because it is sent in `exp` and `expires_in`.
///
/// # Errors
/// [`MetadataError`] about `field`.
pub fn lifetime(field: Field, raw: &RawTime) -> Result<Duration, MetadataError> {
    let longest = if field == Field::AccessToken { LONGEST_ACCESS_TOKEN } else { LONGEST_SESSION };
    let time = length(field, raw, "Write for example 30s, 10m, 2h or 14d.")?;
    if time.subsec_nanos() > 0 {
        let problem = format!("{} has a fraction of a second.", duration_text(time));
        return Err(MetadataError::new(field, "range", problem).suggesting("Write whole seconds."));
    }
    within(field, time, Duration::from_secs(1)..=longest)
}

/// Parses a retry window: a duration or `until-used`.
///
/// # Errors
/// [`MetadataError`] about [`Field::RetryWindow`].
pub fn retry_window(raw: &RawTime) -> Result<RetryWindow, MetadataError> {
    if matches!(raw, RawTime::Text(text) if text == RetryWindow::UNTIL_USED) {
        return Ok(RetryWindow::UntilUsed);
    }
    let field = Field::RetryWindow;
    let time = length(field, raw, "Write for example 30s, or until-used.")?;
    within(field, time, Duration::ZERO..=LONGEST_WINDOW).map(RetryWindow::For)
}

fn length(field: Field, raw: &RawTime, suggestion: &str) -> Result<Duration, MetadataError> {
    match raw {
        RawTime::Exact(time) => Ok(*time),
        RawTime::Text(text) => parse_duration(text).ok_or_else(|| {
            let problem = format!("\"{}\" is no length of time.", shown(text));
            MetadataError::new(field, "not_permitted", problem).suggesting(suggestion)
        }),
    }
}

fn within(field: Field, time: Duration, bounds: RangeInclusive<Duration>) -> Result<Duration, MetadataError> {
    if bounds.contains(&time) {
        return Ok(time);
    }
    let (least, most) = (duration_text(*bounds.start()), duration_text(*bounds.end()));
    let problem = format!("{} is out of range for {}.", duration_text(time), field.name());
    let suggestion = format!("Write a length of time from {least} to {most}.");
    Err(MetadataError::new(field, "range", problem).suggesting(suggestion))
}
