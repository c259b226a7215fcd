//! `[throttle]`: limits on failed attempts, and on frequent requests.

use std::time::Duration;

use super::section::Section;
use super::section::set;

/// The settings of `[throttle]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// Failed sign-ins for one account before the delays begin.
    pub account_attempts: u32,
    /// Failed sign-ins from one network before the delays begin.
    pub network_attempts: u32,
    /// Sign-ups from one network, successful or not, before the delays begin.
    pub network_sign_ups: u32,
    /// How often one session may be refreshed at once; 0: without limit.
    pub refresh_burst: u32,
    /// The time after which one more refresh of it is permitted.
    pub refresh_every: Duration,
    /// How often one user may sign in at once; 0: without limit.
    pub sign_in_burst: u32,
    /// The time after which one more sign-in of that user is permitted.
    pub sign_in_every: Duration,
    /// How many new access tokens a client may get for itself at once; 0: no limit.
    pub client_token_burst: u32,
    /// The time after which it may get one more.
    pub client_token_every: Duration,
    /// How often one user may change the profile at once, and the password, and end sessions; 0: as often as anybody
    /// likes.
    pub change_burst: u32,
    /// The time after which one more of them is permitted.
    pub change_every: Duration,
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            account_attempts: 10,
            network_attempts: 100,
            network_sign_ups: 20,
            refresh_burst: 60,
            refresh_every: Duration::from_secs(1),
            sign_in_burst: 60,
            sign_in_every: Duration::from_secs(1),
            client_token_burst: 60,
            client_token_every: Duration::from_secs(1),
            change_burst: 30,
            change_every: Duration::from_mins(1),
        }
    }
}

/// Reads `[throttle]`.
pub(super) fn throttle(root: &mut Section<'_>) -> Throttle {
    let mut section = root.section("throttle");
    let mut throttle = Throttle::default();
    set(&mut throttle.account_attempts, section.number("account_attempts", 1..=1000));
    set(&mut throttle.network_attempts, section.number("network_attempts", 1..=1_000_000));
    set(&mut throttle.network_sign_ups, section.number("network_sign_ups", 1..=1_000_000));
    let lengths = Duration::from_millis(1)..=Duration::from_hours(1);
    for (burst, every, names) in [
        (&mut throttle.refresh_burst, &mut throttle.refresh_every, ("refresh_burst", "refresh_every")),
        (&mut throttle.sign_in_burst, &mut throttle.sign_in_every, ("sign_in_burst", "sign_in_every")),
        (
            &mut throttle.client_token_burst,
            &mut throttle.client_token_every,
            ("client_token_burst", "client_token_every"),
        ),
        (&mut throttle.change_burst, &mut throttle.change_every, ("change_burst", "change_every")),
    ] {
        set(burst, section.number(names.0, 0..=10_000));
        if let Some(read) = section.duration(names.1, &lengths) {
            *every = read.value;
        }
    }
    section.finish();
    throttle
}
