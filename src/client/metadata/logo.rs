//! Validates a client's logo: the name of a file in the folder that the configuration names.

use super::error::{Faults, MetadataError, shown};
use super::field::Field;
use super::raw::RawMetadata;
use super::rules::MetadataRules;
use crate::oauth::word_list::did_you_mean;

/// The longest name, in bytes.
const LONGEST: usize = 64;
/// What the names end with.
const ENDINGS: [&str; 4] = [".png", ".jpg", ".jpeg", ".webp"];

/// Whether a text is the name of a logo: of a file, never a path, and never hidden.
#[must_use]
pub fn is_logo(name: &str) -> bool {
    let has_ending = ENDINGS.iter().any(|ending| name.ends_with(ending));
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    has_ending && is_plain && !name.starts_with('.') && !name.contains("..") && name.len() <= LONGEST
}

impl RawMetadata {
    /// The file must be there, and be an image.
    pub(super) fn logo(&self, rules: &MetadataRules<'_>, faults: &mut Faults) -> Option<String> {
        const FIELD: Field = Field::Logo;
        let name = named(self, faults)?;
        let Some(logos) = &rules.logos else {
            let error = MetadataError::new(FIELD, "no_folder", "The configuration names no folder of logos.");
            faults.add(error.suggesting("Set logos in [pages] of the configuration."));
            return None;
        };
        match logos.get(name) {
            Some(None) => return Some(name.to_owned()),
            Some(Some(problem)) => {
                let error = MetadataError::new(FIELD, "no_image", format!("The logo {name} {problem}."));
                faults.add(error.suggesting("Write an image there, and start heirloom again."));
            }
            None => {
                let error = MetadataError::new(FIELD, "unknown", format!("There is no logo {name}."));
                let near = did_you_mean(name, logos.keys().copied());
                faults.add(error.suggesting(
                    near.unwrap_or_else(|| "heirloom reads the folder of logos when it starts.".to_owned()),
                ));
            }
        }
        None
    }
}

/// The name, which can be checked without the configuration.
pub(super) fn named<'r>(raw: &'r RawMetadata, faults: &mut Faults) -> Option<&'r str> {
    let name = raw.logo.as_deref()?;
    if is_logo(name) {
        return Some(name);
    }
    let problem = format!("{} is no name of a logo.", shown(name));
    let error = MetadataError::new(Field::Logo, "not_permitted", problem);
    faults.add(error.suggesting(
        "Write the name of a .png, .jpg, .jpeg or .webp file in the folder of logos: letters, digits or any of . _ -.",
    ));
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logo_is_a_file_and_never_a_path() {
        for name in ["app.png", "App_2-x.jpeg", "a.b.webp", "x.jpg"] {
            assert!(is_logo(name), "{name}");
        }
        let long = format!("{}.png", "x".repeat(LONGEST));
        for name in [
            "",
            ".png",
            "app",
            "app.svg",
            "app.PNG",
            "app.png ",
            "../app.png",
            "a/app.png",
            "a\\app.png",
            ".app.png",
            "a..png",
            "ä.png",
            "a b.png",
            "a\0.png",
            "%2e.png",
            "app.png/",
            "https://a.example/app.png",
            long.as_str(),
        ] {
            assert!(!is_logo(name), "{name}");
        }
    }
}
