//! `[tokens]`: the lifetimes of tokens, and what the use of old ones does. A client's own settings override these.

use super::metadata::{Fields, note};
use super::section::{At, Section};
use crate::client::TokenRules;
use crate::client::metadata::{RawTime, retry_window};

/// Reads `[tokens]`.
pub(super) fn tokens(root: &mut Section<'_>) -> TokenRules {
    let mut section = root.section("tokens");
    let mut fields = Fields::of(&mut section);
    let (mut rules, errors) = fields.of_tokens().token_rules();
    fields.note(errors);
    if let Some(At { value, place }) = section.text(CONFIDENTIAL) {
        match retry_window(&RawTime::Text(value)) {
            Ok(window) => rules.confidential_window = window,
            Err(error) => note(&section, &place, CONFIDENTIAL, error),
        }
    }
    section.finish();
    rules
}

const CONFIDENTIAL: &str = "retry_window_confidential";
