//! `[logins]`: for how long people stay signed in at heirloom's own pages.

use std::time::Duration;

use super::section::{Section, seconds};
use crate::login::Bounds;

/// The values for an installation that sets none.
pub(super) const fn usual() -> Bounds {
    Bounds {
        idle: Duration::from_hours(12),
        absolute: Duration::from_hours(24),
        persistent: Some(Duration::from_hours(30 * 24)),
    }
}

/// Reads `[logins]`.
pub(super) fn logins(root: &mut Section<'_>) -> Bounds {
    let mut section = root.section("logins");
    let mut logins = usual();
    let times = seconds(300, 400 * 86_400);
    if let Some(at) = section.duration("idle", &times) {
        logins.idle = at.value;
    }
    if let Some(at) = section.duration("absolute", &times) {
        logins.absolute = at.value;
    }
    if let Some(text) = section.text("persistent") {
        if text.value == "off" {
            logins.persistent = None;
        } else if let Some(at) = section.duration_of(&text, "persistent", &times) {
            logins.persistent = Some(at.value);
        }
    }
    section.finish();
    logins
}
