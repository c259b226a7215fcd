//! Values that were changed, moved or sealed by others.

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::frozen::Frozen;

const STORE: [u8; 16] = [0x51; 16];
const OWNER: Owner<'_> = Owner { store: STORE, name: "refresh-001-20261121T014105Z.secret" };
const PLAIN: &[u8] = b"iIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIg\n";
const NONCE: [u8; 12] = [0x4e; 12];

fn kek(byte: u8) -> KeyEncryptionKey {
    KeyEncryptionKey::of(&[byte; 32], Path::new("kek")).unwrap()
}

fn keys(byte: u8) -> KeyEncryptionKeys {
    KeyEncryptionKeys::new(kek(byte), None)
}

fn sealed() -> Vec<u8> {
    keys(7).seal(OWNER, NONCE, PLAIN).unwrap()
}

#[test]
fn a_key_is_sealed_and_opened_as_it_was() {
    let mut frozen = Frozen::read("sealed-keys.txt");
    frozen.text("id of a key-encryption key", &kek(7).id());
    let seal = |plain: &Vec<u8>| keys(7).seal(OWNER, NONCE, plain).unwrap();
    let open = |bytes: &[u8]| keys(7).open(OWNER, bytes).map(|plain| plain.to_vec());
    frozen.both_ways("refresh secret", &PLAIN.to_vec(), seal, open);
    frozen.finish();
}

#[test]
fn not_one_bit_can_be_changed_and_not_one_byte_cut() {
    let sealed = sealed();
    assert_eq!(**keys(7).open(OWNER, &sealed).unwrap(), *PLAIN);
    for at in 0..sealed.len() {
        for bit in 0..8 {
            let mut changed = sealed.clone();
            changed[at] ^= 1 << bit;
            let refused = keys(7).open(OWNER, &changed).unwrap_err();
            match at {
                0 => assert_eq!(refused, NotOpened::OtherFormat(changed[0])),
                1..=8 => assert!(matches!(refused, NotOpened::OtherKey(_)), "{at}"),
                _ => assert_eq!(refused, NotOpened::Damaged, "{at}"),
            }
        }
        assert!(keys(7).open(OWNER, &sealed[..at]).is_err(), "{at}");
    }
    assert!(keys(7).open(OWNER, &[&sealed[..], &[0]].concat()).is_err());
}

#[test]
fn a_value_can_be_moved_to_no_other_name_and_no_other_installation() {
    for owner in [
        Owner { name: "refresh-002-20261121T014105Z.secret", ..OWNER },
        Owner { name: "pepper-001-20261121T014105Z.secret", ..OWNER },
        Owner { name: "", ..OWNER },
        Owner { store: [0x52; 16], ..OWNER },
    ] {
        assert_eq!(keys(7).open(owner, &sealed()).unwrap_err(), NotOpened::Damaged, "{owner:?}");
    }
}

#[test]
fn another_key_encryption_key_is_told_by_its_id_and_the_other_one_opens() {
    let refused = keys(8).open(OWNER, &sealed()).unwrap_err();
    assert_eq!(refused, NotOpened::OtherKey(kek(7).id));
    let both = KeyEncryptionKeys::new(kek(8), Some(kek(7)));
    assert_eq!(**both.open(OWNER, &sealed()).unwrap(), *PLAIN);
    assert!(!both.is_current(&sealed()) && keys(7).is_current(&sealed()));
    let resealed = both.seal(OWNER, NONCE, PLAIN).unwrap();
    assert_eq!(**keys(8).open(OWNER, &resealed).unwrap(), *PLAIN, "the current one seals");
    // The id names the key, and is no other key's.
    let mut disguised = sealed();
    disguised[1..9].copy_from_slice(&kek(8).id);
    assert_eq!(keys(8).open(OWNER, &disguised).unwrap_err(), NotOpened::Damaged);
}

#[test]
fn a_file_has_32_bytes_as_base64_and_is_private() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("kek");
    let write = |text: &str, mode: u32| {
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        KeyEncryptionKey::read(&file)
    };
    let text = STANDARD.encode([7; 32]);
    assert_eq!(write(&format!("{text}\n"), 0o600).unwrap().id(), kek(7).id());
    assert_eq!(write(&URL_SAFE_NO_PAD.encode([7; 32]), 0o400).unwrap().id(), kek(7).id());
    for mode in [0o640, 0o604, 0o622] {
        assert!(matches!(write(&text, mode), Err(KeyError::Exposed { .. })), "{mode:o}");
    }
    let (short, long) = (STANDARD.encode([7; 31]), STANDARD.encode([7; 33]));
    for wrong in ["", "password", &short, &long, &"7".repeat(300)] {
        let refused = write(wrong, 0o600).unwrap_err().to_string();
        assert!(refused.contains("kek: it doesn't hold 32 random bytes"), "{refused}");
    }
    std::fs::remove_file(&file).unwrap();
    assert!(KeyEncryptionKey::read(&file).unwrap_err().to_string().contains("kek"));
    let shown = format!("{:?}", keys(7));
    assert!(!shown.contains("7, 7") && shown.contains(&kek(7).id()), "{shown}");
}
