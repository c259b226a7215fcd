//! Keys in a table in memory: what one server changes, and what the others see.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::clock::{ManualClock, Timestamp};
use crate::oauth::SigningAlgorithm;
use crate::store::KeyTableError;
use crate::token::{
    IfMissing, KeyLife, KeyState, Keyring, Peppers, RefreshSecrets, SecretState, SigningKeys,
};

const NOW: Timestamp = Timestamp::from_seconds(1_795_225_265);
const ES256: SigningAlgorithm = SigningAlgorithm::Es256;

/// A table in memory.
#[derive(Debug, Default)]
struct Table {
    rows: Mutex<KeyRows>,
    /// So many calls of `rows` fail.
    away: AtomicUsize,
    /// What somebody else does just before a change.
    rival: Mutex<Vec<(String, Vec<u8>)>>,
}

impl Table {
    fn rows(&self) -> std::sync::MutexGuard<'_, KeyRows> {
        self.rows.lock().unwrap()
    }

    /// Changes a row by hand.
    fn set(&self, name: &str, value: &[u8]) {
        let mut rows = self.rows();
        rows.values.insert(name.to_owned(), value.to_vec());
        rows.version += 1;
    }

    fn names(&self) -> Vec<String> {
        self.rows().values.keys().cloned().collect()
    }
}

impl KeyTable for Table {
    fn place(&self) -> String {
        "schema test".to_owned()
    }

    fn version(&self) -> Result<u64, KeyTableError> {
        Ok(self.rows().version)
    }

    fn rows(&self) -> Result<KeyRows, KeyTableError> {
        let fails = self.away.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if fails.is_ok() { Err(KeyTableError("away".to_owned())) } else { Ok(self.rows().clone()) }
    }

    fn prepare(&self) -> Result<(), KeyTableError> {
        let mut rows = self.rows();
        rows.store.get_or_insert([1; 16]);
        rows.version = 1;
        Ok(())
    }

    fn change(&self, version: u64, changes: KeyChanges) -> Result<bool, KeyTableError> {
        for (name, value) in self.rival.lock().unwrap().drain(..) {
            self.set(&name, &value);
        }
        let mut rows = self.rows();
        if rows.version != version {
            return Ok(false);
        }
        for (name, value) in changes {
            match value {
                Some(value) => drop(rows.values.insert(name, value)),
                None => drop(rows.values.remove(&name)),
            }
        }
        rows.version += 1;
        Ok(true)
    }
}

fn kek(byte: u8) -> KeyEncryptionKey {
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = STANDARD.encode([byte; 32]);
    std::fs::write(file.path(), text).unwrap();
    KeyEncryptionKey::read(file.path()).unwrap()
}

fn keyring(table: &Arc<Table>, current: u8, other: Option<u8>) -> Keyring {
    let table = Arc::<Table>::clone(table);
    Keyring::in_database(SealedKeys::new(table, KeyEncryptionKeys::new(kek(current), other.map(kek))))
}

/// What a first start makes.
fn make(keyring: &Keyring) -> (SigningKeys, RefreshSecrets, Peppers) {
    let clock = Arc::new(ManualClock::at(NOW));
    let signing = SigningKeys::open(keyring.clone(), KeyLife::default(), Some(ES256), clock).unwrap();
    let refresh = RefreshSecrets::open(keyring.clone(), IfMissing::Create, NOW).unwrap();
    (signing, refresh, Peppers::open(keyring.clone(), IfMissing::Create, NOW).unwrap())
}

#[test]
fn what_one_server_makes_the_others_read() {
    let table = Arc::<Table>::default();
    let (one, other) = (keyring(&table, 7, None), keyring(&table, 7, None));
    let (signing, refresh, peppers) = make(&one);
    let (same_signing, same_refresh, same_peppers) = make(&other);
    assert_eq!(signing.signer().unwrap().kid(), same_signing.signer().unwrap().kid());
    assert_eq!(refresh.find(1).unwrap().as_bytes(), same_refresh.find(1).unwrap().as_bytes());
    assert_eq!(peppers.find(1).unwrap().as_bytes(), same_peppers.find(1).unwrap().as_bytes());
    assert_eq!(table.names().len(), 3);

    let new = one.rotate_signing(ES256, NOW).unwrap();
    assert_eq!(one.rotate_refresh_secret(NOW).unwrap().id, 2);
    assert!(same_signing.reload().is_empty() && same_refresh.reload().is_empty());
    assert!(same_signing.published().contains(&new.kid));
    assert_ne!(same_signing.signer().unwrap().kid(), new.kid, "it is published before it signs");
    assert_eq!(same_refresh.current().unwrap().0, 2);

    let old = signing.signer().unwrap().kid();
    let newest = other.compromised_signing(old, NOW).unwrap();
    other.compromised_refresh_secret(2, NOW).unwrap();
    assert!(signing.reload().is_empty() && refresh.reload().is_empty());
    assert_eq!(signing.signer().unwrap().kid(), newest.kid);
    assert!(signing.find(old).is_none() && refresh.find(2).is_none());
    let states = one.signing_keys(&KeyLife::default(), NOW).unwrap();
    assert!(states.iter().any(|key| key.kid == Some(old) && key.state == KeyState::Compromised));
    let secrets = one.secrets().unwrap();
    assert!(secrets.iter().any(|secret| secret.id == 2 && secret.state == SecretState::Compromised));
    assert_eq!(one.rotate_refresh_secret(NOW).unwrap().id, 4, "3 took the place of 2");
}

#[test]
fn of_two_changes_at_once_one_is_decided_again() {
    let table = Arc::<Table>::default();
    let (one, other) = (keyring(&table, 7, None), keyring(&table, 7, None));
    make(&one);
    other.rotate_refresh_secret(NOW).unwrap();
    // Somebody else's second secret arrives between our reading and our change.
    let rival: Vec<_> =
        table.rows().values.clone().into_iter().filter(|(name, _)| name.contains("-002-")).collect();
    table.rows().values.retain(|name, _| !name.contains("-002-"));
    *table.rival.lock().unwrap() = rival;
    assert_eq!(one.rotate_refresh_secret(NOW).unwrap().id, 3);
    assert!(one.secrets_in_use().is_ok(), "no id was given twice");
}

#[test]
fn starts_at_once_on_an_empty_database_make_one_set_of_keys() {
    let table = Arc::<Table>::default();
    let kids: Vec<_> = std::thread::scope(|scope| {
        let start = || make(&keyring(&table, 7, None)).0.signer().unwrap().kid();
        let starts: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    assert!(kids.iter().all(|kid| *kid == kids[0]), "{kids:?}");
    assert_eq!(table.names().len(), 3);
}

#[test]
fn a_wrong_key_a_swapped_row_and_a_damaged_one_are_refused_in_words() {
    let table = Arc::<Table>::default();
    let keyring_7 = keyring(&table, 7, None);
    make(&keyring_7);
    keyring_7.rotate_refresh_secret(NOW).unwrap();
    let refused = |keyring: &Keyring| {
        RefreshSecrets::open(keyring.clone(), IfMissing::Refuse, NOW).unwrap_err().to_string()
    };
    let said = refused(&keyring(&table, 8, None));
    assert!(said.contains("refresh-001-") && said.contains("other_key_encryption_key_file"), "{said}");
    assert_eq!(table.names().len(), 4, "nothing was made anew");

    let [first, second] = ["-001-", "-002-"].map(|id| {
        let rows = table.rows();
        let row = rows.values.iter().find(|(name, _)| name.starts_with("refresh") && name.contains(id));
        row.map(|(name, value)| (name.clone(), value.clone())).unwrap()
    });
    table.set(&first.0, &second.1);
    table.set(&second.0, &first.1);
    assert!(refused(&keyring_7).contains("sealed for another name"), "{}", refused(&keyring_7));
    table.set(&first.0, &first.1);
    table.set(&second.0, b"");
    assert!(refused(&keyring_7).contains(&second.0), "{}", refused(&keyring_7));
    // A tombstone that an operator makes by hand.
    table.rows().values.remove(&second.0);
    table.set(&format!("{}.compromised", second.0), b"");
    let secrets = RefreshSecrets::open(keyring_7.clone(), IfMissing::Refuse, NOW).unwrap();
    assert_eq!(secrets.current().unwrap().0, 1);
    assert_eq!(keyring_7.rotate_refresh_secret(NOW).unwrap().id, 3);
    // The rows of another installation.
    table.rows().store = Some([2; 16]);
    assert!(refused(&keyring(&table, 7, None)).contains("another installation"));
}

#[test]
fn a_running_server_keeps_its_keys_while_the_database_is_away_or_was_set_back() {
    let table = Arc::<Table>::default();
    let keyring = keyring(&table, 7, None);
    let (signing, refresh, _) = make(&keyring);
    let before = table.rows().clone();
    keyring.rotate_refresh_secret(NOW).unwrap();
    table.away.store(2, Ordering::Relaxed);
    assert!(signing.reload()[0].may_pass() && refresh.reload()[0].may_pass());
    assert_eq!(signing.problems().len(), 1);
    assert!(signing.signer().is_ok());
    assert!(signing.reload().is_empty() && refresh.reload().is_empty());
    assert_eq!(refresh.current().unwrap().0, 2);

    *table.rows() = before;
    let said = refresh.reload()[0].to_string();
    assert!(said.contains("an older state"), "{said}");
    assert_eq!(refresh.current().unwrap().0, 2, "the newest is kept");
}

#[test]
fn everything_is_sealed_again_under_another_key_while_both_open() {
    let table = Arc::<Table>::default();
    let old = keyring(&table, 7, None);
    let (signing, ..) = make(&old);
    old.compromised_refresh_secret(1, NOW).unwrap();
    let both = keyring(&table, 8, Some(7));
    assert_eq!(make(&both).0.signer().unwrap().kid(), signing.signer().unwrap().kid());
    assert_eq!(both.reseal().unwrap(), Some(4));
    assert_eq!(both.reseal().unwrap(), Some(0));
    assert!(old.secrets_in_use().is_err(), "the old key opens nothing any more");
    let new = keyring(&table, 8, None);
    assert_eq!(make(&new).0.signer().unwrap().kid(), signing.signer().unwrap().kid());
    assert_eq!(new.secrets().unwrap(), both.secrets().unwrap());
    // A server that still has the old key alone goes on with what it holds.
    assert!(signing.reload().is_empty());
    assert_eq!(
        keyring(&table, 9, Some(7)).reseal().unwrap_err().to_string().matches("sealed under").count(),
        1
    );
    assert_eq!(Keyring::in_folder("unused").reseal().unwrap(), None);
}

#[test]
fn a_folder_is_copied_there_and_back_and_nothing_is_replaced() {
    let (temp, table) = (tempfile::tempdir().unwrap(), Arc::<Table>::default());
    let folder = |name: &str| Keyring::in_folder(temp.path().join(name));
    let (from, database) = (folder("keys"), keyring(&table, 7, None));
    assert!(matches!(from.copy_to(&database), Err(KeyError::Missing { .. })), "there is nothing");
    let (signing, ..) = make(&from);
    from.compromised_refresh_secret(1, NOW).unwrap();
    let kid = from.rotate_signing(ES256, NOW).unwrap().kid;
    from.compromised_signing(kid, NOW).unwrap();
    let count = std::fs::read_dir(temp.path().join("keys")).unwrap().count();
    assert_eq!(from.copy_to(&database).unwrap(), count);
    assert_eq!(from.copy_to(&database).unwrap(), count, "once more changes nothing");
    let states = |keyring: &Keyring| keyring.signing_keys(&KeyLife::default(), NOW).unwrap();
    assert_eq!(states(&database), states(&from));
    assert_eq!(database.secrets().unwrap(), from.secrets().unwrap());
    assert_eq!(make(&database).0.kids(), signing_again(&from).kids());

    let back = folder("back");
    assert_eq!(database.copy_to(&back).unwrap(), count);
    for entry in std::fs::read_dir(temp.path().join("keys")).unwrap() {
        let name = entry.unwrap().file_name();
        let read = |folder: &str| std::fs::read(temp.path().join(folder).join(&name)).unwrap();
        assert_eq!(read("back"), read("keys"), "{}", Path::new(&name).display());
    }
    // Other keys there, or one more of them.
    let other = folder("other");
    make(&other);
    for (from, to) in [(&other, &database), (&database, &other)] {
        let said = from.copy_to(to).unwrap_err().to_string();
        assert!(said.contains("nothing was replaced"), "{said}");
    }
    back.rotate_pepper(NOW).unwrap();
    assert!(matches!(database.copy_to(&back), Err(KeyError::Differs { .. })));
    assert_eq!(back.copy_to(&database).unwrap(), count + 1);
    assert!(signing.signer().is_ok());
}

fn signing_again(keyring: &Keyring) -> SigningKeys {
    let clock = Arc::new(ManualClock::at(NOW));
    SigningKeys::open(keyring.clone(), KeyLife::default(), None, clock).unwrap()
}
