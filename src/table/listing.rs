//! Which data files lie in a directory, in the order in which they are read.
//!
//! Invariant: names starting with `_` or `.` are no data (markers, records, temporary files), as pyarrow and Spark have it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// The Parquet files below a directory, sorted by path; `None` where there is no such directory. A path that is a file lists itself.
pub fn parquet_files(directory: &Path) -> io::Result<Option<Vec<PathBuf>>> {
    Ok(list(directory)?.files)
}

/// What lies in a directory.
pub struct Listing {
    pub files: Option<Vec<PathBuf>>,
    /// Nothing lies deeper or behind links, so that the directory itself changes with the listing.
    pub is_flat: bool,
}

pub fn list(directory: &Path) -> io::Result<Listing> {
    let alone = |files| Ok(Listing { files, is_flat: false });
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return alone(None),
        Err(e) if e.kind() == io::ErrorKind::NotADirectory => return alone(directory.is_file().then(|| vec![directory.into()])),
        Err(e) => return Err(e),
    };
    let (mut files, mut is_flat) = (Vec::new(), true);
    for entry in entries {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        if is_hidden(&name.to_string_lossy()) {
            continue;
        }
        match kind.is_file() {
            true if Path::new(&name).extension().is_some_and(|e| e == "parquet") => files.push(entry.path()),
            true => {}
            // Most directories hold files alone; what lies deeper, or behind links, is walked.
            false => {
                is_flat = false;
                walk(&entry.path(), &mut files)?;
            }
        }
    }
    files.sort();
    Ok(Listing { files: Some(files), is_flat })
}

fn walk(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let visible = |e: &walkdir::DirEntry| e.depth() == 0 || !is_hidden(&e.file_name().to_string_lossy());
    for entry in WalkDir::new(directory).follow_links(true).into_iter().filter_entry(visible) {
        let entry = entry.map_err(io::Error::from)?;
        if entry.file_type().is_file() && entry.path().extension().is_some_and(|e| e == "parquet") {
            files.push(entry.into_path());
        }
    }
    Ok(())
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
        assert_eq!(parquet_files(&directory.path().join("notes.txt")).unwrap(), Some(vec![directory.path().join("notes.txt")]));
    }

    #[test]
    fn files_deeper_down_and_behind_links_are_data() {
        let directory = tempfile::tempdir().unwrap();
        let (data, elsewhere) = (directory.path().join("data"), directory.path().join("elsewhere.parquet"));
        for deep in ["deep/er", "_hidden"] {
            std::fs::create_dir_all(data.join(deep)).unwrap();
            std::fs::write(data.join(deep).join("a.parquet"), "").unwrap();
        }
        std::fs::write(&elsewhere, "").unwrap();
        std::os::unix::fs::symlink(&elsewhere, data.join("z.parquet")).unwrap();
        assert_eq!(parquet_files(&data).unwrap().unwrap(), [data.join("deep/er/a.parquet"), data.join("z.parquet")]);
    }
}
