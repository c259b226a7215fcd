//! What only the embedded store promises: its files, its groups, its care for what sled does not see to.

mod crash;
mod damage;
mod group_atomicity;
mod groups;
mod log;
mod open;
mod power_cut;
mod refused;
mod space;
mod thread_panic;
