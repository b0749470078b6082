//! Records inside outputs: `_daeda.parquet`, a file of no rows with the record in its footer, or `_daeda.json` where the output is no Parquet.

use crate::engine::record::{Record, Records};
use crate::table::parquet::{read_note, schema_of, write_note};
use std::fs;
use std::io;
use std::path::Path;

const PARQUET: &str = "_daeda.parquet";
const JSON: &str = "_daeda.json";
const KEY: &str = "daeda.record";

/// Keeps records where the data is.
#[derive(Debug, Default)]
pub struct TableRecords;

impl Records for TableRecords {
    fn read(&self, directory: &Path) -> Option<Record> {
        let parquet = directory.join(PARQUET);
        let text = match parquet.exists() {
            true => read_note(&parquet, KEY).ok()??,
            false => fs::read_to_string(directory.join(JSON)).ok()?,
        };
        serde_json::from_str(&text).ok()
    }

    fn write(&self, directory: &Path, record: &Record) -> io::Result<()> {
        let text = serde_json::to_string(record).map_err(io::Error::other)?;
        let data = record.output.files.iter().find(|f| f.name.ends_with(".parquet"));
        match data {
            None => fs::write(directory.join(JSON), text),
            Some(file) => {
                let schema = schema_of(&directory.join(&file.name)).map_err(io::Error::other)?;
                write_note(&directory.join(PARQUET), schema, KEY, &text).map_err(io::Error::other)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::SCHEME;
    use crate::engine::action::ActionId;
    use crate::engine::record::Output;

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
        };
        TableRecords.write(directory.path(), &record).unwrap();
        assert_eq!(TableRecords.read(directory.path()), Some(record));
        fs::write(directory.path().join(JSON), "{").unwrap();
        assert_eq!(TableRecords.read(directory.path()), None);
    }
}
