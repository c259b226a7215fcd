//! Reads `application/json` strictly, like the configuration: a field that is repeated, unknown, missing or of a wrong
//! type is an error that names it.
//!
//! The usual readers take the last of two values, make the text "false" of `false` and ignore unknown fields, so that a
//! mistake looks like success.

use std::cell::RefCell;
use std::marker::PhantomData;

use poem::{Body, Request, RequestBody};
use poem_openapi::payload::{Json, Payload as _};
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::{ParseFromJSON, Type};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde::de::DeserializeSeed;
use serde_json::{Map, Value};

use super::json_values::Reader;
use super::problem::{ApiError, FieldError, MOST_MISTAKES};
use super::request_body::{self, Unreadable};
use crate::oauth::word_list::{missing, not_in};

/// A body that is read only after the client is authenticated.
pub(super) struct JsonBody<'a, T> {
    request: &'a Request,
    body: Option<Body>,
    content: PhantomData<fn() -> T>,
}

impl<T: ParseFromJSON> JsonBody<'_, T> {
    /// Reads the body.
    ///
    /// # Errors
    /// [`ApiError`] with all wrong fields, or why the body can't be read.
    pub(super) async fn read(self) -> Result<T, ApiError> {
        if !self.request.content_type().is_some_and(Json::<T>::check_content_type) {
            return Err(ApiError::media_type(NOT_JSON_MEDIA));
        }
        let bytes = request_body::read(self.request, self.body).await.map_err(|error| match error {
            Unreadable::Compressed => ApiError::media_type(&error.to_string()),
            Unreadable::Missing | Unreadable::Broken => ApiError::malformed(error.to_string(), Vec::new()),
        })?;
        parse(&bytes).map_err(|Malformed { detail, errors }| ApiError::malformed(detail, errors))
    }
}

impl<'a, T: Type> ApiExtractor<'a> for JsonBody<'a, T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let content =
            vec![MetaMediaType { content_type: Json::<T>::CONTENT_TYPE, schema: Json::<T>::schema_ref() }];
        Some(MetaRequest { description: None, content, required: true })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        Ok(Self { request, body: body.take().ok(), content: PhantomData })
    }
}

/// The message about a body of another media type.
pub(super) const NOT_JSON_MEDIA: &str = "The body must be application/json.";
/// The message about a body with wrong fields.
pub(super) const WRONG_FIELDS: &str = "A field is missing, unknown, repeated or of another type.";

/// The message about a body that is not JSON.
pub(super) fn no_json(error: &serde_json::Error) -> String {
    format!("The body is no JSON: {error}")
}

/// The message about an unknown field, with the known ones.
pub(super) fn unknown_field(name: &str, known: &[&str]) -> String {
    format!("There is no field {}. There are: {}.", shown(name), known.join(", "))
}

/// The longest field name that an error message repeats, in characters.
const LONGEST_NAME: usize = 64;

fn mistake(field: &str, rule: &str, message: impl Into<String>) -> FieldError {
    let field: String = field.chars().take(LONGEST_NAME).collect();
    FieldError::new(&field, rule, message)
}

/// The errors in a body: the first ones, and whether there are more.
#[derive(Debug, Default)]
struct Mistakes {
    first: Vec<FieldError>,
    more: bool,
}

impl Mistakes {
    fn add(&mut self, mistake: impl FnOnce() -> FieldError) {
        if self.first.len() < MOST_MISTAKES {
            self.first.push(mistake());
        } else {
            self.more = true;
        }
    }
}

/// Why a body can't be read.
#[derive(Debug)]
struct Malformed {
    detail: String,
    errors: Vec<FieldError>,
}

fn parse<T: ParseFromJSON>(bytes: &[u8]) -> Result<T, Malformed> {
    let repeated = RefCell::default();
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let read = Reader { repeated: &repeated }.deserialize(&mut reader);
    let value = read.and_then(|value| reader.end().map(|()| value));
    let value = value.map_err(|error| Malformed { detail: no_json(&error), errors: Vec::new() })?;

    let mut mistakes = Mistakes::default();
    for name in repeated.borrow().iter() {
        mistakes.add(|| mistake(name, "repeated", format!("The field {} is there twice.", shown(name))));
    }
    let mut registry = Registry::new();
    T::register(&mut registry);
    Check { registry: &registry, mistakes: &mut mistakes }.reference(&T::schema_ref(), &value, "");
    if !mistakes.first.is_empty() {
        let more = if mistakes.more { " There are more mistakes than are listed." } else { "" };
        let detail = format!("{WRONG_FIELDS}{more}");
        return Err(Malformed { detail, errors: mistakes.first });
    }
    T::parse_from_json(Some(value)).map_err(|error| {
        // After these words the library repeats the value, which may be a password.
        let reason = error.into_message();
        let reason = reason.split_once(", found ").map_or(reason.as_str(), |(reason, _)| reason);
        let named =
            reason.split_once("field `").and_then(|(_, rest)| rest.split_once("` verification failed. "));
        let broken = |(field, rule)| mistake(field, "not_permitted", format!("It does not keep {rule}."));
        Malformed { detail: reason.to_owned(), errors: named.map(broken).into_iter().collect() }
    })
}

/// A name from the body, escaped so that it fits into a sentence.
fn shown(name: &str) -> String {
    name.chars().take(LONGEST_NAME).flat_map(char::escape_debug).collect()
}

/// Checks a value against the specification.
struct Check<'a> {
    registry: &'a Registry,
    mistakes: &'a mut Mistakes,
}

impl Check<'_> {
    fn reference(&mut self, schema: &MetaSchemaRef, value: &Value, field: &str) {
        let registry = self.registry;
        let schema = match schema {
            MetaSchemaRef::Inline(schema) => Some(&**schema),
            MetaSchemaRef::Reference(name) => registry.schemas.get(name),
        };
        if let Some(schema) = schema {
            self.schema(schema, value, field);
        }
    }

    fn schema(&mut self, schema: &MetaSchema, value: &Value, field: &str) {
        for part in &schema.all_of {
            self.reference(part, value, field);
        }
        let is_unsigned = schema.format.is_some_and(|format| format.starts_with('u'));
        let (fits, wanted) = match schema.ty {
            "object" => (value.is_object(), "an object"),
            "array" => (value.is_array(), "a list"),
            "string" => (value.is_string(), "a text"),
            "boolean" => (value.is_boolean(), "true or false"),
            "number" => (value.is_number(), "a number"),
            "integer" if is_unsigned => (value.is_u64(), "a whole number, 0 or more"),
            "integer" => (value.is_u64() || value.is_i64(), "a whole number"),
            _ => (true, ""),
        };
        if !fits {
            self.mistakes.add(|| mistake(field, "type", format!("It must be {wanted}.")));
            return;
        }
        if !schema.enum_items.is_empty() && !schema.enum_items.contains(value) {
            let words = schema.enum_items.iter().filter_map(Value::as_str);
            let text = value.as_str().unwrap_or_default();
            self.mistakes.add(|| mistake(field, "not_permitted", not_in(text, words)));
        }
        match value {
            Value::Object(object) if !schema.properties.is_empty() => self.object(schema, object, field),
            Value::Array(items) => {
                for (item, schema) in items.iter().zip(schema.items.iter().cycle()) {
                    if self.mistakes.more {
                        break;
                    }
                    self.reference(schema, item, field);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {}
        }
    }

    fn object(&mut self, schema: &MetaSchema, object: &Map<String, Value>, field: &str) {
        let below = |name: &str| if field.is_empty() { name.to_owned() } else { format!("{field}.{name}") };
        for name in &schema.required {
            // A required field can't be null.
            if object.get(*name).is_none_or(Value::is_null) {
                self.mistakes.add(|| mistake(&below(name), "required", missing(name)));
            }
        }
        for (name, value) in object {
            if self.mistakes.more {
                break;
            }
            match schema.properties.iter().find(|(known, _)| known == name) {
                Some(_) if value.is_null() => {}
                Some((_, schema)) => self.reference(schema, value, &below(name)),
                None => self.mistakes.add(|| {
                    let known: Vec<_> = schema.properties.iter().map(|(known, _)| *known).collect();
                    mistake(&below(name), "unknown", unknown_field(name, &known))
                }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use poem_openapi::{Enum, Object};

    use super::*;

    #[derive(Debug, Enum, PartialEq, Eq)]
    #[oai(rename_all = "lowercase")]
    enum Kind {
        /// One.
        Small,
        /// The other.
        Large,
    }

    #[derive(Debug, Object)]
    struct More {
        /// Words.
        #[oai(default)]
        words: Vec<String>,
        /// How many.
        count: Option<u64>,
    }

    #[derive(Debug, Object)]
    struct Body {
        /// A text.
        #[oai(validator(max_length = 8))]
        name: String,
        /// Described here, defined there.
        kind: Option<Kind>,
        /// Whether.
        on: Option<bool>,
        /// More.
        #[oai(flatten)]
        more: More,
    }

    fn mistakes(text: &str) -> Vec<(String, String)> {
        let error = parse::<Body>(text.as_bytes()).unwrap_err();
        error.errors.iter().map(|error| (error.field.clone(), error.rule.clone())).collect()
    }

    fn is(field: &str, rule: &str) -> Vec<(String, String)> {
        vec![(field.to_owned(), rule.to_owned())]
    }

    #[test]
    fn what_fits_is_read() {
        let body: Body =
            parse(br#" {"name": "ann", "kind": "large", "on": null, "words": ["a"], "count": 3} "#)
                .ok()
                .unwrap();
        assert_eq!((body.name.as_str(), body.kind, body.on), ("ann", Some(Kind::Large), None));
        assert_eq!((body.more.words, body.more.count), (vec!["a".to_owned()], Some(3)));
    }

    #[test]
    fn every_field_that_is_wrong_is_named() {
        for (text, field, rule) in [
            ("{}", "name", "required"),
            (r#"{"name": null}"#, "name", "required"),
            (r#"{"name": false}"#, "name", "type"),
            (r#"{"name": 7}"#, "name", "type"),
            (r#"{"name": ["ann"]}"#, "name", "type"),
            (r#"{"name": "ann", "name": "bob"}"#, "name", "repeated"),
            (r#"{"name": "ann", "redirect_uris": []}"#, "redirect_uris", "unknown"),
            (r#"{"name": "ann", "on": "true"}"#, "on", "type"),
            (r#"{"name": "ann", "kind": "medium"}"#, "kind", "not_permitted"),
            (r#"{"name": "ann", "kind": 1}"#, "kind", "type"),
            (r#"{"name": "ann", "words": "a b"}"#, "words", "type"),
            (r#"{"name": "ann", "words": ["a", 1]}"#, "words", "type"),
            (r#"{"name": "ann", "count": -1}"#, "count", "type"),
            (r#"{"name": "ann", "count": 1.5}"#, "count", "type"),
            (r#"{"name": "ann", "count": "1"}"#, "count", "type"),
            (r#"{"name": "123456789"}"#, "name", "not_permitted"),
            ("[]", "", "type"),
        ] {
            assert_eq!(mistakes(text), is(field, rule), "{text}");
        }
        let all = mistakes(r#"{"a": 1, "on": 2, "on": 3}"#);
        assert_eq!(
            all,
            [is("on", "repeated"), is("name", "required"), is("a", "unknown"), is("on", "type")].concat()
        );
    }

    #[test]
    fn a_whole_number_may_be_written_in_every_way_that_json_has() {
        for (text, count) in [("600.0", 600), ("6e2", 600), ("-0.0", 0), ("9007199254740992.0", 1 << 53)] {
            let body = parse::<Body>(format!(r#"{{"name": "ann", "count": {text}}}"#).as_bytes()).unwrap();
            assert_eq!(body.more.count, Some(count), "{text}");
        }
        for text in ["600.5", "-600.0", "1e17", "1e300", "5e-1"] {
            let body = format!(r#"{{"name": "ann", "count": {text}}}"#);
            assert_eq!(mistakes(&body), is("count", "type"), "{text}");
        }
    }

    #[test]
    fn of_many_mistakes_the_first_are_told_and_that_there_are_more() {
        let list = |item: &dyn Fn(usize) -> String| (0..7000).map(item).collect::<Vec<_>>().join(",");
        for (fields, rule) in [
            (list(&|n| format!(r#""{n:03x}":1"#)), "unknown"),
            (list(&|n| format!(r#""{n}":1,"{n}":1"#)), "repeated"),
            (format!(r#""words":[{}]"#, list(&|_| "1".to_owned())), "type"),
        ] {
            let body = format!(r#"{{"name": "ann", {fields}}}"#);
            let error = parse::<Body>(body.as_bytes()).unwrap_err();
            assert_eq!(error.errors.len(), MOST_MISTAKES, "{rule}");
            assert_eq!(error.errors[0].rule, rule);
            assert!(error.detail.contains("more mistakes"), "{}", error.detail);
        }
        let long = format!(r#"{{"name": "ann", "{}": 1}}"#, "x".repeat(60_000));
        let error = parse::<Body>(long.as_bytes()).unwrap_err();
        assert!(format!("{error:?}").len() < 1000 && !error.detail.contains("more"), "{error:?}");
    }

    #[test]
    fn what_is_no_json_says_where_and_repeats_nothing() {
        for text in ["", "{", r#"{"name": "hunter2" "#, r#"{"name": hunter2}"#, r#"{"name": "hunter2"} x"#] {
            let error = parse::<Body>(text.as_bytes()).unwrap_err();
            assert!(error.errors.is_empty() && !error.detail.contains("hunter2"), "{error:?}");
        }
        let deep = "[".repeat(100_000);
        assert!(parse::<Body>(deep.as_bytes()).is_err());
    }
}
