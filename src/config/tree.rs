//! The configuration as written: values with their places.

use std::collections::BTreeMap;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::problem::{Place, Problems};

/// A value and the place where it was written.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) place: Place,
}

/// A value. No `Debug`, because it may be a secret.
#[derive(Clone)]
pub(super) enum Value {
    Text(String),
    Integer(Option<i64>),
    Boolean(bool),
    List(Vec<Node>),
    Table(Table),
    /// A TOML type that no setting has; the text names it for people.
    Other(&'static str),
}

/// Keys and their values. A node's place is that of its key.
pub(super) type Table = BTreeMap<String, Node>;

impl Value {
    /// The kind of value, for people.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Integer(_) => "a number",
            Self::Boolean(_) => "true or false",
            Self::List(_) => "a list",
            Self::Table(_) => "a section",
            Self::Other(kind) => kind,
        }
    }
}

/// Parses as much of a TOML file as possible, and reports syntax errors.
pub(super) fn parse(file: &Arc<str>, text: &str, problems: &Problems) -> Table {
    let lines = Lines { file, text };
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        // The source line is not shown, because it may contain a secret.
        let place = lines.place(error.span().map_or(text.len(), |span| span.start));
        let message = format!("not valid TOML: {}", one_line(error.message()));
        problems.note(
            &place,
            message,
            "texts stand in double quotes, and each key at most once in its section",
        );
    }
    lines.table(document.get_ref())
}

/// A text without line breaks and control characters.
fn one_line(text: &str) -> String {
    text.split(char::is_control).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

/// Finds the line number of a byte.
struct Lines<'a> {
    file: &'a Arc<str>,
    text: &'a str,
}

impl Lines<'_> {
    fn place(&self, byte: usize) -> Place {
        let before = self.text.as_bytes().iter().take(byte);
        let line = before.filter(|byte| **byte == b'\n').count().saturating_add(1);
        Place::Line { file: Arc::clone(self.file), line }
    }

    fn table(&self, table: &DeTable<'_>) -> Table {
        let entry = |(key, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
            let key: &toml::Spanned<std::borrow::Cow<'_, str>> = key;
            let node = Node { value: self.value(value.get_ref()), place: self.place(key.span().start) };
            (key.get_ref().to_string(), node)
        };
        table.iter().map(entry).collect()
    }

    fn value(&self, value: &DeValue<'_>) -> Value {
        match value {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) => {
                Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok())
            }
            DeValue::Boolean(boolean) => Value::Boolean(*boolean),
            DeValue::Array(items) => {
                let item = |item: &toml::Spanned<DeValue<'_>>| Node {
                    value: self.value(item.get_ref()),
                    place: self.place(item.span().start),
                };
                Value::List(items.iter().map(item).collect())
            }
            DeValue::Table(table) => Value::Table(self.table(table)),
            DeValue::Float(_) => Value::Other("a number with a fraction"),
            DeValue::Datetime(_) => Value::Other("a date"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_know_their_lines() {
        let problems = Problems::default();
        let table = parse(
            &"f.toml".into(),
            "a = 1\n\n[b]\nc = [\"x\",\n \"y\"]\n[[d]]\ne = true\n[[d]]\n",
            &problems,
        );
        assert_eq!(problems.count(), 0);
        let Some(Value::Table(b)) = table.get("b").map(|node| &node.value) else { panic!("no section b") };
        let Some(Node { value: Value::List(items), place }) = b.get("c") else { panic!("no list c") };
        assert_eq!(place.to_string(), "f.toml:4");
        assert_eq!(items[1].place.to_string(), "f.toml:5");
        let Some(Value::List(d)) = table.get("d").map(|node| &node.value) else { panic!("no list d") };
        assert_eq!(d[1].place.to_string(), "f.toml:8");
    }

    #[test]
    fn each_syntax_error_is_noted_with_its_line_and_without_the_text() {
        let problems = Problems::default();
        parse(&"f.toml".into(), "a = 'hush\nb = 1\nb = 2\n", &problems);
        let errors = problems.into_errors(usize::MAX).to_string();
        assert!(errors.contains("f.toml:1: ") && errors.contains("f.toml:3: "), "{errors}");
        assert!(!errors.contains("hush"), "{errors}");
    }
}
