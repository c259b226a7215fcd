//! What a refresh is decided on, read while the client is looked up: where several nodes share the store, that saves a
//! round trip.

use crate::app::error::TokenError;
use crate::app::session_reads::SessionReading;
use crate::oauth::SessionId;

/// What was read for a refresh token, whoever the client is.
pub struct ReadAhead {
    pub(super) session: SessionId,
    pub(super) read: Read,
}

/// The epoch of the installation, and the session.
pub(super) type Read = (Result<u32, TokenError>, Result<SessionReading, TokenError>);
