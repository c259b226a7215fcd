//! `prompt` of an authorization request (OpenID Connect Core §3.1.2.1).

use minicbor::{Decode, Encode};

/// A word of `prompt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// No page must be shown.
    None,
    /// The person must sign in again.
    Login,
    /// The person must be asked again.
    Consent,
    /// The person must choose an account.
    SelectAccount,
    /// The person wants to sign up (Initiating User Registration via OpenID Connect 1.0).
    Create,
}

impl Prompt {
    /// Every word.
    pub const ALL: [Self; 5] = [Self::None, Self::Login, Self::Consent, Self::SelectAccount, Self::Create];

    /// As in `prompt`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Login => "login",
            Self::Consent => "consent",
            Self::SelectAccount => "select_account",
            Self::Create => "create",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::None => 1,
            Self::Login => 2,
            Self::Consent => 4,
            Self::SelectAccount => 8,
            Self::Create => 16,
        }
    }
}

/// The words of a `prompt`: a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Prompts(#[n(0)] u8);

impl Prompts {
    /// Whether the word is there.
    #[must_use]
    pub const fn contains(self, prompt: Prompt) -> bool {
        self.0 & prompt.bit() != 0
    }

    /// With this word.
    #[must_use]
    pub const fn with(self, prompt: Prompt) -> Self {
        Self(self.0 | prompt.bit())
    }
}
