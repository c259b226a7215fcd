//! Whose pages they are: name, logo, colours and links, from `[pages]` of the configuration.

use std::collections::BTreeMap;

use super::assets::{Asset, Assets};
use crate::app::{Colour, PageSettings};

/// What all pages show of the operator.
pub(in crate::http) struct Brand {
    /// Whose pages they are.
    pub(in crate::http) name: String,
    /// The path below which the pages are, with a slash at its end.
    pub(in crate::http) base: String,
    /// The path of the style.
    pub(in crate::http) style: String,
    /// The path of the icon.
    pub(in crate::http) icon: String,
    /// The path of the logo, if there is one.
    pub(in crate::http) logo: Option<String>,
    /// The paths of the clients' logos, by the names of their files.
    pub(in crate::http) logos: BTreeMap<String, String>,
    /// Who is responsible.
    pub(in crate::http) imprint: Option<String>,
    /// What happens with personal data.
    pub(in crate::http) privacy: Option<String>,
    /// Where people find help.
    pub(in crate::http) help: Option<String>,
}

/// The icon, unless the configuration names another.
const ICON: &str = include_str!("../../../templates/icon.svg");
const STYLE: &str = include_str!("../../../templates/style.css");

impl Brand {
    /// The brand, and the files that its pages need.
    pub(in crate::http) fn new(settings: &PageSettings, base: String) -> (Self, Assets) {
        let mut assets = Assets::default();
        let style = STYLE
            .replace("{accent}", &settings.accent.to_string())
            .replace("{accent-night}", &settings.accent.readable_on(PageSettings::DARK, WHITE).to_string());
        let style = assets.add("style", Asset::text("text/css; charset=utf-8", style));
        let icon = match &settings.icon {
            Some(image) => Asset::image(image),
            None => Asset::text("image/svg+xml", ICON.replace("{accent}", &settings.accent.to_string())),
        };
        let icon = assets.add("icon", icon);
        let logo = settings.logo.as_ref().map(|image| assets.add("logo", Asset::image(image)));
        let images = settings.logos.iter().flat_map(crate::app::Logos::images);
        // No name is in the path: whoever has not seen a logo can't guess where it is.
        let logos = images.map(|(name, image)| (name.to_owned(), assets.add("client", Asset::image(image))));
        let logos: Vec<_> = logos.collect();
        let below = |path: &str| format!("{base}{path}");
        let brand = Self {
            name: settings.name.clone(),
            style: below(&style),
            icon: below(&icon),
            logo: logo.map(|logo| below(&logo)),
            logos: logos.into_iter().map(|(name, path)| (name, below(&path))).collect(),
            imprint: settings.imprint.clone(),
            privacy: settings.privacy.clone(),
            help: settings.help.clone(),
            base,
        };
        (brand, assets)
    }
}

const WHITE: Colour = Colour([255; 3]);
