//! What the configuration settles for the services.

use super::keys::key_life;
use crate::app::{ScopeCatalogue, Settings};
use crate::config::{AccessTokenType, Config};
use crate::oauth::ids::InvalidText;
use crate::password::policy::Policy;
use crate::throttle::{self, Limit};
use crate::token::TokenType;

pub(super) fn settings(config: &Config) -> Result<Settings, InvalidText> {
    let mut scopes = ScopeCatalogue::new(config.issuer.parse()?, config.default_audience.clone());
    for audience in &config.audiences {
        let typ = match audience.typ {
            AccessTokenType::AtJwt => TokenType::AtJwt,
            AccessTokenType::Jwt => TokenType::Jwt,
        };
        scopes.declare(&audience.name, typ, &audience.scopes);
    }
    for (scope, roles) in &config.scope_roles {
        scopes.require(scope, roles.clone());
    }
    let min_length = usize::try_from(config.passwords.min_length).unwrap_or(usize::MAX);
    Ok(Settings {
        issuer: config.issuer.clone(),
        password_grant: config.password_grant,
        scopes,
        password_policy: Policy::new(min_length).unwrap_or_default(),
        tokens: config.tokens.clone(),
        id_token_algorithms: config.id_token_algorithms.clone(),
        default_audience: config.default_audience.clone(),
        longest_access_token: key_life(config).longest_access_token,
        accounts: config.accounts.clone(),
        sessions: config.sessions.clone(),
        pages: config.pages.clone(),
        logins: config.logins,
    })
}

pub(super) fn limits(config: &Config) -> throttle::Settings {
    let usual = throttle::Settings::default();
    let free = |attempts: u32, limit: Limit| Limit { free: attempts, ..limit };
    throttle::Settings {
        account: free(config.throttle.account_attempts, usual.account),
        known_network: free(config.throttle.account_attempts, usual.known_network),
        network: free(config.throttle.network_attempts, usual.network),
        ..usual
    }
}

/// Sign-ups are counted by network alone: there is no account yet to count by.
pub(super) fn sign_up_limits(config: &Config) -> throttle::Settings {
    let usual = throttle::Settings::default();
    let network = Limit { free: config.throttle.network_sign_ups, ..usual.network };
    throttle::Settings { network, network_cells: usual.network_cells, ..throttle::Settings::off() }
}
