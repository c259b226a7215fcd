//! How the limits on attempts and on frequent requests are made.

use std::sync::Arc;

use super::environment::AssembleError;
use super::settings::{limits, sign_up_limits};
use crate::app::attempts::Attempts;
use crate::app::shared_counters::SharedCounters;
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::random::Random;
use crate::store::Exchange;
use crate::throttle::bucket::Rate;
use crate::throttle::operation::{Counters, LimitedAction};
use crate::throttle::rate_limits::RateLimits;
use crate::throttle::replica::Replica;
use crate::throttle::takes::Takes;
use crate::throttle::{Throttle, shared_key};
use crate::token::Peppers;

/// The counters of attempts, and the buckets.
pub(super) struct Throttling {
    /// Of passwords.
    pub(super) sign_ins: Arc<Throttle>,
    /// Of sign-ups, by network alone.
    sign_ups: Arc<Throttle>,
    /// Of frequent requests.
    pub(super) rate_limits: RateLimits,
    /// If several nodes count together.
    pub(super) shared: Option<Arc<SharedCounters>>,
    clock: Arc<dyn Clock>,
}

impl Throttling {
    /// Counted by this node alone under a random key, or with others under one that all of them derive from the oldest
    /// pepper, which changes least often.
    pub(super) fn new(
        config: &Config,
        exchange: Option<Arc<dyn Exchange>>,
        peppers: &Peppers,
        (clock, random): (&Arc<dyn Clock>, &Random),
    ) -> Result<Self, AssembleError> {
        let (limits, sign_up_limits) = (limits(config), sign_up_limits(config));
        let rate = |action| rate(&config.throttle, action);
        let Some(exchange) = exchange else {
            let sign_ins = Arc::new(Throttle::new(limits, &random.bytes()?));
            let sign_ups = Arc::new(Throttle::new(sign_up_limits, &random.bytes()?));
            let rate_limits = RateLimits::new(rate, None);
            return Ok(Self { sign_ins, sign_ups, rate_limits, shared: None, clock: Arc::clone(clock) });
        };
        let (_, oldest) = peppers.all().into_iter().next().ok_or_else(|| peppers.missing())?;
        let key = shared_key(oldest.as_bytes());
        let sign_ins = Arc::new(Throttle::new(limits, &key));
        let sign_ups = Arc::new(Throttle::new(sign_up_limits, &key));
        let takes = Arc::new(Takes::new(&key));
        let rate_limits = RateLimits::new(rate, Some(&takes));
        let counters = (Arc::clone(&sign_ins), Arc::clone(&sign_ups));
        let replica = Replica::new(random.bytes()?, counters, (rate_limits.clone(), Arc::clone(&takes)));
        let shared = Some(Arc::new(SharedCounters::new(exchange, (replica, takes), Arc::clone(clock))));
        Ok(Self { sign_ins, sign_ups, rate_limits, shared, clock: Arc::clone(clock) })
    }

    pub(super) fn attempts(&self, counters: Counters) -> Attempts {
        let throttle = match counters {
            Counters::SignIns => &self.sign_ins,
            Counters::SignUps => &self.sign_ups,
        };
        let shared = self.shared.as_ref().map(|shared| (Arc::clone(shared), counters));
        Attempts::new(Arc::clone(throttle), shared, Arc::clone(&self.clock))
    }
}

/// How often an action is permitted.
const fn rate(settings: &config::Throttle, action: LimitedAction) -> Rate {
    match action {
        LimitedAction::Refresh => Rate { burst: settings.refresh_burst, every: settings.refresh_every },
        LimitedAction::ClientToken => {
            Rate { burst: settings.client_token_burst, every: settings.client_token_every }
        }
        LimitedAction::Authorization | LimitedAction::SignIn | LimitedAction::RefusedPassword => {
            Rate { burst: settings.sign_in_burst, every: settings.sign_in_every }
        }
        LimitedAction::ProfileChange | LimitedAction::SessionEnding | LimitedAction::PasswordChange => {
            Rate { burst: settings.change_burst, every: settings.change_every }
        }
    }
}
