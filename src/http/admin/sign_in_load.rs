//! `GET /admin/sign-in-load`: what throttling and the hashing pool are doing.

use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Object, OpenApi};

use super::administrator::Admin;
use crate::app::Monitoring;
use crate::http::bearer::ApiScope;
use crate::http::problem::ApiError;
use crate::http::service::Service;
use crate::http::tag::Tag;

/// What an administrator sees of attacks on passwords.
pub(in crate::http) struct SignInLoadApi;

/// Counts since this process started: other processes count apart.
#[derive(Object)]
#[oai(example)]
struct SignInLoad {
    /// When this process started (RFC 3339).
    since: String,
    /// Attempts to prove a password.
    attempts: Attempts,
    /// The threads that hash passwords.
    hashing: Hashing,
}

/// Attempts to prove a password, by what became of them.
#[derive(Object)]
struct Attempts {
    /// Let through to the hash, repeats included.
    admitted: u64,
    /// Of those: the same wrong password for the same account again, which counts once.
    repeats: u64,
    /// Of those: from a network from which the account had signed in before.
    familiar: u64,
    /// Refused because there had been too many for the account.
    throttled_by_account: u64,
    /// Refused because there had been too many from the network.
    throttled_by_network: u64,
    /// The password was right.
    succeeded: u64,
    /// It was wrong.
    failed: u64,
    /// Not hashed, because the pool was full or the store unavailable.
    abandoned: u64,
}

/// The threads that hash passwords.
#[derive(Object)]
struct Hashing {
    /// Hashes begun.
    started: u64,
    /// Refused because the queue was full, or because one account or network had too many at once.
    refused: u64,
    /// Skipped because nobody waited any more.
    skipped: u64,
    /// Bytes of memory that are held for hashing now.
    memory_bytes: u64,
}

impl Example for SignInLoad {
    fn example() -> Self {
        let attempts = Attempts {
            admitted: 1200,
            repeats: 10,
            familiar: 900,
            throttled_by_account: 400,
            throttled_by_network: 7,
            succeeded: 950,
            failed: 250,
            abandoned: 0,
        };
        let hashing = Hashing { started: 1190, refused: 0, skipped: 2, memory_bytes: 39_845_888 };
        Self { since: "2026-01-31T12:00:00.000Z".to_owned(), attempts, hashing }
    }
}

impl From<&Monitoring> for SignInLoad {
    fn from(monitoring: &Monitoring) -> Self {
        let (throttle, pool) = monitoring.sign_in_stats();
        Self {
            since: monitoring.process_started.to_string(),
            attempts: Attempts {
                admitted: throttle.reserved,
                repeats: throttle.repeats,
                familiar: throttle.known_network,
                throttled_by_account: throttle.throttled_by_account,
                throttled_by_network: throttle.throttled_by_network,
                succeeded: throttle.succeeded,
                failed: throttle.failed,
                abandoned: throttle.abandoned,
            },
            hashing: Hashing {
                started: pool.hashes_started,
                refused: pool.refused_busy.saturating_add(pool.refused_source),
                skipped: pool.skipped,
                memory_bytes: u64::try_from(pool.memory_bytes).unwrap_or(u64::MAX),
            },
        }
    }
}

#[derive(ApiResponse)]
enum LoadAnswer {
    /// The counts.
    #[oai(status = 200)]
    Ok(Json<SignInLoad>),
}

#[OpenApi]
impl SignInLoadApi {
    /// See what throttling and the password hashing are doing
    ///
    /// How many attempts to prove a password there were since this process started, and what became of them.
    #[oai(path = "/admin/sign-in-load", method = "get", tag = "Tag::Admin", operation_id = "adminSignInLoad")]
    async fn sign_in_load(
        &self,
        #[oai(scope = "ApiScope::Admin")] _admin: Admin,
        monitoring: Service<'_, Monitoring>,
    ) -> Result<LoadAnswer, ApiError> {
        Ok(LoadAnswer::Ok(Json(SignInLoad::from(&**monitoring))))
    }
}
