//! The log through which nodes tell each other what need not outlive a crash of the database (`schema/1_throttle.sql`).

use tokio_postgres::Row;

use super::super::{Exchange, Exchanged, Heard, StoreError, StoreFuture};
use super::PostgresStore;
use super::group::column;
use super::numbers::{bigint, number};
use super::statements::Query;

impl Exchange for PostgresStore {
    fn exchange(&self, after: Heard, entry: Option<Vec<u8>>) -> StoreFuture<'_, Exchanged> {
        Box::pin(async move {
            let (era, heard) = (after.era.as_slice(), bigint(after.number));
            let session = self.exchange.session()?;
            exchanged(&session.ask_one(Query::Exchange, &[&era, &heard, &entry]).await?)
        })
    }
}

/// A row of `present_era, written, newest, numbers, entries`.
fn exchanged(row: &Row) -> Result<Exchanged, StoreError> {
    let era: Option<&[u8]> = column(row, 0)?;
    let (written, newest): (Option<i64>, Option<i64>) = (column(row, 1)?, column(row, 2)?);
    let (numbers, entries): (Vec<i64>, Vec<Vec<u8>>) = (column(row, 3)?, column(row, 4)?);
    let damaged = |_| StoreError::Corrupt("the era of the nodes' exchange is damaged".to_owned());
    let pairs = numbers.into_iter().zip(entries);
    Ok(Exchanged {
        era: era.map(<[u8; 16]>::try_from).transpose().map_err(damaged)?.unwrap_or_default(),
        written: written.map(number).transpose()?,
        newest: number(newest.unwrap_or_default())?,
        entries: pairs.map(|(at, entry)| Ok((number(at)?, entry))).collect::<Result<_, _>>()?,
    })
}
