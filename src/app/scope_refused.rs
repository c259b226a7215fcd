//! Why a scope is not given.

/// Why a scope is not given. `Display` is for the operator and names none: what is no scope may be a secret in the wrong
/// field. Which role a user has is told only once the user is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeRefused {
    /// There is no such scope.
    #[error("there is no such scope")]
    Unknown(Box<str>),
    /// The client may not have it.
    #[error("the scope is not registered for the client")]
    NotRegistered(Box<str>),
    /// The user has none of the roles that it needs.
    #[error("the scope needs a role that the user does not have")]
    Role(Box<str>),
    /// A client that acts for itself has none of the roles that it needs.
    #[error("the scope needs a role that the client does not have")]
    ClientRole(Box<str>),
    /// It is about a person, and a client asks for itself.
    #[error("the scope needs a user")]
    NeedsUser(Box<str>),
    /// Two scopes that no one token can have.
    #[error("the scopes are of two resource servers")]
    TwoServers(Box<str>, Box<str>),
    /// It is of another resource server than the resource that was asked for.
    #[error("the scope is not of the resource that was asked for")]
    OtherServer(Box<str>),
    /// It goes beyond what the session was granted.
    #[error("the scope was not granted at the sign-in")]
    NotGranted(Box<str>),
}

impl ScopeRefused {
    /// What the client reads. A scope's words are of the character set of RFC 6749 §5.2.
    #[must_use]
    pub fn description(&self) -> String {
        match self {
            Self::Unknown(word) => format!("There is no scope {word} here."),
            Self::NotRegistered(word) => format!("The scope {word} is not registered for the client."),
            Self::Role(word) => format!("The scope {word} needs a role that the user does not have."),
            Self::ClientRole(word) => {
                format!("The scope {word} needs a role that the client does not have.")
            }
            Self::NeedsUser(word) => {
                format!("The scope {word} is about a user: no client has it for itself.")
            }
            Self::TwoServers(one, other) => {
                format!("The scopes {one} and {other} are of two resource servers. Ask for a token for each.")
            }
            Self::OtherServer(word) => {
                format!("The scope {word} is not of the resource that was asked for.")
            }
            Self::NotGranted(word) => format!("The scope {word} was not granted at the sign-in."),
        }
    }
}
