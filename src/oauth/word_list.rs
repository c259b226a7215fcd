//! Closed lists of words, and the messages about a word that is not in a list and a field that is missing.

/// A type whose values are a closed list of words.
pub trait Word: Copy + 'static {
    /// All values.
    const ALL: &'static [Self];

    /// The value's word.
    fn as_str(self) -> &'static str;

    /// The value whose word is `text`.
    #[must_use]
    fn of(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|word| word.as_str() == text)
    }
}

/// The words of `known` as a sentence: "It is one of: body, cookie."
#[must_use]
pub fn one_of<'k>(known: impl Iterator<Item = &'k str>) -> String {
    format!("It is one of: {}.", known.collect::<Vec<_>>().join(", "))
}

/// The message about a text that is not in `known`.
#[must_use]
pub fn not_in<'k>(text: &str, known: impl Iterator<Item = &'k str> + Clone) -> String {
    let meant = did_you_mean(text, known.clone());
    [Some(one_of(known)), meant].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// The message about a field that is missing.
#[must_use]
pub fn missing(field: &str) -> String {
    format!("The field {field} is missing.")
}

/// A question that proposes the word of `known` nearest to `text`; `None` if none is near.
pub fn did_you_mean<'k>(text: &str, known: impl Iterator<Item = &'k str>) -> Option<String> {
    nearest(text, known).map(|near| format!("Did you mean `{near}`?"))
}

/// The word of `known` that `word` probably means; `None` if none is near.
#[must_use]
pub fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    // A third of the letters may be wrong: `acess_token` finds `access_token`, `foo` finds nothing.
    let near = known
        .map(|candidate| (strsim::normalized_damerau_levenshtein(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= 0.65)
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    near.map(|(_, candidate)| candidate)
}

/// Each word of `known` once, in alphabetical order, separated by commas; `None` if `known` is empty.
#[must_use]
pub fn listed<'k>(known: impl Iterator<Item = &'k str>) -> Option<String> {
    let mut all: Vec<_> = known.collect();
    all.sort_unstable();
    all.dedup();
    (!all.is_empty()).then(|| all.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_finds_what_it_means_and_nonsense_finds_nothing() {
        let known = ["access_token", "refresh_idle"];
        assert_eq!(nearest("acess_tokn", known.into_iter()), Some("access_token"));
        assert_eq!(nearest("foo", known.into_iter()), None);
        assert_eq!(listed(["b", "a", "b"].into_iter()).as_deref(), Some("a, b"));
    }

    #[test]
    fn of_an_unknown_word_it_is_said_what_there_is_and_what_may_be_meant() {
        let known = ["body", "cookie"];
        assert_eq!(not_in("cooky", known.into_iter()), "It is one of: body, cookie. Did you mean `cookie`?");
        assert_eq!(not_in("header", known.into_iter()), "It is one of: body, cookie.");
    }
}
