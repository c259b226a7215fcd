//! The limits of answers: items a page, and concurrent followers of the log.

use std::time::Duration;

use crate::app::TokenError;
use crate::http::problem::ApiError;

/// The default number of items on a page.
pub(super) fn default_page_size() -> usize {
    50
}

/// The error when the most followers are connected.
pub(super) fn too_many_followers() -> ApiError {
    ApiError::token(&TokenError::Busy { retry_after: Duration::from_secs(30) })
}
