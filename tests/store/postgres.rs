//! What only the store in PostgreSQL does.

mod crash;
mod lookups;
mod nodes;
mod opening;
mod privileges;
mod servers;
mod tls;
