//! `[pages]`: how the pages look on which people sign in and see their account.

use url::Url;

use super::colour::Colour;
use super::image::{Image, LARGEST_IMAGE, media_type};
use super::logos::{self, Logos};
use super::section::{At, Section};

/// The longest name.
const LONGEST_NAME: usize = 64;

/// The settings of `[pages]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pages {
    /// Whose pages they are.
    pub name: String,
    /// Stands above each page instead of the name.
    pub logo: Option<Image>,
    /// Stands in the browser's tab.
    pub icon: Option<Image>,
    /// The logos of clients; `None` if no folder of logos is set.
    pub logos: Option<Logos>,
    /// The colour of buttons and links.
    pub accent: Colour,
    /// Who is responsible for the pages: a URL.
    pub imprint: Option<String>,
    /// What happens with personal data: a URL.
    pub privacy: Option<String>,
    /// Where people find help: a URL, or `mailto:`.
    pub help: Option<String>,
    /// The language of people who prefer none of the others.
    pub language: Language,
}

/// A language in which the pages are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// German.
    German,
    /// French.
    French,
    /// Spanish.
    Spanish,
    /// Japanese.
    Japanese,
}

impl Pages {
    /// The colours of a page's background and of a card on it, by day; of which the darker one counts.
    pub const LIGHT: Colour = Colour([0xf4, 0xf5, 0xf7]);
    /// The colour of a card by night, which is lighter than the page's background.
    pub const DARK: Colour = Colour([0x1d, 0x20, 0x24]);
}

impl Default for Pages {
    fn default() -> Self {
        Self {
            name: "heirloom".to_owned(),
            logo: None,
            icon: None,
            logos: None,
            accent: Colour([0x22, 0x57, 0x7a]),
            imprint: None,
            privacy: None,
            help: None,
            language: Language::default(),
        }
    }
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::English, Self::German, Self::French, Self::Spanish, Self::Japanese];

    /// Its tag (BCP 47).
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::French => "fr",
            Self::Spanish => "es",
            Self::Japanese => "ja",
        }
    }
}

/// Reads `[pages]`.
pub(super) fn pages(root: &mut Section<'_>) -> Pages {
    let mut section = root.section("pages");
    let usual = Pages::default();
    let languages = Language::ALL.map(|language| (language.tag(), language));
    let pages = Pages {
        name: name(&mut section).unwrap_or(usual.name),
        logo: image(&mut section, "logo"),
        icon: image(&mut section, "icon"),
        logos: logos::logos(&mut section),
        accent: accent(&mut section).unwrap_or(usual.accent),
        imprint: link(&mut section, "imprint", &["https", "http"]),
        privacy: link(&mut section, "privacy", &["https", "http"]),
        help: link(&mut section, "help", &["https", "http", "mailto"]),
        language: section.choice("language", &languages).map_or(usual.language, |at| at.value),
    };
    section.finish();
    pages
}

fn name(section: &mut Section<'_>) -> Option<String> {
    let At { value, place } = section.text("name")?;
    if value.trim().is_empty() || value.chars().count() > LONGEST_NAME || value.chars().any(char::is_control)
    {
        let suggestion = "write a name of 1 to 64 characters, such as \"Example Ltd\"";
        section.problems.note(&place, "`name` can't be the name of the pages", suggestion);
        return None;
    }
    Some(value)
}

/// Reads the accent colour. Text in it stands on the page, and white text stands on it.
fn accent(section: &mut Section<'_>) -> Option<Colour> {
    let At { value, place } = section.parsed::<Colour>("accent", "write for example \"#22577a\"")?;
    let contrast = value.contrast(Pages::LIGHT);
    if contrast < Colour::READABLE {
        let darker = value.readable_on(Pages::LIGHT, Colour([0; 3]));
        let message = format!(
            "`accent`: {value} is hard to read: its contrast with the page is {contrast:.1}:1, and {}:1 is needed",
            Colour::READABLE
        );
        section.problems.note(&place, message, format!("take a darker colour, such as \"{darker}\""));
        return None;
    }
    Some(value)
}

fn link(section: &mut Section<'_>, key: &'static str, schemes: &[&str]) -> Option<String> {
    let At { value, place } = section.text(key)?;
    let url = Url::parse(&value).ok().filter(|url| schemes.contains(&url.scheme()));
    if url.is_none() {
        let message = format!("`{key}`: \"{}\" is no link", value.escape_debug());
        section.problems.note(&place, message, "write for example \"https://www.example.com/legal\"");
    }
    url.map(String::from)
}

fn image(section: &mut Section<'_>, key: &'static str) -> Option<Image> {
    let At { value: path, place } = section.file(key)?;
    let problem = match std::fs::read(&path) {
        Ok(content) if content.len() > LARGEST_IMAGE => "is larger than 256 KiB".to_owned(),
        Ok(content) => match media_type(&content) {
            Some(media_type) => return Some(Image { media_type, content: content.into() }),
            None => "is no PNG, JPEG, WebP or SVG".to_owned(),
        },
        Err(error) => format!("can't be read: {error}"),
    };
    let message = format!("`{key}`: {} {problem}", path.display());
    section.problems.note(&place, message, "a small SVG or PNG looks best");
    None
}
