//! The whole way through the pages: from an authorization URL to what the client gets.

use url::Url;

use super::{Browser, Form, Page};

/// More redirects and pages than any way has.
const STEPS: usize = 12;

/// Where the redirects of a page end.
#[derive(Clone, Debug)]
pub(crate) enum Arrival {
    /// A page for the person to read.
    Page(Box<Page>),
    /// An answer for the client.
    Client(Delivery),
}

impl Arrival {
    /// The page. Fails if the client got an answer.
    pub(crate) fn page(self) -> Page {
        match self {
            Self::Page(page) => *page,
            Self::Client(delivery) => panic!("no page, but {delivery:?}"),
        }
    }

    /// The client's answer. Fails if there is a page.
    pub(crate) fn delivery(self) -> Delivery {
        match self {
            Self::Client(delivery) => delivery,
            Self::Page(page) => panic!("no answer for the client, but {}: {}", page.url, page.answer.text),
        }
    }
}

/// What a client gets at its redirect URI, by a redirect or by a posted form.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Delivery {
    /// The URL: with the answer in its query, unless a form was posted.
    pub(crate) url: Url,
    /// Whether it came by `response_mode=form_post`.
    pub(crate) is_post: bool,
    /// The answer's parameters, in order.
    pub(crate) parameters: Vec<(String, String)>,
}

impl Delivery {
    /// A parameter, or "". Fails if it is there twice.
    pub(crate) fn get(&self, name: &str) -> &str {
        let mut found = self.parameters.iter().filter(|(given, _)| given == name);
        let value = found.next().map_or("", |(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} twice in {self:?}");
        value
    }

    /// The code. Fails if there is an error instead.
    pub(crate) fn code(&self) -> &str {
        let code = self.get("code");
        assert!(!code.is_empty() && self.get("error").is_empty(), "{self:?}");
        code
    }

    /// The names of its parameters, in order.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.parameters.iter().map(|(name, _)| name.as_str()).collect()
    }
}

impl Browser {
    /// Goes from an authorization URL to the client's answer: logs in where it is asked to, and allows what is asked.
    pub(crate) async fn sign_in(&mut self, url: &Url, person: (&str, &str)) -> Delivery {
        let arrival = self.begin(url).await;
        self.finish(arrival, person).await
    }

    /// Goes on to the client's answer, as [`Browser::sign_in`].
    pub(crate) async fn finish(&mut self, mut arrival: Arrival, person: (&str, &str)) -> Delivery {
        for _ in 0..STEPS {
            match arrival {
                Arrival::Client(delivery) => return delivery,
                Arrival::Page(page) => {
                    assert_eq!(page.status(), 200, "{}: {}", page.url, page.text());
                    let form = answered(&page, person);
                    let next = self.submit(form).await;
                    arrival = self.settle(next).await;
                }
            }
        }
        panic!("the pages lead in a circle: {arrival:?}");
    }

    /// Opens an authorization URL from the client's site, and follows the redirects.
    pub(crate) async fn begin(&mut self, url: &Url) -> Arrival {
        let first = self.come_from("https://client.example/", url).await;
        self.settle(first).await
    }

    /// Follows redirects until there is a page, or an answer for the client.
    pub(crate) async fn settle(&mut self, mut page: Page) -> Arrival {
        for _ in 0..STEPS {
            if !page.is_redirect() {
                return self.read(page);
            }
            let to = page.leads_to();
            if !self.is_own(&to) {
                let parameters = to.query_pairs().into_owned().collect();
                return Arrival::Client(Delivery { url: to, is_post: false, parameters });
            }
            page = self.follow(&page).await;
        }
        panic!("{} redirects in a circle", page.url);
    }

    /// A page, or the form that posts the answer to the client.
    fn read(&self, page: Page) -> Arrival {
        let is_page = page.answer.header("content-type").starts_with("text/html");
        let forms = if is_page { page.forms() } else { Vec::new() };
        match forms.iter().find(|form| !self.is_own(&form.action)) {
            None => Arrival::Page(Box::new(page)),
            Some(form) => {
                assert!(form.is_post, "a form that puts the answer into a URL: {form:?}");
                form.insist_on_policy();
                Arrival::Client(Delivery {
                    url: form.action.clone(),
                    is_post: true,
                    parameters: form.fields(),
                })
            }
        }
    }
}

/// The page's form, filled in as a person does who wants to be signed in.
fn answered(page: &Page, (name, password): (&str, &str)) -> Form {
    let forms = page.forms();
    let with = |kind| forms.iter().find(|form| form.has_kind(kind)).cloned();
    let Some(form) = with("password") else {
        let form = with("submit").unwrap_or_else(|| panic!("{} asks nothing: {}", page.url, page.text()));
        return form.press("action", "allow");
    };
    // Whoever is asked for the password again may not be asked for the name.
    let form = if form.has_kind("text") { form.set("username", name) } else { form };
    form.set("password", password)
}
