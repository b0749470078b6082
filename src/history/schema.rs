//! The tables, and how the file is opened.
//!
//! | table | a row is |
//! |---|---|
//! | `runs` | one build, with its summary |
//! | `actions` | what one run did about one action |
//! | `attempts` | one attempt of it, with how it failed |
//! | `checks` | what one check found |
//! | `logs` | the last of what its program said |
//!
//! Times are milliseconds since the epoch. The version is SQLite's `user_version`.

use super::database;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

const VERSION: i64 = 1;

/// How long one waits for the other, at most.
const PATIENCE: Duration = Duration::from_secs(10);

const TABLES: &str = "
CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, started INTEGER NOT NULL, seconds REAL, pid INTEGER NOT NULL, command TEXT NOT NULL,
    state TEXT NOT NULL, summary TEXT
);
CREATE INDEX runs_by_start ON runs (started);
CREATE TABLE actions (
    id INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE, asset TEXT NOT NULL, op TEXT NOT NULL, key TEXT,
    outcome TEXT NOT NULL, state TEXT, reasons TEXT, started INTEGER NOT NULL, seconds REAL, attempts INTEGER NOT NULL DEFAULT 0,
    peak_memory INTEGER, error TEXT, metadata TEXT
);
CREATE INDEX actions_by_run ON actions (run);
CREATE INDEX actions_by_asset ON actions (asset, op, id);
CREATE TABLE attempts (
    action INTEGER NOT NULL REFERENCES actions (id) ON DELETE CASCADE, number INTEGER NOT NULL, started INTEGER NOT NULL, seconds REAL NOT NULL,
    error TEXT, delay REAL
);
CREATE INDEX attempts_by_action ON attempts (action);
CREATE TABLE checks (
    action INTEGER NOT NULL REFERENCES actions (id) ON DELETE CASCADE, name TEXT NOT NULL, kind TEXT NOT NULL, passed INTEGER NOT NULL,
    blocks INTEGER NOT NULL, value TEXT, detail TEXT
);
CREATE INDEX checks_by_action ON checks (action);
CREATE TABLE logs (action INTEGER PRIMARY KEY REFERENCES actions (id) ON DELETE CASCADE, text TEXT NOT NULL);
";

/// Why there is no history to be had.
#[derive(Debug)]
pub enum Trouble {
    /// The file is no database any more, or never was one.
    Damaged(PathBuf),
    /// Another version of daeda wrote it.
    Foreign {
        path: PathBuf,
        version: i64,
    },
    Failed(rusqlite::Error),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(path) => write!(f, "{} is damaged", path.display()),
            Self::Foreign { path, version } => write!(f, "{} has version {version}, and this daeda reads {VERSION}", path.display()),
            Self::Failed(error) => write!(f, "the history of runs: {error}"),
        }
    }
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error)
    }
}

/// Opens the history to write in it; one that cannot be used is set aside, which the second value says.
pub fn open(state: &Path) -> Result<(Connection, Option<String>), Trouble> {
    let path = database(state);
    match open_at(&path) {
        Ok(connection) => Ok((connection, None)),
        Err(trouble @ (Trouble::Damaged(_) | Trouble::Foreign { .. })) => {
            let aside = set_aside(&path);
            let said = format!("{trouble}; it was set aside as {} and is begun anew", aside.display());
            Ok((open_at(&path)?, Some(said)))
        }
        Err(trouble) => Err(trouble),
    }
}

fn open_at(path: &Path) -> Result<Connection, Trouble> {
    if let Some(parent) = path.parent() {
        let _ = std::fs::create_dir_all(parent);
    }
    let judged = |error| judge(path, error);
    let mut connection = Connection::open(path).map_err(judged)?;
    connection.busy_timeout(PATIENCE)?;
    if version(&connection).map_err(judged)? == 0 {
        // Before there are tables, or it has no effect.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(judged)?;
    }
    connection.pragma_update(None, "journal_mode", "WAL").map_err(judged)?;
    connection.pragma_update(None, "synchronous", "NORMAL").map_err(judged)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(judged)?;
    connection.pragma_update(None, "journal_size_limit", 1 << 20).map_err(judged)?;
    create(&mut connection).map_err(judged)?;
    match version(&connection)? {
        VERSION => Ok(connection),
        version => Err(Trouble::Foreign { path: path.into(), version }),
    }
}

/// Makes the tables, unless another process has.
fn create(connection: &mut Connection) -> rusqlite::Result<()> {
    if version(connection)? != 0 {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    if version(&transaction)? == 0 {
        transaction.execute_batch(TABLES)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()
}

/// Opens the history to read it; nothing where there is none.
pub fn open_to_read(state: &Path) -> Result<Option<Connection>, Trouble> {
    let path = database(state);
    if !path.exists() {
        return Ok(None);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(&path, flags).map_err(|error| judge(&path, error))?;
    connection.busy_timeout(PATIENCE)?;
    let version = match version(&connection) {
        Ok(version) => version,
        Err(error) if matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly)) => {
            // What readers share cannot be written here, which says that we may only read: what the file itself holds is read as it stands.
            return Ok(Some(Connection::open_with_flags(as_it_stands(&path), flags)?));
        }
        Err(error) => return Err(judge(&path, error)),
    };
    match version {
        // It is just being made.
        0 => Ok(None),
        VERSION => Ok(Some(connection)),
        version => Err(Trouble::Foreign { path, version }),
    }
}

/// The address of a database that nobody is taken to write.
fn as_it_stands(path: &Path) -> String {
    let name = path.display().to_string();
    let name = [("%", "%25"), ("?", "%3f"), ("#", "%23")].iter().fold(name, |name, (mark, code)| name.replace(mark, code));
    format!("file:{name}?immutable=1")
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Whether an error says that the file itself is bad.
pub fn judge(path: &Path, error: rusqlite::Error) -> Trouble {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Trouble::Damaged(path.into()),
        _ => Trouble::Failed(error),
    }
}

/// Renames what cannot be used, with what belongs to it.
pub fn set_aside(path: &Path) -> PathBuf {
    let name = |suffix: &str| PathBuf::from(format!("{}{suffix}", path.display()));
    let free = (1..).map(|number| name(&format!(".{number}.aside"))).find(|path| !path.exists());
    let aside = free.unwrap_or_else(|| name(".aside"));
    let _ = std::fs::rename(path, &aside);
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(name(suffix));
    }
    aside
}
