//! Chains of refresh tokens, each handed down by one connection at a time.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use super::connection::Connection;
use super::seed::Seeded;
use super::target::Target;

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
    /// Whether every request of it was answered well, so that it is known how often it was rotated.
    pub(crate) exact: bool,
}

impl Chain {
    /// Begins with a refresh token.
    pub(crate) fn of(token: String) -> Self {
        let given = vec![digest(&token)];
        Self { first: token.clone(), last: token, rotations: 0, given, exact: true }
    }

    /// Hands the token down once.
    pub(crate) async fn refresh(
        &mut self,
        target: &Target,
        connection: &mut Connection,
        request: &mut String,
    ) -> anyhow::Result<()> {
        target.write_refresh(request, &self.last);
        let refreshed = self.refresh_with(target, connection, request.as_bytes()).await;
        self.exact &= refreshed.is_ok();
        refreshed
    }

    /// Sends the last refresh once more, as if its answer had been lost: `before` is what it presented.
    pub(crate) async fn refresh_again(
        &self,
        before: &str,
        target: &Target,
        connection: &mut Connection,
        request: &mut String,
    ) -> anyhow::Result<()> {
        target.write_refresh(request, before);
        let answer = connection.exchange(request.as_bytes()).await?.expect(200)?;
        target.check_access_token(answer.string("access_token")?)?;
        anyhow::ensure!(answer.string("refresh_token")? == self.last, "not the answer of before");
        Ok(())
    }

    async fn refresh_with(
        &mut self,
        target: &Target,
        connection: &mut Connection,
        request: &[u8],
    ) -> anyhow::Result<()> {
        let answer = connection.exchange(request).await?.expect(200)?;
        target.check_access_token(answer.string("access_token")?)?;
        let next = match answer.string("refresh_token") {
            Ok(next) if next != self.last => next,
            // RFC 6749 §6: the server MAY issue a new refresh token.
            Ok(_) | Err(_) if !target.is_heirloom => return Ok(()),
            Ok(_) => anyhow::bail!("the refresh token was not rotated"),
            Err(error) => return Err(error),
        };
        self.given.push(digest(next));
        next.clone_into(&mut self.last);
        self.rotations += 1;
        Ok(())
    }
}

/// The chains of a server that no connection has.
#[derive(Default)]
pub(crate) struct Pool {
    /// The sessions that were there before it started.
    pub(crate) seeded: Option<Seeded>,
    /// How many of them have a chain.
    touched: usize,
    /// Chains that rest.
    pub(crate) resting: VecDeque<Chain>,
}

impl Pool {
    /// Of a server that was started with these sessions.
    pub(crate) fn of(seeded: Seeded) -> Self {
        Self { seeded: Some(seeded), ..Self::default() }
    }

    /// A chain that rests, or else a new one.
    pub(crate) fn take(&mut self) -> Option<Chain> {
        self.resting.pop_front().or_else(|| self.fresh())
    }

    /// A new chain, or else one that has rested for long.
    pub(crate) fn take_fresh(&mut self) -> Option<Chain> {
        self.fresh().or_else(|| self.resting.pop_front())
    }

    /// Of a session that has none yet, here and there among all.
    fn fresh(&mut self) -> Option<Chain> {
        // A prime, so that each has its turn.
        const STRIDE: usize = 611_953;
        let seeded = self.seeded.as_ref().filter(|seeded| self.touched < seeded.sessions)?;
        let token = seeded.token(self.touched * STRIDE % seeded.sessions);
        self.touched += 1;
        Some(Chain::of(token))
    }
}

/// 64 bits of a token: among ten million, two that differ look alike once in 370,000 runs.
pub(crate) fn digest(token: &str) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(token)
}
