//! Keys for tests that don't care about them.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use heirloom::clock::{Clock, ManualClock};
use heirloom::token::{IfMissing, KeyLife, Keyring, SigningAlgorithm};

use super::{NOW, set_mode};

/// Copies a keys folder, which is made once for all tests of a program, since making RSA keys takes long.
pub(super) fn copy(to: &Path) {
    static KEYS: OnceLock<tempfile::TempDir> = OnceLock::new();
    let made = KEYS.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(NOW));
        let keys = Keyring::in_folder(folder.path());
        heirloom::token::SigningKeys::open(
            keys.clone(),
            KeyLife::default(),
            Some(SigningAlgorithm::Rs256),
            clock,
        )
        .unwrap();
        heirloom::token::RefreshSecrets::open(keys.clone(), IfMissing::Create, NOW).unwrap();
        heirloom::token::Peppers::open(keys, IfMissing::Create, NOW).unwrap();
        folder
    });
    std::fs::create_dir_all(to).unwrap();
    set_mode(to, 0o700);
    for entry in std::fs::read_dir(made.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
