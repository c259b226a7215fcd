//! The groups into which the specification sorts the endpoints.

use poem_openapi::Tags;

/// The tags of the specification.
#[derive(Tags)]
pub(super) enum Tag {
    /// Tokens: sign in, refresh, and tokens of a client itself.
    #[oai(rename = "tokens")]
    Tokens,
    /// What clients and resource servers discover.
    #[oai(rename = "discovery")]
    Discovery,
    /// The user's own account and devices.
    #[oai(rename = "account")]
    Account,
    /// Administration: users, clients, sessions, events. Needs the scope `admin`.
    #[oai(rename = "admin")]
    Admin,
    /// Whether the server is well.
    #[oai(rename = "health")]
    Health,
}
