//! Which data files lie in a directory, in the order in which they are read.
//!
//! Invariant: names starting with `_` or `.` are no data (markers, records, temporary files), as pyarrow and Spark have it.

use std::io;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// The Parquet files below a directory, sorted by path; `None` where there is no such directory. A path that is a file lists itself.
pub fn parquet_files(directory: &Path) -> io::Result<Option<Vec<PathBuf>>> {
    if directory.is_file() {
        return Ok(Some(vec![directory.into()]));
    }
    if !directory.is_dir() {
        return Ok(None);
    }
    let mut files = Vec::new();
    let visible = |e: &walkdir::DirEntry| e.depth() == 0 || !is_hidden(&e.file_name().to_string_lossy());
    for entry in WalkDir::new(directory).follow_links(true).into_iter().filter_entry(visible) {
        let entry = entry.map_err(io::Error::from)?;
        if entry.file_type().is_file() && entry.path().extension().is_some_and(|e| e == "parquet") {
            files.push(entry.into_path());
        }
    }
    files.sort();
    Ok(Some(files))
}

fn is_hidden(name: &str) -> bool {
    name.starts_with(['_', '.'])
}

/// The sub-directories of a directory that hold anything, by their relative path, down to a depth.
pub fn directories(root: &Path, depth: usize) -> Vec<PathBuf> {
    let walk = WalkDir::new(root).follow_links(true).min_depth(depth).max_depth(depth).into_iter();
    let visible = walk.filter_entry(|e| e.depth() == 0 || !is_hidden(&e.file_name().to_string_lossy()));
    let found = visible.flatten().filter(|e| e.file_type().is_dir());
    found.filter_map(|e| e.path().strip_prefix(root).ok().map(Path::to_path_buf)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_files_are_no_data() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["b.parquet", "a.parquet", "_daeda.parquet", ".tmp.parquet", "notes.txt"] {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        let files = parquet_files(directory.path()).unwrap().unwrap();
        let names: Vec<_> = files.iter().map(|f| f.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["a.parquet", "b.parquet"]);
        assert_eq!(parquet_files(&directory.path().join("absent")).unwrap(), None);
    }
}
