//! A scenario as it is written: prose with fenced blocks. Knows nothing of what the blocks mean.
//!
//! Invariant: every fenced block of the file is here, so that none is skipped in silence.

use std::fs;
use std::path::{Path, PathBuf};

/// A scenario file.
pub struct Story {
    pub path: PathBuf,
    pub lines: Vec<String>,
    pub blocks: Vec<Block>,
}

/// What stands between two fences.
pub struct Block {
    /// The number of the opening fence's line, from 1.
    pub line: usize,
    /// The word after the fence: `kdl`, `diff`, `data`, …
    pub language: String,
    /// What follows it: a path, where the block is of a file.
    pub argument: String,
    pub lines: Vec<String>,
}

impl Story {
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let lines: Vec<String> = text.lines().map(str::to_string).collect();
        let blocks = blocks(&lines).map_err(|(line, what)| format!("{}:{line}: {what}", shown(path)))?;
        Ok(Self { path: path.into(), lines, blocks })
    }

    /// The heading.
    pub fn title(&self) -> Option<&str> {
        self.lines.first()?.strip_prefix("# ")
    }

    /// The file's name without its ending.
    pub fn name(&self) -> String {
        self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// `tests/scenarios/03-….md:17`.
    pub fn place(&self, line: usize) -> String {
        format!("{}:{line}", shown(&self.path))
    }
}

/// From the repository's root.
fn shown(path: &Path) -> String {
    path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(path).display().to_string()
}

fn blocks(lines: &[String]) -> Result<Vec<Block>, (usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (index, line) in lines.iter().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(""), Some(_)) => blocks.extend(open.take()),
            (Some(info), None) => {
                let (language, argument) = info.split_once(' ').unwrap_or((info, ""));
                open = Some(Block { line: index + 1, language: language.into(), argument: argument.trim().into(), lines: vec![] });
            }
            (_, Some(block)) => block.lines.push(line.clone()),
            (None, None) => {}
        }
    }
    open.map_or(Ok(blocks), |block| Err((block.line, "the fence is not closed".into())))
}
