//! What must be the same on all nodes of an installation, as a digest of each section.
//!
//! Where a node listens, its folders, its log, how many threads it has, and secrets are its own affair. The digests are
//! compared between nodes of the same version only, so they may change from one version to the next.

use std::collections::BTreeMap;
use std::fmt::Debug;

use aws_lc_rs::digest;

use super::Config;
use crate::client::Registration;

/// How many bytes of the SHA-256 a digest has: enough to tell configurations apart.
const DIGEST: usize = 16;

impl Config {
    /// A digest of each section that must be the same on all nodes, without secrets.
    #[must_use]
    pub fn shared_sections(&self) -> BTreeMap<String, Vec<u8>> {
        // All fields by name: whoever adds one says here whether nodes may differ in it.
        let Self {
            issuer,
            server: _,
            store: _,
            data: _,
            nearly_full: _,
            keys: _,
            keys_in: _,
            lead_time,
            algorithm,
            id_token_algorithms,
            log: _,
            tokens,
            audiences,
            default_audience,
            scope_roles,
            password_grant,
            accounts,
            pages,
            passwords,
            throttle,
            sessions,
            logins,
            clients,
            exposed: _,
        } = self;
        let mut clients: Vec<_> = clients
            .iter()
            .map(|Registration { id, metadata, secrets, disabled }| (id, metadata, secrets.len(), disabled))
            .collect();
        clients.sort_by_key(|(id, ..)| *id);
        let sections: [(&str, &dyn Debug); 13] = [
            ("issuer", issuer),
            ("keys", &(lead_time, algorithm, id_token_algorithms)),
            ("tokens", tokens),
            ("audiences", &(audiences, default_audience)),
            ("scope_roles", scope_roles),
            ("grants", password_grant),
            ("accounts", accounts),
            ("pages", pages),
            ("passwords", &passwords.min_length),
            ("throttle", throttle),
            ("sessions", sessions),
            ("logins", logins),
            ("clients", &clients),
        ];
        sections.into_iter().map(|(name, section)| (name.to_owned(), digest_of(section))).collect()
    }
}

fn digest_of(section: &dyn Debug) -> Vec<u8> {
    let digest = digest::digest(&digest::SHA256, format!("{section:?}").as_bytes());
    digest.as_ref().iter().take(DIGEST).copied().collect()
}
