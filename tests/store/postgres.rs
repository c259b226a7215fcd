//! What only the store in PostgreSQL does.

mod cluster;
mod crash;
mod durability;
mod exchange;
mod lookups;
mod monitoring;
mod nodes;
mod opening;
mod outages;
pub(crate) mod pooler;
mod privileges;
mod servers;
mod stuck;
mod tls;
