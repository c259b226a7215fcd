//! `[pages]`: how the pages look.

use std::fs;

use heirloom::config::{Colour, Language};

use crate::folder::{load, refused, with};

#[test]
fn name_links_and_language_are_taken() {
    let pages = load(
        "[pages]\nname = \"Ünïcode & Söhne\"\nimprint = \"https://example.com/imprint\"\nhelp = \
         \"mailto:help@example.com\"\nlanguage = \"ja\"",
    )
    .pages;
    assert_eq!((pages.name.as_str(), pages.language), ("Ünïcode & Söhne", Language::Japanese));
    assert_eq!(pages.imprint.as_deref(), Some("https://example.com/imprint"));
    assert_eq!((pages.help.as_deref(), pages.privacy), (Some("mailto:help@example.com"), None));

    refused("[pages]\nname = \" \"", 3, "can't be the name of the pages");
    refused(&format!("[pages]\nname = \"{}\"", "x".repeat(65)), 3, "1 to 64 characters");
    refused("[pages]\nimprint = \"mailto:help@example.com\"", 3, "is no link");
    refused("[pages]\nprivacy = \"javascript:alert(1)\"", 3, "`privacy`: \"javascript:alert(1)\" is no link");
    refused("[pages]\nhelp = \"/help\"", 3, "write for example");
    refused("[pages]\nlanguage = \"pt\"", 3, "write \"en\" or \"de\" or \"fr\" or \"es\" or \"ja\"");
    refused("[pages]\ncolor = \"#000\"", 3, "unknown key `color`");
}

/// WCAG 2.2, 1.4.3.
#[test]
fn a_colour_that_is_hard_to_read_is_refused_with_one_that_is_not() {
    assert_eq!(load("[pages]\naccent = \"#0b6e4f\"").pages.accent, Colour([0x0b, 0x6e, 0x4f]));
    assert_eq!(load("[pages]\naccent = \"#000\"").pages.accent, Colour([0; 3]));
    refused("[pages]\naccent = \"green\"", 3, "`accent`: it is no colour");
    refused(
        "[pages]\naccent = \"#ffd400\"",
        3,
        "`accent`: #ffd400 is hard to read: its contrast with the page is 1.3:1",
    );
    let errors = with("[pages]\naccent = \"#ffd400\"").load().unwrap_err().to_string();
    let (_, named) = errors.split_once("such as \"").unwrap();
    load(&format!("[pages]\naccent = \"{}\"", named.split_once('"').unwrap().0));
}

#[test]
fn a_logo_is_a_small_image() {
    let setup = |name: &str, content: &[u8]| {
        let folder = with(&format!("[pages]\nlogo = \"{name}\""));
        fs::write(folder.path().join(name), content).unwrap();
        folder
    };
    for (name, content, media_type) in [
        ("a.png", &b"\x89PNG\r\n\x1a\n..."[..], "image/png"),
        ("a.jpg", b"\xff\xd8\xff...", "image/jpeg"),
        ("a.webp", b"RIFF....WEBP...", "image/webp"),
        ("a.svg", b"<?xml version=\"1.0\"?>\n<svg/>", "image/svg+xml"),
        // What it is counts, not what it is called.
        ("a.gif", b"  <svg xmlns=\"http://www.w3.org/2000/svg\"/>", "image/svg+xml"),
    ] {
        let logo = setup(name, content).load().unwrap().pages.logo.unwrap();
        assert_eq!((logo.media_type, &*logo.content), (media_type, content), "{name}");
    }
    let large = [b"\x89PNG\r\n\x1a\n".to_vec(), vec![0; 256 * 1024]].concat();
    for (content, part) in [
        (&b"GIF89a"[..], "is no PNG, JPEG, WebP or SVG"),
        (b"<!doctype html><svg>", "is no PNG, JPEG, WebP or SVG"),
        (b"", "is no PNG, JPEG, WebP or SVG"),
        (large.as_slice(), "is larger than 256 KiB"),
    ] {
        let errors = setup("a.png", content).load().unwrap_err().to_string();
        assert!(errors.contains(part), "{errors}");
    }
    refused("[pages]\nlogo = \"missing.png\"", 3, "can't be read");
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n...";

/// A folder of logos with these files, and a client that has the logo `app.png`.
fn with_logos(files: &[(&str, &[u8])]) -> super::folder::Folder {
    let client = "[[clients]]\nid = \"app\"\ntype = \"public\"\nlogo = \"app.png\"";
    let folder = with(&format!("[pages]\nlogos = \"logos\"\n{client}"));
    fs::create_dir(folder.path().join("logos")).unwrap();
    for (name, content) in files {
        fs::write(folder.path().join("logos").join(name), content).unwrap();
    }
    folder
}

#[test]
fn a_clients_logo_is_a_small_image_in_the_folder_of_logos() {
    let config = with_logos(&[("app.png", PNG), ("x.svg", b"<svg/>"), ("text.png", b"text")]).load().unwrap();
    assert_eq!(config.clients[0].metadata.logo.as_deref(), Some("app.png"));
    let found: Vec<_> = config.pages.logos.as_ref().unwrap().found().into_iter().collect();
    assert_eq!(found, [("app.png", None), ("text.png", Some("is no PNG, JPEG or WebP image"))]);
    let large = [PNG.to_vec(), vec![0; 256 * 1024]].concat();
    for (files, part) in [
        (&[][..], "`logo`: There is no logo app.png."),
        (&[("apps.png", PNG)], "Did you mean `apps.png`?"),
        (&[("app.png", b"<svg/>")], "`logo`: The logo app.png is no PNG, JPEG or WebP image."),
        (&[("app.png", large.as_slice())], "`logo`: The logo app.png is larger than 256 KiB."),
    ] {
        let errors = with_logos(files).load().unwrap_err().to_string();
        assert!(errors.contains(part) && errors.contains("heirloom.toml:7"), "{errors}");
    }
    refused("[pages]\nlogos = \"missing\"", 3, "`logos`: ");
    refused(
        "[[clients]]\nid = \"app\"\ntype = \"public\"\nlogo = \"app.png\"",
        5,
        "The configuration names no folder of logos.",
    );
}
