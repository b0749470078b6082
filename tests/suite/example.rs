//! The repository's own workspace, copied to where a test may change it.

use std::fs;
use std::path::{Path, PathBuf};

const DEFINITIONS: [&str; 4] = ["Daedalus.kdl", "config/training", "feature_views", "feature_services"];

pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Copies the example's definitions.
pub fn copy_example(directory: &Path) {
    for name in DEFINITIONS {
        let from = repository().join(name);
        let files: Vec<PathBuf> = match from.is_file() {
            true => vec![from],
            false => fs::read_dir(&from).unwrap().map(|entry| entry.unwrap().path()).collect(),
        };
        for file in files {
            let to = directory.join(file.strip_prefix(repository()).unwrap());
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(&file, to).unwrap();
        }
    }
}

pub fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{} says {from}", file.display());
    fs::write(file, text.replace(from, to)).unwrap();
}
