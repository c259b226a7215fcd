//! How the grants are made.

use std::sync::Arc;

use super::parts::Parts;
use crate::app::grants::authorization_code::CodeGrant;
use crate::app::grants::client_credentials::ClientCredentialsGrant;
use crate::app::grants::password::PasswordGrant;
use crate::app::grants::refresh::RefreshGrant;
use crate::app::metrics::TokenRequests;
use crate::app::mint::Mint;
use crate::app::overlap::Overlap;
use crate::app::{Accounts, AuthorizationRequests, Authorizations, Consents, Grants, Sessions};
use crate::clock::StepWatch;
use crate::throttle::operation::LimitedAction;

impl Parts {
    pub(super) fn authorizations(&self) -> Authorizations {
        Authorizations {
            repository: self.repository.clone(),
            clients: Arc::clone(&self.clients),
            installation: Arc::clone(&self.installation),
            keys: Arc::clone(&self.keys),
            rate: Arc::clone(self.throttling.rate_limits.of(LimitedAction::Authorization)),
            settings: Arc::clone(&self.settings),
            clock: Arc::clone(&self.clock),
            random: self.random.clone(),
        }
    }

    pub(super) fn authorization_requests(
        &self,
        authorizations: &Arc<Authorizations>,
        consents: &Arc<Consents>,
    ) -> AuthorizationRequests {
        AuthorizationRequests {
            clients: Arc::clone(&self.clients),
            consents: Arc::clone(consents),
            authorizations: Arc::clone(authorizations),
            keys: Arc::clone(&self.keys),
            settings: Arc::clone(&self.settings),
            clock: Arc::clone(&self.clock),
            random: self.random.clone(),
        }
    }

    fn code_grant(&self, sessions: &Arc<Sessions>, mint: &Arc<Mint>) -> CodeGrant {
        CodeGrant {
            skew: self.nodes.skew(),
            repository: self.repository.clone(),
            clients: Arc::clone(&self.clients),
            sessions: Arc::clone(sessions),
            installation: Arc::clone(&self.installation),
            keys: Arc::clone(&self.keys),
            mint: Arc::clone(mint),
            settings: Arc::clone(&self.settings),
            clock: Arc::clone(&self.clock),
            random: self.random.clone(),
        }
    }

    pub(super) fn grants(
        &self,
        (accounts, sessions): (&Arc<Accounts>, &Arc<Sessions>),
        requests: &Arc<TokenRequests>,
    ) -> Grants {
        let mint = Arc::new(Mint {
            keys: Arc::clone(&self.keys),
            settings: Arc::clone(&self.settings),
            clock: Arc::clone(&self.clock),
        });
        let authorization_code = self.code_grant(sessions, &mint);
        let rate = |action| Arc::clone(self.throttling.rate_limits.of(action));
        Grants {
            password: PasswordGrant {
                repository: self.repository.clone(),
                clients: Arc::clone(&self.clients),
                accounts: Arc::clone(accounts),
                sessions: Arc::clone(sessions),
                installation: Arc::clone(&self.installation),
                keys: Arc::clone(&self.keys),
                mint: Arc::clone(&mint),
                settings: Arc::clone(&self.settings),
                clock: Arc::clone(&self.clock),
                random: self.random.clone(),
            },
            refresh_token: RefreshGrant {
                repository: self.repository.clone(),
                clients: Arc::clone(&self.clients),
                installation: Arc::clone(&self.installation),
                keys: Arc::clone(&self.keys),
                mint: Arc::clone(&mint),
                rate: rate(LimitedAction::Refresh),
                overlap: Overlap::default(),
                clock_steps: StepWatch::since(self.clock.now(), self.clock.monotonic()),
                uptime: Arc::clone(&self.uptime),
                skew: self.nodes.skew(),
                settings: Arc::clone(&self.settings),
                clock: Arc::clone(&self.clock),
                random: self.random.clone(),
            },
            client_credentials: ClientCredentialsGrant {
                repository: self.repository.clone(),
                clients: Arc::clone(&self.clients),
                installation: Arc::clone(&self.installation),
                keys: Arc::clone(&self.keys),
                mint,
                rate: rate(LimitedAction::ClientToken),
                settings: Arc::clone(&self.settings),
                clock: Arc::clone(&self.clock),
                random: self.random.clone(),
            },
            authorization_code,
            requests: Arc::clone(requests),
        }
    }
}
