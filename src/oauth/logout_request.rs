//! A checked request to log out (OpenID Connect RP-Initiated Logout 1.0 §2) on its way through a browser, under a MAC.

use minicbor::{Decode, Encode};

use super::ids::{ClientId, LoginId, UserId};
use super::mac::{MacKeys, Seal};
use crate::clock::Timestamp;

const SEAL: Seal = Seal { prefix: "hlq_", label: "heirloom logout request v1" };

/// A request whose ID token and redirect URI are good.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct LogoutRequest {
    /// The client.
    #[n(0)]
    pub client: ClientId,
    /// Who is to be logged out.
    #[n(1)]
    pub user: UserId,
    /// Which login the client means.
    #[n(2)]
    pub login: Option<LoginId>,
    /// Where the browser goes afterwards.
    #[n(3)]
    pub redirect_uri: Option<Box<str>>,
    /// The client's `state`, byte for byte.
    #[n(4)]
    pub state: Option<Box<str>>,
    /// When it was made.
    #[n(5)]
    pub at: Timestamp,
}

/// The `state` may be a secret of the client.
impl std::fmt::Debug for LogoutRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogoutRequest").field("client", &self.client).finish_non_exhaustive()
    }
}

impl LogoutRequest {
    /// The text for URLs and forms; `None` if there is no secret for that.
    #[must_use]
    pub fn seal(&self, keys: &MacKeys) -> Option<String> {
        // Encoding into memory can't fail.
        keys.seal_text(SEAL, &minicbor::to_vec(self).ok()?)
    }

    /// Reads the text of a URL or form.
    #[must_use]
    pub fn open(keys: &MacKeys, text: &str) -> Option<Self> {
        minicbor::decode(&keys.open_text(SEAL, text).ok()?).ok()
    }
}
