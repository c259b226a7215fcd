//! How much one answer has, and how many may follow the events at once.

use std::time::Duration;

use crate::app::TokenError;
use crate::http::problem::ApiError;

/// How many things a page has unless it is said.
pub(super) fn default_page_size() -> usize {
    50
}

/// As many follow as may.
pub(super) fn too_many_followers() -> ApiError {
    ApiError::token(&TokenError::Busy { retry_after: Duration::from_secs(30) })
}
