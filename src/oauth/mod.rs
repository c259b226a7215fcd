//! The protocol's types: what requests and answers are made of. Pure: no I/O, no clock, no randomness.

pub mod actor;
pub mod algorithm;
pub mod authentication_method;
pub mod authorization_error;
pub mod authorization_request;
pub mod error;
pub mod grant_type;
pub mod ids;
pub mod kid;
pub mod mac;
pub mod origin;
pub mod prompt;
pub mod refresh_token;
pub mod role;
pub mod scope;
pub mod sealed_request;
pub mod session_epoch;
pub mod word_list;

pub use actor::Actor;
pub use algorithm::{NotAnAlgorithm, SigningAlgorithm};
pub use authentication_method::AuthenticationMethod;
pub use authorization_error::{AuthorizationError, PageError};
pub use authorization_request::{AuthorizationRequest, Parameters, PkceRule, ResponseMode};
pub use error::ErrorCode;
pub use grant_type::GrantType;
pub use ids::{Audience, ClientId, LoginId, SessionId, UserId};
pub use kid::Kid;
pub use mac::MacKeys;
pub use origin::Origin;
pub use prompt::{Prompt, Prompts};
pub use refresh_token::{Generation, Nonce, RefreshToken, RefreshTokenCodec};
pub use scope::Scope;
pub use sealed_request::SealedRequest;
pub use session_epoch::SessionEpoch;
