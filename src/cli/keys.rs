//! `heirloom keys`: shows and changes signing keys, refresh secrets and peppers.

use std::io::Write;

use clap::Subcommand;

use super::installation::InstallationFlags;
use super::running::Running;
use super::{Failure, Outcome, log, offline, print, print_lines, sealed_keys};
use crate::oauth::SigningAlgorithm;
use crate::token::KeyState;
use crate::token::name::SecretKind;
use crate::token::rotate::{KeyInfo, SecretInfo, SecretState};

/// The commands of `heirloom keys`. A running server notices a change of the folder; only a new pepper needs a restart.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Show the signing keys, newest first, and the secrets
    List {
        #[command(flatten)]
        installation: InstallationFlags,
    },
    /// Add a signing key; it is published at once and signs after the lead time
    Rotate {
        #[command(flatten)]
        installation: InstallationFlags,
        /// Add a refresh secret instead: new refresh tokens use it, and tokens of the older secrets stay valid
        #[arg(long)]
        refresh_secret: bool,
        /// Add a pepper instead: after a restart, each password is hashed with it when its user signs in
        #[arg(long, conflicts_with_all = ["refresh_secret", "compromised"])]
        pepper: bool,
        /// Add a key that signs ID tokens alone instead
        #[arg(long, conflicts_with_all = ["refresh_secret", "pepper", "compromised"])]
        id_tokens: bool,
        /// The algorithm of the new signing key, RS256 or ES256 [default: as configured, RS256]
        #[arg(long, value_name = "ALGORITHM", conflicts_with_all = ["refresh_secret", "pepper", "compromised"])]
        algorithm: Option<SigningAlgorithm>,
        /// Replace the signing key KID, or the refresh secret ID, and destroy it: its tokens are refused from then on
        #[arg(long, value_name = "KID|ID", allow_hyphen_values = true)]
        compromised: Option<String>,
    },
    /// Copy the keys folder into the database, sealed; the folder stays as it is
    Seal {
        #[command(flatten)]
        installation: InstallationFlags,
    },
    /// Copy the keys in the database into the keys folder, which must have no others
    Unseal {
        #[command(flatten)]
        installation: InstallationFlags,
    },
    /// Seal the keys in the database again, under the key-encryption key that is configured now
    Reseal {
        #[command(flatten)]
        installation: InstallationFlags,
    },
}

pub(super) fn run(command: Command, out: &mut dyn Write) -> Outcome {
    match command {
        Command::List { installation } => {
            let installation = installation.find()?;
            let keys = offline::list_keys(&installation)?;
            let secrets = offline::list_secrets(&installation)?;
            print_lines(out, keys.iter().map(line).chain(secrets.iter().map(secret_line)))
        }
        Command::Seal { installation } => sealed_keys::seal(&installation.find()?, out),
        Command::Unseal { installation } => sealed_keys::unseal(&installation.find()?, out),
        Command::Reseal { installation } => sealed_keys::reseal(&installation.find()?, out),
        Command::Rotate { installation, refresh_secret: true, compromised: Some(id), .. } => {
            let id = id
                .parse()
                .map_err(|_| Failure::Usage(format!("{id}: the id of a refresh secret is 1 to 255")))?;
            let installation = installation.find()?;
            let new = offline::destroy_refresh_secret(&installation, id)?;
            let said = new.as_ref().map(|new| format!("{} makes refresh tokens\n", name(new)));
            let said = said.unwrap_or_default();
            print(out, &format!("refresh secret {id} is destroyed: its refresh tokens are refused\n{said}"))?;
            let running = Running::on(&installation.data);
            print(out, &running.after_refresh_secret(new.map(|new| new.id), Some(id))?)
        }
        Command::Rotate { installation, refresh_secret: true, .. } => {
            let installation = installation.find()?;
            let new = offline::rotate_secret(&installation, SecretKind::Refresh)?;
            print(
                out,
                &format!("{} makes refresh tokens; tokens of older secrets stay valid\n", name(&new)),
            )?;
            print(out, &Running::on(&installation.data).after_refresh_secret(Some(new.id), None)?)
        }
        Command::Rotate { installation, pepper: true, .. } => {
            let new = offline::rotate_secret(&installation.find()?, SecretKind::Pepper)?;
            let note = "restart the server now: it reads peppers only when it starts";
            print(out, &format!("{} is added; {note}\n", name(&new)))
        }
        Command::Rotate { installation, compromised, algorithm, id_tokens, .. } => {
            let installation = installation.find()?;
            let (new, signs_from) =
                offline::rotate_keys(&installation, compromised.as_deref(), (algorithm, id_tokens))?;
            let destroyed =
                compromised.as_ref().map(|kid| format!("{kid} is destroyed\n")).unwrap_or_default();
            print(out, &log::escaped(&format!("{} signs from {}\n{destroyed}", new.kid, signs_from)))?;
            let running = Running::on(&installation.data);
            let said = running.after_signing(&new.kid.to_string(), compromised.as_deref())?;
            print(out, &log::escaped(&said))
        }
    }
}

fn secret_line(secret: &SecretInfo) -> String {
    let state = match (secret.state, secret.kind) {
        (SecretState::Current, SecretKind::Refresh) => "makes refresh tokens",
        (SecretState::Current, SecretKind::Pepper) => "goes into new hashes",
        (SecretState::Checking, _) => "checks older ones",
        (SecretState::Compromised, _) => "compromised: destroyed",
    };
    format!("{:43}  {}  {state}", name(secret), secret.created)
}

fn name(secret: &SecretInfo) -> String {
    format!("{} {}", secret.kind, secret.id)
}

fn line(key: &KeyInfo) -> String {
    let kid = key.kid.map_or_else(|| "unknown".to_owned(), |kid| kid.to_string());
    let state = match key.state {
        KeyState::Pending { signs_at } => format!("published, signs from {signs_at}"),
        KeyState::Signing => "signs".to_owned(),
        KeyState::SigningIdTokens => "signs ID tokens".to_owned(),
        KeyState::Published { until } => format!("published until {until}"),
        KeyState::Retired => format!("retired: {} may be deleted", key.file),
        KeyState::Compromised => "compromised: destroyed".to_owned(),
    };
    let algorithm = key.algorithm.map_or("", SigningAlgorithm::as_str);
    format!("{kid:43}  {}  {algorithm:5}  {state}", key.created)
}
