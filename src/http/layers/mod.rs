//! The layers that every request passes on its way to an endpoint, and every answer on its way back.

mod cors;
mod host;
mod hsts;
pub(in crate::http) mod issuer_path;
mod uniform_answers;

pub(in crate::http) use cors::Cors;
pub(in crate::http) use host::{HostCheck, misdirected};
pub(in crate::http) use hsts::Hsts;
pub(in crate::http) use issuer_path::IssuerPath;
pub(in crate::http) use uniform_answers::UniformAnswers;
