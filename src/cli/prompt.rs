//! Asks for input: on the terminal, or from standard input if that is not a terminal.

use std::io::{self, BufRead, IsTerminal as _, Read as _, Write as _};

use zeroize::Zeroizing;

use super::{Failure, Outcome};

/// The most bytes read from standard input: more than any password can have.
const LONGEST: u64 = 4096;

/// Asks for a new password: twice on the terminal, or one line of standard input.
pub(super) fn new_password() -> Outcome<Zeroizing<String>> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return typed_twice(|text| rpassword::prompt_password(text));
    }
    one_line(stdin.lock())
}

/// Asks for one line on the terminal.
pub(super) fn line(text: &str) -> Outcome<String> {
    let failed = |error| Failure::Failed(format!("the terminal can't be read: {error}"));
    let mut terminal = io::stderr();
    terminal.write_all(text.as_bytes()).and_then(|()| terminal.flush()).map_err(failed)?;
    let mut answer = String::new();
    io::stdin().lock().take(LONGEST).read_line(&mut answer).map_err(failed)?;
    Ok(answer)
}

fn typed_twice(mut ask: impl FnMut(&str) -> io::Result<String>) -> Outcome<Zeroizing<String>> {
    let failed = |error| Failure::Failed(format!("the terminal can't be read: {error}"));
    let first = Zeroizing::new(ask("Password: ").map_err(failed)?);
    let second = Zeroizing::new(ask("Repeat it: ").map_err(failed)?);
    if first != second {
        return Err(Failure::Failed("the two passwords differ; nothing was changed".to_owned()));
    }
    not_empty(first)
}

fn one_line(input: impl BufRead) -> Outcome<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    let read = input.take(LONGEST).read_line(&mut line);
    read.map_err(|error| Failure::Failed(format!("standard input can't be read: {error}")))?;
    let bare = line.strip_suffix('\n').map_or(line.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    not_empty(Zeroizing::new(bare.to_owned()))
}

fn not_empty(password: Zeroizing<String>) -> Outcome<Zeroizing<String>> {
    if password.is_empty() {
        return Err(Failure::Failed("there is no password; nothing was changed".to_owned()));
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_of_input_is_the_password_with_its_spaces() {
        for input in [" s e c ret ", " s e c ret \n", " s e c ret \r\nmore\n"] {
            assert_eq!(one_line(input.as_bytes()).unwrap().as_str(), " s e c ret ");
        }
        assert!(one_line("".as_bytes()).is_err() && one_line("\n".as_bytes()).is_err());
        assert!(one_line(&b"\xFF\n"[..]).is_err());
    }

    #[test]
    fn a_password_is_typed_twice_alike() {
        let mut typed = ["one", "two", "same", "same", "", ""].map(str::to_owned).into_iter();
        let mut ask = |_: &str| Ok(typed.next().unwrap());
        assert!(typed_twice(&mut ask).unwrap_err().to_string().contains("differ"));
        assert_eq!(typed_twice(&mut ask).unwrap().as_str(), "same");
        assert!(typed_twice(&mut ask).is_err());
    }
}
