//! A browser in which a person is signed in: it logs in on the pages once, and then only authorizes clients.

use std::fmt::Write as _;

use anyhow::Context as _;

use super::connection::{Answer, Connection};
use super::seed::PASSWORD;
use super::target::{Target, authorize_path, encoded};

/// The most pages on the way to a code.
const STEPS: usize = 8;

/// A browser. Its cookies are as in a `Cookie` header.
pub(crate) struct Browser {
    cookies: Vec<(String, String)>,
    /// The request that authorizes, once the person is signed in.
    authorize: Vec<u8>,
}

impl Browser {
    /// Signs a person in on the pages.
    pub(crate) async fn log_in(target: &Target) -> anyhow::Result<Self> {
        let mut connection = Connection::open(target.address).await?;
        Ok(Self::log_in_by(target, &mut connection).await?.0)
    }

    /// Signs a person in on the pages, by a connection. Returns the code that the app gets, too.
    pub(crate) async fn log_in_by(
        target: &Target,
        connection: &mut Connection,
    ) -> anyhow::Result<(Self, String)> {
        let mut browser = Self { cookies: Vec::new(), authorize: Vec::new() };
        let mut path = authorize_path();
        for _ in 0..STEPS {
            let request = browser.get(target, &path);
            let answer = connection.exchange(&request).await?;
            browser.keep(&answer);
            let location = if let Some(location) = answer.location {
                location
            } else {
                let page = std::str::from_utf8(answer.expect(200)?.body)?.to_owned();
                let request = browser.submit(target, &page)?;
                let answer = connection.exchange(&request).await?;
                browser.keep(&answer);
                answer.location.context("the form was not accepted")?
            };
            if let Some(code) = code_in(&location) {
                browser.authorize = browser.get(target, &authorize_path());
                return Ok((browser, code));
            }
            path = path_of(target, &location)?;
        }
        anyhow::bail!("no code after {STEPS} pages")
    }

    /// Gets a code.
    pub(crate) async fn authorize(&self, connection: &mut Connection) -> anyhow::Result<String> {
        let answer = connection.exchange(&self.authorize).await?.expect(303)?;
        let location = answer.location.context("no Location")?;
        code_in(&location).with_context(|| format!("no code in {location}"))
    }

    fn get(&self, target: &Target, path: &str) -> Vec<u8> {
        let (host, cookies) = (target.address, self.cookie());
        format!("GET {path} HTTP/1.1\r\nhost: {host}\r\ncookie: {cookies}\r\n\r\n").into_bytes()
    }

    /// Sends the first form of a page, with the name and the password filled in.
    fn submit(&self, target: &Target, page: &str) -> anyhow::Result<Vec<u8>> {
        let form = page.split_once("<form").context("no form")?.1;
        let action = attribute(form, "action").context("a form without an action")?;
        let mut body = format!("action=log_in&username={}&password={PASSWORD}", encoded(target.next_user()));
        for input in form.split("<input").filter(|input| input.contains("type=\"hidden\"")) {
            let (name, value) =
                attribute(input, "name").zip(attribute(input, "value")).context("an input")?;
            write!(body, "&{name}={}", encoded(value))?;
        }
        let (host, cookies, length) = (target.address, self.cookie(), body.len());
        let head = format!(
            "POST {action} HTTP/1.1\r\nhost: {host}\r\norigin: http://{host}\r\ncookie: {cookies}\r\ncontent-type: \
             application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n\r\n"
        );
        Ok((head + &body).into_bytes())
    }

    fn keep(&mut self, answer: &Answer<'_>) {
        for (name, value) in answer.cookies.iter().filter_map(|cookie| cookie.split_once('=')) {
            self.cookies.retain(|(kept, _)| kept != name);
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
    }

    fn cookie(&self) -> String {
        let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }
}

fn code_in(location: &str) -> Option<String> {
    location.split(['?', '&']).find_map(|parameter| parameter.strip_prefix("code=")).map(str::to_owned)
}

/// The path of a place on the server itself.
fn path_of(target: &Target, location: &str) -> anyhow::Result<String> {
    let own = location.strip_prefix(&format!("http://{}", target.address)).unwrap_or(location);
    anyhow::ensure!(own.starts_with('/'), "sent to {location}");
    Ok(own.to_owned())
}

/// The value of an attribute of the tag that `html` begins with. The values here need no decoding.
fn attribute<'a>(html: &'a str, name: &str) -> Option<&'a str> {
    let tag = html.split('>').next()?;
    tag.split_once(&format!(" {name}=\""))?.1.split('"').next()
}
