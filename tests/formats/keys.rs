//! The files of the keys folder: their names and their contents.

use heirloom::token::name::{SecretFile, SecretKind, SigningFile};
use heirloom::token::{KnownSecret, Secret};

use crate::frozen::Frozen;
use crate::values::at;

#[test]
fn the_files_of_keys_are_named_and_written_as_they_were() {
    let mut frozen = Frozen::read("key-files.txt");
    let label = "3fa81b2c".to_owned();
    let key = SigningFile { created: at(0), at_once: false, label, for_id_tokens: false };
    frozen.text("signing key", &key.to_string());
    frozen.text("signing key that signs at once", &SigningFile { at_once: true, ..key.clone() }.to_string());
    frozen.text("key for ID tokens", &SigningFile { for_id_tokens: true, ..key }.to_string());
    for (kind, word) in [(SecretKind::Refresh, "refresh secret"), (SecretKind::Pepper, "pepper")] {
        let file = SecretFile { kind, id: 7, created: at(0) };
        frozen.text(word, &file.to_string());
        let known = KnownSecret::of(file, &Secret::from_bytes([0x88; 32]));
        frozen.text(&format!("{word} in keys.known"), &known.to_line());
        let name = format!("{word} in the vault");
        frozen.both_ways(&name, &known, KnownSecret::encode, |bytes| KnownSecret::decode(kind, 7, bytes));
    }
    frozen.finish();
}
