//! The logos of clients: where they stand, and what a browser gets.

use heirloom::config::{Config, Logos, Sources};
use reqwest::StatusCode;
use serde_json::json;

use crate::admin::Office;
use crate::authorize::request;
use crate::support::web_browser::{Browser, Page};
use crate::support::{PUBLIC, Server, USER};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n of the app";
const OTHER: &[u8] = b"\x89PNG\r\n\x1a\n of nobody";

/// A folder with two logos, as the configuration reads it.
fn logos() -> Logos {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [("app.png", PNG), ("other.png", OTHER), ("text.png", b"<svg/>")] {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let file = folder.path().join("heirloom.toml");
    std::fs::write(&file, "issuer = \"https://id.example.com\"\n[pages]\nlogos = \".\"\n").unwrap();
    Config::load(&Sources { file, ..Sources::default() }).unwrap().pages.logos.unwrap()
}

async fn server() -> Server {
    Server::with(|setup| {
        setup.config.pages.logos = Some(logos());
        setup.client(PUBLIC, |client| client.metadata.logo = Some("app.png".to_owned()));
    })
    .await
}

/// Where the images of the clients on a page are.
fn images(page: &Page) -> Vec<String> {
    let sources = page.answer.text.split("<img src=\"").skip(1);
    let sources = sources.filter_map(|rest| rest.split_once('"')).map(|(path, _)| path.to_owned());
    sources.filter(|path| path.starts_with("/assets/client.")).collect()
}

#[tokio::test]
async fn a_clients_logo_stands_beside_its_name_where_people_sign_in_and_where_they_allow_it() {
    let server = server().await;
    let mut browser = Browser::of(&server);
    let login = browser.begin(&request(&browser, &[])).await.page();
    let shown = images(&login);
    assert_eq!(shown.len(), 1, "{}", login.answer.text);
    assert!(login.answer.text.contains("alt=\"\" width=\"48\" height=\"48\""), "the name stands beside it");
    let form = login.form_to("/login").set("username", USER.0).set("password", USER.1);
    let consent = browser.submit(form).await;
    let consent = browser.follow(&consent).await;
    assert_eq!((consent.url.path(), images(&consent)), ("/consent", shown.clone()), "{}", consent.text());
    let own = Browser::of(&server).open(&browser.url("/login")).await;
    assert!(images(&own).is_empty(), "no client, no logo");

    let url = browser.url(&shown[0]);
    let found = browser.open(&url).await.answer;
    for (name, value) in [
        ("content-type", "image/png"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "public, max-age=31536000, immutable"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(found.header(name), value);
    }
    assert!(found.header("content-security-policy").starts_with("default-src 'none'"));
    assert_eq!(found.text.as_bytes(), String::from_utf8_lossy(PNG).as_bytes());
    let again = server.client.get(url.clone()).header("if-none-match", found.header("etag"));
    assert_eq!(again.send().await.unwrap().status(), StatusCode::NOT_MODIFIED);
    assert_eq!(server.client.put(url).send().await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
    // Nobody finds a file by its name: neither one that a client has, nor another.
    for path in ["/assets/app.png", "/assets/other.png", "/assets/client.png", "/assets/..%2fheirloom.toml"] {
        assert_eq!(browser.open(&browser.url(path)).await.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn an_administrator_gives_a_client_a_logo_that_is_there() {
    let office = Office::on(server().await).await;
    let tv = |logo: &str| json!({"id": "tv", "type": "public", "logo": logo});
    for (logo, told) in [
        ("missing.png", "There is no logo missing.png. heirloom reads the folder of logos when it starts."),
        ("apq.png", "There is no logo apq.png. Did you mean `app.png`?"),
        (
            "text.png",
            "The logo text.png is no PNG, JPEG or WebP image. Write an image there, and start heirloom again.",
        ),
    ] {
        let refused = office.post("/admin/clients", tv(logo)).await;
        assert_eq!((refused.status, &refused.json["errors"][0]["field"]), (422, &json!("logo")), "{logo}");
        assert_eq!(refused.json["errors"][0]["message"], told, "{logo}");
    }
    assert_eq!(office.post("/admin/clients", tv("other.png")).await.status, 201);
    let shown = office.get("/admin/clients/tv").await;
    assert_eq!((&shown.json["logo"], &shown.json["response_types"]), (&json!("other.png"), &json!([])));

    // What is gone when heirloom starts again is not shown, and everything else goes on.
    let server = office.server.restart(|setup| setup.config.pages.logos = None).await;
    let mut browser = Browser::of(&server);
    let login = browser.begin(&request(&browser, &[])).await.page();
    assert!(login.status() == 200 && images(&login).is_empty(), "{}", login.answer.text);
}

#[tokio::test]
async fn response_types_follow_from_the_grants_and_may_be_said() {
    let office = Office::open().await;
    for (id, more, shown) in [
        ("a", json!({"redirect_uris": ["https://a.example/"]}), json!(["code"])),
        ("b", json!({"redirect_uris": ["https://a.example/"], "response_types": ["code"]}), json!(["code"])),
        ("c", json!({"response_types": []}), json!([])),
    ] {
        let mut new = json!({"id": id, "type": "public"});
        new.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(office.post("/admin/clients", new).await.status, 201, "{id}");
        assert_eq!(office.get(&format!("/admin/clients/{id}")).await.json["response_types"], shown, "{id}");
    }
}
