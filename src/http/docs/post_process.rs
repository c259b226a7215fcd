//! Completes the generated specification with what the macros can't express: the errors that each operation really
//! answers, an example of each, and conventions of other vocabularies (media types without parameters, usual spelling
//! of header names).

use serde_json::{Map, Value, json};

use super::refusals::{Family, RefusalExample, Shape, refusals};
use super::{examples, generators};
use crate::oauth::GrantType;

/// The generated specification, completed.
pub(super) fn post_process(generated: &str) -> Result<String, serde_json::Error> {
    let mut spec: Value = serde_json::from_str(generated)?;
    without_nulls(&mut spec);
    generators::prepare(&mut spec);
    if let Some(components) = object(&mut spec, &["components"]) {
        complete_components(components);
    }
    if let Some(tags) = spec.get_mut("tags").and_then(Value::as_array_mut) {
        order_tags(tags);
    }
    let schemas = spec.pointer("/components/schemas").cloned().unwrap_or_default();
    for (path, operations) in object(&mut spec, &["paths"]).into_iter().flatten() {
        for operation in operations.as_object_mut().into_iter().flat_map(Map::values_mut) {
            complete(path, operation, &schemas);
        }
    }
    let mut text = serde_json::to_string_pretty(&spec)?;
    text.push('\n');
    Ok(text)
}

/// Removes `null`: in OpenAPI 3.0 an optional field is left out, and `null` is not one of its values.
fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(without_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn complete_components(components: &mut Map<String, Value>) {
    if let Some(schemas) = components.get_mut("schemas").and_then(Value::as_object_mut) {
        schemas.extend(examples::jwk_schemas());
        for (name, operation) in [
            ("TokenRequest", "token"),
            ("PushRequest", "pushAuthorizationRequest"),
            ("RevocationRequest", "revoke"),
            ("IntrospectionRequest", "introspect"),
        ] {
            complete_form(schemas.get_mut(name), operation);
        }
    }
    if let Some(schemes) = components.get_mut("securitySchemes").and_then(Value::as_object_mut) {
        let description = "An access token that you have already: whatever the `user` scheme would fetch.";
        let bearer = json!({
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": description,
        });
        schemes.insert("access_token".to_owned(), bearer);
        // The scheme and the way to use it that most people need come first.
        in_order(schemes, &["user"]);
        let flows =
            schemes.get_mut("user").and_then(|user| user.get_mut("flows")).and_then(Value::as_object_mut);
        if let Some(flows) = flows {
            in_order(flows, &["authorizationCode"]);
        }
    }
}

/// Adds examples to the fields of forms, from which a page fills in a form. A field that the operation's first example
/// leaves out gets an empty example, which counts as left out.
fn complete_form(schema: Option<&mut Value>, operation: &str) {
    let examples = examples::request(operation);
    let first = examples.first().map(|(_, example)| example);
    let fields = schema.and_then(|schema| schema.get_mut("properties")).and_then(Value::as_object_mut);
    for (name, field) in fields.into_iter().flatten() {
        let example = first.and_then(|first| first.get(name)).cloned().unwrap_or_else(|| json!(""));
        set(field, "example", example);
        if name == "grant_type" {
            set(field, "enum", json!(GrantType::ALL.map(GrantType::as_str)));
            set(field, "description", json!(format!("{}.", GrantType::listed("`"))));
        }
    }
}

/// Moves the named ones to the front; the others keep their order.
fn in_order(fields: &mut Map<String, Value>, first: &[&str]) {
    let mut rest = std::mem::take(fields);
    fields.extend(first.iter().filter_map(|name| rest.shift_remove_entry(*name)));
    fields.append(&mut rest);
}

/// The groups of operations, in the order in which somebody meets them.
fn order_tags(tags: &mut [Value]) {
    const ORDER: [&str; 5] = ["tokens", "account", "admin", "discovery", "health"];
    tags.sort_by_key(|tag| {
        let name = tag.get("name").and_then(Value::as_str).unwrap_or_default();
        ORDER.iter().position(|known| *known == name).unwrap_or(ORDER.len())
    });
}

fn complete(path: &str, operation: &mut Value, schemas: &Value) {
    let id = operation.get("operationId").and_then(Value::as_str).unwrap_or_default().to_owned();
    let shape = Shape::of(path, operation, schemas);
    let is_health = shape.family == Family::Health;
    let Some(operation) = operation.as_object_mut() else { return };
    let security = operation.entry("security").or_insert_with(|| json!([]));
    if shape.needs_token
        && let Some(ways) = security.as_array_mut()
    {
        ways.push(json!({ "access_token": [] }));
    }
    if let Some(content) = operation.get_mut("requestBody").and_then(|body| body.get_mut("content")) {
        complete_content(content, &examples::request(&id), schemas);
    }
    if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
        for (status, response) in responses.iter_mut() {
            if status.starts_with(['2', '3']) || is_health {
                complete_headers(response);
                if let Some(content) = response.get_mut("content") {
                    complete_content(content, &examples::answer(&id, status), schemas);
                }
            }
        }
        complete_errors(responses, &refusals(&id, &shape), is_health);
    }
}

/// Media types without parameters, with examples: the given ones, or else the schema's.
fn complete_content(content: &mut Value, given: &[(&str, Value)], schemas: &Value) {
    let Some(types) = content.as_object_mut() else { return };
    for (name, mut media) in std::mem::take(types) {
        let name = name.split(';').next().unwrap_or_default().to_owned();
        if name == "text/event-stream" {
            set(&mut media, "schema", json!({ "type": "string" }));
        }
        if name == "application/json" && media.pointer("/schema/format") == Some(&json!("binary")) {
            set(&mut media, "schema", json!({ "$ref": "#/components/schemas/JwkSet" }));
        }
        match given {
            [] => {
                let of = media.pointer("/schema/$ref").and_then(Value::as_str).unwrap_or_default();
                let of = of.rsplit('/').next().unwrap_or_default();
                if let Some(example) = schemas.pointer(&format!("/{of}/example")) {
                    set(&mut media, "example", example.clone());
                }
            }
            [(_, example)] => set(&mut media, "example", example.clone()),
            several => set(&mut media, "examples", named(several.iter().map(|(n, v)| (*n, v)))),
        }
        types.insert(name, media);
    }
}

/// Keeps those of the errors, which the macros list for every operation alike, that the operation can answer, and adds
/// the errors of the layers around the endpoints.
fn complete_errors(responses: &mut Map<String, Value>, refusals: &[RefusalExample], is_health: bool) {
    let listed = std::mem::take(responses);
    let mut errors = Vec::new();
    for (status, response) in listed {
        if status.starts_with(['2', '3']) || is_health {
            responses.insert(status, response);
        } else {
            errors.push((status, response));
        }
    }
    let mut statuses: Vec<u16> = refusals.iter().map(|refusal| refusal.status).collect();
    statuses.sort_unstable();
    statuses.dedup();
    for status in statuses {
        let of: Vec<_> = refusals.iter().filter(|refusal| refusal.status == status).collect();
        let listed = errors.iter().find(|(listed, _)| *listed == status.to_string());
        let mut response = listed.map(|(_, response)| response.clone()).unwrap_or_default();
        complete_error(&mut response, &of);
        responses.insert(status.to_string(), response);
    }
}

fn complete_error(response: &mut Value, refusals: &[&RefusalExample]) {
    if !response.is_object() {
        *response = json!({});
    }
    complete_headers(response);
    let Some(first) = refusals.first() else { return };
    if let Some(description) = first.description() {
        set(response, "description", json!(description));
    }
    let mut content = Map::new();
    for refusal in refusals {
        let media = json!({ "schema": { "$ref": refusal.schema() } });
        content.entry(refusal.media_type()).or_insert(media);
    }
    for (name, media) in &mut content {
        let of = refusals.iter().filter(|refusal| refusal.media_type() == name);
        set(media, "examples", named(of.map(|refusal| (refusal.name.as_str(), &refusal.body))));
    }
    set(response, "content", Value::Object(content));
}

/// Headers are case-insensitive, but have a usual spelling.
fn complete_headers(response: &mut Value) {
    let Some(headers) = response.get_mut("headers").and_then(Value::as_object_mut) else { return };
    for (name, mut header) in std::mem::take(headers) {
        let name = match name.as_str() {
            "ETAG" => "ETag".to_owned(),
            "WWW-AUTHENTICATE" => "WWW-Authenticate".to_owned(),
            name => capitalised(name),
        };
        if let Some(example) = examples::header(&name) {
            set(&mut header, "example", json!(example));
        }
        headers.insert(name, header);
    }
}

fn capitalised(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        format!("{}{}", first.to_ascii_uppercase(), rest.to_ascii_lowercase())
    });
    words.collect::<Vec<_>>().join("-")
}

fn named<'a>(examples: impl Iterator<Item = (&'a str, &'a Value)>) -> Value {
    Value::Object(examples.map(|(name, value)| (name.to_owned(), json!({ "value": value }))).collect())
}

fn set(value: &mut Value, key: &str, to: Value) {
    if let Some(fields) = value.as_object_mut() {
        fields.insert(key.to_owned(), to);
    }
}

fn object<'a>(value: &'a mut Value, path: &[&str]) -> Option<&'a mut Map<String, Value>> {
    path.iter().try_fold(value, |value, key| value.get_mut(*key))?.as_object_mut()
}
