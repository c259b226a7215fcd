//! Finds out whether a store would open, without changing anything.

use std::time::Duration;

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::connect::Connector;
use super::open_error::OpenError;
use super::settings::PostgresSettings;
use super::{privileges, schema};
use crate::clock::{Clock, Timestamp};

/// The oldest PostgreSQL that is known to work.
const OLDEST: i32 = 14;
/// The longest quiet time after which a server should ask whether its client is still there.
const LONGEST_IDLE: Duration = Duration::from_mins(1);
/// The largest difference between two clocks that nobody needs to know of.
const DIFFERENCE: Duration = Duration::from_secs(2);

/// Connects as a store does, and looks at the tables, the privileges, and what the database is set to. Returns warnings.
pub(super) async fn check(connector: &Connector, clock: &dyn Clock) -> Result<Vec<String>, OpenError> {
    let settings = connector.settings();
    let (client, _carrier) = connector.dial().await?;
    refuse_old(&client, settings).await?;
    if schema::is_there(&client, settings).await? {
        let looked = schema::look(&client, settings).await;
        // What an older version does not have yet is not missing.
        if looked.as_ref().map_or(true, |found| found.version >= schema::version()) {
            privileges::refuse_lacks(&client, settings, None).await?;
        }
        let found = looked?;
        found.refuse_newer(settings)?;
        if found.version >= schema::version() {
            // What a connection of a store does besides would begin a term on a new server.
            schema::has_events(&client, settings).await?;
            let isolation = setting(&client, settings, "transaction_isolation").await?;
            if isolation != "read committed" {
                return Err(OpenError::isolation(settings, &isolation));
            }
        } else if settings.migrate {
            schema::may_make(&client, settings).await?;
        } else {
            found.refuse_older(settings)?;
        }
    } else if settings.migrate {
        schema::may_make(&client, settings).await?;
    } else {
        schema::look(&client, settings).await?.refuse_older(settings)?;
    }
    warnings(&client, settings, clock).await
}

/// Refuses a server that is too old.
pub(super) async fn refuse_old(client: &Client, settings: &PostgresSettings) -> Result<(), OpenError> {
    if !is_old(&setting(client, settings, "server_version_num").await?) {
        return Ok(());
    }
    let why = format!("its PostgreSQL is {}", setting(client, settings, "server_version").await?);
    let hint = format!(". PostgreSQL {OLDEST} or newer is needed");
    Err(OpenError::Schema { place: settings.place(), why, hint })
}

/// Whether a `server_version_num`, such as `150004`, is too old.
fn is_old(number: &str) -> bool {
    let version = number.parse::<i32>().ok().and_then(|number| number.checked_div(10_000));
    version.is_none_or(|version| version < OLDEST)
}

async fn warnings(
    client: &Client,
    settings: &PostgresSettings,
    clock: &dyn Clock,
) -> Result<Vec<String>, OpenError> {
    let mut warnings = Vec::new();
    for name in ["fsync", "full_page_writes"] {
        if setting(client, settings, name).await? != "on" {
            warnings.push(format!("the database's {name} is off: a power cut may lose what was answered"));
        }
    }
    let commit = setting(client, settings, "synchronous_commit").await?;
    if !["on", "remote_apply"].contains(&commit.as_str()) {
        warnings.push(format!(
            "the database's synchronous_commit is {commit}: heirloom commits with `on` all the same, and waits for the \
             synchronous standbys if there are any"
        ));
    }
    warnings.extend(keepalives(client, settings).await?);
    warnings.extend(clocks(client, settings, clock).await?);
    Ok(warnings)
}

/// Looks whether the server notices a node that has vanished, as each connection asks it to.
async fn keepalives(client: &Client, settings: &PostgresSettings) -> Result<Option<String>, OpenError> {
    let failed = |error| OpenError::schema(settings, &error);
    let by_tcp = "SELECT inet_client_addr() IS NOT NULL";
    let row = client.query_typed_one(by_tcp, &[]).await.map_err(failed)?;
    let idle = setting(client, settings, "tcp_keepalives_idle").await?;
    Ok(if row.try_get(0).map_err(failed)? { unnoticed(&idle) } else { None })
}

/// What to say of a server with this `tcp_keepalives_idle`.
fn unnoticed(idle: &str) -> Option<String> {
    let seconds = idle.trim_end_matches('s').parse::<u64>().unwrap_or_default();
    let when = match seconds {
        0 => "at no known time".to_owned(),
        _ if Duration::from_secs(seconds) <= LONGEST_IDLE => return None,
        _ => format!("only after {seconds} s"),
    };
    Some(format!(
        "the database would notice {when} that a node has vanished in the middle of a change, and no other node could \
         change anything until then: set tcp_keepalives_idle = 5, tcp_keepalives_interval = 1 and \
         tcp_keepalives_count = 3 in its postgresql.conf"
    ))
}

/// Compares the database's clock with this machine's.
async fn clocks(
    client: &Client,
    settings: &PostgresSettings,
    clock: &dyn Clock,
) -> Result<Option<String>, OpenError> {
    let failed = |error| OpenError::schema(settings, &error);
    let now = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
    let before = clock.now();
    let row = client.query_typed_one(now, &[]).await.map_err(failed)?;
    let after = clock.now();
    let there: i64 = row.try_get(0).map_err(failed)?;
    Ok(difference((before, after), Timestamp::from_millis(u64::try_from(there).unwrap_or_default())))
}

/// What to say of a clock that was read between two readings of ours.
fn difference((before, after): (Timestamp, Timestamp), there: Timestamp) -> Option<String> {
    let (behind, ahead) = (before.since(there), there.since(after));
    let (by, how) = if ahead > behind { (ahead, "ahead of") } else { (behind, "behind") };
    (by > DIFFERENCE).then(|| {
        format!(
            "the database's clock is {} s {how} this machine's: keep both right, by NTP for example",
            by.as_secs()
        )
    })
}

async fn setting(client: &Client, settings: &PostgresSettings, name: &str) -> Result<String, OpenError> {
    let row = client.query_typed_one("SELECT current_setting($1)", &[(&name, Type::TEXT)]).await;
    row.and_then(|row| row.try_get(0)).map_err(|error| OpenError::schema(settings, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_from_14_on_are_new_enough() {
        assert!(["90624", "130022", "none"].into_iter().all(is_old));
        assert!(!["140000", "150004", "180001"].into_iter().any(is_old));
    }

    #[test]
    fn a_server_that_notices_nothing_within_a_minute_is_warned_of() {
        assert_eq!(["5", "60s"].map(unnoticed), [None, None]);
        for (idle, said) in [("0", "at no known time"), ("7200", "only after 7200 s")] {
            assert!(unnoticed(idle).unwrap().contains(said), "{idle}");
        }
    }

    #[test]
    fn a_clock_is_wrong_only_beyond_the_time_that_asking_took() {
        let at = Timestamp::from_seconds;
        let said = |there| difference((at(100), at(110)), at(there));
        for right in [98, 100, 105, 112] {
            assert_eq!(said(right), None, "{right}");
        }
        assert!(said(97).unwrap().contains("3 s behind"));
        assert!(said(113).unwrap().contains("3 s ahead of"));
    }
}
