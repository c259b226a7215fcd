//! What a connection repeats.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::browser::Browser;
use super::chain::{Chain, Given, Pool, digest};
use super::connection::Connection;
use super::target::Target;

/// How long one refresh is sent again; the server allows 30 seconds.
const GOOD_FOR: Duration = Duration::from_secs(20);

/// What one connection of a row does.
pub(crate) enum Work {
    /// Refreshes one chain.
    Refresh(Chain),
    /// Sends the last refresh of a chain again. Has the presented token, and when it was rotated.
    Again(Chain, (String, Instant)),
    /// Refreshes many chains, each once, and then begins again.
    Spread(Rc<RefCell<Pool>>),
    /// Signs in, each time as another user.
    SignIn(Given),
    /// Signs in on the pages, each time in a new browser, and redeems the code.
    PageSignIn(Given),
    /// Gets codes in a browser.
    Authorize(Browser),
    /// Gets codes in a browser and redeems them.
    Redeem(Browser, Given),
    /// Refreshes a chain that began by a code.
    OpenidRefresh(Chain),
    /// Asks for a code where nobody is signed in.
    Anonymous(Vec<u8>),
    /// Sends the same request again; the answer must contain one of the texts.
    Same(Vec<u8>, [&'static [u8]; 2]),
}

/// How a request ended.
pub(crate) enum Done {
    /// With the right answer.
    Well,
    /// The server is busy, and says when to come back.
    Busy(Duration),
}

impl Work {
    /// Sends one request and checks the answer. `request` is a buffer that is used again.
    pub(crate) async fn once(
        &mut self,
        target: &Target,
        connection: &mut Connection,
        request: &mut String,
    ) -> anyhow::Result<Done> {
        match self {
            Self::Refresh(chain) => chain.refresh(target, connection, request).await?,
            Self::Again(chain, last) => {
                let (before, then) = last;
                if then.elapsed() > GOOD_FOR {
                    before.clone_from(&chain.last);
                    *then = Instant::now();
                    chain.refresh(target, connection, request).await?;
                }
                chain.refresh_again(before, target, connection, request).await?;
            }
            Self::Spread(pool) => {
                let mut chain = pool.borrow_mut().take_fresh().context("too few sessions")?;
                let refreshed = chain.refresh(target, connection, request).await;
                pool.borrow_mut().resting.push_back(chain);
                refreshed?;
            }
            Self::SignIn(given) => {
                target.write_sign_in(request);
                let answer = connection.exchange(request.as_bytes()).await?;
                if let (429 | 503, Some(wait)) = (answer.status, answer.retry_after) {
                    return Ok(Done::Busy(wait));
                }
                let answer = answer.expect(200)?;
                target.check_access_token(answer.string("access_token")?)?;
                given.push(digest(answer.string("refresh_token")?));
            }
            Self::PageSignIn(given) => {
                let (_, code) = Browser::log_in_by(target, connection).await?;
                given.push(digest(&redeem_code(&code, target, connection, request).await?));
            }
            Self::Authorize(browser) => drop(browser.authorize(connection).await?),
            Self::Anonymous(request) => {
                let answer = connection.exchange(request).await?.expect(303)?;
                let location = answer.location.context("no Location")?;
                anyhow::ensure!(location.contains("/login?"), "sent to {location}");
            }
            Self::Redeem(browser, given) => {
                let refresh = redeem(browser, target, connection, request).await?;
                given.push(digest(&refresh));
            }
            Self::OpenidRefresh(chain) => {
                target.write_openid_refresh(request, &chain.last);
                let answer = connection.exchange(request.as_bytes()).await?.expect(200)?;
                target.check_access_token(answer.string("access_token")?)?;
                target.check_access_token(answer.string("id_token")?)?;
                answer.string("refresh_token")?.clone_into(&mut chain.last);
                chain.given.push(digest(&chain.last));
            }
            Self::Same(request, texts) => {
                let answer = connection.exchange(request).await?.expect(200)?;
                let has = |text: &[u8]| answer.body.windows(text.len()).any(|window| window == text);
                anyhow::ensure!(texts.iter().any(|text| has(text)), "not the answer that was to be expected");
            }
        }
        Ok(Done::Well)
    }
}

/// Signs in to the app in a browser in which a person is signed in. Returns the refresh token.
pub(crate) async fn redeem(
    browser: &Browser,
    target: &Target,
    connection: &mut Connection,
    request: &mut String,
) -> anyhow::Result<String> {
    let code = browser.authorize(connection).await?;
    redeem_code(&code, target, connection, request).await
}

async fn redeem_code(
    code: &str,
    target: &Target,
    connection: &mut Connection,
    request: &mut String,
) -> anyhow::Result<String> {
    target.write_redemption(request, code);
    let answer = connection.exchange(request.as_bytes()).await?.expect(200)?;
    target.check_access_token(answer.string("access_token")?)?;
    target.check_access_token(answer.string("id_token")?)?;
    Ok(answer.string("refresh_token")?.to_owned())
}

/// Signs in with every scope that a row needs. Returns an access token and a refresh token.
pub(crate) async fn sign_in(target: &Target) -> anyhow::Result<(String, String)> {
    let mut connection = Connection::open(target.address).await?;
    let mut request = String::new();
    loop {
        target.write_wide_sign_in(&mut request);
        let answer = connection.exchange(request.as_bytes()).await?;
        if let (429 | 503, Some(wait)) = (answer.status, answer.retry_after) {
            tokio::time::sleep(wait).await;
            continue;
        }
        let answer = answer.expect(200)?;
        let access = answer.string("access_token")?.to_owned();
        return Ok((access, answer.string("refresh_token")?.to_owned()));
    }
}
