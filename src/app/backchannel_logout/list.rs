//! Lists deliveries for administrators: those that are pending, then those that were given up in the last week.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::BackchannelLogout;
use super::delivery::{self, LogoutDelivery};
use crate::app::error::TokenError;
use crate::clock::Timestamp;
use crate::store::RecordKey;

/// A delivery in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedDelivery {
    /// What is to be told to whom.
    pub delivery: LogoutDelivery,
    /// How it stands.
    pub state: DeliveryState,
}

/// How a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// It is tried at this time, or now if that has passed.
    Pending(Timestamp),
    /// It was given up then.
    GivenUp(Timestamp),
}

/// A part of the list: what comes after a place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryPage {
    after: Option<RecordKey>,
}

/// A place that no page has named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no page of deliveries ends there")]
pub struct InvalidPlace;

impl DeliveryPage {
    /// The page that begins after this place, or the first one.
    ///
    /// # Errors
    /// [`InvalidPlace`].
    pub fn after(place: Option<&str>) -> Result<Self, InvalidPlace> {
        let Some(place) = place else { return Ok(Self::default()) };
        let key = URL_SAFE_NO_PAD.decode(place).map_err(|_| InvalidPlace)?;
        let is_in = |list: &RecordKey| key.starts_with(list.as_bytes());
        let is_place = key.len() <= RecordKey::MAX
            && (is_in(&delivery::all_pending()) || is_in(&delivery::all_given_up()));
        if is_place { Ok(Self { after: Some(RecordKey::from_bytes(&key)) }) } else { Err(InvalidPlace) }
    }
}

impl BackchannelLogout {
    /// A page of the list, and the place after which the next one begins.
    ///
    /// # Errors
    /// [`TokenError`] if the store can't tell.
    pub async fn list(
        &self,
        page: DeliveryPage,
        limit: usize,
    ) -> Result<(Vec<ListedDelivery>, Option<String>), TokenError> {
        let pending = delivery::all_pending();
        let begins_given_up =
            page.after.as_ref().is_some_and(|after| !after.as_bytes().starts_with(pending.as_bytes()));
        let mut found = Vec::new();
        if !begins_given_up {
            found = self.repository.scan(pending.clone(), page.after.clone(), limit).await?;
        }
        if found.len() < limit {
            let after = page.after.filter(|_| begins_given_up);
            let left = limit.saturating_sub(found.len());
            found.extend(self.repository.scan(delivery::all_given_up(), after, left).await?);
        }
        let next = (found.len() == limit).then(|| found.last()).flatten();
        let next = next.map(|(key, _)| URL_SAFE_NO_PAD.encode(key.as_bytes()));
        let listed = found.iter().filter_map(|(key, value)| {
            let (time, _) = delivery::place_of(key)?;
            let is_pending = key.as_bytes().starts_with(pending.as_bytes());
            let delivery = LogoutDelivery::decode(value).ok()?;
            // Before the first try, the key has no time.
            let due = time.max(delivery.since);
            let state = if is_pending { DeliveryState::Pending(due) } else { DeliveryState::GivenUp(time) };
            Some(ListedDelivery { delivery, state })
        });
        Ok((listed.collect(), next))
    }
}
