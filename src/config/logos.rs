//! `[pages] logos`: the folder of the logos that clients have on the pages. It is read once, at the start.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::image::{Image, LARGEST_IMAGE, media_type};
use super::section::Section;
use crate::client::metadata::is_logo;

/// The most logos in the folder. They are kept in memory.
const MOST: usize = 1000;
const LARGE: &str = "is larger than 256 KiB";
const NO_IMAGE: &str = "is no PNG, JPEG or WebP image";
const UNREADABLE: &str = "can't be read";

/// The files in the folder of logos, by their names: an image, or what is wrong with the file. It counts only when a
/// client has the logo.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logos(BTreeMap<Arc<str>, Result<Image, &'static str>>);

impl Logos {
    /// The names of all files, and what is wrong with each, if anything is.
    #[must_use]
    pub fn found(&self) -> BTreeMap<&str, Option<&'static str>> {
        self.0.iter().map(|(name, file)| (&**name, file.as_ref().err().copied())).collect()
    }

    /// The images.
    pub fn images(&self) -> impl Iterator<Item = (&str, &Image)> {
        self.0.iter().filter_map(|(name, file)| Some((&**name, file.as_ref().ok()?)))
    }
}

/// Reads `logos`.
pub(super) fn logos(section: &mut Section<'_>) -> Option<Logos> {
    let folder = section.path("logos")?;
    let names = match names(&folder.value) {
        Ok(names) => names,
        Err(error) => {
            let message = format!("`logos`: {} can't be read: {error}", folder.value.display());
            section.problems.note(&folder.place, message, "name a folder of PNG, JPEG or WebP images");
            return None;
        }
    };
    if names.len() > MOST {
        let message = format!("`logos`: {} has more than {MOST} images", folder.value.display());
        section.problems.note(&folder.place, message, "keep only those there that clients have");
        return None;
    }
    let files = names.into_iter().map(|name| {
        let file = image(&folder.value.join(&name));
        (name.into(), file)
    });
    Some(Logos(files.collect()))
}

/// The names that a logo may have; other files are left alone.
fn names(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.extend(entry?.file_name().into_string().ok().filter(|name| is_logo(name)));
    }
    Ok(names)
}

fn image(path: &Path) -> Result<Image, &'static str> {
    let about = fs::metadata(path).map_err(|_| UNREADABLE)?;
    // Reading a pipe would wait for ever.
    if !about.is_file() {
        return Err(NO_IMAGE);
    }
    if about.len() > LARGEST_IMAGE as u64 {
        return Err(LARGE);
    }
    let content = fs::read(path).map_err(|_| UNREADABLE)?;
    match media_type(&content) {
        // An SVG is a document, which the operator's own logo may be, but not one that somebody else chose.
        None | Some("image/svg+xml") => Err(NO_IMAGE),
        Some(media_type) => Ok(Image { media_type, content: content.into() }),
    }
}
