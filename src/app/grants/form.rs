//! The parameters of a token request (RFC 6749 §3.2), as the grants read them.

use std::net::IpAddr;

use zeroize::Zeroizing;

use super::read_ahead::ReadAhead;
use crate::oauth::{Audience, GrantType, Scope};

/// The parameters of a token request, without the client's credentials.
pub trait TokenForm {
    /// The error that the client gets for a bad form.
    type Error: From<FormError>;

    /// A parameter, once; an empty one counts as left out (RFC 6749 §3.2).
    fn take(&mut self, name: &'static str) -> Option<Zeroizing<String>>;

    /// A parameter that may stand there several times (RFC 8707 §2).
    fn take_all(&mut self, name: &'static str) -> Vec<Zeroizing<String>>;

    /// The refresh token, from wherever the client keeps it.
    ///
    /// # Errors
    /// If it is not there, or twice.
    fn refresh_token(&mut self) -> Result<Zeroizing<String>, Self::Error>;

    /// What was read for the refresh token while the client was looked up.
    fn read_ahead(&mut self) -> Option<Box<ReadAhead>>;

    /// The device's `User-Agent` header.
    fn user_agent(&self) -> Option<String>;

    /// The client's address.
    fn peer(&self) -> IpAddr;

    /// A parameter that must be there.
    ///
    /// # Errors
    /// [`FormError::Missing`].
    fn required(&mut self, name: &'static str) -> Result<Zeroizing<String>, FormError> {
        self.take(name).ok_or(FormError::Missing(name))
    }
}

/// Why a form is not a token request. The messages may be sent to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// A parameter is missing: `invalid_request`.
    #[error("The parameter {0} is missing.")]
    Missing(&'static str),
    /// There is no such grant: `unsupported_grant_type`.
    #[error("The grant_type must be {}.", GrantType::listed(""))]
    GrantType,
    /// The scope is no scope: `invalid_scope`.
    #[error("The scope is malformed, or longer than 64 words or 1 KiB.")]
    Scope,
    /// A resource is no audience: `invalid_target`.
    #[error("The resource is no name of a resource server.")]
    Resource,
    /// The verifier of PKCE is none (RFC 7636 §4.1): `invalid_request`.
    #[error("The code_verifier must have 43 to 128 characters of A-Z, a-z, 0-9 and -._~")]
    Verifier,
}

/// The parameters that every grant has: what the token is for.
pub struct Target {
    /// The scope that was asked for, if any was.
    pub scope: Option<Scope>,
    /// The resource servers that the token is to be for (RFC 8707 §2).
    pub resources: Vec<Audience>,
}

impl Target {
    /// Reads `scope` and `resource`.
    ///
    /// # Errors
    /// [`FormError`].
    pub(super) fn parse(form: &mut impl TokenForm) -> Result<Self, FormError> {
        let scope =
            form.take("scope").map(|scope| scope.parse()).transpose().map_err(|_| FormError::Scope)?;
        let resources = form.take_all("resource");
        let resources = resources.iter().map(|resource| resource.parse()).collect::<Result<_, _>>();
        Ok(Self {
            // A value of spaces only counts as empty, and so as left out.
            scope: scope.filter(|scope: &Scope| !scope.is_empty()),
            resources: resources.map_err(|_| FormError::Resource)?,
        })
    }
}
