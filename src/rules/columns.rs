//! The columns of views in memory: each is one array over all files of its view, of which scans take what they reach.
//!
//! Knows nothing of times. Invariant: scans that take the same rows take the same arrays, so that what was found of them serves all.

use crate::engine::failure::Failure;
use crate::features::dictionary::plain;
use arrow::array::{Array, ArrayRef, new_empty_array};
use arrow::compute::concat;
use arrow::datatypes::DataType;
use rayon::prelude::*;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Mutex;

/// A column of a view, by its name in the files.
type Name = (String, String);

#[derive(Default)]
pub struct Columns {
    whole: HashMap<Name, Whole>,
    /// What scans have taken of columns: name, first file, number of files.
    taken: Mutex<HashMap<(Name, usize, usize), ArrayRef>>,
}

/// A column over those files of its view that it was read of.
struct Whole {
    files: Vec<PathBuf>,
    /// Where the rows of each file begin, and where the last ones end.
    starts: Vec<usize>,
    array: ArrayRef,
}

/// A column of some files: which rows are whose, and the values in pieces.
pub struct Part {
    pub name: Name,
    pub files: Vec<(PathBuf, usize)>,
    pub pieces: Vec<ArrayRef>,
}

impl Columns {
    /// Joins the pieces of each column.
    pub fn join(parts: Vec<Part>) -> Result<Self, Failure> {
        let whole = parts.into_par_iter().map(|part| Ok((part.name.clone(), Whole::join(part)?))).collect::<Result<_, Failure>>()?;
        Ok(Self { whole, taken: Mutex::default() })
    }

    /// The rows of some files; nothing if the column was not read of one of them.
    pub fn take(&self, view: &str, physical: &str, files: &[PathBuf], empty: &DataType) -> Result<Option<ArrayRef>, Failure> {
        if files.is_empty() {
            return Ok(Some(new_empty_array(empty)));
        }
        let name = (view.to_string(), physical.to_string());
        let Some(whole) = self.whole.get(&name) else { return Ok(None) };
        let Some(first) = whole.files.iter().position(|file| *file == files[0]) else { return Ok(None) };
        let found = match whole.files[first..].starts_with(files) {
            true => Some(self.slice(name, whole, first, files.len())),
            false => whole.gather(files)?,
        };
        // Files without rows have no pieces that would say of which type they are.
        Ok(found.map(|array| if array.is_empty() { new_empty_array(empty) } else { array }))
    }

    fn slice(&self, name: Name, whole: &Whole, first: usize, files: usize) -> ArrayRef {
        if files == whole.files.len() {
            return whole.array.clone();
        }
        let mut taken = self.taken.lock().expect("no thread panics while it holds the columns");
        taken.entry((name, first, files)).or_insert_with(|| whole.part(first, files)).clone()
    }
}

impl Whole {
    fn join(part: Part) -> Result<Self, Failure> {
        let (mut files, mut starts) = (Vec::new(), vec![0]);
        for (file, rows) in part.files {
            files.push(file);
            starts.push(starts[starts.len() - 1] + rows);
        }
        Ok(Self { files, starts, array: joined(&part.pieces)? })
    }

    fn part(&self, first: usize, files: usize) -> ArrayRef {
        self.array.slice(self.starts[first], self.starts[first + files] - self.starts[first])
    }

    fn gather(&self, files: &[PathBuf]) -> Result<Option<ArrayRef>, Failure> {
        let part = |file: &PathBuf| self.files.iter().position(|known| known == file).map(|at| self.part(at, 1));
        files.iter().map(part).collect::<Option<Vec<_>>>().map(|parts| joined(&parts)).transpose()
    }
}

/// Pieces one after the other: strings stay in their dictionaries if all of them have one.
pub fn joined(pieces: &[ArrayRef]) -> Result<ArrayRef, Failure> {
    let unfit = |e: arrow::error::ArrowError| Failure::permanent(e.to_string());
    if pieces.is_empty() {
        return Ok(new_empty_array(&DataType::Null));
    }
    let alike = pieces.windows(2).all(|pair| pair[0].data_type() == pair[1].data_type());
    let plain: Vec<ArrayRef> = if alike { pieces.to_vec() } else { pieces.iter().map(plain).collect::<Result<_, _>>().map_err(unfit)? };
    concat(&plain.iter().map(|piece| piece.as_ref()).collect::<Vec<&dyn Array>>()).map_err(unfit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{AsArray, DictionaryArray, Int64Array, StringArray};
    use arrow::datatypes::{Int32Type, Int64Type};
    use std::sync::Arc;

    fn part(files: &[(&str, usize)], pieces: &[&[i64]]) -> Vec<Part> {
        let pieces = pieces.iter().map(|values| Arc::new(Int64Array::from(values.to_vec())) as ArrayRef).collect();
        vec![Part { name: ("view".into(), "x".into()), files: files.iter().map(|(file, rows)| (file.into(), *rows)).collect(), pieces }]
    }

    fn take(columns: &Columns, files: &[&str]) -> Option<ArrayRef> {
        let files: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
        columns.take("view", "x", &files, &DataType::Int64).unwrap()
    }

    #[test]
    fn scans_take_the_rows_of_their_files() {
        let columns = Columns::join(part(&[("a", 3), ("b", 0), ("c", 2)], &[&[1], &[2, 3], &[4, 5]])).unwrap();
        let values = |files: &[&str]| take(&columns, files).unwrap().as_primitive::<Int64Type>().values().to_vec();
        assert_eq!(values(&["a", "b", "c"]), [1, 2, 3, 4, 5]);
        assert_eq!(values(&["b", "c"]), [4, 5]);
        assert_eq!(values(&["a", "c"]), [1, 2, 3, 4, 5]);
        assert_eq!(values(&["c", "a"]), [4, 5, 1, 2, 3]);
        assert_eq!(values(&[]), [0; 0]);
        assert!(take(&columns, &["a", "d"]).is_none() && take(&columns, &["d"]).is_none());
    }

    #[test]
    fn files_without_rows_have_columns_of_the_wanted_type() {
        let columns = Columns::join(part(&[("a", 0), ("b", 0)], &[])).unwrap();
        assert!([&["a", "b"][..], &["b"]].iter().all(|files| take(&columns, files).unwrap().data_type() == &DataType::Int64));
    }

    #[test]
    fn the_same_rows_are_the_same_array() {
        let columns = Columns::join(part(&[("a", 1), ("b", 1), ("c", 1)], &[&[1], &[2], &[3]])).unwrap();
        for files in [&["a", "b", "c"][..], &["b", "c"]] {
            assert!(Arc::ptr_eq(&take(&columns, files).unwrap(), &take(&columns, files).unwrap()));
        }
    }

    #[test]
    fn dictionaries_and_plain_strings_meet() {
        let encoded: ArrayRef = Arc::new(["b", "a", "b"].into_iter().collect::<DictionaryArray<Int32Type>>());
        let other: ArrayRef = Arc::new(["c", "a"].into_iter().collect::<DictionaryArray<Int32Type>>());
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["d"]));
        let both = joined(&[encoded.clone(), other.clone()]).unwrap();
        assert_eq!(plain(&both).unwrap().as_ref(), &StringArray::from(vec!["b", "a", "b", "c", "a"]) as &dyn Array);
        assert!(matches!(both.data_type(), DataType::Dictionary(..)));
        let mixed = joined(&[encoded, texts, other]).unwrap();
        assert_eq!(mixed.as_ref(), &StringArray::from(vec!["b", "a", "b", "d", "c", "a"]) as &dyn Array);
    }
}
