//! Epochs: raising one number ends all sessions of a user or a client, however many there are.

use super::ids::KeptId;

/// The epoch in which a session must have been started to be valid, and at most one older session or login that was kept
/// when the epoch was last raised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct SessionEpoch {
    /// Starts at 0; raised by one whenever all sessions are to end.
    #[n(0)]
    pub epoch: u32,
    /// The older session or login that stays valid, if any.
    #[n(1)]
    pub kept: Option<KeptId>,
}

impl SessionEpoch {
    /// The value after all sessions but `kept` have been ended.
    #[must_use]
    pub fn raised(self, kept: Option<KeptId>) -> Self {
        Self { epoch: self.epoch.saturating_add(1), kept }
    }

    /// Whether a session or login that began in `epoch` is still valid.
    #[must_use]
    pub fn covers(self, id: impl Into<KeptId>, epoch: u32) -> bool {
        epoch == self.epoch || self.kept == Some(id.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::SessionId;

    #[test]
    fn raising_the_epoch_ends_every_session_but_the_one_that_is_kept() {
        let (a, b) = (SessionId::from([1; 16]), SessionId::from([2; 16]));
        let session_epoch = SessionEpoch::default().raised(Some(a.into()));
        assert!(session_epoch.covers(a, 0) && !session_epoch.covers(b, 0));
        let again = session_epoch.raised(None);
        assert!(!again.covers(a, 0) && !again.covers(b, 1) && again.covers(b, 2));
    }
}
