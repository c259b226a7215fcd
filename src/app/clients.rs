//! Which clients there are.

use std::collections::HashMap;
use std::sync::Arc;

use crate::client::Registration;
use crate::oauth::ClientId;

/// The clients that the configuration declares.
#[derive(Clone, Debug, Default)]
pub struct Clients(HashMap<ClientId, Arc<Registration>>);

impl Clients {
    /// All of them, in no order.
    pub fn every(&self) -> impl Iterator<Item = &Arc<Registration>> {
        self.0.values()
    }

    /// The client with this id.
    #[must_use]
    pub fn find(&self, id: &ClientId) -> Option<Arc<Registration>> {
        self.0.get(id).cloned()
    }
}

impl FromIterator<Registration> for Clients {
    fn from_iter<I: IntoIterator<Item = Registration>>(registrations: I) -> Self {
        let entry = |registration: Registration| (registration.id.clone(), Arc::new(registration));
        Self(registrations.into_iter().map(entry).collect())
    }
}
