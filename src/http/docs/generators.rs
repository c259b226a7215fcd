//! Rewrites parts of the specification that client generators can't handle.

use serde_json::{Map, Value};

/// Rewrites them all.
pub(super) fn prepare(spec: &mut Value) {
    with_plain_references(spec);
    let shared = enums_that_share_values(spec);
    with_enums_in_place(spec, &shared);
}

/// Makes a reference with a description the only member of an `allOf`, beside the description (OpenAPI 3.0 ignores
/// anything beside a `$ref`). The macros repeat the description as a second member, which generators take for another
/// type.
fn with_plain_references(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::Array(members)) = fields.get_mut("allOf") {
                let is_description = |member: &Value| {
                    member.as_object().is_some_and(|fields| fields.keys().all(|key| key == "description"))
                };
                members.retain(|member| !is_description(member));
            }
            fields.values_mut().for_each(with_plain_references);
        }
        Value::Array(items) => items.iter_mut().for_each(with_plain_references),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Moves enumerations that share a value with another one out of the schemas. A generator that names constants by the
/// value alone, as the one for Go does, could name only one of them.
fn enums_that_share_values(spec: &mut Value) -> Map<String, Value> {
    let schemas = spec.pointer_mut("/components/schemas").and_then(Value::as_object_mut);
    let Some(schemas) = schemas else { return Map::new() };
    let values = |schema: &Value| schema.get("enum").and_then(Value::as_array).cloned().unwrap_or_default();
    let enums: Vec<_> = schemas.iter().map(|(name, schema)| (name.clone(), values(schema))).collect();
    let shares = |name: &str, own: &[Value]| {
        let mut others = enums.iter().filter(|(other, _)| other != name);
        others.any(|(_, values)| values.iter().any(|value| own.contains(value)))
    };
    let sharing = enums.iter().filter(|(name, own)| shares(name, own));
    sharing.filter_map(|(name, _)| schemas.shift_remove_entry(name)).collect()
}

/// Inlines these enumerations where they are used.
fn with_enums_in_place(value: &mut Value, enums: &Map<String, Value>) {
    let named = |value: &Value| {
        let name = value.get("$ref").and_then(Value::as_str)?.strip_prefix("#/components/schemas/")?;
        enums.get(name).cloned()
    };
    if let Some(schema) = named(value) {
        *value = schema;
    }
    match value {
        Value::Object(fields) => {
            let of = fields.get("allOf").and_then(|members| members.get(0)).and_then(named);
            if let Some(Value::Object(schema)) = of {
                fields.remove("allOf");
                for (key, of) in schema {
                    fields.entry(key).or_insert(of);
                }
            }
            fields.values_mut().for_each(|field| with_enums_in_place(field, enums));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| with_enums_in_place(item, enums)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
