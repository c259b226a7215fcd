//! The folder that a server runs on: its configuration and its keys.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use heirloom::config::{Config, Sources};

use super::free_port::free_port;

/// The algorithm that signs access tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Algorithm {
    /// RSA-2048, the default.
    Rs256,
    /// P-256.
    Es256,
}

impl Algorithm {
    /// The name in a token's header.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }
}

/// The file that records what was made before the start.
pub(crate) const SEED: &str = "seed.json";
/// The public client that signs in and refreshes.
pub(crate) const CLIENT: &str = "phone-app";
/// The public client that people sign in to on the pages; it needs no consent.
pub(crate) const APP: &str = "web-app";
/// Where its codes go. Nobody follows the redirect.
pub(crate) const REDIRECT_URI: &str = "https://app.example.com/callback";
/// The verifier of every sign-in, and its challenge: those of RFC 7636 §B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// The client that introspects, and gets tokens for itself.
pub(crate) const API: (&str, &str) = ("api-server", "0123456789abcdef0123456789abcdef");

/// A folder with everything that `heirloom serve` needs.
pub(crate) struct Installation {
    /// The folder.
    pub(crate) folder: PathBuf,
    port: u16,
    metrics: u16,
}

impl Installation {
    /// Makes an installation in `folder`, which must not exist yet; copies what was kept in the folder `kept`, if that
    /// exists.
    pub(crate) fn make(folder: PathBuf, algorithm: Algorithm, kept: Option<&Path>) -> anyhow::Result<Self> {
        fs::create_dir_all(&folder)?;
        if let Some(kept) = kept.filter(|kept| kept.join(SEED).exists()) {
            copy(kept, &folder)?;
        }
        Self::with(folder, algorithm, "")
    }

    /// Makes an installation whose store is elsewhere; `store` is that section of its configuration.
    pub(crate) fn on_store(folder: PathBuf, algorithm: Algorithm, store: &str) -> anyhow::Result<Self> {
        fs::create_dir_all(&folder)?;
        Self::with(folder, algorithm, store)
    }

    /// Makes another node of the same issuer, with the same keys.
    pub(crate) fn another_node(&self, folder: PathBuf, store: &str) -> anyhow::Result<Self> {
        fs::create_dir_all(&folder)?;
        let (port, metrics) = (free_port(), free_port());
        let node = Self { folder, port, metrics };
        fs::write(node.config_file(), config(self.port, (port, metrics), &self.keys(), store))?;
        Ok(node)
    }

    fn with(folder: PathBuf, algorithm: Algorithm, store: &str) -> anyhow::Result<Self> {
        // The port is part of the issuer, so it is chosen before the start.
        let (port, metrics) = (free_port(), free_port());
        let installation = Self { folder, port, metrics };
        let config = config(port, (port, metrics), Path::new("keys"), store);
        fs::write(installation.config_file(), config)?;
        if algorithm == Algorithm::Es256 && !installation.keys().exists() {
            installation.make_es256_key()?;
        }
        Ok(installation)
    }

    /// Makes a first signing key for ES256, which is not the default.
    fn make_es256_key(&self) -> anyhow::Result<()> {
        let made = Command::new(env!("CARGO_BIN_EXE_heirloom"))
            .args(["keys", "rotate", "--algorithm", "ES256", "--config"])
            .arg(self.config_file())
            .output()?;
        let said = String::from_utf8_lossy(&made.stderr);
        anyhow::ensure!(made.status.success(), "no ES256 key: {}", said.lines().next().unwrap_or_default());
        Ok(())
    }

    /// The configuration file.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.folder.join("heirloom.toml")
    }

    /// The configuration, read as the server reads it.
    pub(crate) fn config(&self) -> anyhow::Result<Config> {
        let config = Config::load(&Sources::of_process(self.config_file(), Vec::new()));
        config.map_err(|errors| anyhow::anyhow!("{errors}")).context("the configuration")
    }

    /// The folder of the store.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The folder of the keys.
    pub(crate) fn keys(&self) -> PathBuf {
        self.folder.join("keys")
    }

    /// Copies this installation to `folder` for later runs, unless `folder` exists.
    pub(crate) fn keep(&self, folder: &Path) -> anyhow::Result<()> {
        if folder.join(SEED).exists() {
            return Ok(());
        }
        copy(&self.folder, folder)
    }

    /// The address that the server listens on.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// The address of the metrics.
    pub(crate) fn metrics(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.metrics))
    }
}

/// Copies a folder. The file that marks the copy as complete is copied last.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    let mut entries = fs::read_dir(from)?.collect::<std::io::Result<Vec<_>>>()?;
    entries.sort_by_key(|entry| entry.file_name() == SEED);
    for entry in entries {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy(&from, &to)?;
        } else {
            fs::copy(&from, &to).with_context(|| from.display().to_string())?;
        }
    }
    Ok(())
}

/// A configuration as in production, except that one chain may be refreshed, and one person sign in, without a limit.
fn config(issuer: u16, (port, metrics): (u16, u16), keys: &Path, store: &str) -> String {
    let ((api, secret), keys) = (API, keys.display());
    format!(
        r#"
issuer = "http://127.0.0.1:{issuer}"

[server]
listen = "127.0.0.1:{port}"
metrics = "127.0.0.1:{metrics}"

[data]
folder = "data"

[keys]
folder = "{keys}"

[grants]
password = true

[throttle]
refresh_burst = 0
sign_in_burst = 0

# All sign-ins come from one network, which may have half of these places.
[passwords]
queue = 64

[audiences."https://api.example.com"]
scopes = ["read", "write"]

[[clients]]
id = "{CLIENT}"
type = "public"
scopes = ["read", "write", "profile"]

[[clients]]
id = "{APP}"
type = "public"
redirect_uris = ["{REDIRECT_URI}"]
consent = "implied"
scopes = ["openid", "read", "write"]

[[clients]]
id = "{api}"
type = "confidential"
secret = "{secret}"
grants = ["client_credentials"]
scopes = ["read"]
introspects = ["https://api.example.com"]

{store}"#
    )
}
