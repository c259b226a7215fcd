//! Child processes, disks and folders for the tests of the embedded store.

pub(crate) mod child;
pub(crate) mod disk;
pub(crate) mod folder;
pub(crate) mod loop_device;
pub(crate) mod power;
pub(crate) mod until;
