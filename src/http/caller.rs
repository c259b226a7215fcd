//! Which client sends a request.

use std::sync::{Arc, OnceLock};

use poem::Request;

use crate::client::Registration;

/// Who sends a request, as far as it is known. The endpoint that finds it out shares it with the layer that says which web
/// pages may read the answer.
#[derive(Clone, Default)]
pub(super) struct Caller(Arc<OnceLock<Arc<Registration>>>);

impl Caller {
    /// The one of this request; `None` if nobody wants to know, since it comes from no page.
    pub(super) fn of(request: &Request) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }

    /// It is this client.
    pub(super) fn is(&self, client: Arc<Registration>) {
        // The first word counts.
        let _ = self.0.set(client);
    }

    /// The client, once it is known.
    pub(super) fn client(&self) -> Option<&Arc<Registration>> {
        self.0.get()
    }
}
