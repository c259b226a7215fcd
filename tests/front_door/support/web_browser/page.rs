//! What a browser shows: a page with its forms and links, or a redirect that nobody has followed yet.

use url::Url;

use super::csp;
use super::html::{Piece, Tag, pieces};
use crate::support::Answer;

/// An answer in a browser.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) url: Url,
    pub(crate) answer: Answer,
    /// How the request came to be.
    pub(super) navigation: Navigation,
}

/// How a request came to be; its redirects inherit it.
#[derive(Clone, Debug)]
pub(super) struct Navigation {
    /// `Sec-Fetch-Site`; a redirect that crosses sites makes it `cross-site`.
    pub(super) site: &'static str,
    /// The `form-action` of the page whose form was sent. Chromium checks every redirect behind a form against it.
    pub(super) form_action: Option<String>,
    /// The page that the form or link stood on.
    pub(super) from: Option<Url>,
}

impl Page {
    pub(crate) fn status(&self) -> u16 {
        self.answer.status
    }

    /// Whether the answer is a redirect.
    pub(crate) fn is_redirect(&self) -> bool {
        matches!(self.answer.status, 301 | 302 | 303 | 307 | 308)
    }

    /// Where a redirect leads. Fails if it is no redirect, or if a browser would not go there.
    pub(crate) fn leads_to(&self) -> Url {
        assert!(self.is_redirect(), "{} answers {} {}", self.url, self.answer.status, self.answer.text);
        let to = self.url.join(self.answer.header("location")).unwrap();
        if let Some(form_action) = &self.navigation.form_action {
            assert!(csp::allows(form_action, &self.url, &to), "form-action {form_action:?} blocks {to}");
        }
        to
    }

    /// The forms, in the order of the page.
    pub(crate) fn forms(&self) -> Vec<Form> {
        let (mut forms, mut open) = (Vec::new(), None);
        let mut pieces = self.pieces().into_iter().peekable();
        while let Some(piece) = pieces.next() {
            match piece {
                Piece::Start(tag) if tag.name == "form" => {
                    assert!(open.is_none(), "a form in a form on {}", self.url);
                    open = Some(self.form_of(&tag));
                }
                Piece::End(name) if name == "form" => forms.extend(open.take()),
                Piece::Start(tag) => {
                    let text = match pieces.peek() {
                        Some(Piece::Text(text)) => text.trim(),
                        _ => "",
                    };
                    if let Some(form) = &mut open {
                        form.add(&tag, text);
                    }
                }
                Piece::End(_) | Piece::Text(_) => {}
            }
        }
        assert!(open.is_none(), "a form without an end on {}", self.url);
        forms
    }

    /// The only form. Fails if there is none or more than one.
    pub(crate) fn form(&self) -> Form {
        let mut forms = self.forms();
        assert_eq!(forms.len(), 1, "{} {}: {}", self.url, self.answer.status, self.answer.text);
        forms.remove(0)
    }

    /// The form whose action has this path. Fails if there is none.
    pub(crate) fn form_to(&self, path: &str) -> Form {
        let found = self.forms().into_iter().find(|form| form.action.path() == path);
        found.unwrap_or_else(|| panic!("no form to {path} on {}: {}", self.url, self.answer.text))
    }

    /// The links, with their text.
    pub(crate) fn links(&self) -> Vec<(Url, String)> {
        let (mut links, mut open) = (Vec::new(), None::<(Url, String)>);
        for piece in self.pieces() {
            match piece {
                Piece::Start(tag) if tag.name == "a" => {
                    open = tag.attribute("href").map(|to| (self.url.join(to).unwrap(), String::new()));
                }
                Piece::Text(text) => {
                    if let Some((_, shown)) = &mut open {
                        shown.push_str(&text);
                    }
                }
                Piece::End(name) if name == "a" => {
                    links.extend(open.take().map(|(to, text)| (to, words(&text))));
                }
                Piece::Start(_) | Piece::End(_) => {}
            }
        }
        links
    }

    /// What a person reads: the text without markup, with single spaces.
    pub(crate) fn text(&self) -> String {
        let texts = self.pieces().into_iter().map(|piece| match piece {
            Piece::Text(text) => text,
            Piece::Start(_) | Piece::End(_) => " ".to_owned(),
        });
        words(&texts.collect::<String>())
    }

    fn pieces(&self) -> Vec<Piece> {
        let is_html = self.answer.header("content-type").starts_with("text/html");
        assert!(is_html, "{} is no page: {} {}", self.url, self.answer.status, self.answer.text);
        pieces(&self.answer.text)
    }

    fn form_of(&self, tag: &Tag) -> Form {
        let action = tag.attribute("action").filter(|action| !action.is_empty());
        Form {
            action: action.map_or_else(|| self.url.clone(), |action| self.url.join(action).unwrap()),
            is_post: tag.attribute("method").is_some_and(|method| method.eq_ignore_ascii_case("post")),
            inputs: Vec::new(),
            pressed: false,
            page: self.url.clone(),
            policy: csp::directive(&self.answer, "form-action"),
            referrer_policy: self.answer.header("referrer-policy").to_owned(),
        }
    }
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A form, as a person fills it in.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) action: Url,
    pub(super) is_post: bool,
    inputs: Vec<Input>,
    /// Whether a button was pressed.
    pressed: bool,
    /// The page that it stands on.
    pub(super) page: Url,
    pub(super) policy: Option<String>,
    pub(super) referrer_policy: String,
}

#[derive(Clone, Debug)]
struct Input {
    name: String,
    /// `hidden`, `text`, `password`, `checkbox`, `radio`, `submit` and so on, or `select`.
    kind: String,
    value: String,
    /// A button's text.
    label: String,
    /// Whether it is sent: buttons only when they are pressed, boxes only when they are ticked.
    sent: bool,
}

impl Form {
    fn add(&mut self, tag: &Tag, text: &str) {
        let kind = match tag.name.as_str() {
            "input" => tag.attribute("type").unwrap_or("text"),
            "button" => tag.attribute("type").unwrap_or("submit"),
            "select" | "textarea" | "option" => panic!("forms with <{}> are not supported yet", tag.name),
            _ => return,
        };
        let ticked = tag.attribute("checked").is_some();
        let sent = match kind {
            "submit" | "button" => false,
            "checkbox" | "radio" => ticked,
            _ => true,
        };
        self.inputs.push(Input {
            name: tag.attribute("name").unwrap_or_default().to_owned(),
            kind: kind.to_owned(),
            value: tag.attribute("value").unwrap_or(if kind == "checkbox" { "on" } else { "" }).to_owned(),
            label: text.to_owned(),
            sent: sent && tag.attribute("disabled").is_none(),
        });
    }

    /// Whether it has an input or a button of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.inputs.iter().any(|input| input.name == name)
    }

    /// Whether it has an input of this type.
    pub(crate) fn has_kind(&self, kind: &str) -> bool {
        self.inputs.iter().any(|input| input.kind == kind)
    }

    /// The value of an input as it stands now.
    pub(crate) fn value(&self, name: &str) -> &str {
        let input = self.inputs.iter().find(|input| input.name == name);
        &input.unwrap_or_else(|| panic!("no input {name} in {self:?}")).value
    }

    /// Types a value, or changes a hidden one as an attacker may. Fails if there is no such input.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        let input = self.inputs.iter_mut().find(|input| input.name == name);
        let Some(input) = input else { panic!("no input {name} in {self:?}") };
        value.clone_into(&mut input.value);
        self
    }

    /// Ticks a box, or chooses the radio button of this value.
    pub(crate) fn tick(mut self, name: &str, value: &str) -> Self {
        let mut found = false;
        for input in self.inputs.iter_mut().filter(|input| input.name == name) {
            let is_it = input.value == value;
            found |= is_it;
            input.sent = is_it || (input.sent && input.kind == "checkbox");
        }
        assert!(found, "no {name}={value} in {self:?}");
        self
    }

    /// Presses the button of this name and value.
    pub(crate) fn press(mut self, name: &str, value: &str) -> Self {
        let is_it = |input: &&mut Input| input.kind == "submit" && input.name == name && input.value == value;
        let Some(button) = self.inputs.iter_mut().find(is_it) else {
            panic!("no button {name}={value} in {self:?}")
        };
        button.sent = true;
        self.pressed = true;
        self
    }

    /// What a browser does when the person presses Enter: the first button sends the form.
    pub(super) fn press_first_button(&mut self) {
        let is_button = |input: &&mut Input| input.kind == "submit";
        if let Some(first) = self.inputs.iter_mut().find(is_button)
            && !self.pressed
        {
            first.sent = true;
        }
    }

    /// Fails if the policy of the page forbids to send the form.
    pub(super) fn insist_on_policy(&self) {
        if let Some(sources) = &self.policy {
            let to = &self.action;
            assert!(csp::allows(sources, &self.page, to), "form-action {sources:?} blocks {to}");
        }
    }

    /// The buttons: name, value, text.
    pub(crate) fn buttons(&self) -> Vec<(&str, &str, &str)> {
        let buttons = self.inputs.iter().filter(|input| input.kind == "submit");
        buttons.map(|input| (input.name.as_str(), input.value.as_str(), input.label.as_str())).collect()
    }

    /// What is sent, in order.
    pub(crate) fn fields(&self) -> Vec<(String, String)> {
        let sent = self.inputs.iter().filter(|input| input.sent && !input.name.is_empty());
        sent.map(|input| (input.name.clone(), input.value.clone())).collect()
    }
}
