//! A client as it is registered (RFC 6749 §2), and the settings that only heirloom knows.

use std::time::Duration;

use minicbor::{Decode, Encode};

use super::metadata::ClientMetadata;
use super::secret::SecretDigest;
use crate::oauth::ClientId;

/// A client as it is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Its identifier.
    pub id: ClientId,
    /// What is registered of it.
    pub metadata: ClientMetadata,
    /// The secrets of a confidential client, any of which proves who it is.
    pub secrets: Vec<SecretDigest>,
    /// Whether it is switched off.
    pub disabled: bool,
}

/// Whether a sign-in gives a client a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum RefreshTokens {
    /// With every sign-in.
    #[n(0)]
    Always,
    /// Only when the scope `offline_access` is asked for (OpenID Connect Core §11).
    #[n(1)]
    OfflineAccess,
    /// Never: a session lasts as long as its access token.
    #[n(2)]
    Never,
}

/// How a client gets its refresh tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Delivery {
    /// In the body of the answer (RFC 6749 §5.1).
    #[default]
    #[n(0)]
    Body,
    /// In a cookie that scripts can't read; then every request of the client needs an `Origin` that is its own.
    #[n(1)]
    Cookie,
}

/// How long a client's tokens last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Lifetimes {
    /// An access token.
    #[cbor(n(0), with = "crate::encoding::millis")]
    pub access_token: Duration,
    /// A refresh token that is not used.
    #[cbor(n(1), with = "crate::encoding::millis")]
    pub refresh_idle: Duration,
    /// A session, whatever is done with it.
    #[cbor(n(2), with = "crate::encoding::millis")]
    pub refresh_absolute: Duration,
}

impl Default for Lifetimes {
    /// 10 minutes, 14 days and 60 days.
    fn default() -> Self {
        const DAY: Duration = Duration::from_hours(24);
        Self {
            access_token: Duration::from_mins(10),
            refresh_idle: DAY.saturating_mul(14),
            refresh_absolute: DAY.saturating_mul(60),
        }
    }
}

/// How long a repeated refresh gets the same answer again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum RetryWindow {
    /// This long after the rotation, or after this process's start if that was later. Zero turns retries off.
    #[n(0)]
    For(#[cbor(n(0), with = "crate::encoding::millis")] Duration),
    /// The generation before until its successor has been used, and earlier ones for [`RetryWindow::USUAL`].
    #[n(1)]
    UntilUsed,
}

impl RetryWindow {
    /// How long after its rotation a token may be sent again, unless it is set otherwise.
    pub const USUAL: Duration = Duration::from_secs(30);

    /// How long after its rotation any of the last generations may be sent again.
    #[must_use]
    pub const fn duration(self) -> Duration {
        match self {
            Self::For(window) => window,
            Self::UntilUsed => Self::USUAL,
        }
    }
}

/// What the use of an old refresh token does (RFC 9700 §4.14.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ReusePolicy {
    /// It ends the family.
    #[default]
    #[n(0)]
    EndFamily,
    /// It is refused and recorded, and ends nothing. Then the victim of a theft may be the one who is refused.
    #[n(1)]
    Refuse,
}
