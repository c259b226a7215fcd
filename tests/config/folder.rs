//! A configuration in a folder of its own.

use std::fs;
use std::path::Path;

use heirloom::config::{Config, ConfigErrors, Sources};

pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A folder with a configuration file.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn with(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("heirloom.toml"), text).unwrap();
        Self(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn sources(&self) -> Sources {
        Sources { file: self.path().join("heirloom.toml"), ..Sources::default() }
    }

    pub(crate) fn load(&self) -> Result<Config, ConfigErrors> {
        Config::load(&self.sources())
    }
}

/// A valid configuration, followed by `more`.
pub(crate) fn with(more: &str) -> Folder {
    Folder::with(&format!("issuer = \"https://id.example.com\"\n{more}"))
}

pub(crate) fn load(more: &str) -> Config {
    with(more).load().unwrap_or_else(|errors| panic!("{errors}"))
}

/// The mistakes in `more`, each as `line: message | suggestion`. The first line of `more` is line 2.
pub(crate) fn mistakes(more: &str) -> Vec<String> {
    let errors = with(more).load().expect_err("no mistake was found");
    let text = |problem: &heirloom::config::Problem| {
        let place = problem.place.to_string();
        let line = place
            .rsplit_once("heirloom.toml")
            .map_or(place.as_str(), |(_, line)| line)
            .trim_start_matches(':');
        format!("{line}: {} | {}", problem.message, problem.suggestion)
    };
    errors.problems().iter().map(text).collect()
}

/// Asserts that `more` has exactly one mistake: in `line`, with `part` in its text.
pub(crate) fn refused(more: &str, line: usize, part: &str) {
    let found = mistakes(more);
    assert!(found.len() == 1, "{more}\n{found:#?}");
    assert!(
        found.iter().all(|one| one.starts_with(&format!("{line}: ")) && one.contains(part)),
        "{more}\n{found:#?}"
    );
}
