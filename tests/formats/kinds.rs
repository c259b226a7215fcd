//! Lists of an enum's variants that the compiler keeps complete.

/// Names every variant of an enum. A new variant does not compile until it is in the list, and then needs frozen bytes.
macro_rules! kinds {
    ($type:ident { $($variant:ident => $name:literal),+ $(,)? }) => {
        /// The names of all variants.
        const KINDS: &[&str] = &[$($name),+];

        /// The name of the variant.
        const fn kind(value: &$type) -> &'static str {
            match value {
                $($type::$variant { .. } => $name),+
            }
        }
    };
}

pub(crate) use kinds;

/// The name of a frozen item: the variant, and what distinguishes it from other items of the variant.
pub(crate) fn named(kind: &str, case: &str) -> String {
    if case.is_empty() { kind.to_owned() } else { format!("{kind}, {case}") }
}

/// Checks that every variant has an item.
#[track_caller]
pub(crate) fn all_there(kinds: &[&str], seen: &[&str]) {
    let missing: Vec<_> = kinds.iter().filter(|kind| !seen.contains(kind)).collect();
    assert!(missing.is_empty(), "no value of {missing:?} is frozen: add one here, and its line to the file");
}
