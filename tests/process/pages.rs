//! The pages that a person sees, and the health checks of a load balancer.

use std::fs;
use std::path::Path;

use crate::support::{Dev, run};

#[tokio::test]
async fn the_specification_is_one_and_the_same_everywhere() {
    let printed = run(&["openapi"]).done();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/heirloom.json");
    let kept = fs::read_to_string(golden).unwrap_or_default();
    assert!(kept == printed, "openapi/heirloom.json is not what the code makes: run `just openapi`");
    let specification: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert!(specification["paths"]["/oauth/token"]["post"].is_object());
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path());
    let served = dev.caller.get("/openapi.json").await;
    assert_eq!((served.status, served.header("content-type")), (200, "application/json"));
    let mut expected = specification;
    expected["servers"][0]["url"] = dev.caller.base.clone().into();
    assert_eq!(served.json, expected);
}

#[tokio::test]
async fn the_docs_and_the_health_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path());
    let docs = dev.caller.http.get(dev.said["docs"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(docs.status(), 200);
    let media_type = docs.headers()["content-type"].to_str().unwrap().to_owned();
    assert!(media_type.starts_with("text/html"), "{media_type}");
    let page = docs.text().await.unwrap();
    let client = dev.said["public_client"]["client_id"].as_str().unwrap();
    let filled_in = format!(r#"data-client-id="{client}" data-username="demo""#);
    assert!(
        page.contains(&filled_in) && !page.contains(dev.said["user"]["password"].as_str().unwrap()),
        "{page}"
    );
    for path in ["/health/live", "/health/ready"] {
        let answer = dev.caller.get(path).await;
        assert_eq!((answer.status, &answer.json["status"]), (200, &"ok".into()), "{path}");
    }
}
