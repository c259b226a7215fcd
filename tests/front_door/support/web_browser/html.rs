//! A parser for the HTML of heirloom's own pages: tags, attributes, text. It panics at what those pages never have.

/// A piece of a page, in the order of the page.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    /// A start tag, with its attributes in order.
    Start(Tag),
    /// An end tag's name.
    End(String),
    /// Text, without entities.
    Text(String),
}

/// A start tag.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tag {
    pub(super) name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    /// An attribute's value; one without a value has "".
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

/// Elements whose content is no markup.
const RAW: [&str; 2] = ["script", "style"];

/// The pieces of a page.
pub(super) fn pieces(html: &str) -> Vec<Piece> {
    let (mut found, mut rest) = (Vec::new(), html);
    while let Some(at) = rest.find('<') {
        let text = &rest[..at];
        if !text.is_empty() {
            found.push(Piece::Text(unescape(text)));
        }
        rest = &rest[at..];
        if rest.starts_with("<!--") {
            (_, rest) = split_at(rest, "-->");
        } else if rest.starts_with("<!") {
            (_, rest) = split_at(rest, ">");
        } else if let Some(end) = rest.strip_prefix("</") {
            let name;
            (name, rest) = split_at(end, ">");
            found.push(Piece::End(name.trim().to_ascii_lowercase()));
        } else {
            let tag;
            (tag, rest) = start_tag(&rest[1..]);
            if RAW.contains(&tag.name.as_str()) {
                let (raw, _) = split_at(rest, "</");
                rest = &rest[raw.len()..];
            }
            found.push(Piece::Start(tag));
        }
    }
    if !rest.is_empty() {
        found.push(Piece::Text(unescape(rest)));
    }
    found
}

/// The start tag behind a `<`, and what follows its `>`.
fn start_tag(text: &str) -> (Tag, &str) {
    let is_name = |character: char| character.is_ascii_alphanumeric() || "-_:".contains(character);
    let (name, mut rest) = split_while(text, is_name);
    assert!(!name.is_empty(), "a `<` that begins no tag: {text:.40}");
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(rest) = rest.strip_prefix("/>").or_else(|| rest.strip_prefix('>')) {
            return (Tag { name: name.to_ascii_lowercase(), attributes }, rest);
        }
        let attribute;
        (attribute, rest) = split_while(rest, is_name);
        assert!(!attribute.is_empty(), "<{name}> has something that is no attribute: {rest:.40}");
        let value = match rest.strip_prefix('=') {
            None => "",
            Some(quoted) => {
                // The pages quote every value: without quotes a value could become a second attribute.
                let value;
                (value, rest) = quoted
                    .strip_prefix('"')
                    .and_then(|value| value.split_once('"'))
                    .unwrap_or_else(|| panic!("<{name} {attribute}> has no double quotes"));
                value
            }
        };
        attributes.push((attribute.to_ascii_lowercase(), unescape(value)));
    }
}

/// What stands before and behind an end that must be there.
fn split_at<'a>(text: &'a str, end: &str) -> (&'a str, &'a str) {
    text.split_once(end).unwrap_or_else(|| panic!("no {end} behind {text:.40}"))
}

fn split_while(text: &str, is: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|character| !is(character)).unwrap_or(text.len()))
}

/// Text without entities.
fn unescape(text: &str) -> String {
    let (mut plain, mut rest) = (String::new(), text);
    while let Some((before, entity)) = rest.split_once('&') {
        plain.push_str(before);
        let (name, behind) = entity.split_once(';').unwrap_or_else(|| panic!("a bare & in {text:?}"));
        plain.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            "nbsp" => '\u{a0}',
            "shy" => '\u{ad}',
            _ => numbered(name).unwrap_or_else(|| panic!("an unknown entity &{name};")),
        });
        rest = behind;
    }
    plain + rest
}

/// The character of `#39` or `#x27`.
fn numbered(entity: &str) -> Option<char> {
    let number = entity.strip_prefix('#')?;
    let code = match number.strip_prefix(['x', 'X']) {
        Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16),
        None => number.parse(),
    };
    char::from_u32(code.ok()?)
}
