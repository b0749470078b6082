//! How much history is kept: so many runs, so far back, and so many bytes.
//!
//! Invariant: the oldest runs go first, with all that belongs to them, and the file shrinks.

use rusqlite::{Connection, params};

/// The bounds. The strictest holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    pub runs: u64,
    /// Milliseconds.
    pub age: i64,
    pub bytes: u64,
}

/// Forgets what is beyond the bounds.
pub fn prune(connection: &mut Connection, keep: Retention, now: i64) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    // The run that is just ending stays, whatever its clock says.
    let too_old = "DELETE FROM runs WHERE started < ?1 AND id < (SELECT max(id) FROM runs)";
    transaction.execute(too_old, params![now.saturating_sub(keep.age)])?;
    let limit = i64::try_from(keep.runs.max(1)).unwrap_or(i64::MAX);
    transaction.execute("DELETE FROM runs WHERE id <= (SELECT id FROM runs ORDER BY id DESC LIMIT 1 OFFSET ?1)", params![limit])?;
    transaction.commit()?;
    while used(connection)? > keep.bytes && remove_oldest(connection)? {}
    shrink(connection)
}

/// Gives the pages that nothing is in back to the file system, one with each step.
fn shrink(connection: &Connection) -> rusqlite::Result<()> {
    for pragma in ["PRAGMA incremental_vacuum", "PRAGMA wal_checkpoint(PASSIVE)"] {
        let mut statement = connection.prepare(pragma)?;
        let mut steps = statement.query([])?;
        while steps.next()?.is_some() {}
    }
    Ok(())
}

/// Bytes that hold anything.
fn used(connection: &Connection) -> rusqlite::Result<u64> {
    let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let pages = number("page_count")?.saturating_sub(number("freelist_count")?);
    Ok((pages * number("page_size")?).max(0) as u64)
}

/// Removes a tenth of the runs; false where there is but one.
fn remove_oldest(connection: &Connection) -> rusqlite::Result<bool> {
    let oldest = "DELETE FROM runs WHERE id IN (SELECT id FROM runs ORDER BY id LIMIT max(1, (SELECT count(*) FROM runs) / 10)) \
                  AND id < (SELECT max(id) FROM runs)";
    Ok(connection.execute(oldest, [])? > 0)
}
