//! The pages of the person's devices: the list, and what happened on one of them.

use askama::Template;

use super::drawing::{Drawing, Shape};
use super::{FormFields, Mistakes, Shell, Tab, When, rendered};

/// The list of the person's devices.
#[derive(Template)]
#[template(path = "devices.html")]
pub(in crate::http) struct DevicesPage<'a> {
    pub(in crate::http) shell: Shell<'a>,
    /// Fields that are sent: `action` (`end`, `end_browser`, `end_others` or `end_all`); with `end` the `device`, with
    /// `end_browser` the `browser`.
    pub(in crate::http) form: FormFields<'a>,
    /// The logins.
    pub(in crate::http) browsers: Vec<BrowserItem>,
    /// The browser after which the next page begins.
    pub(in crate::http) next_browser: Option<String>,
    /// The sessions.
    pub(in crate::http) devices: Vec<DeviceItem>,
    /// The device after which the next page begins.
    pub(in crate::http) next: Option<String>,
    /// What the person has just done.
    pub(in crate::http) done: Option<DeviceDone>,
    pub(in crate::http) mistakes: Mistakes,
}

/// A login, as a browser of the person.
pub(in crate::http) struct BrowserItem {
    /// The login's id.
    pub(in crate::http) id: String,
    /// What the browser calls itself.
    pub(in crate::http) name: String,
    pub(in crate::http) since: When,
    /// Whether the person stays signed in when it is closed.
    pub(in crate::http) keeps: bool,
    /// The clients whose sessions began from it.
    pub(in crate::http) apps: Vec<String>,
    /// Whether it is the one that shows the page.
    pub(in crate::http) is_current: bool,
}

/// A session, as a device of the person.
pub(in crate::http) struct DeviceItem {
    /// The session's id.
    pub(in crate::http) id: String,
    /// What the device calls itself.
    pub(in crate::http) name: String,
    /// The client's name.
    pub(in crate::http) app: String,
    pub(in crate::http) since: When,
    pub(in crate::http) used: When,
    /// Whether it began from the login of this browser.
    pub(in crate::http) is_current: bool,
}

/// What the person has done on the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum DeviceDone {
    /// One device is signed out.
    Ended,
    /// One browser is signed out, with its apps.
    EndedBrowser,
    /// All but this browser are signed out.
    EndedOthers,
}

impl DevicesPage<'_> {
    /// The page.
    pub(in crate::http) fn html(&self) -> String {
        rendered(self)
    }

    fn done_text(&self) -> &str {
        let texts = &self.shell.texts.devices;
        match self.done {
            None => "",
            Some(DeviceDone::Ended) => texts.ended.as_str(),
            Some(DeviceDone::EndedBrowser) => texts.browser_ended.as_str(),
            Some(DeviceDone::EndedOthers) => texts.ended_others.as_str(),
        }
    }
}

/// What happened on one device: the session's timeline.
#[derive(Template)]
#[template(path = "device.html")]
pub(in crate::http) struct DevicePage<'a> {
    pub(in crate::http) shell: Shell<'a>,
    /// Sent to the list: `action` is `end`.
    pub(in crate::http) form: FormFields<'a>,
    pub(in crate::http) device: DeviceItem,
    /// What the client called the device.
    pub(in crate::http) label: Option<String>,
    /// What the client may do, in words.
    pub(in crate::http) scopes: Vec<String>,
    /// When it ends unless it is used.
    pub(in crate::http) expires: When,
    /// Why it is over, if it is.
    pub(in crate::http) end: Option<DeviceEnd<'a>>,
    /// What happened, oldest first.
    pub(in crate::http) lines: Vec<DeviceLine>,
    /// The same as a line.
    pub(in crate::http) drawing: Drawing,
    /// Whether the lines begin with the first event.
    pub(in crate::http) is_first: bool,
    /// The event after which the next page begins.
    pub(in crate::http) next: Option<u64>,
}

/// Why a session is over.
pub(in crate::http) struct DeviceEnd<'a> {
    pub(in crate::http) text: &'a str,
    /// When, if that is known.
    pub(in crate::http) at: Option<When>,
}

/// Something that happened, once or several times in a row.
pub(in crate::http) struct DeviceLine {
    /// The kind, as a word.
    pub(in crate::http) kind: &'static str,
    /// What happened, unless it is the sign-in with `app`.
    pub(in crate::http) text: String,
    /// The client's name, if the person signed in with it: it stands apart from the text around it.
    pub(in crate::http) app: Option<String>,
    /// More about it; may be empty.
    pub(in crate::http) detail: String,
    pub(in crate::http) at: When,
    /// The last time, if it happened several times.
    pub(in crate::http) until: Option<When>,
}

impl DevicePage<'_> {
    /// The page.
    pub(in crate::http) fn html(&self) -> String {
        rendered(self)
    }
}
