//! What only the store in PostgreSQL does.

mod crash;
mod lookups;
mod nodes;
mod opening;
mod servers;
mod tls;
