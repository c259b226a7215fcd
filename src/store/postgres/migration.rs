//! Makes and upgrades the tables apart from a start, as a user who may, for a user who may not.

use super::check::refuse_old;
use super::connect::Connector;
use super::open_error::OpenError;
use super::settings::PostgresSettings;
use super::{privileges, schema};

/// What to do to the tables.
#[derive(Clone, Debug)]
pub struct Migration {
    /// Where they are, with the user who makes them.
    pub settings: PostgresSettings,
    /// The role that gets the privileges that a node needs.
    pub grant_to: Option<String>,
    /// Only says what would be done.
    pub dry_run: bool,
}

/// What was done to the tables, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// The versions that were made, in their order.
    pub made: Vec<i32>,
    /// The version that the tables have now.
    pub version: i32,
}

impl Migration {
    /// The statements that give a role what a node needs.
    #[must_use]
    pub fn grants(&self, role: &str) -> String {
        privileges::grants(&self.settings, role)
    }
}

pub(super) async fn migrate(migration: &Migration) -> Result<Migrated, OpenError> {
    let settings = &migration.settings;
    let connector = Connector::new(settings.clone());
    let (mut client, _carrier) = connector.dial().await?;
    refuse_old(&client, settings).await?;
    let made = if migration.dry_run {
        let found = schema::look(&client, settings).await?;
        found.refuse_newer(settings)?;
        let missing: Vec<i32> = (1..=schema::version()).filter(|version| *version > found.version).collect();
        if !missing.is_empty() {
            schema::may_make(&client, settings).await?;
        }
        missing
    } else {
        let grants = migration.grant_to.as_ref().map(|role| migration.grants(role));
        schema::prepare(&mut client, settings, grants.as_deref()).await?
    };
    if let (Some(role), false) = (&migration.grant_to, migration.dry_run) {
        // Who does not own a table gets a warning from GRANT, and no error.
        privileges::refuse_lacks(&client, settings, Some(role)).await?;
    }
    let version = made.last().copied().unwrap_or_else(schema::version);
    Ok(Migrated { made, version })
}
