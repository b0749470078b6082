//! Records inside outputs: `_daeda.parquet`, a file of no rows with the record in its footer, or `_daeda.json` where the output is no Parquet.

use crate::engine::disk::Disk;
use crate::engine::record::{Record, Records};
use crate::table::parquet::{TableError, note, read_note, schema_of};
use serde::Deserialize;
use std::fs;
use std::io;
use std::path::Path;

const PARQUET: &str = "_daeda.parquet";
const JSON: &str = "_daeda.json";
const KEY: &str = "daeda.record";

/// Keeps records where the data is.
#[derive(Debug, Default)]
pub struct TableRecords;

/// What records of every scheme have.
#[derive(Deserialize)]
struct Head {
    scheme: u32,
}

impl TableRecords {
    fn text(&self, directory: &Path) -> Option<String> {
        let file = self.file_name(directory);
        match file {
            PARQUET => read_note(&directory.join(file), KEY).ok()?,
            _ => fs::read_to_string(directory.join(file)).ok(),
        }
    }
}

impl Records for TableRecords {
    fn file_name(&self, directory: &Path) -> &'static str {
        if directory.join(PARQUET).exists() { PARQUET } else { JSON }
    }

    fn read(&self, directory: &Path) -> Option<Record> {
        serde_json::from_str(&self.text(directory)?).ok()
    }

    fn scheme(&self, directory: &Path) -> Option<u32> {
        serde_json::from_str::<Head>(&self.text(directory)?).ok().map(|head| head.scheme)
    }

    fn is_ours(&self, directory: &Path) -> bool {
        let names = fs::read_dir(directory).into_iter().flatten().flatten().map(|e| e.file_name().to_string_lossy().into_owned());
        let names: Vec<String> = names.collect();
        let has_record = names.iter().any(|n| n == PARQUET || n == JSON);
        // Sidecars of a record are ours as it is.
        has_record || names.iter().all(|n| is_shard_name(n) || n.starts_with("_daeda.") || n == "dag.json")
    }

    fn write(&self, directory: &Path, record: &Record, disk: &dyn Disk) -> io::Result<()> {
        let text = serde_json::to_string(record).map_err(io::Error::other)?;
        let data = record.output.files.iter().find(|f| f.name.ends_with(".parquet"));
        match data {
            None => disk.write(&directory.join(JSON), text.as_bytes()),
            Some(file) => {
                let schema = match schema_of(&directory.join(&file.name)) {
                    Ok(schema) => schema,
                    // Parquet by its name alone: a command may write what it likes.
                    Err(TableError::Broken { .. }) => return disk.write(&directory.join(JSON), text.as_bytes()),
                    Err(error) => return Err(as_io(error)),
                };
                let path = directory.join(PARQUET);
                disk.write(&path, &note(&path, schema, KEY, &text).map_err(as_io)?)
            }
        }
    }

    fn bury(&self, published: &Path, staged: &Path, tombstone: &Record, disk: &dyn Disk) -> io::Result<()> {
        for entry in fs::read_dir(published)? {
            let name = entry?.file_name();
            let text = name.to_string_lossy();
            if text.starts_with("_daeda") && text != PARQUET && text != JSON {
                disk.write(&staged.join(&name), &fs::read(published.join(&name))?)?;
            }
        }
        let (file, text) = (self.file_name(published), serde_json::to_string(tombstone).map_err(io::Error::other)?);
        if file == JSON {
            return disk.write(&staged.join(JSON), text.as_bytes());
        }
        let (path, schema) = (staged.join(PARQUET), schema_of(&published.join(PARQUET)).map_err(as_io)?);
        disk.write(&path, &note(&path, schema, KEY, &text).map_err(as_io)?)
    }
}

/// `part-00000-<8 hex of content>.parquet`.
fn is_shard_name(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".parquet") else { return false };
    let parts: Vec<&str> = stem.split('-').collect();
    let hex = |text: &str, length: usize| text.len() == length && text.chars().all(|c| c.is_ascii_hexdigit());
    matches!(parts.as_slice(), ["part", number, content] if hex(number, 5) && hex(content, 8))
}

/// The system's own kind of error is kept: a full disk is a full disk.
fn as_io(error: TableError) -> io::Error {
    let kind = match &error {
        TableError::Io { error, .. } => error.kind(),
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::action::ActionId;
    use crate::engine::disk::SystemDisk;
    use crate::engine::record::{Output, SCHEME};

    #[test]
    fn only_what_we_write_is_ours() {
        let directory = tempfile::tempdir().unwrap();
        assert!(TableRecords.is_ours(directory.path()));
        fs::write(directory.path().join("part-00000-0123abcd.parquet"), "").unwrap();
        fs::write(directory.path().join("_daeda.rows.parquet"), "").unwrap();
        assert!(TableRecords.is_ours(directory.path()));
        for foreign in ["part-0.parquet", "part-00000-0123abcd", "notes.txt"] {
            fs::write(directory.path().join(foreign), "").unwrap();
            assert!(!TableRecords.is_ours(directory.path()), "{foreign}");
            fs::remove_file(directory.path().join(foreign)).unwrap();
        }
        fs::write(directory.path().join("notes.txt"), "").unwrap();
        fs::write(directory.path().join(PARQUET), "").unwrap();
        assert!(TableRecords.is_ours(directory.path()));
    }

    #[test]
    fn a_record_reads_back_and_a_damaged_one_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let record = Record {
            scheme: SCHEME,
            action: ActionId { asset: "a".into(), op: "compile".into(), key: None },
            trace: vec![],
            output: Output::new(vec![]),
            metadata: Default::default(),
            finished: "2026-02-01T00:00:00Z".into(),
            seconds: 1.5,
            attempts: 1,
            peak_memory: 0,
            cleaned: None,
        };
        TableRecords.write(directory.path(), &record, &SystemDisk).unwrap();
        assert_eq!(TableRecords.read(directory.path()), Some(record));
        fs::write(directory.path().join(JSON), "{").unwrap();
        assert_eq!(TableRecords.read(directory.path()), None);
    }
}
