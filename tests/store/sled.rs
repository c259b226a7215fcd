//! What only the embedded store promises: its files, its groups, and how it makes up for what sled lacks.

mod crash;
mod damage;
mod group_atomicity;
mod groups;
mod log;
mod open;
mod power_cut;
mod refused;
mod space;
mod swapped_values;
mod thread_panic;
