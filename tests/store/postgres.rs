//! What only the store in PostgreSQL does.

mod crash;
mod nodes;
mod opening;
