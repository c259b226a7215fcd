//! What people do to their own account and their devices, and sign-up.

pub mod devices;
pub mod own_account;
