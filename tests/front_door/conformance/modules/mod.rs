//! The modules of the plans Basic and Form Post.

pub(super) mod claims;
pub(super) mod codes;
pub(super) mod people;
pub(super) mod requests;
