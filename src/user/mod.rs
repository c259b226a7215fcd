//! People who sign in.

pub mod name;
