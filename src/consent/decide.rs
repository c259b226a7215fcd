//! Decides which events follow from a command on a consent.

use super::event::{ConsentEvent, Given};
use super::state::{Consent, MOST_BYTES, Status};
use crate::clock::Timestamp;
use crate::oauth::Actor;

/// Records what a person allows; no events if that was allowed before, or is too long to be remembered.
#[must_use]
pub fn give(consent: Option<&Consent>, given: Given) -> Vec<ConsentEvent> {
    let is_known = consent.is_some_and(|consent| consent.covers(&given.allowed, given.client_epoch));
    if is_known || given.allowed.bytes() > MOST_BYTES {
        return Vec::new();
    }
    vec![ConsentEvent::Given(given)]
}

/// Withdraws all that was allowed; no events if nothing is.
#[must_use]
pub fn withdraw(consent: &Consent, by: Option<Actor>, now: Timestamp) -> Vec<ConsentEvent> {
    match consent.status {
        Status::Given { .. } => {
            let (at, client) = (now.max(consent.last_event_at), consent.client.clone());
            vec![ConsentEvent::Withdrawn { at, client, by }]
        }
        Status::Withdrawn { .. } => Vec::new(),
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
