//! The lines of a `check` block: what holds of the files.

use super::parquet_rows::count_rows;
use crate::fixture::{Workspace, data_files, tree};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub enum Claim {
    /// What lies there now is what `Same` compares with.
    Remember(Which),
    Same(Which),
    Exists(String),
    Absent(String),
    /// So many rows are in the data files of a directory.
    Rows {
        directory: String,
        rows: usize,
    },
    /// Nothing is left of work in flight.
    NothingStaged,
}

/// Which files are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Which {
    /// All, records, caches and logs included.
    All,
    /// What readers of the outputs see.
    Data,
}

pub type Remembered = BTreeMap<Which, BTreeMap<PathBuf, String>>;

const KNOWN: &str = "remember every file · every file is as remembered · remember the data files · the data files are as remembered · \
    PATH is there · PATH is not there · PATH holds N rows · nothing is staged";

impl Claim {
    pub fn parse(line: &str) -> Result<Self, String> {
        Ok(match line {
            "remember every file" => Self::Remember(Which::All),
            "every file is as remembered" => Self::Same(Which::All),
            "remember the data files" => Self::Remember(Which::Data),
            "the data files are as remembered" => Self::Same(Which::Data),
            "nothing is staged" => Self::NothingStaged,
            _ => Self::of_a_path(line).ok_or_else(|| format!("`{line}` is no check; they are: {KNOWN}"))?,
        })
    }

    fn of_a_path(line: &str) -> Option<Self> {
        match line.split(' ').collect::<Vec<_>>().as_slice() {
            [path, "is", "there"] => Some(Self::Exists(path.to_string())),
            [path, "is", "not", "there"] => Some(Self::Absent(path.to_string())),
            [path, "holds", rows, "rows"] => Some(Self::Rows { directory: path.to_string(), rows: rows.parse().ok()? }),
            _ => None,
        }
    }

    pub fn hold(&self, workspace: &Workspace, remembered: &mut Remembered) -> Result<(), String> {
        match self {
            Self::Remember(which) => {
                remembered.insert(*which, which.files(workspace));
                Ok(())
            }
            Self::Same(which) => same(remembered.get(which).ok_or("nothing was remembered")?, &which.files(workspace)),
            Self::Exists(path) => workspace.path(path).exists().then_some(()).ok_or(format!("{path} is not there")),
            Self::Absent(path) => (!workspace.path(path).exists()).then_some(()).ok_or(format!("{path} is there")),
            Self::Rows { directory, rows } => {
                let found = data_files(&workspace.path(directory)).iter().map(|file| count_rows(file)).sum::<Result<usize, String>>()?;
                (found == *rows).then_some(()).ok_or(format!("{directory} holds {found} rows"))
            }
            Self::NothingStaged => staged(workspace).map_or(Ok(()), |path| Err(format!("{} is there", path.display()))),
        }
    }
}

impl Which {
    fn files(self, workspace: &Workspace) -> BTreeMap<PathBuf, String> {
        let mut files = tree(workspace.directory.path());
        files.retain(|path, content| self == Self::All || (is_data(path) && !content.is_empty()));
        files
    }
}

/// Below an output root, and not one of daeda's own files.
fn is_data(path: &Path) -> bool {
    let outputs = ["data/training_output", "data/training_output_enriched"];
    outputs.iter().any(|root| path.starts_with(root)) && !path.iter().any(|part| part.to_string_lossy().starts_with("_daeda"))
}

fn staged(workspace: &Workspace) -> Option<PathBuf> {
    let below = |path: &&PathBuf| path.iter().any(|part| part == "staging") && path.file_name().is_some_and(|name| name != "staging");
    tree(&workspace.path("data")).keys().find(below).cloned()
}

fn same(before: &BTreeMap<PathBuf, String>, now: &BTreeMap<PathBuf, String>) -> Result<(), String> {
    let gone = before.keys().filter(|path| !now.contains_key(*path)).map(|path| format!("{} is gone", path.display()));
    let other = now.iter().filter(|(path, content)| before.get(*path) != Some(content)).map(|(path, _)| match before.contains_key(path) {
        true => format!("{} has changed", path.display()),
        false => format!("{} is new", path.display()),
    });
    let differences: Vec<String> = gone.chain(other).collect();
    if differences.is_empty() { Ok(()) } else { Err(differences.join("; ")) }
}
