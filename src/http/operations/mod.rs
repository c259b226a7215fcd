//! What whoever operates the server asks it: whether it is well, its numbers, and the operators' socket.

pub mod health;
pub mod metrics;
pub mod operator;
