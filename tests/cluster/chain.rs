//! One client and its chain of refresh tokens, through any of the nodes.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::load::Shared;
use crate::nodes::{SECRET, USER};
use crate::{Numbers, PATIENCE, RETRY_WINDOW};

/// The client of the configuration that has a secret.
const CONFIDENTIAL: &str = "web-app";

/// A token family, as its client knows it.
pub(crate) struct Chain {
    /// Which node comes next, and what else is left to chance.
    numbers: Numbers,
    client: &'static str,
    /// The newest refresh token that was acknowledged.
    pub(crate) newest: String,
    /// The nonces of the refresh tokens that were acknowledged, from generation 1.
    pub(crate) acknowledged: Vec<[u8; 16]>,
    /// How many requests ended without an answer or with 503, so that their outcome was unknown.
    pub(crate) unknown: usize,
}

/// What a request came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The refresh token.
    Tokens(String),
    /// 503, or no answer.
    Unknown,
    /// Anything else.
    Refused(String),
}

impl Outcome {
    /// Whether it is this token.
    fn is_successor(&self, token: &str) -> bool {
        matches!(self, Self::Tokens(own) if successor(own) == successor(token))
    }
}

impl Chain {
    /// Signs in, at another node if one can't at the time.
    pub(crate) async fn start(seed: u64, shared: &Shared) -> Self {
        let client = if seed.is_multiple_of(2) { CONFIDENTIAL } else { "phone-app" };
        Self::start_for(client, seed, shared).await
    }

    /// As [`start`](Self::start), with this client.
    pub(crate) async fn start_for(client: &'static str, seed: u64, shared: &Shared) -> Self {
        let mut chain = Self {
            numbers: Numbers::of(seed + 1),
            client,
            newest: String::new(),
            acknowledged: Vec::new(),
            unknown: 0,
        };
        let form = [("grant_type", "password"), ("username", USER.0), ("password", USER.1)];
        let began = Instant::now();
        while chain.newest.is_empty() {
            let node = shared.node(&mut chain.numbers);
            match chain.ask(shared, node, &form).await {
                Outcome::Tokens(token) => chain.newest = token,
                Outcome::Unknown if began.elapsed() < PATIENCE => {
                    tokio::time::sleep(Duration::from_millis(25)).await;
                }
                other @ (Outcome::Unknown | Outcome::Refused(_)) => panic!("{other:?}"),
            }
        }
        chain
    }

    /// Refreshes with the newest token until it has the next one: at once at another node, if one does not answer.
    pub(crate) async fn refresh(&mut self, shared: &Shared) {
        let began = Instant::now();
        let all = shared.bases.len();
        for attempt in 0.. {
            let node = shared.node(&mut self.numbers);
            let other = (node + 1 + self.numbers.below(all - 1)) % all;
            // As two processes that share the stored token do.
            let at_once = attempt == 0 && self.numbers.below(8) == 0 && !shared.has_choice();
            let asked = if at_once {
                let both = tokio::join!(self.present(shared, node), self.present(shared, other));
                vec![both.0, both.1]
            } else {
                vec![self.present(shared, node).await]
            };
            let mut tokens = Vec::new();
            for outcome in asked {
                match outcome {
                    Outcome::Tokens(token) => tokens.push(token),
                    Outcome::Unknown => self.unknown += 1,
                    Outcome::Refused(why) => panic!("generation {}: {why}", generation(&self.newest)),
                }
            }
            if let [first, second] = tokens.as_slice() {
                let is_same = successor(first) == successor(second);
                assert!(is_same, "two successors of generation {}: {tokens:?}", generation(&self.newest));
            }
            if let Some(next) = tokens.pop() {
                // As if the answer had been lost.
                if self.numbers.below(8) == 0 && !shared.has_choice() {
                    let again = self.present(shared, other).await;
                    let is_good = again.is_successor(&next) || again == Outcome::Unknown;
                    assert!(is_good, "{again:?} after {next}");
                }
                self.acknowledge(next);
                return;
            }
            assert!(began.elapsed() < PATIENCE, "no tokens after {attempt} attempts");
            if attempt % all == all - 1 {
                tokio::time::sleep(Duration::from_millis(25)).await;
            }
        }
    }

    fn acknowledge(&mut self, next: String) {
        assert_eq!(generation(&next), generation(&self.newest) + 1);
        self.acknowledged.push(bytes(&next)[21..37].try_into().unwrap());
        self.newest = next;
    }

    /// Presents the newest token at a node.
    pub(crate) async fn present(&self, shared: &Shared, node: usize) -> Outcome {
        let form = [("grant_type", "refresh_token"), ("refresh_token", self.newest.as_str())];
        self.ask(shared, node, &form).await
    }

    /// The last refresh of the proof: at each node, which all say the same.
    pub(crate) async fn refresh_everywhere(&mut self, shared: &Shared) {
        shared.all_ready().await;
        let (began, mut tokens) = (Instant::now(), Vec::new());
        while tokens.len() < shared.bases.len() {
            match self.present(shared, tokens.len()).await {
                // It may have to connect again.
                Outcome::Unknown if began.elapsed() < RETRY_WINDOW * 2 / 3 => {
                    tokio::time::sleep(Duration::from_millis(25)).await;
                }
                outcome @ (Outcome::Tokens(_) | Outcome::Unknown | Outcome::Refused(_)) => {
                    tokens.push(outcome);
                }
            }
        }
        let Outcome::Tokens(first) = tokens[0].clone() else { panic!("an acknowledged token: {tokens:?}") };
        assert!(tokens.iter().all(|outcome| outcome.is_successor(&first)), "two lines: {tokens:?}");
        self.acknowledge(first);
    }

    async fn ask(&self, shared: &Shared, node: usize, form: &[(&str, &str)]) -> Outcome {
        let request = shared.http.post(format!("{}/oauth/token", shared.bases[node]));
        let request = if self.client == CONFIDENTIAL {
            request.basic_auth(CONFIDENTIAL, Some(SECRET)).form(form)
        } else {
            request.form(&[form, &[("client_id", self.client)]].concat())
        };
        let began = Instant::now();
        let outcome = match request.send().await {
            Ok(answer) => {
                let status = answer.status().as_u16();
                match (status, answer.text().await) {
                    (503, _) | (_, Err(_)) => Outcome::Unknown,
                    (200, Ok(text)) => {
                        let json: Value = serde_json::from_str(&text).unwrap();
                        Outcome::Tokens(json["refresh_token"].as_str().unwrap().to_owned())
                    }
                    (_, Ok(text)) => Outcome::Refused(format!("{status} {text}")),
                }
            }
            Err(_) => Outcome::Unknown,
        };
        shared.asked(node, &outcome, began.elapsed());
        outcome
    }
}

/// The bytes of a refresh token: key id 1, session 16, generation 4, nonce 16, MAC 32.
pub(crate) fn bytes(token: &str) -> Vec<u8> {
    let bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix("hrt_").unwrap()).unwrap();
    assert_eq!(bytes.len(), 69);
    bytes
}

/// What makes two tokens the same. When a refresh secret is new, one node may use it a moment before the others: then the
/// key and the MAC differ, and both tokens are good.
fn successor(token: &str) -> Vec<u8> {
    bytes(token)[1..37].to_vec()
}

pub(crate) fn generation(token: &str) -> u32 {
    u32::from_be_bytes(bytes(token)[17..21].try_into().unwrap())
}
