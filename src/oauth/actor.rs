//! Who caused an administrative event.

use std::fmt;

use minicbor::{Decode, Encode};

use super::ids::UserId;

/// Who caused an event: recorded on administrative events. It holds an id, never a name or an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Actor {
    /// The user to whom the event belongs.
    #[n(0)]
    User(#[n(0)] UserId),
    /// Another user, who had an access token with the scope `admin`.
    #[n(1)]
    Administrator(#[n(0)] UserId),
    /// A person who ran a command on the server's machine: the operating system's user id.
    #[n(2)]
    Operator(#[n(0)] u32),
    /// heirloom, without a request from anybody.
    #[n(3)]
    System,
}

impl Actor {
    /// The kind as the word that lists show.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Administrator(_) => "administrator",
            Self::Operator(_) => "operator",
            Self::System => "system",
        }
    }

    /// The id: a user's, or the operating system's user id; `None` for heirloom itself.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        match self {
            Self::User(id) | Self::Administrator(id) => Some(id.to_string()),
            Self::Operator(uid) => Some(uid.to_string()),
            Self::System => None,
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id() {
            Some(id) => write!(f, "{}:{id}", self.kind()),
            None => f.write_str(self.kind()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_survives_its_encoding_and_names_itself() {
        let id = UserId::from([7; 16]);
        for (actor, text) in [
            (Actor::User(id), format!("user:{id}")),
            (Actor::Administrator(id), format!("administrator:{id}")),
            (Actor::Operator(1000), "operator:1000".to_owned()),
            (Actor::System, "system".to_owned()),
        ] {
            let bytes = minicbor::to_vec(actor).unwrap();
            assert_eq!(minicbor::decode::<Actor>(&bytes).unwrap(), actor);
            assert_eq!(actor.to_string(), text);
        }
    }
}
