//! The values that frozen items are made of.

use std::time::Duration;

use heirloom::clock::Timestamp;
use heirloom::oauth::{Actor, Generation, Kid, LoginId, Nonce, Scope, SessionId, UserId};

/// `seconds` after 2026-11-27T12:00:00.250Z.
pub(crate) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_795_780_800_250).after(Duration::from_secs(seconds))
}

pub(crate) fn user_id() -> UserId {
    UserId::from([0x11; 16])
}

pub(crate) fn session_id() -> SessionId {
    SessionId::from([0x22; 16])
}

pub(crate) fn login_id() -> LoginId {
    LoginId::from([0x55; 16])
}

pub(crate) fn nonce(number: u8) -> Nonce {
    Nonce::from([number; 16])
}

pub(crate) fn kid() -> Kid {
    Kid::from_bytes([0x33; 32])
}

pub(crate) fn scope(text: &str) -> Scope {
    text.parse().unwrap()
}

pub(crate) fn administrator() -> Actor {
    Actor::Administrator(UserId::from([0x44; 16]))
}

pub(crate) const fn generation(number: u32) -> Generation {
    Generation(number)
}
