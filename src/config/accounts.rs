//! `[accounts]`: who may make an account, and its first roles.

use super::section::Section;

/// The settings of `[accounts]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    /// Who may make an account.
    pub registration: SignUp,
    /// Whether people can sign in with their e-mail address; then an address must be unique.
    pub login_with_email: bool,
    /// The roles of an account made without an invitation.
    pub roles: Vec<String>,
}

/// Who may make an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignUp {
    /// Anybody.
    Open,
    /// Only people with an invitation.
    Invite,
    /// Nobody.
    #[default]
    Closed,
}

/// Reads `[accounts]`.
pub(super) fn accounts(root: &mut Section<'_>) -> Accounts {
    const CHOICES: [(&str, SignUp); 3] =
        [("open", SignUp::Open), ("invite", SignUp::Invite), ("closed", SignUp::Closed)];
    let mut section = root.section("accounts");
    let registration = section.choice("registration", &CHOICES).map(|at| at.value).unwrap_or_default();
    let login_with_email = section.boolean("login_with_email").is_some_and(|at| at.value);
    let roles = section.texts("roles").unwrap_or_default();
    for role in roles.iter().filter(|role| role.value.is_empty() || role.value.contains(char::is_whitespace))
    {
        let message = format!("`roles`: \"{}\" is no role", role.value.escape_debug());
        section.problems.note(&role.place, message, "a role is a word without spaces");
    }
    section.finish();
    Accounts { registration, login_with_email, roles: roles.into_iter().map(|role| role.value).collect() }
}
