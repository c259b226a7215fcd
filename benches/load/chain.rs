//! Chains of refresh tokens. One connection at a time refreshes a chain.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use super::connection::Connection;
use super::seed::Seeded;
use super::target::Target;

/// Digests of the refresh tokens that the server returned: none may be returned twice.
pub(crate) type Given = Vec<u64>;

/// One sign-in and its refreshes.
pub(crate) struct Chain {
    /// The first refresh token.
    pub(crate) first: String,
    /// The newest refresh token that the server has returned.
    pub(crate) last: String,
    /// How many rotations the server has acknowledged.
    pub(crate) rotations: u64,
    /// Digests of all refresh tokens of the chain.
    pub(crate) given: Given,
    /// Whether every request was answered well, so that the number of rotations is known exactly.
    pub(crate) exact: bool,
}

impl Chain {
    /// A chain that begins with `token`.
    pub(crate) fn of(token: String) -> Self {
        let given = vec![digest(&token)];
        Self { first: token.clone(), last: token, rotations: 0, given, exact: true }
    }

    /// Refreshes once.
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

    /// Sends the last refresh again, as if its answer had been lost; `before` is the refresh token that it presented.
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

/// The chains of a server that no connection uses now.
#[derive(Default)]
pub(crate) struct Pool {
    /// The sessions that were made before the server started.
    pub(crate) seeded: Option<Seeded>,
    /// How many of these sessions have a chain already.
    touched: usize,
    /// Chains that no connection uses.
    pub(crate) resting: VecDeque<Chain>,
}

impl Pool {
    /// The pool of a server that was started with these sessions.
    pub(crate) fn of(seeded: Seeded) -> Self {
        Self { seeded: Some(seeded), ..Self::default() }
    }

    /// An unused chain, or else a new one.
    pub(crate) fn take(&mut self) -> Option<Chain> {
        self.resting.pop_front().or_else(|| self.fresh())
    }

    /// A new chain, or else the one that has been unused for the longest time.
    pub(crate) fn take_fresh(&mut self) -> Option<Chain> {
        self.fresh().or_else(|| self.resting.pop_front())
    }

    /// A chain of a session that has none yet; the sessions are taken in an order that spreads over all of them.
    fn fresh(&mut self) -> Option<Chain> {
        // A prime, so that every session is reached.
        const STRIDE: usize = 611_953;
        let seeded = self.seeded.as_ref().filter(|seeded| self.touched < seeded.sessions)?;
        let token = seeded.token(self.touched * STRIDE % seeded.sessions);
        self.touched += 1;
        Some(Chain::of(token))
    }
}

/// 64 bits of a token. In a run with ten million tokens, two have the same digest with a probability of 1 in 370,000.
pub(crate) fn digest(token: &str) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(token)
}
