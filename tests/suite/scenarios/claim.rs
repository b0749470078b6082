//! The lines of a `check` block: what holds of the files.

use crate::fixture::{Workspace, tree};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub enum Claim {
    /// What lies there now is what `Same` compares with.
    Remember(Which),
    Same(Which),
    Exists(String),
    Absent(String),
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
    PATH is there · PATH is not there · nothing is staged";

impl Claim {
    pub fn parse(line: &str) -> Result<Self, String> {
        Ok(match line {
            "remember every file" => Self::Remember(Which::All),
            "every file is as remembered" => Self::Same(Which::All),
            "remember the data files" => Self::Remember(Which::Data),
            "the data files are as remembered" => Self::Same(Which::Data),
            "nothing is staged" => Self::NothingStaged,
            _ => match (line.strip_suffix(" is there"), line.strip_suffix(" is not there")) {
                (Some(path), _) if !path.contains(' ') => Self::Exists(path.into()),
                (_, Some(path)) if !path.contains(' ') => Self::Absent(path.into()),
                _ => return Err(format!("`{line}` is no check; they are: {KNOWN}")),
            },
        })
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
