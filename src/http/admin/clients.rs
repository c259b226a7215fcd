//! `/admin/clients`.

use std::time::Duration;

use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Object, OpenApi};

use super::administrator::Admin;
use super::client_body::{Client, ClientSettings, ClientType};
use super::sessions::{self, SessionPageAnswer};
use crate::app::Administration;
use crate::app::admin::clients::ClientError;
use crate::app::devices::SessionOwner;
use crate::client::Command;
use crate::http::bearer::ApiScope;
use crate::http::json_body::JsonBody;
use crate::http::problem::ApiError;
use crate::http::tag::Tag;
use crate::oauth::ClientId;

/// The longest overlap of two secrets, in seconds: 30 days.
const LONGEST_OVERLAP: u64 = 2_592_000;

/// The administration of clients.
pub(in crate::http) struct ClientsApi;

/// A new client.
#[derive(Object)]
#[oai(example)]
struct RegisterClientRequest {
    /// Its `client_id`: 1 to 64 letters, digits or any of `. _ ~ -`; made up if it is left out.
    id: Option<String>,
    /// Whether it gets a secret.
    #[oai(rename = "type")]
    kind: ClientType,
    /// What is registered of it.
    #[oai(flatten)]
    settings: ClientSettings,
}

impl Example for RegisterClientRequest {
    fn example() -> Self {
        let (id, settings) = (Some("web-app".to_owned()), ClientSettings::example());
        Self { id, kind: ClientType::Confidential, settings }
    }
}

/// A client that was registered.
#[derive(Object)]
#[oai(example)]
struct RegisteredClient {
    /// The client.
    #[oai(flatten)]
    client: Client,
    /// The secret of a confidential client. It is shown this once and kept nowhere.
    #[oai(skip_serializing_if_is_none)]
    client_secret: Option<String>,
}

impl Example for RegisteredClient {
    fn example() -> Self {
        Self { client: Client::example(), client_secret: Some(ClientSecret::example().client_secret) }
    }
}

/// How to replace a secret.
#[derive(Object)]
#[oai(example)]
struct RotateClientSecretRequest {
    /// Seconds in which the old secret is good beside the new one: 86,400 unless it is said, 0 to end it at once.
    #[oai(default = "a_day", validator(maximum(value = "2592000")))]
    overlap: u64,
}

const fn a_day() -> u64 {
    86_400
}

impl Example for RotateClientSecretRequest {
    fn example() -> Self {
        Self { overlap: a_day() }
    }
}

/// A new secret.
#[derive(Object)]
#[oai(example)]
struct ClientSecret {
    /// The secret. It is shown this once and kept nowhere.
    client_secret: String,
    /// Until when the old one is good (RFC 3339).
    old_expires_at: String,
}

impl Example for ClientSecret {
    fn example() -> Self {
        Self {
            client_secret: "a-secret-of-43-letters-and-digits-made-once".to_owned(),
            old_expires_at: "2026-02-01T12:00:00.000Z".to_owned(),
        }
    }
}

/// Some clients.
#[derive(Object)]
#[oai(example)]
struct ClientPage {
    /// The clients, by id.
    clients: Vec<Client>,
    /// What to send as `after` for the page behind this one; left out when there is none.
    #[oai(skip_serializing_if_is_none)]
    next: Option<String>,
}

impl Example for ClientPage {
    fn example() -> Self {
        Self { clients: vec![Client::example()], next: Some("web-app".to_owned()) }
    }
}

#[derive(ApiResponse)]
enum PageAnswer {
    /// A page.
    #[oai(status = 200)]
    Ok(Json<ClientPage>),
}

#[derive(ApiResponse)]
enum ClientAnswer {
    /// The client as it is now.
    #[oai(status = 200)]
    Ok(Json<Client>),
}

#[derive(ApiResponse)]
enum RegisteredAnswer {
    /// The client was registered.
    #[oai(status = 201)]
    Created(
        Json<RegisteredClient>,
        /// Where it is.
        #[oai(header = "Location")]
        String,
    ),
}

#[derive(ApiResponse)]
enum SecretAnswer {
    /// The new secret.
    #[oai(status = 200)]
    Ok(Json<ClientSecret>),
}

#[derive(ApiResponse)]
enum DoneAnswer {
    /// It is done.
    #[oai(status = 204)]
    Done,
}

#[OpenApi]
impl ClientsApi {
    /// List clients, declared and registered ones
    ///
    /// By id, a page at a time. Declared clients are those of the configuration.
    #[oai(path = "/admin/clients", method = "get", tag = "Tag::Admin", operation_id = "adminListClients")]
    async fn list(
        &self,
        #[oai(scope = "ApiScope::Admin")] admin: Admin,
        /// The id behind which the page begins.
        Query(after): Query<Option<String>>,
        /// How many at most.
        #[oai(
            default = "super::limits::default_page_size",
            validator(minimum(value = "1"), maximum(value = "100"))
        )]
        Query(limit): Query<usize>,
    ) -> Result<PageAnswer, ApiError> {
        let after = after.map(|after| after.parse::<ClientId>()).transpose();
        let after = after.map_err(|_| ApiError::after("not_permitted"))?;
        let listed = admin.service.list_clients(after.as_ref(), limit).await;
        let (clients, next) = listed.map_err(|error| ApiError::token(&error))?;
        let clients = clients.into_iter().map(Client::from).collect();
        Ok(PageAnswer::Ok(Json(ClientPage { clients, next: next.map(|id| id.to_string()) })))
    }

    /// Register a client
    ///
    /// The secret of a confidential client is in this answer and nowhere else.
    #[oai(path = "/admin/clients", method = "post", tag = "Tag::Admin", operation_id = "adminRegisterClient")]
    async fn register(
        &self,
        #[oai(scope = "ApiScope::Admin")] admin: Admin,
        body: JsonBody<'_, RegisterClientRequest>,
    ) -> Result<RegisteredAnswer, ApiError> {
        let actor = admin.actor;
        let new = body.read().await?;
        let raw = new.kind.with(new.settings);
        let registered = admin.service.register_client(new.id.as_deref(), &raw, actor).await;
        let (id, secret) = registered.map_err(|error| ApiError::client(&error))?;
        let client = shown(&admin.service, &id).await?;
        let client_secret = secret.map(|secret| secret.0.to_string());
        let location = format!("/admin/clients/{id}");
        Ok(RegisteredAnswer::Created(Json(RegisteredClient { client, client_secret }), location))
    }

    /// Show a client
    ///
    /// What is registered of it. Its secret is kept nowhere.
    #[oai(path = "/admin/clients/:id", method = "get", tag = "Tag::Admin", operation_id = "adminShowClient")]
    async fn show(
        &self,
        #[oai(scope = "ApiScope::Admin")] admin: Admin,
        /// The client's id.
        Path(id): Path<String>,
    ) -> Result<ClientAnswer, ApiError> {
        let id = client_id(&id).map_err(|error| ApiError::client(&error))?;
        Ok(ClientAnswer::Ok(Json(shown(&admin.service, &id).await?)))
    }

    /// Replace what is registered of a client
    ///
    /// All of it: what is left out is as the configuration says. It holds from the next token on.
    #[oai(
        path = "/admin/clients/:id",
        method = "put",
        tag = "Tag::Admin",
        operation_id = "adminUpdateClient"
    )]
    async fn update(
        &self,
        #[oai(scope = "ApiScope::Admin")] admin: Admin,
        /// The client's id.
        Path(id): Path<String>,
        body: JsonBody<'_, ClientSettings>,
    ) -> Result<ClientAnswer, ApiError> {
        let actor = admin.actor;
        let new = body.read().await?;
        let id = client_id(&id).map_err(|error| ApiError::client(&error))?;
        admin
            .service
            .update_client(&id, new.into(), actor)
            .await
            .map_err(|error| ApiError::client(&error))?;
        Ok(ClientAnswer::Ok(Json(shown(&admin.service, &id).await?)))
    }

    /// Give a confidential client a new secret
    ///
    /// The old one stays good until the overlap is over, so that nothing fails while it is being replaced.
    #[oai(
        path = "/admin/clients/:id/secret",
        method = "post",
        tag = "Tag::Admin",
        operation_id = "adminRotateClientSecret"
    )]
    async fn rotate(
        &self,
        #[oai(scope = "ApiScope::Admin")] admin: Admin,
        /// The client's id.
        Path(id): Path<String>,
        body: JsonBody<'_, RotateClientSecretRequest>,
    ) -> Result<SecretAnswer, ApiError> {
        let actor = admin.actor;
        let id = client_id(&id).map_err(|error| ApiError::client(&error))?;
        let rotation = body.read().await?;
        let overlap = Duration::from_secs(rotation.overlap.min(LONGEST_OVERLAP));
        let rotated = admin.service.rotate_client_secret(&id, overlap, actor).await;
        let (secret, old_until) = rotated.map_err(|error| ApiError::client(&error))?;
        let (client_secret, old_expires_at) = (secret.0.to_string(), old_until.to_string());
        Ok(SecretAnswer::Ok(Json(ClientSecret { client_secret, old_expires_at })))
    }

    /// Disable a client, a declared one too, and end all its sessions
    ///
    /// Until it is enabled again it gets no tokens.
    #[oai(
        path = "/admin/clients/:id/disable",
        method = "post",
        tag = "Tag::Admin",
        operation_id = "adminDisableClient"
    )]
    async fn disable(
        &self,
        #[oai(scope = "ApiScope::Admin")] admin: Admin,
        /// The client's id.
        Path(id): Path<String>,
    ) -> Result<ClientAnswer, ApiError> {
        let id = changed(&admin, &id, Command::Disable).await?;
        Ok(ClientAnswer::Ok(Json(shown(&admin.service, &id).await?)))
    }

    /// Enable a client again
    ///
    /// It gets tokens again. Sessions that ended stay over. A client that the configuration disables stays so.
    #[oai(
        path = "/admin/clients/:id/enable",
        method = "post",
        tag = "Tag::Admin",
        operation_id = "adminEnableClient"
    )]
    async fn enable(
        &self,
        #[oai(scope = "ApiScope::Admin")] admin: Admin,
        /// The client's id.
        Path(id): Path<String>,
    ) -> Result<ClientAnswer, ApiError> {
        let id = changed(&admin, &id, Command::Enable).await?;
        Ok(ClientAnswer::Ok(Json(shown(&admin.service, &id).await?)))
    }

    /// List the sessions of a client
    ///
    /// The live ones and those that are over and not removed yet, a page at a time.
    #[oai(
        path = "/admin/clients/:id/sessions",
        method = "get",
        tag = "Tag::Admin",
        operation_id = "adminListClientSessions"
    )]
    async fn sessions(
        &self,
        #[oai(scope = "ApiScope::Admin")] admin: Admin,
        /// The client's id.
        Path(id): Path<String>,
        /// The session behind which the page begins.
        Query(after): Query<Option<String>>,
        /// How many at most.
        #[oai(
            default = "super::limits::default_page_size",
            validator(minimum(value = "1"), maximum(value = "100"))
        )]
        Query(limit): Query<usize>,
    ) -> Result<SessionPageAnswer, ApiError> {
        let of = id.parse().ok().map(SessionOwner::Client);
        sessions::page(&admin, of, after.as_deref(), limit).await
    }

    /// End all sessions of a client, a declared one too
    ///
    /// All end at once, however many there are.
    #[oai(
        path = "/admin/clients/:id/sessions",
        method = "delete",
        tag = "Tag::Admin",
        operation_id = "adminEndClientSessions"
    )]
    async fn end_sessions(
        &self,
        #[oai(scope = "ApiScope::Admin")] admin: Admin,
        /// The client's id.
        Path(id): Path<String>,
    ) -> Result<DoneAnswer, ApiError> {
        changed(&admin, &id, Command::EndSessions).await?;
        Ok(DoneAnswer::Done)
    }

    /// Delete a client, and end all its sessions
    ///
    /// Whoever is registered with its id later inherits nothing.
    #[oai(
        path = "/admin/clients/:id",
        method = "delete",
        tag = "Tag::Admin",
        operation_id = "adminDeleteClient"
    )]
    async fn delete(
        &self,
        #[oai(scope = "ApiScope::Admin")] admin: Admin,
        /// The client's id.
        Path(id): Path<String>,
    ) -> Result<DoneAnswer, ApiError> {
        changed(&admin, &id, Command::Delete).await?;
        Ok(DoneAnswer::Done)
    }
}

async fn changed(admin: &Admin, id: &str, command: Command) -> Result<ClientId, ApiError> {
    let actor = admin.actor;
    let id = client_id(id).map_err(|error| ApiError::client(&error))?;
    admin.service.administer_client(&id, command, actor).await.map_err(|error| ApiError::client(&error))?;
    Ok(id)
}

async fn shown(service: &Administration, id: &ClientId) -> Result<Client, ApiError> {
    let client = service.client_details(id).await.map_err(|error| ApiError::token(&error))?;
    client.map(Client::from).ok_or_else(ApiError::not_found)
}

/// An unparsable id is answered like an unknown one (404).
fn client_id(text: &str) -> Result<ClientId, Box<ClientError>> {
    text.parse().map_err(|_| Box::new(ClientError::Unknown))
}
