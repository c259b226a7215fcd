//! What a connection does again and again.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use super::connection::Connection;
use super::target::Target;

/// What one connection of a row does.
pub(crate) enum Work {
    /// Hands a refresh token down.
    Refresh(Chain),
    /// Signs in.
    SignIn(Given),
    /// Fetches the JWKS.
    Jwks,
}

/// Digests of the refresh tokens that were given out: none may be given twice.
pub(crate) type Given = Vec<u64>;

/// One sign-in and all that was refreshed of it.
pub(crate) struct Chain {
    /// The first refresh token.
    pub(crate) first: String,
    /// The last one that the server has acknowledged.
    pub(crate) last: String,
    /// How many rotations the server has acknowledged.
    pub(crate) rotations: u64,
    /// All of its refresh tokens.
    pub(crate) given: Given,
}

impl Work {
    /// One request, and a look at its answer. `request` is room that is used again.
    pub(crate) async fn once(
        &mut self,
        target: &Target,
        connection: &mut Connection,
        request: &mut String,
    ) -> anyhow::Result<()> {
        match self {
            Self::Refresh(chain) => chain.refresh(target, connection, request).await,
            Self::SignIn(given) => {
                target.write_sign_in(request);
                let answer = connection.exchange(request.as_bytes()).await?.expect(200)?;
                anyhow::ensure!(is_jwt(answer.string("access_token")?), "the access token is no JWT");
                given.push(digest(answer.string("refresh_token")?));
                Ok(())
            }
            Self::Jwks => {
                let answer = connection.exchange(&target.jwks).await?.expect(200)?;
                answer.string("kid")?;
                Ok(())
            }
        }
    }
}

impl Chain {
    /// How many one user holds; the server's limit is 50.
    const A_USER: usize = 32;

    /// Begins the chain with this number.
    pub(crate) async fn begin(target: &Target, number: usize) -> anyhow::Result<Self> {
        let mut connection = Connection::open(target.address).await?;
        let mut request = String::new();
        let name = format!("chains-{}", number / Self::A_USER);
        if number.is_multiple_of(Self::A_USER) {
            target.write_sign_up(&mut request, &name);
            connection.exchange(request.as_bytes()).await?.expect(201)?;
        }
        target.write_sign_in_of(&mut request, &name);
        let answer = connection.exchange(request.as_bytes()).await?.expect(200)?;
        let token = answer.string("refresh_token")?.to_owned();
        Ok(Self { given: vec![digest(&token)], first: token.clone(), last: token, rotations: 0 })
    }

    /// Hands the token down once.
    pub(crate) async fn refresh(
        &mut self,
        target: &Target,
        connection: &mut Connection,
        request: &mut String,
    ) -> anyhow::Result<()> {
        target.write_refresh(request, &self.last);
        let answer = connection.exchange(request.as_bytes()).await?.expect(200)?;
        let access = answer.string("access_token")?;
        anyhow::ensure!(is_jwt(access), "the access token is no JWT");
        let next = answer.string("refresh_token")?;
        anyhow::ensure!(next != self.last, "the refresh token was not rotated");
        self.given.push(digest(next));
        next.clone_into(&mut self.last);
        self.rotations += 1;
        Ok(())
    }
}

fn is_jwt(text: &str) -> bool {
    text.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// 64 bits of a token: among ten million, two that differ look alike once in 370,000 runs.
fn digest(token: &str) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(token)
}
