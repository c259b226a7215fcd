//! The pages as people see them: signing in, allowing an app, and one's own account. They work without any script.

mod account;
mod assets;
mod brand;
pub(super) mod cookie;
mod durations;
mod endpoint;
pub(super) mod form_token;
pub(super) mod headers;
mod refused;
pub(super) mod render;
mod sign_in;
mod texts;
mod visit;

use poem::Request;
use poem::http::header;

use self::assets::Assets;
use self::brand::Brand;
use self::form_token::base_of;
use self::render::Shell;
use self::texts::{Languages, Texts};
use crate::app::PageSettings;
use crate::client::Registration;

pub(super) use endpoint::{PageEndpoint, is_page, methods};

/// What all pages share.
pub(super) struct Pages {
    languages: Languages,
    brand: Brand,
    assets: Assets,
}

impl Pages {
    /// The pages of an issuer.
    ///
    /// # Errors
    /// If a file of texts is not what it must be, which would be a defect.
    pub(super) fn new(settings: &PageSettings, issuer: &str) -> Result<Self, toml::de::Error> {
        let (brand, assets) = Brand::new(settings, base_of(issuer));
        Ok(Self { languages: Languages::read(settings.language)?, brand, assets })
    }

    /// The texts in the language of who asks. `ui_locales` are the languages that a client named.
    pub(super) fn texts(&self, request: &Request, ui_locales: Option<&str>) -> &Texts {
        let accepted = request.headers().get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        self.languages.choose(ui_locales, accepted)
    }

    /// The path of a client's logo, if it has one.
    pub(super) fn logo_of(&self, client: &Registration) -> Option<&str> {
        self.brand.logos.get(client.metadata.logo.as_ref()?).map(String::as_str)
    }

    /// What surrounds a page that is not one of the person's own.
    pub(super) const fn shell<'a>(&'a self, texts: &'a Texts) -> Shell<'a> {
        Shell { texts, brand: &self.brand, account: None }
    }
}
