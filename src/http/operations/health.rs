//! Whether the process runs, and whether it can do its work.

use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};

use crate::app::sweep::{SweeperStats, Swept};
use crate::app::{Monitoring, Nodes, TokenKeys};
use crate::http::service::Service;
use crate::http::tag::Tag;
use crate::store::StoreStats;

/// The health endpoints.
pub struct HealthApi;

/// How the server is.
#[derive(Object)]
struct Health {
    /// `ok`, or what is wrong.
    status: String,
    /// How the sweeper is getting on, which removes sessions that are over; left out when only the process is asked about.
    #[oai(skip_serializing_if_is_none)]
    sweeper: Option<SweeperHealth>,
    /// How many files or folders of keys can't be used, of which the log says more; left out when there is none.
    #[oai(skip_serializing_if_is_none)]
    key_problems: Option<u64>,
    /// Whole days that the listener's certificate is still good; left out where heirloom does not speak TLS itself.
    #[oai(skip_serializing_if_is_none)]
    certificate_days_left: Option<u64>,
    /// True if the files hold a certificate or key that can't be used, and the one before goes on.
    #[oai(skip_serializing_if_is_none)]
    certificate_refused: Option<bool>,
    /// The disk that the store is on; left out where the store does not know, and when only the process is asked about.
    #[oai(skip_serializing_if_is_none)]
    disk: Option<DiskHealth>,
}

/// The disk that the store is on. That it is nearly full is no reason not to be ready: who is signed in stays so.
#[derive(Object)]
struct DiskHealth {
    /// Free space.
    free_bytes: u64,
    /// Below so much free space, sign-ins, new accounts, invitations and clients are refused.
    floor_bytes: u64,
    /// For how many seconds it has been nearly full; left out when it is not.
    #[oai(skip_serializing_if_is_none)]
    nearly_full_seconds: Option<u64>,
}

/// How the sweeper is getting on. It is never a reason not to be ready.
#[derive(Object)]
struct SweeperHealth {
    /// When it swept last (RFC 3339); left out before it did.
    #[oai(skip_serializing_if_is_none)]
    last: Option<String>,
    /// True while another node sweeps; left out otherwise.
    #[oai(skip_serializing_if_is_none)]
    elsewhere: Option<bool>,
    /// Whether more was due than it has done yet.
    behind: bool,
    /// For how many seconds still it does nothing, because the wall clock has jumped ahead; left out when it has not.
    #[oai(skip_serializing_if_is_none)]
    paused_seconds: Option<u64>,
    /// Sessions whose end it has written since the start.
    ended: u64,
    /// Sessions that it has removed since the start.
    removed: u64,
    /// Sessions that it could not sweep; the log says why.
    failed: u64,
}

impl Health {
    fn new(status: &str, sweeper: Option<SweeperHealth>) -> Json<Self> {
        Json(Self {
            status: status.to_owned(),
            sweeper,
            key_problems: None,
            certificate_days_left: None,
            certificate_refused: None,
            disk: None,
        })
    }

    fn with_keys(Json(mut health): Json<Self>, keys: &TokenKeys, monitoring: &Monitoring) -> Json<Self> {
        let problems = keys.problems().len();
        health.key_problems = u64::try_from(problems).ok().filter(|problems| *problems > 0);
        health.certificate_days_left = monitoring.certificate_days_left();
        health.certificate_refused =
            monitoring.certificate().map(|status| status.refused).filter(|refused| *refused);
        Json(health)
    }
}

impl DiskHealth {
    fn of(store: &StoreStats) -> Option<Self> {
        let StoreStats { free_bytes, floor_bytes, nearly_full, .. } = *store;
        let known = free_bytes > 0 || nearly_full.is_some();
        let nearly_full_seconds = nearly_full.map(|since| since.as_secs());
        known.then_some(Self { free_bytes, floor_bytes, nearly_full_seconds })
    }
}

impl From<SweeperStats> for SweeperHealth {
    fn from(stats: SweeperStats) -> Self {
        let Swept { ended, removed, failed, more, .. } = stats.total;
        Self {
            last: stats.last.map(|last| last.to_string()),
            elsewhere: stats.elsewhere.then_some(true),
            behind: more,
            paused_seconds: stats.paused.map(|left| left.as_secs()),
            ended,
            removed,
            failed,
        }
    }
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
    ///
    /// It answers as long as the process does; the store is not asked.
    #[oai(path = "/health/live", method = "get", tag = "Tag::Health", operation_id = "live")]
    async fn live(&self) -> HealthAnswer {
        HealthAnswer::Ok(Health::new("ok", None))
    }

    /// Can it answer requests?
    ///
    /// Reads from the store; a store that waits for its disk answers late. It can't when every key that could make tokens
    /// is compromised, nor while its clock differs from the other nodes' clocks. While the disk is nearly full the answer is 200 all the same, and `status` says what is refused.
    #[oai(path = "/health/ready", method = "get", tag = "Tag::Health", operation_id = "ready")]
    async fn ready(
        &self,
        keys: Service<'_, TokenKeys>,
        monitoring: Service<'_, Monitoring>,
        nodes: Service<'_, Nodes>,
    ) -> HealthAnswer {
        let sweeper = Some(monitoring.sweeper_stats().into());
        if !keys.can_make_tokens() {
            let health = Health::new("no key can make tokens", sweeper);
            return HealthAnswer::Unavailable(Health::with_keys(health, &keys, &monitoring));
        }
        if let Err(error) = nodes.node_clock().check() {
            tracing::warn!(error = %error, "not ready");
            let status = "this node's clock differs from the other nodes' clocks";
            return HealthAnswer::Unavailable(Health::new(status, sweeper));
        }
        match monitoring.store_answers().await {
            Ok(()) => {
                let store = monitoring.store_stats();
                let status = match store.nearly_full {
                    Some(_) => {
                        "the disk is nearly full: sign-ins, new accounts, invitations and clients are refused"
                    }
                    None => "ok",
                };
                let Json(health) = Health::with_keys(Health::new(status, sweeper), &keys, &monitoring);
                HealthAnswer::Ok(Json(Health { disk: DiskHealth::of(&store), ..health }))
            }
            Err(error) => {
                tracing::warn!(error = %error, "not ready");
                HealthAnswer::Unavailable(Health::new("the store is unavailable", sweeper))
            }
        }
    }
}
