//! What nodes of two versions have in common in a database: its tables and functions, and the names of leases.

use std::fs;
use std::path::Path;

use heirloom::store::cluster::Lease;
use ring::digest::{SHA256, digest};

use crate::frozen::Frozen;

/// A version of the tables is made once. Whoever has it never sees what is changed in its file later.
#[test]
fn the_files_that_make_the_tables_are_as_they_were() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/postgres/schema");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let mut frozen = Frozen::read("tables.txt");
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        frozen.bytes(name, digest(&SHA256, &fs::read(&file).unwrap()).as_ref());
    }
    frozen.finish();
}

#[test]
fn leases_have_the_names_that_they_had() {
    let mut frozen = Frozen::read("leases.txt");
    for lease in Lease::ALL {
        let name = match lease {
            Lease::Sweeper => "Sweeper",
            Lease::LogoutDeliveries => "LogoutDeliveries",
            Lease::Indexes => "Indexes",
        };
        frozen.text(name, lease.as_str());
        frozen.reads(name, |text| assert_eq!(Lease::named(text), Some(lease)));
    }
    assert_eq!(Lease::named("of_a_later_version"), None);
    frozen.finish();
}
