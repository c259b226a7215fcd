//! The demo user and clients of `heirloom dev`. They are generated once and kept in a file, which also marks the folder
//! as a demo's.

use std::fs;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Failure, Outcome};
use crate::client::SecretDigest;
use crate::config::{Config, Dev};
use crate::files::create_unfinished;
use crate::http::docs::FilledIn;
use crate::oauth::ids::InvalidText;
use crate::random::Random;

/// The name of the file. `heirloom serve` refuses a data folder that contains it.
pub const FILE: &str = "dev.json";

/// The demo's credentials. No `Debug`, since it has passwords.
#[derive(Clone, Deserialize, PartialEq, Eq, Serialize)]
pub struct Demo {
    /// The demo user.
    pub user: User,
    /// The demo administrator, a user with the role `admin`; `None` in a folder that an older version made.
    #[serde(default)]
    pub admin: Option<User>,
    /// The public demo client.
    pub public_client: PublicClient,
    /// The confidential demo client.
    pub confidential_client: ConfidentialClient,
}

/// A user and its password. No `Debug`.
#[derive(Clone, Deserialize, PartialEq, Eq, Serialize)]
pub struct User {
    /// The name to sign in with.
    pub username: String,
    /// The password in plain text.
    pub password: String,
}

/// A public client.
#[derive(Clone, Deserialize, PartialEq, Eq, Serialize)]
pub struct PublicClient {
    /// The `client_id` (RFC 6749 §2.2).
    pub client_id: String,
}

/// A confidential client and its secret. No `Debug`.
#[derive(Clone, Deserialize, PartialEq, Eq, Serialize)]
pub struct ConfidentialClient {
    /// The `client_id` (RFC 6749 §2.2).
    pub client_id: String,
    /// The secret in plain text.
    pub client_secret: String,
}

/// Whether a data folder belongs to a demo.
#[must_use]
pub fn is_demo(data: &Path) -> bool {
    fs::symlink_metadata(data.join(FILE)).is_ok()
}

impl Demo {
    /// Generates new credentials.
    ///
    /// # Errors
    /// [`Failure::Failed`] if the operating system's random number generator failed.
    pub fn random(random: &Random) -> Outcome<Self> {
        let word = |len| random.alphanumeric(len).map_err(|error| Failure::Failed(error.to_string()));
        Ok(Self {
            user: User { username: "demo".to_owned(), password: word(20)? },
            admin: Some(User { username: "admin".to_owned(), password: word(20)? }),
            public_client: PublicClient { client_id: "demo-public".to_owned() },
            confidential_client: ConfidentialClient {
                client_id: "demo-confidential".to_owned(),
                client_secret: word(43)?,
            },
        })
    }

    /// Reads the credentials of the demo in the folder `data`, or generates them if the folder is empty or missing.
    /// `change` may alter them before they are written.
    ///
    /// # Errors
    /// [`Failure::Usage`] if the folder contains something else than a demo; [`Failure::File`].
    pub fn open(data: &Path, random: &Random, change: impl FnOnce(&mut Self)) -> Outcome<Self> {
        let path = data.join(FILE);
        let file = |error| Failure::File { path: path.clone(), error };
        let kept = match fs::read(&path) {
            Ok(bytes) => Some(serde_json::from_slice::<Self>(&bytes).map_err(|error| file(error.into()))?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(file(error)),
        };
        if kept.is_none() && !is_empty(data)? {
            return Err(Failure::Usage(format!(
                "{} was not made by `heirloom dev`, which would put a demo user into it; name another folder with --data",
                data.display()
            )));
        }
        let mut demo = kept.clone().map_or_else(|| Self::random(random), Ok)?;
        if demo.admin.is_none() {
            demo.admin = Self::random(random)?.admin;
        }
        change(&mut demo);
        if kept.as_ref() != Some(&demo) {
            demo.keep(data).map_err(file)?;
        }
        Ok(demo)
    }

    /// The configuration of the demo's server, on these addresses with this port.
    pub(super) fn config(
        &self,
        (listen, port): (Vec<SocketAddr>, u16),
        data: PathBuf,
        keys: PathBuf,
    ) -> Outcome<Config> {
        let wrong = |error: InvalidText| Failure::Usage(error.to_string());
        Config::dev(Dev {
            listen,
            port,
            data,
            keys,
            public_client: self.public_client.client_id.parse().map_err(wrong)?,
            confidential_client: self.confidential_client.client_id.parse().map_err(wrong)?,
            secret: SecretDigest::of(&self.confidential_client.client_secret),
        })
        .map_err(wrong)
    }

    /// The values that the documentation page fills in. No password: everybody who can reach the port can read the
    /// page.
    pub(super) fn filled_in(&self) -> FilledIn {
        FilledIn { client_id: self.public_client.client_id.clone(), username: self.user.username.clone() }
    }

    /// The demo's users, with their roles.
    pub(super) fn users(&self) -> Vec<(User, &'static str)> {
        let admin = self.admin.iter().map(|admin| (admin.clone(), "admin"));
        std::iter::once((self.user.clone(), "user")).chain(admin).collect()
    }

    /// Writes the file atomically, readable for its owner only.
    fn keep(&self, data: &Path) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(data)?;
        let new = data.join(NEW);
        let mut file = create_unfinished(&new)?;
        serde_json::to_writer_pretty(&mut file, self)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(new, data.join(FILE))
    }
}

/// The name of the temporary file while it is being written.
const NEW: &str = "dev.json.new";

/// Whether a folder is empty or missing.
fn is_empty(folder: &Path) -> Outcome<bool> {
    let failed = |error| Failure::File { path: folder.to_path_buf(), error };
    let mut entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(failed(error)),
    };
    // A start that was interrupted may have left the temporary file, and nothing else.
    entries.try_fold(true, |empty, entry| {
        let entry = entry.map_err(failed)?;
        Ok(empty && entry.file_name() == NEW)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_second_start_finds_what_the_first_made() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let first = Demo::open(&data, &Random::system(), |_| ()).ok().unwrap();
        assert!(is_demo(&data));
        let mode = fs::metadata(data.join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let second = Demo::open(&data, &Random::system(), |_| ()).ok().unwrap();
        assert!(first == second);
        let other = Demo::open(&folder.path().join("other"), &Random::system(), |_| ()).ok().unwrap();
        assert!(first.user.password != other.user.password);
        assert!(first.confidential_client.client_secret != other.confidential_client.client_secret);
    }

    #[test]
    fn credentials_that_are_given_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let given = |demo: &mut Demo| demo.confidential_client.client_secret = "s:e%c/r-t".to_owned();
        let first = Demo::open(folder.path(), &Random::system(), given).ok().unwrap();
        let second = Demo::open(folder.path(), &Random::system(), |_| ()).ok().unwrap();
        assert!(first == second && second.confidential_client.client_secret == "s:e%c/r-t");
    }

    #[test]
    fn a_folder_with_something_else_in_it_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("db"), "").unwrap();
        let refused = Demo::open(folder.path(), &Random::system(), |_| ()).err().unwrap();
        assert!(matches!(refused, Failure::Usage(_)));
        assert!(!is_demo(folder.path()));
        // The temporary file of an interrupted start does no harm.
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(NEW), "{").unwrap();
        assert!(Demo::open(folder.path(), &Random::system(), |_| ()).is_ok());
    }
}
