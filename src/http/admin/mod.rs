//! `/admin`: administration, by access tokens with the scope `admin`, or over the operator's socket.

mod administrator;
mod client_body;
mod client_words;
mod clients;
mod event_body;
#[expect(clippy::too_many_arguments, reason = "each is a parameter of the endpoint")]
mod events;
mod invitations;
mod limits;
mod live;
mod logout_deliveries;
mod nodes;
mod sessions;
mod sign_in_load;
mod user_body;
mod users;

pub(super) use events::{bad_position, bad_stream};
pub(super) use live::Live;

/// Every endpoint of the administration.
pub(super) type AdminApis = (
    users::UsersApi,
    invitations::InvitationsApi,
    clients::ClientsApi,
    sessions::SessionsApi,
    events::EventsApi,
    sign_in_load::SignInLoadApi,
    logout_deliveries::LogoutDeliveriesApi,
    nodes::NodesApi,
);

/// Every endpoint of the administration.
pub(super) fn apis(live: Live) -> AdminApis {
    (
        users::UsersApi,
        invitations::InvitationsApi,
        clients::ClientsApi,
        sessions::SessionsApi,
        events::EventsApi { live },
        sign_in_load::SignInLoadApi,
        logout_deliveries::LogoutDeliveriesApi,
        nodes::NodesApi,
    )
}
