//! The client that sends a request.

use std::sync::{Arc, OnceLock};

use poem::Request;

use crate::client::Registration;

/// The client that sends a request, once it is known. The endpoint that authenticates the client shares it with the
/// CORS layer, which decides which web pages may read the answer.
#[derive(Clone, Default)]
pub(super) struct Caller(Arc<OnceLock<Arc<Registration>>>);

impl Caller {
    /// The one of this request; `None` if the request comes from no web page, so that nobody needs it.
    pub(super) fn of(request: &Request) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }

    /// Sets the client.
    pub(super) fn is(&self, client: Arc<Registration>) {
        // The first call counts.
        let _ = self.0.set(client);
    }

    /// The client, once it is known.
    pub(super) fn client(&self) -> Option<&Arc<Registration>> {
        self.0.get()
    }
}
