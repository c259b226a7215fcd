//! Every language has every text, with the same placeholders, and every text is used.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;

fn all(language: Language) -> Texts {
    Texts::read(language).unwrap_or_else(|error| panic!("{}: {error}", language.tag()))
}

fn placeholders(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).map(|rest| rest.split_once('}').expect("a placeholder that ends").0).collect()
}

#[test]
fn all_languages_have_the_same_texts_with_the_same_placeholders() {
    let english = all(Language::English);
    for language in Language::ALL {
        let texts = all(language);
        for ((name, text), (_, first)) in texts.all().into_iter().zip(english.all()) {
            assert!(!text.as_str().trim().is_empty(), "{}: {name} is empty", language.tag());
            let these = placeholders(text.as_str());
            assert_eq!(these, placeholders(first.as_str()), "{}: {name}", language.tag());
        }
    }
}

/// A text that is the same in two languages was probably not translated.
#[test]
fn texts_are_translated() {
    // Words that two languages share.
    const SHARED: [&str; 8] =
        ["App", "Apps", "Website", "Confirm", "Continue", "Cancel", "Error: ", "1 minute"];
    let english = all(Language::English);
    for language in Language::ALL.into_iter().filter(|language| *language != Language::English) {
        for ((name, text), (_, first)) in all(language).all().into_iter().zip(english.all()) {
            let is_shared = SHARED.iter().any(|word| first.as_str().starts_with(word))
                || first.as_str() == "{count} minutes";
            assert!(is_shared || text.as_str() != first.as_str(), "{}: {name}: {text}", language.tag());
        }
    }
}

#[test]
fn every_text_is_used() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    let mut folders = vec![root.join("templates"), root.join("src/http/pages")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "html" || end == "rs") {
                files.push(std::fs::read_to_string(path).unwrap());
            }
        }
    }
    let has = |file: &str, word: &str| {
        file.match_indices(word).any(|(at, _)| {
            let next = file[at + word.len()..].chars().next();
            next.is_none_or(|next| !next.is_ascii_alphanumeric() && next != '_')
        })
    };
    for (name, _) in all(Language::English).all() {
        let (section, key) = name.split_once('.').unwrap();
        let used = files.iter().any(|file| {
            has(file, &format!("{section}.{key}"))
                || ["texts", "texts()", "self"].iter().any(|of| has(file, &format!("{of}.{section}")))
                    && has(file, &format!(".{key}"))
        });
        assert!(used, "{name} is not used");
    }
}

#[test]
fn the_language_is_the_first_known_one_that_is_asked_for() {
    let languages = Languages::read(Language::German).unwrap();
    for (ui_locales, accepted, chosen) in [
        (None, None, "de"),
        (None, Some(""), "de"),
        (None, Some("pt-BR, pt"), "de"),
        (None, Some("fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5"), "fr"),
        (None, Some("pt, en;q=0.5, ja;q=0.8"), "ja"),
        (None, Some("en;q=0, es;q=0.001"), "es"),
        (None, Some("EN-us"), "en"),
        (None, Some("*"), "de"),
        (None, Some("en;q=x, fr;q=2, es;q=0.1"), "es"),
        (None, Some("jap, deu"), "de"),
        (Some("ja fr"), Some("en"), "ja"),
        (Some("pt es-419"), Some("en"), "es"),
        (Some("pt"), Some("en"), "en"),
        (Some(""), Some("en"), "en"),
    ] {
        assert_eq!(languages.choose(ui_locales, accepted).tag(), chosen, "{ui_locales:?} {accepted:?}");
    }
}

#[test]
fn placeholders_are_filled_in_whatever_their_order() {
    let text = Text("{b} and {a}.".to_owned());
    let shown = |text: &Text| {
        let parts = text.around(("a", "one"), ("b", "two"));
        parts.iter().map(|part| format!("{}{}", part.text, u8::from(part.is_value))).collect::<Vec<_>>()
    };
    assert_eq!(shown(&text), ["0", "two1", " and 0", "one1", ".0"]);
    assert_eq!(shown(&Text("{a}, {b}".to_owned())), ["0", "one1", ", 0", "two1", "0"]);
    assert_eq!((text.before("a"), text.after("a")), ("{b} and ", "."));
    assert_eq!(text.with("a", 7), "{b} and 7.");
}
