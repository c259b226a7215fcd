//! Which installation a command uses: that of a configuration file, or a demo of `heirloom dev`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::demo::{self, Demo};
use super::{Failure, Outcome};
use crate::config::{Config, KeysIn, Sources, Store};
use crate::oauth::SigningAlgorithm;
use crate::random::Random;

/// The flags that name an installation.
#[derive(Args, Clone, Debug)]
pub(super) struct InstallationFlags {
    /// The configuration file of the installation
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    config: Option<PathBuf>,
    /// The folder given to `heirloom dev --data`; without this and --config: ./data and ./keys
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// The parts of an installation's configuration that a command needs.
#[derive(Clone, Debug)]
pub struct Installation {
    /// The kind of the store, and where a database is.
    pub store: Store,
    /// The data folder.
    pub data: PathBuf,
    /// The keys folder.
    pub keys: PathBuf,
    /// Whether the keys are in the keys folder or in the database.
    pub keys_in: KeysIn,
    /// How long a signing key is published before it signs.
    pub lead_time: Duration,
    /// The algorithm of new signing keys.
    pub algorithm: SigningAlgorithm,
    /// The algorithm whose keys sign ID tokens alone.
    pub id_tokens_alone: Option<SigningAlgorithm>,
    /// The longest life of an access token of any client: a key that no longer signs stays published that long.
    pub longest_access_token: Duration,
}

impl InstallationFlags {
    /// The installation's configuration: the file, or the settings with which `heirloom dev` would run the folder.
    ///
    /// # Errors
    /// [`Failure`] with every error in the file.
    pub(super) fn config(&self) -> Outcome<Config> {
        if let Some(file) = &self.config {
            return Ok(Config::load(&Sources::of_process(file.clone(), Vec::new()))?);
        }
        let Installation { data, keys, .. } = Installation::under(self.data.as_deref());
        if demo::is_demo(&data) {
            let demo = Demo::open(&data, &Random::system(), |_| ())?;
            return demo.config((Vec::new(), 0), data, keys);
        }
        Config::without_clients(&data, &keys).map_err(|error| Failure::Failed(error.to_string()))
    }

    /// Whether it is a demo of `heirloom dev`.
    pub(super) const fn is_demo(&self) -> bool {
        self.config.is_none()
    }

    /// The installation, with its configuration file validated.
    pub(super) fn find(&self) -> Outcome<Installation> {
        let Some(file) = &self.config else { return Ok(Installation::under(self.data.as_deref())) };
        let config = Config::load(&Sources::of_process(file.clone(), Vec::new()))?;
        let usual = config.tokens.lifetimes.access_token;
        let lives = config.clients.iter().map(|client| client.metadata.lifetimes.access_token);
        Ok(Installation {
            longest_access_token: lives.chain([usual]).max().unwrap_or(usual),
            id_tokens_alone: config.id_tokens_alone(),
            store: config.store,
            data: config.data,
            keys: config.keys,
            keys_in: config.keys_in,
            lead_time: config.lead_time,
            algorithm: config.algorithm,
        })
    }
}

impl Installation {
    /// The installation of a demo: `data` and `keys` under a folder, or under the working directory.
    #[must_use]
    pub fn under(folder: Option<&std::path::Path>) -> Self {
        let folder = folder.unwrap_or_else(|| std::path::Path::new("."));
        Self {
            store: Store::Sled,
            data: folder.join("data"),
            keys: folder.join("keys"),
            keys_in: KeysIn::Folder,
            lead_time: crate::config::LEAD_TIME,
            algorithm: SigningAlgorithm::default(),
            id_tokens_alone: None,
            longest_access_token: crate::client::Lifetimes::default().access_token,
        }
    }
}
