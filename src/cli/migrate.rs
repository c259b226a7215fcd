//! `heirloom migrate`: makes and upgrades the tables in a database, so that the server's user need not be allowed to.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use zeroize::Zeroizing;

use super::{Failure, Outcome, print_lines};
use crate::config::{Config, Sources, Store};
use crate::store::{self, Migrated, Migration, PostgresSettings};

/// The arguments of `heirloom migrate`.
#[derive(Args)]
#[command(
    after_help = "Nothing is ever removed. With `migrate = false` in [store], only this command changes tables."
)]
pub(super) struct Arguments {
    /// The configuration file; [store] says where the database is
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Connect as this role, which may make tables, instead of as the configuration's
    #[arg(long, value_name = "ROLE")]
    user: Option<String>,
    /// A file with that role's password [default: PGPASSWORD]
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,
    /// Grant this role what a server needs; it is not allowed to change tables
    #[arg(long, value_name = "ROLE")]
    grant_to: Option<String>,
    /// Only say what would be done
    #[arg(long, conflicts_with = "grant_to")]
    dry_run: bool,
}

pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> Outcome {
    let sources = Sources::of_process(arguments.config.clone(), Vec::new());
    let Store::Postgres(settings) = Config::load(&sources)?.store else {
        return Err(Failure::Failed("the embedded store needs no migration: it upgrades itself".to_owned()));
    };
    let configured = settings.server.get_user().map(ToOwned::to_owned);
    let settings = connecting_as(arguments, *settings, &sources)?;
    let place = settings.place();
    let migration = Migration { settings, grant_to: arguments.grant_to.clone(), dry_run: arguments.dry_run };
    let failed = |error: &dyn std::fmt::Display| Failure::Failed(error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| failed(&error))?;
    let migrated = runtime.block_on(store::migrate(&migration)).map_err(|error| failed(&error))?;
    let mut lines = vec![format!("{place}: {}", done(&migrated, arguments.dry_run))];
    if let Some(role) = &arguments.grant_to {
        lines.extend([format!("granted to {role}:"), migration.grants(role)]);
    } else if let Some(role) =
        configured.filter(|role| arguments.user.as_ref().is_some_and(|user| user != role))
    {
        let needs = format!("the server's role {role} needs (--grant-to {role} grants it):");
        lines.extend([needs, migration.grants(&role)]);
    }
    print_lines(out, lines.into_iter())
}

/// The settings with the role of the arguments, if there is one.
fn connecting_as(
    arguments: &Arguments,
    mut settings: PostgresSettings,
    sources: &Sources,
) -> Outcome<PostgresSettings> {
    let Some(user) = &arguments.user else { return Ok(settings) };
    let password = match &arguments.password_file {
        Some(path) => {
            let failed = |error| Failure::File { path: path.clone(), error };
            Zeroizing::new(std::fs::read_to_string(path).map_err(failed)?)
        }
        None => Zeroizing::new(sources.variable("PGPASSWORD").unwrap_or_default().to_owned()),
    };
    settings.server.user(user).password(password.trim_end_matches(['\r', '\n']));
    Ok(settings)
}

fn done(migrated: &Migrated, dry_run: bool) -> String {
    let Migrated { made, version } = migrated;
    let versions = made.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let word = if made.len() == 1 { "version" } else { "versions" };
    match (made.is_empty(), dry_run) {
        (true, _) => format!("the tables are at version {version}, nothing to do"),
        (false, true) => format!("would make {word} {versions} of the tables"),
        (false, false) => format!("made {word} {versions} of the tables"),
    }
}
