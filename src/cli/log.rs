//! The log: lines on standard error, escaped so that text from outside can't imitate a line or control a terminal.

use std::fmt::Write as _;
use std::io::{self, Write};

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;

use super::{Failure, Outcome};
use crate::config::{Log, LogFormat};
use crate::session::device::is_unseen;

/// Starts logging. `RUST_LOG` takes precedence over the configured filter. Of other crates, nothing below `info` is
/// logged in any case.
///
/// # Errors
/// [`Failure::Usage`] if `RUST_LOG` is not a valid filter.
pub fn start(log: &Log) -> Outcome {
    let filter = match std::env::var("RUST_LOG") {
        Ok(filter) if !filter.is_empty() => {
            EnvFilter::try_new(&filter).map_err(|error| Failure::Usage(format!("RUST_LOG: {error}")))?
        }
        Ok(_) | Err(_) => {
            EnvFilter::try_new(&log.filter).map_err(|error| Failure::Usage(error.to_string()))?
        }
    };
    let subscriber = subscriber(log.format, filter, io::stderr);
    tracing::subscriber::set_global_default(subscriber).map_err(|error| Failure::Failed(error.to_string()))
}

/// A subscriber that writes lines in this format.
fn subscriber<W>(format: LogFormat, filter: EnvFilter, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::registry().with(filter).with(filter_fn(is_discreet));
    let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(OneLine(writer));
    match format {
        LogFormat::Text => Box::new(lines.with(layer)),
        LogFormat::Json => Box::new(lines.with(layer.json().flatten_event(true))),
    }
}

/// Whether a line may be written, whatever the filter is. Libraries don't know what is secret: below `info`, the HTTP/2
/// library repeats paths and hosts that it can't parse, which may contain tokens and passwords.
fn is_discreet(line: &Metadata<'_>) -> bool {
    let crate_name = line.target().split("::").next();
    crate_name == Some(env!("CARGO_CRATE_NAME")) || *line.level() <= Level::INFO
}

/// Makes writers that turn each write, which is one event, into one line.
struct OneLine<W>(W);

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for OneLine<W> {
    type Writer = OneLine<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        OneLine(self.0.make_writer())
    }
}

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let mut line = escape(text.strip_suffix('\n').unwrap_or(&text), |_| false);
        line.push('\n');
        self.0.write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Escapes a text for the terminal: line breaks stay, every other control character is written as `\u001b`.
#[must_use]
pub fn escaped(text: &str) -> String {
    escape(text, |letter| letter == '\n')
}

/// Writes control characters, invisible characters and those that change the direction of writing as `\u001b`, in JSON
/// as well as in text.
fn escape(text: &str, keep: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_unseen(letter) && !keep(letter) {
            // Characters beyond the first 65,536 are written as two (RFC 8259 §7).
            for unit in letter.encode_utf16(&mut [0; 2]) {
                // Writing to a `String` can't fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(letter);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat) -> String {
        written(format, "info", || {
            let name = "a\u{1b}[31m\r\n2026 forged\u{9b}\u{202e}\u{61c}\u{e0041}\u{7f}";
            tracing::info!(user.name = name, "{name}");
        })
    }

    fn written(format: LogFormat, filter: &str, log: impl FnOnce()) -> String {
        let memory = Memory::default();
        let writer = memory.clone();
        let subscriber = subscriber(format, EnvFilter::new(filter), move || writer.clone());
        tracing::subscriber::with_default(subscriber, log);
        let bytes = memory.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    /// Log injection (CWE-117, CWE-150).
    #[test]
    fn a_name_with_terminal_escapes_stays_on_one_harmless_line() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let log = logged(format);
            let line = log.strip_suffix('\n').unwrap();
            assert!(!line.chars().any(is_unseen), "{line:?}");
            assert!(line.contains("forged") && line.contains("[31m"), "{line:?}");
        }
        let parsed: serde_json::Value = serde_json::from_str(&logged(LogFormat::Json)).unwrap();
        assert_eq!(parsed["message"], parsed["user.name"]);
    }

    /// The libraries' debug lines contain headers and bodies, and so secrets.
    #[test]
    fn libraries_say_nothing_below_info_whatever_is_asked_for() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let log = written(format, "trace,h2=trace", || {
                tracing::debug!(target: "h2::server", "malformed path (b\"/?token=secret\")");
                tracing::trace!(target: "h2", "secret");
                tracing::debug!(target: "heirloom_like", "secret");
                tracing::warn!(target: "h2", "a library warns");
                tracing::trace!("our own");
            });
            assert!(!log.contains("secret"), "{log}");
            assert!(log.contains("a library warns") && log.contains("our own"), "{log}");
        }
    }

    #[test]
    fn an_answer_keeps_its_line_breaks() {
        assert_eq!(escaped("a\u{1b}b\nc"), "a\\u001bb\nc");
    }
}
