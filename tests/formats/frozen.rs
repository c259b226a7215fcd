//! Reads the files of frozen bytes, and compares them with what today's code writes and reads.
//!
//! The tests of `tests/formats` use this module, and so do unit tests of private code in `src`.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs;
use std::path::Path;

/// A file of `tests/formats/bytes`. Each line is an item: `name | what it is | bytes`. Lines that begin with `#`
/// describe the file.
pub(crate) struct Frozen {
    file: &'static str,
    /// The bytes of each item, by its name.
    lines: BTreeMap<String, String>,
    seen: Vec<String>,
    problems: Vec<String>,
}

impl Frozen {
    /// The file with this name.
    pub(crate) fn read(file: &'static str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats/bytes").join(file);
        // A file that does not exist yet has no lines; the test then prints the lines that it should have.
        let text = fs::read_to_string(path).unwrap_or_default();
        let mut frozen = Self { file, lines: BTreeMap::new(), seen: Vec::new(), problems: Vec::new() };
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let mut columns = line.splitn(3, " | ");
            let (name, _, bytes) = (columns.next(), columns.next(), columns.next());
            match (name, bytes) {
                (Some(name), Some(bytes)) => {
                    if frozen.lines.insert(name.to_owned(), bytes.to_owned()).is_some() {
                        frozen.problems.push(format!("two lines for {name}"));
                    }
                }
                _ => frozen.problems.push(format!("not of three columns: {line}")),
            }
        }
        frozen
    }

    /// Checks that today's code encodes `value` to exactly the frozen bytes, and decodes it from them.
    pub(crate) fn both_ways<T, E>(
        &mut self,
        name: &str,
        value: &T,
        encode: impl Fn(&T) -> Vec<u8>,
        decode: impl Fn(&[u8]) -> Result<T, E>,
    ) where
        T: Debug + PartialEq,
        E: Debug,
    {
        if let Some(bytes) = self.same(name, &hex(&encode(value))) {
            self.read_as(name, value, &bytes, decode);
        }
    }

    /// Checks that today's code decodes `value` from the frozen bytes, which it would not write any more.
    pub(crate) fn still_read<T, E>(&mut self, name: &str, value: &T, decode: impl Fn(&[u8]) -> Result<T, E>)
    where
        T: Debug + PartialEq,
        E: Debug,
    {
        self.seen.push(name.to_owned());
        match self.lines.get(name).and_then(|line| from_hex(line)) {
            Some(bytes) => self.read_as(name, value, &bytes, decode),
            None => self.problems.push(format!("no bytes for {name}")),
        }
    }

    /// Checks that today's code makes exactly the frozen bytes.
    pub(crate) fn bytes(&mut self, name: &str, today: &[u8]) {
        self.same(name, &hex(today));
    }

    /// Checks that today's code makes exactly the frozen text.
    pub(crate) fn text(&mut self, name: &str, today: &str) {
        self.seen.push(name.to_owned());
        match self.lines.get(name) {
            Some(frozen) if frozen == today => {}
            frozen => {
                let problem = different(name, frozen, today);
                self.problems.push(problem);
            }
        }
    }

    /// Passes the frozen text to `test`.
    pub(crate) fn reads(&self, name: &str, test: impl FnOnce(&str)) {
        if let Some(line) = self.lines.get(name) {
            test(line);
        }
    }

    /// Fails with all problems, and with the lines that no test has asked for.
    #[track_caller]
    pub(crate) fn finish(mut self) {
        let unseen = self.lines.keys().filter(|name| !self.seen.contains(name));
        self.problems.extend(unseen.map(|name| format!("no test reads the line {name}")));
        assert!(
            self.problems.is_empty(),
            "tests/formats/bytes/{}:\n{}\nWhat was written once must be read for ever: see tests/formats/README.md.",
            self.file,
            self.problems.join("\n")
        );
    }

    /// Compares today's bytes with the frozen ones, which it returns; notes a problem if they differ.
    fn same(&mut self, name: &str, today: &str) -> Option<Vec<u8>> {
        self.text(name, today);
        self.lines.get(name).and_then(|line| from_hex(line))
    }

    fn read_as<T, E>(&mut self, name: &str, value: &T, bytes: &[u8], decode: impl Fn(&[u8]) -> Result<T, E>)
    where
        T: Debug + PartialEq,
        E: Debug,
    {
        match decode(bytes) {
            Ok(read) if read == *value => {}
            Ok(read) => self.problems.push(format!("{name} is read as\n  {read:?}\n  and was\n  {value:?}")),
            Err(error) => self.problems.push(format!("{name} can't be read: {error:?}")),
        }
    }
}

fn different(name: &str, frozen: Option<&String>, today: &str) -> String {
    frozen.map_or_else(
        || format!("no line for {name}; if it is new, this is its line:\n{name} | (what it is) | {today}"),
        |frozen| format!("{name} is frozen as\n  {frozen}\n  and is written today as\n  {today}"),
    )
}

/// Bytes as hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
