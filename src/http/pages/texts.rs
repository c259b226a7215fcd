//! The texts of the pages in five languages, from `templates/texts/`. They are compiled in.
//!
//! A missing or unknown key is an error when the pages are put together; tests find it earlier, and compare the
//! placeholders of all languages.

use std::fmt;

use serde::Deserialize;

use crate::app::Language;

/// One text. A placeholder in it is a word in braces.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(in crate::http) struct Text(String);

impl Text {
    /// The text.
    pub(in crate::http) fn as_str(&self) -> &str {
        &self.0
    }

    /// The text with `value` instead of the placeholder `name`.
    pub(in crate::http) fn with(&self, name: &str, value: impl fmt::Display) -> String {
        self.0.replace(&format!("{{{name}}}"), &value.to_string())
    }

    /// What stands before the placeholder `name`; the whole text if it has none.
    pub(in crate::http) fn before(&self, name: &str) -> &str {
        self.split(name).0
    }

    /// What stands behind the placeholder `name`.
    pub(in crate::http) fn after(&self, name: &str) -> &str {
        self.split(name).1
    }

    /// The text in parts, with two values instead of two placeholders.
    pub(in crate::http) fn around<'a>(
        &'a self,
        (one, first): (&str, &'a str),
        (other, second): (&str, &'a str),
    ) -> Vec<Part<'a>> {
        let (before, after) = self.split(one);
        let mut parts = within(before, other, second);
        parts.push(Part { text: first, is_value: true });
        parts.extend(within(after, other, second));
        parts
    }

    fn split(&self, name: &str) -> (&str, &str) {
        self.0.split_once(&format!("{{{name}}}")).unwrap_or((&self.0, ""))
    }
}

/// A part of a text with placeholders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) struct Part<'a> {
    /// What stands there.
    pub(in crate::http) text: &'a str,
    /// Whether it stands for a placeholder.
    pub(in crate::http) is_value: bool,
}

/// A text in parts, with a value instead of a placeholder.
fn within<'a>(text: &'a str, name: &str, value: &'a str) -> Vec<Part<'a>> {
    let words = |text| Part { text, is_value: false };
    match text.split_once(&format!("{{{name}}}")) {
        Some((before, after)) => vec![words(before), Part { text: value, is_value: true }, words(after)],
        None => vec![words(text)],
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Declares the sections of the files, and for the tests a list of all texts.
macro_rules! texts {
    ($($section:ident: $name:ident { $($key:ident)+ })+) => {
        $(
            /// A section of the texts.
            #[derive(Clone, Debug, Deserialize)]
            #[serde(deny_unknown_fields)]
            pub(in crate::http) struct $name {
                $(pub(in crate::http) $key: Text,)+
            }
        )+

        /// All sections of a file.
        #[derive(Clone, Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(in crate::http) struct Sections {
            $(pub(in crate::http) $section: $name,)+
        }

        #[cfg(test)]
        impl Sections {
            /// Every text with its name.
            pub(in crate::http) fn all(&self) -> Vec<(&'static str, &Text)> {
                vec![$($((concat!(stringify!($section), ".", stringify!($key)), &self.$section.$key),)+)+]
            }
        }
    };
}

texts! {
    shell: ShellTexts {
        skip account profile password devices apps log_out signed_in_as about imprint privacy help error
        problem optional
    }
    login: LoginTexts {
        title to_app to_account username username_or_email password keep keep_hint submit again_title again
        new_here sign_up cancel
    }
    login_error: LoginErrorTexts {
        username password credentials throttled stale
    }
    sign_up: SignUpTexts {
        title username username_hint email display_name display_name_hint password password_hint invitation
        invitation_hint submit have_account sign_in closed_title closed
    }
    refused: RefusedTexts {
        username_empty username_long username_characters username_taken email_empty email_long email_malformed
        email_taken display_name_empty display_name_long display_name_characters password_empty password_long
        password_characters password_short password_guessable password_wrong invitation_missing
        invitation_invalid invitation_used closed gone throttled busy failed
    }
    consent: ConsentTexts {
        title intro may returns returns_to_device allow deny switch withdraw links website privacy terms
    }
    scope: ScopeTexts {
        openid profile email offline_access account admin other other_at resource
    }
    error: ErrorTexts {
        client_title client redirect_title redirect request_title request expired_title expired form_title
        form not_found_title not_found method_title method busy_title busy failed_title failed details to_app
        to_account retry
    }
    logout: LogoutTexts {
        title question submit stay done_title done to_app sign_in
    }
    form_post: FormPostTexts {
        title text submit
    }
    profile: ProfileTexts {
        title username display_name display_name_hint email email_signs_in save saved
    }
    password: PasswordTexts {
        title consequence old new new_hint submit changed
    }
    devices: DevicesTexts {
        title intro browsers browsers_hint unknown_browser keeps apps_from more_browsers browser_ended apps this
        unknown used since history_of end end_of none more end_others end_all ended ended_others all_title all_hint
    }
    device: DeviceTexts {
        app label scope since used expires live over why history drawing back more first
    }
    timeline: TimelineTexts {
        signed_in refreshed refreshed_times reuse code_reuse reuse_detail foreign foreign_detail ended until
    }
    end: EndTexts {
        reuse code_reuse logout user admin user_epoch client_epoch login_ended consent_withdrawn expired evicted restored rollback
    }
    apps: AppsTexts {
        title intro none may since withdraw withdraw_of consequence withdrawn
    }
    time: TimeTexts {
        now minute_ago minutes_ago hour_ago hours_ago day_ago days_ago month_ago months_ago year_ago years_ago
        in_minute in_minutes in_hour in_hours in_day in_days in_month in_months in_year in_years second
        seconds minute minutes hour hours
    }
}

/// The texts in one language.
#[derive(Clone, Debug)]
pub(in crate::http) struct Texts {
    /// The language.
    pub(in crate::http) language: Language,
    sections: Sections,
}

impl std::ops::Deref for Texts {
    type Target = Sections;

    fn deref(&self) -> &Sections {
        &self.sections
    }
}

impl Texts {
    fn read(language: Language) -> Result<Self, toml::de::Error> {
        let file = match language {
            Language::English => include_str!("../../../templates/texts/en.toml"),
            Language::German => include_str!("../../../templates/texts/de.toml"),
            Language::French => include_str!("../../../templates/texts/fr.toml"),
            Language::Spanish => include_str!("../../../templates/texts/es.toml"),
            Language::Japanese => include_str!("../../../templates/texts/ja.toml"),
        };
        Ok(Self { language, sections: toml::from_str(file)? })
    }

    /// The language's tag, for the attribute `lang`.
    pub(in crate::http) const fn tag(&self) -> &'static str {
        self.language.tag()
    }
}

/// The texts in every language.
pub(in crate::http) struct Languages {
    /// The one for people who prefer none of the others.
    usual: Texts,
    others: Vec<Texts>,
}

impl Languages {
    /// Reads the texts; `usual` is the language for people who prefer none of them.
    ///
    /// # Errors
    /// If a file is not what it must be, which would be a defect.
    pub(in crate::http) fn read(usual: Language) -> Result<Self, toml::de::Error> {
        let others = Language::ALL.into_iter().filter(|language| *language != usual).map(Texts::read);
        Ok(Self { usual: Texts::read(usual)?, others: others.collect::<Result<_, _>>()? })
    }

    /// The texts in the language that a person prefers: the first known one of `ui_locales` (OpenID Connect Core
    /// §3.1.2.1: tags separated by spaces), then of `Accept-Language` (RFC 9110 §12.5.4).
    pub(in crate::http) fn choose(&self, ui_locales: Option<&str>, accept_language: Option<&str>) -> &Texts {
        let asked = ui_locales.unwrap_or_default().split(' ').find_map(|tag| self.find(tag));
        asked.or_else(|| self.accepted(accept_language?)).unwrap_or(&self.usual)
    }

    /// The texts for a tag (BCP 47), by its first subtag.
    fn find(&self, tag: &str) -> Option<&Texts> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default().trim();
        let mut all = std::iter::once(&self.usual).chain(&self.others);
        all.find(|texts| texts.tag().eq_ignore_ascii_case(primary))
    }

    /// The texts for the known language with the highest weight; of equal ones the first.
    fn accepted(&self, header: &str) -> Option<&Texts> {
        let mut best: Option<(&Texts, u32)> = None;
        for range in header.split(',').take(MOST_RANGES) {
            let (tag, parameter) = range.split_once(';').unwrap_or((range, ""));
            let weight = weight(parameter);
            let texts = if tag.trim() == "*" { Some(&self.usual) } else { self.find(tag.trim()) };
            if let Some(texts) = texts
                && weight > best.map_or(0, |(_, best)| best)
            {
                best = Some((texts, weight));
            }
        }
        best.map(|(texts, _)| texts)
    }
}

/// The most ranges of an `Accept-Language` that are read.
const MOST_RANGES: usize = 32;

/// A weight in thousandths (RFC 9110 §12.4.2): 1000 if there is none, 0 if it is malformed.
fn weight(parameter: &str) -> u32 {
    let parameter = parameter.trim();
    if parameter.is_empty() {
        return 1000;
    }
    let Some(value) = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q=")) else { return 0 };
    let (whole, thousandths) = value.split_once('.').unwrap_or((value, ""));
    if whole == "1" {
        return 1000;
    }
    let digits: String = thousandths.chars().chain("000".chars()).take(3).collect();
    if whole == "0" { digits.parse().unwrap_or(0) } else { 0 }
}

#[cfg(test)]
#[path = "texts_tests.rs"]
mod tests;
