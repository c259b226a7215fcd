//! The statements. Their text names the schema, and none depends on what a connection has set.

use tokio_postgres::types::Type;

use super::settings::PostgresSettings;

/// One of the statements.
#[derive(Clone, Copy, Debug)]
pub(super) enum Query {
    Load,
    ReadStream,
    ReadLog,
    Record,
    Scan,
    Append,
    Remove,
    Summarize,
    Pulse,
    Exchange,
}

/// The texts of the statements, for one schema.
pub(super) struct Statements {
    load: String,
    read_stream: String,
    read_log: String,
    record: String,
    scan: String,
    append: String,
    remove: String,
    summarize: String,
    pulse: String,
    exchange: String,
}

/// The names of the nodes that answer requests; null if there is none.
pub(super) const ANSWERING: &str = "SELECT string_agg(name, ', ' ORDER BY name) FROM heirloom.node
    WHERE answers AND seen > clock_timestamp() - interval '15 seconds'";

/// The last parameters of each statement: the store that is expected, the position up to which it must have everything,
/// and the server's timeline.
const HEAD: [Type; 3] = [Type::BYTEA, Type::INT8, Type::INT8];

impl Query {
    /// The types of its parameters, with those of the expected head.
    pub(super) fn types(self) -> impl Iterator<Item = Type> {
        self.own_types().iter().cloned().chain(HEAD)
    }

    /// Whether no refresh can be repeated while it fails: each loads, and each that is not a repetition changes something.
    pub(super) const fn is_for_refreshes(self) -> bool {
        match self {
            Self::Load | Self::Record | Self::Append | Self::Remove | Self::Summarize | Self::Pulse => true,
            Self::ReadStream | Self::ReadLog | Self::Scan | Self::Exchange => false,
        }
    }

    const fn own_types(self) -> &'static [Type] {
        match self {
            Self::Load | Self::Record => &[Type::BYTEA_ARRAY],
            Self::ReadStream => &[Type::BYTEA, Type::INT8, Type::INT8],
            Self::ReadLog => &[Type::INT8, Type::INT8],
            Self::Scan => &[Type::BYTEA, Type::BYTEA, Type::INT8],
            Self::Append => &[
                Type::BYTEA_ARRAY,
                Type::INT8_ARRAY,
                Type::INT8_ARRAY,
                Type::BYTEA_ARRAY,
                Type::INT4_ARRAY,
                Type::INT8_ARRAY,
                Type::BYTEA_ARRAY,
                Type::INT4_ARRAY,
                Type::BYTEA_ARRAY,
                Type::BYTEA_ARRAY,
                Type::BOOL_ARRAY,
                Type::INT8,
            ],
            Self::Remove => {
                &[Type::BYTEA, Type::INT8, Type::BYTEA_ARRAY, Type::BYTEA_ARRAY, Type::BOOL_ARRAY]
            }
            Self::Summarize => &[
                Type::BYTEA,
                Type::INT8,
                Type::INT8,
                Type::INT8,
                Type::BYTEA,
                Type::INT8,
                Type::BYTEA_ARRAY,
                Type::BYTEA_ARRAY,
                Type::BOOL_ARRAY,
            ],
            Self::Pulse => &[],
            Self::Exchange => &[Type::BYTEA, Type::INT8, Type::BYTEA],
        }
    }
}

impl Statements {
    /// The statements on the tables of this installation.
    pub(super) fn of(settings: &PostgresSettings) -> Self {
        let read = |query: Query, text| settings.in_schema(&expecting(query, text));
        let change = |text| settings.in_schema(text);
        Self {
            load: read(Query::Load, "SELECT id, version, snapshot FROM heirloom.stream WHERE id = ANY ($1)"),
            read_stream: read(
                Query::ReadStream,
                "SELECT position, version, data FROM heirloom.event WHERE stream = $1 AND version > $2
                 ORDER BY version LIMIT $3",
            ),
            read_log: read(
                Query::ReadLog,
                "SELECT position, stream, version, data FROM heirloom.event WHERE position > $1
                 ORDER BY position LIMIT $2",
            ),
            record: read(Query::Record, "SELECT key, value FROM heirloom.record WHERE key = ANY ($1)"),
            scan: read(
                Query::Scan,
                "SELECT key, value FROM heirloom.record WHERE key >= $1 AND key < $2 ORDER BY key LIMIT $3",
            ),
            // It answers no row, and appends nothing, if the statement came later than $12. That is decided before the
            // function is called, since it depends on nothing that the function returns.
            append: change(
                "SELECT outcomes, before
                 FROM heirloom.append_1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $13, $14, $15)
                 WHERE $12 IS NULL OR (extract(epoch FROM statement_timestamp()) * 1000)::bigint <= $12",
            ),
            remove: change("SELECT heirloom.remove_1($1, $2, $3, $4, $5, $6, $7, $8)"),
            summarize: change(
                "SELECT heirloom.summarize_1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
            ),
            pulse: change("SELECT heirloom.pulse_1($1, $2, $3)"),
            exchange: change(
                "SELECT present_era, written, newest, numbers, entries
                 FROM heirloom.exchange_1($1, $2, $3, $4, $5, $6)",
            ),
        }
    }

    pub(super) fn text(&self, query: Query) -> &str {
        match query {
            Query::Load => &self.load,
            Query::ReadStream => &self.read_stream,
            Query::ReadLog => &self.read_log,
            Query::Record => &self.record,
            Query::Scan => &self.scan,
            Query::Append => &self.append,
            Query::Remove => &self.remove,
            Query::Summarize => &self.summarize,
            Query::Pulse => &self.pulse,
            Query::Exchange => &self.exchange,
        }
    }
}

/// The reading statement, which fails on another head than the expected one. The condition is evaluated once, and before
/// the first row is read.
fn expecting(query: Query, text: &str) -> String {
    let own = query.own_types().len();
    let [store, acknowledged, timeline] = [1, 2, 3].map(|at| own.saturating_add(at));
    format!(
        "SELECT found.* FROM ({text}) AS found
         WHERE (SELECT heirloom.expect_head_1(${store}, ${acknowledged}, ${timeline}))"
    )
}
