//! Whether the process runs, and whether it can do its work.

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};

use super::token::Tag;
use crate::app::App;
use crate::store::RecordKey;

/// The health endpoints.
pub struct HealthApi;

/// How the server is.
#[derive(Object)]
struct Health {
    /// `ok`, or what is wrong.
    status: String,
}

#[derive(ApiResponse)]
enum HealthAnswer {
    /// It is well.
    #[oai(status = 200)]
    Ok(Json<Health>),
    /// It can't do its work.
    #[oai(status = 503)]
    Unavailable(Json<Health>),
}

#[OpenApi]
impl HealthApi {
    /// Does the process run?
    #[oai(path = "/health/live", method = "get", tag = "Tag::Health", operation_id = "live")]
    async fn live(&self) -> HealthAnswer {
        HealthAnswer::Ok(Json(Health { status: "ok".to_owned() }))
    }

    /// Can it answer requests?
    ///
    /// Reads from the store; a store that waits for its disk answers late.
    #[oai(path = "/health/ready", method = "get", tag = "Tag::Health", operation_id = "ready")]
    async fn ready(&self, app: Data<&Arc<App>>) -> HealthAnswer {
        match app.store.record(RecordKey::view(0, &[b"ready"])).await {
            Ok(_) => HealthAnswer::Ok(Json(Health { status: "ok".to_owned() })),
            Err(error) => {
                tracing::warn!(error = %error, "not ready");
                let status = "the store is unavailable".to_owned();
                HealthAnswer::Unavailable(Json(Health { status }))
            }
        }
    }
}
