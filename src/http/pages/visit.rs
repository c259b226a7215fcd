//! One request for a page: who asks, and what every answer has in common.

use std::net::IpAddr;
use std::sync::Arc;

use poem::error::MethodNotAllowedError;
use poem::http::{HeaderValue, Method, StatusCode, header};
use poem::{Request, RequestBody, Response};
use zeroize::Zeroizing;

use crate::app::authorize::{ClientAnswer, Device, LogInReason, Next, NotOpen, OpenRequest};
use crate::app::logins::CurrentLogin;
use crate::app::{App, TokenError};
use crate::http::error::{status, whole_seconds};
use crate::http::oauth::form::{self, Form, FormError};
use crate::http::pages::Pages;
use crate::http::pages::cookie::PageCookie;
use crate::http::pages::form_token::{Browser, FormId, Step, is_from_own_page};
use crate::http::pages::headers::{FormTarget, answer, redirect};
use crate::http::pages::render::error::{ErrorKind, ErrorPage, Way};
use crate::http::pages::render::form_post::FormPostPage;
use crate::http::pages::texts::Texts;
use crate::http::peer::TrustedProxies;
use crate::http::request_body;
use crate::http::service;
use crate::oauth::{PageError, Parameters, ResponseMode};

/// One request for a page.
pub(super) struct Visit<'a> {
    pub(super) request: &'a Request,
    pub(super) app: &'a App,
    pub(super) pages: &'a Pages,
    /// The languages that a client named.
    pub(super) ui_locales: Option<Box<str>>,
    /// The cookies that the answer sets.
    cookies: Vec<String>,
}

/// Why there is no page.
pub(super) enum Refused {
    /// The request can't be read.
    Form(FormError),
    /// The body can't be read.
    Body(&'static str),
    /// The form is not from our own page.
    Foreign {
        /// Where the person can go on, below the pages' base.
        retry: String,
    },
    /// There is no request to go on with.
    Open(NotOpen),
    /// The server failed.
    Failed(TokenError),
}

impl From<NotOpen> for Refused {
    fn from(error: NotOpen) -> Self {
        Self::Open(error)
    }
}

impl From<TokenError> for Refused {
    fn from(error: TokenError) -> Self {
        Self::Failed(error)
    }
}

impl From<FormError> for Refused {
    fn from(error: FormError) -> Self {
        Self::Form(error)
    }
}

impl<'a> Visit<'a> {
    /// A visit to one of the pages.
    pub(super) fn of(request: &'a Request) -> poem::Result<Self> {
        let pages = request.data::<Arc<Pages>>();
        let pages = pages.ok_or_else(|| poem::Error::from_status(StatusCode::INTERNAL_SERVER_ERROR))?;
        Ok(Self { request, app: service::app(request)?, pages, ui_locales: None, cookies: Vec::new() })
    }

    /// The parameters of the URL, as a client sends them.
    pub(super) fn query(&self) -> Result<Parameters, Refused> {
        Ok(Parameters::new(form::pairs(self.request.uri().query().unwrap_or_default().as_bytes())?))
    }

    /// The parameters of the body, as a client sends them.
    pub(super) async fn body(&self, body: RequestBody) -> Result<Parameters, Refused> {
        Ok(Parameters::new(form::pairs(&self.bytes(body).await?)?))
    }

    /// One of our own forms.
    pub(super) async fn form(&self, body: RequestBody) -> Result<Form, Refused> {
        Ok(Form::parse(&self.bytes(body).await?)?)
    }

    async fn bytes(&self, mut body: RequestBody) -> Result<bytes::Bytes, Refused> {
        let media_type = self.request.content_type().and_then(|value| value.split(';').next()).map(str::trim);
        if !media_type.is_some_and(|value| value.eq_ignore_ascii_case(FORM)) {
            return Err(Refused::Body("The body must be application/x-www-form-urlencoded."));
        }
        let read = request_body::read(self.request, body.take().ok()).await;
        read.map_err(|_| Refused::Body("The body can't be read."))
    }

    /// A parameter of our own URL, such as `request`.
    pub(super) fn own_parameter(&self, name: &str) -> Result<Option<Zeroizing<String>>, Refused> {
        Ok(Form::parse(self.request.uri().query().unwrap_or_default().as_bytes())?.take(name))
    }

    /// Opens a sealed request.
    pub(super) async fn open(&mut self, text: &str) -> Result<OpenRequest, Refused> {
        let open = self.app.authorization_requests.open(text).await?;
        self.speaks(&open);
        Ok(open)
    }

    /// The pages are in the languages that the client named (OpenID Connect Core §3.1.2.1).
    pub(super) fn speaks(&mut self, open: &OpenRequest) {
        self.ui_locales.clone_from(&open.sealed.request.ui_locales);
    }

    /// The texts in the person's language.
    pub(super) fn texts(&self) -> &'a Texts {
        self.pages.texts(self.request, self.ui_locales.as_deref())
    }

    /// Who is signed in with this browser. The cookie is renewed, if that is due.
    pub(super) async fn login(&mut self) -> Result<Option<CurrentLogin>, Refused> {
        let Some(cookie) = self.login_cookie().read(self.request) else { return Ok(None) };
        let Some(login) = self.app.logins.current(&cookie).await? else { return Ok(None) };
        if let Some(renewed) = self.app.logins.renewed(&login)? {
            self.signed_in(&login, &renewed);
        }
        Ok(Some(login))
    }

    /// The answer sets the cookie of a login.
    pub(super) fn signed_in(&mut self, login: &CurrentLogin, value: &str) {
        let seconds = login.absolute_expiry.since(self.app.clock.now()).as_secs();
        let cookie = self.login_cookie().set(value, login.persistent.then_some(seconds));
        self.cookies.push(cookie);
    }

    /// The answer takes the cookie of a login away.
    pub(super) fn logged_out(&mut self) {
        let cookie = self.login_cookie().clear();
        self.cookies.push(cookie);
    }

    fn login_cookie(&self) -> PageCookie {
        PageCookie::login(self.issuer())
    }

    pub(super) fn issuer(&self) -> &'a str {
        &self.app.settings.issuer
    }

    /// The token of a form; the browser gets its cookie if it has none.
    pub(super) fn form_token(&mut self, step: Step, about: &str) -> Result<String, Refused> {
        let browser = Browser::of(self.request, self.issuer(), &self.app.random).map_err(TokenError::from)?;
        self.cookies.extend(browser.cookie(self.issuer()));
        let form = self.app.random.uuid(self.app.clock.now()).map_err(TokenError::from)?;
        Ok(browser.form_token(&self.app.keys.mac_keys(), (step, about), form.into_bytes()))
    }

    /// A form must come from a page of our own (RFC 6749 §10.12). Anything else is refused before it is read.
    pub(super) fn must_be_own(&self, retry: &str) -> Result<(), Refused> {
        if is_from_own_page(self.request.headers(), self.issuer()) {
            return Ok(());
        }
        Err(Refused::Foreign { retry: retry.to_owned() })
    }

    /// Whether a form's token is one of this browser, step and request.
    pub(super) fn has_token(&self, form: &mut Form, step: Step, about: &str) -> bool {
        self.form_id(form, step, about).is_some()
    }

    /// The form that was sent; `None` if its token is not one of this browser, step and request.
    pub(super) fn form_id(&self, form: &mut Form, step: Step, about: &str) -> Option<FormId> {
        let token = form.take("form_token").unwrap_or_default();
        let browser = Browser::known(self.request, self.issuer())?;
        browser.has_sent(&token, &self.app.keys.mac_keys(), (step, about))
    }

    /// The browser's address.
    pub(super) fn peer(&self) -> IpAddr {
        let proxies = self.request.data::<TrustedProxies>();
        proxies.map_or_else(|| TrustedProxies::default().peer(self.request), |known| known.peer(self.request))
    }

    /// Leads on to what comes next for this person.
    pub(super) async fn go_on(
        &mut self,
        open: &OpenRequest,
        login: Option<&CurrentLogin>,
    ) -> Result<Onward, Refused> {
        let agent = user_agent(self.request);
        let device = Device { user_agent: agent.as_deref() };
        Ok(match self.app.authorization_requests.next(open, login, device).await? {
            Next::LogIn(reason) => Onward::LogIn(reason),
            Next::Consent => Onward::Answer(self.to("consent", open)?),
            Next::Answer(answer) => Onward::Answer(self.answer_client(&answer)),
        })
    }

    /// Sends the browser to a page with the request.
    pub(super) fn to(&self, page: &str, open: &OpenRequest) -> Result<Response, Refused> {
        let sealed = self.app.authorization_requests.seal(&open.sealed)?;
        Ok(redirect(&format!("/{page}?request={sealed}")))
    }

    /// Sends the browser to where the person signs in.
    pub(super) fn to_log_in(&self, open: &OpenRequest, reason: LogInReason) -> Result<Response, Refused> {
        let wants_account = reason == LogInReason::SignUp && self.may_sign_up();
        self.to(if wants_account { "signup" } else { "login" }, open)
    }

    /// Answers the client, by the browser.
    pub(super) fn answer_client(&self, answered: &ClientAnswer) -> Response {
        let issuer = self.issuer();
        match answered.answer.mode {
            ResponseMode::Query => redirect(&answered.url(issuer)),
            ResponseMode::FormPost => {
                let page = FormPostPage {
                    shell: self.pages.shell(self.texts()),
                    client_name: name_of(&answered.client),
                    action: &answered.redirect_uri,
                    fields: &answered.parameters(issuer),
                };
                answer(StatusCode::OK, page.html(), FormTarget::Client(&answered.redirect_uri))
            }
        }
    }

    /// The page or redirect for what went wrong.
    pub(super) fn refuse(&self, refused: Refused) -> Response {
        let bad = StatusCode::BAD_REQUEST;
        match refused {
            Refused::Form(error) => self.error(bad, ErrorKind::Request, Some(&error.to_string()), None),
            Refused::Body(text) => self.error(bad, ErrorKind::Request, Some(text), None),
            Refused::Foreign { retry } => {
                self.error(StatusCode::FORBIDDEN, ErrorKind::Form, None, Some(Way::Retry(&retry)))
            }
            Refused::Open(NotOpen::Answer(answered)) => self.answer_client(&answered),
            Refused::Open(NotOpen::Page(error)) => {
                let way = (error == PageError::Expired).then_some(Way::Account);
                self.error(bad, kind(error), Some(&error.to_string()), way)
            }
            Refused::Open(NotOpen::Expired(client)) => {
                let uri = client.metadata.client_uri.as_ref();
                let way = uri.map(|uri| Way::App { name: name_of(&client), url: uri.as_str() });
                let text = PageError::Expired.to_string();
                self.error(bad, ErrorKind::Expired, Some(&text), way.or(Some(Way::Account)))
            }
            Refused::Open(NotOpen::Failed(error)) | Refused::Failed(error) => self.failed(&error),
        }
    }

    fn failed(&self, error: &TokenError) -> Response {
        if error.should_log() {
            tracing::error!(error = %error, "a page failed");
        }
        let status = status(error.code(), false);
        let kind = match status {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => ErrorKind::Busy,
            _ => ErrorKind::Failed,
        };
        let mut response = self.error(status, kind, None, None);
        if let (ErrorKind::Busy, Ok(seconds)) =
            (kind, HeaderValue::try_from(whole_seconds(error.retry_after())))
        {
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }

    /// A page that says what went wrong.
    pub(super) fn error(
        &self,
        status: StatusCode,
        kind: ErrorKind,
        details: Option<&str>,
        way_forward: Option<Way<'_>>,
    ) -> Response {
        let page = ErrorPage { shell: self.pages.shell(self.texts()), kind, details, way_forward };
        answer(status, page.html(), FormTarget::Own)
    }

    /// The answer, with the cookies.
    pub(super) fn finished(self, answered: Result<Response, Refused>) -> Response {
        let mut response = answered.unwrap_or_else(|refused| self.refuse(refused));
        for cookie in self.cookies {
            if let Ok(cookie) = HeaderValue::try_from(cookie) {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
        }
        response
    }

    /// Whether people may make accounts.
    pub(super) fn may_sign_up(&self) -> bool {
        self.app.settings.may_sign_up()
    }
}

/// What comes next.
pub(super) enum Onward {
    /// The person must sign in.
    LogIn(LogInReason),
    /// The browser is sent elsewhere.
    Answer(Response),
}

const FORM: &str = "application/x-www-form-urlencoded";

/// Whether a page is asked for with a form.
pub(super) fn is_post(method: &Method) -> poem::Result<bool> {
    match *method {
        Method::GET | Method::HEAD => Ok(false),
        Method::POST => Ok(true),
        _ => Err(MethodNotAllowedError.into()),
    }
}

pub(super) fn user_agent(request: &Request) -> Option<String> {
    let value = request.headers().get(header::USER_AGENT)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// A client's name, for people.
pub(super) fn name_of(client: &crate::client::Registration) -> &str {
    let name = client.metadata.client_name.as_str();
    if name.is_empty() { client.id.as_str() } else { name }
}

const fn kind(error: PageError) -> ErrorKind {
    match error {
        PageError::UnknownClient => ErrorKind::Client,
        PageError::RedirectUri => ErrorKind::RedirectUri,
        PageError::Expired => ErrorKind::Expired,
        PageError::Missing(_)
        | PageError::Repeated(_)
        | PageError::ForeignRequestUri
        | PageError::RequestUri => ErrorKind::Request,
    }
}
