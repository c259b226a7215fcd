//! `[log]`: which lines are logged, and in which format.

use super::section::Section;

/// The settings of `[log]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The format of a line.
    pub format: LogFormat,
    /// Which lines: a filter of `tracing-subscriber`'s `EnvFilter`, checked. `RUST_LOG` wins over it.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".to_owned() }
    }
}

/// The format of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Reads `[log]`.
pub(super) fn log(root: &mut Section<'_>) -> Log {
    let mut section = root.section("log");
    let mut log = Log::default();
    if let Some(format) = section.choice("format", &[("text", LogFormat::Text), ("json", LogFormat::Json)]) {
        log.format = format.value;
    }
    let suggestion = "write for example filter = \"info\" or \"warn,heirloom=debug\"";
    if let Some(filter) = section.parsed::<Filter>("filter", suggestion) {
        log.filter = filter.value.0;
    }
    section.finish();
    log
}

/// A filter that `tracing-subscriber` understands.
struct Filter(String);

impl std::str::FromStr for Filter {
    type Err = tracing_subscriber::filter::ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        tracing_subscriber::EnvFilter::try_new(text)?;
        Ok(Self(text.to_owned()))
    }
}
