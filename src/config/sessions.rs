//! `[sessions]`: how many a user may have, and how long ended ones are kept.

use std::time::Duration;

use super::section::Section;
use super::section::{seconds, set};

/// The settings of `[sessions]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sessions {
    /// The most sessions of one user; a further sign-in ends the one that was used longest ago.
    pub per_user: u32,
    /// How long an ended session is kept, with its events and its device's data.
    pub retention: Duration,
    /// How long each refresh of a live session is kept as an event of its own; `None`: as long as the session.
    pub rotations_kept: Option<Duration>,
}

impl Default for Sessions {
    fn default() -> Self {
        let days = |days: u64| Duration::from_hours(days.saturating_mul(24));
        Self { per_user: 50, retention: days(90), rotations_kept: Some(days(30)) }
    }
}

/// Reads `[sessions]`.
pub(super) fn sessions(root: &mut Section<'_>) -> Sessions {
    let mut section = root.section("sessions");
    let mut sessions = Sessions::default();
    set(&mut sessions.per_user, section.number("per_user", 1..=1000));
    if let Some(at) = section.duration("retention", &seconds(3600, 3650 * 86_400)) {
        sessions.retention = at.value;
    }
    if let Some(text) = section.text("rotations_kept") {
        if text.value == "all" {
            sessions.rotations_kept = None;
        } else if let Some(at) = section.duration_of(&text, "rotations_kept", &seconds(3600, 3650 * 86_400)) {
            sessions.rotations_kept = Some(at.value);
        }
    }
    section.finish();
    sessions
}
