//! Endpoints for the server's operators: health, metrics, and the operators' socket.

pub mod health;
pub mod metrics;
pub mod operator;
