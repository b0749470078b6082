//! Where a view's data lies, as an action carries it: enough for a worker to find the files of every period within reach.
//!
//! Invariant: the world that observes and the worker that reads find files through the same functions, so that what is read is what
//! was observed.

use super::Site;
use super::cadence::check_cadence;
use super::place::Pattern;
use super::readiness::Readiness;
use crate::catalog::calendar::{Cadence, Period};
use crate::catalog::dag::Reach;
use crate::catalog::declaration::{Format, Gaps, Late};
use crate::catalog::model::{Catalog, Layout, Pin, Place, View};
use crate::catalog::pattern::{fill, read_pattern};
use crate::path::slashed;
use crate::table::lance;
use crate::table::listing;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceSpec {
    /// `feature_view/<name>`.
    pub name: String,
    /// As the manifest writes it, for messages.
    pub shown: String,
    pub path: PathBuf,
    pub layout: Option<LayoutSpec>,
    /// The start of the first period that can hold data.
    pub first: Option<i64>,
    #[serde(default)]
    pub readiness: Readiness,
    #[serde(default)]
    pub gaps: Gaps,
    #[serde(default)]
    pub late: Late,
    /// How long after a period's end rows of it may lie in the files of later periods, in milliseconds.
    #[serde(default)]
    pub lateness: i64,
    pub pin: PinSpec,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayoutSpec {
    pub pattern: String,
    pub cadence: Cadence,
    /// The end of the last period that there can be, exclusive.
    #[serde(default)]
    pub end: Option<i64>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PinSpec {
    #[default]
    Latest,
    Tag(String),
    Version(u64),
}

/// The files of one period, or of an unpartitioned source.
#[derive(Debug, Clone, PartialEq)]
pub struct PeriodFiles {
    /// `None` for an unpartitioned source.
    pub key: Option<String>,
    pub period: Option<Period>,
    pub directory: PathBuf,
    /// `None` where there is no such directory, or it is not ready.
    pub files: Option<Vec<PathBuf>>,
    /// Why what is there does not count yet.
    pub waits: Option<String>,
}

impl PeriodFiles {
    pub fn is_there(&self) -> bool {
        self.files.as_ref().is_some_and(|files| !files.is_empty())
    }

    /// A file's name within its period.
    pub fn name_of(&self, file: &Path) -> String {
        slashed(file.strip_prefix(&self.directory).unwrap_or(file))
    }
}

impl SourceSpec {
    pub fn of(view: &View, catalog: &Catalog, site: &Site) -> Self {
        let layout = |Layout { pattern, cadence }: &Layout| LayoutSpec { pattern: pattern.clone(), cadence: *cadence, end: None };
        let (shown, layout) = match &view.place {
            Place::Path(path) => (path.clone(), view.layout.as_ref().map(layout)),
            Place::Asset(asset) => behind(asset, catalog, site),
        };
        let pin = match &view.pin {
            Pin::Latest => PinSpec::Latest,
            Pin::Tag(tag) => PinSpec::Tag(tag.clone()),
            Pin::Version(version) => PinSpec::Version(*version),
        };
        debug_assert!(view.format == Format::Lance || pin == PinSpec::Latest);
        let readiness = Readiness { ready: view.ready.clone(), quiet: view.quiet.map(|q| q.millis) };
        Self {
            name: view.asset_name(),
            path: site.root.join(&shown),
            shown,
            layout,
            first: view.first,
            readiness,
            gaps: view.gaps,
            late: view.late,
            lateness: view.lateness(),
            pin,
        }
    }

    /// The range of instants that a reach covers around a target period; no start means from the first period on.
    pub fn range(reach: Reach, target: Period) -> (Option<i64>, i64) {
        match reach {
            Reach::Whole => (None, i64::MAX),
            Reach::Lifetime { ahead } => (None, target.end.saturating_add(ahead)),
            Reach::Around { back, ahead } => (Some(target.start.saturating_sub(back)), target.end.saturating_add(ahead)),
        }
    }

    /// The periods with their files that overlap a range, oldest first; one without a key for an unpartitioned source. Late rows of a range
    /// lie in the files of later periods, which are among them.
    pub fn periods(
        &self,
        range: (Option<i64>, i64),
        list: &dyn Fn(&Path) -> io::Result<Option<Vec<PathBuf>>>,
    ) -> io::Result<Vec<PeriodFiles>> {
        let Some(layout) = &self.layout else {
            let files = list(&self.path)?;
            return Ok(vec![PeriodFiles { key: None, period: None, directory: self.path.clone(), files, waits: None }]);
        };
        let Some(first) = self.first_instant() else { return Ok(Vec::new()) };
        let start = range.0.unwrap_or(first).max(first);
        let end = range.1.saturating_add(self.lateness).min(layout.end.unwrap_or(i64::MAX));
        let periods = layout.cadence.periods(Period { start, end });
        periods.map(|period| self.period_files(period, list)).collect()
    }

    /// The files of one period, if they count as there.
    pub fn period_files(&self, period: Period, list: &dyn Fn(&Path) -> io::Result<Option<Vec<PathBuf>>>) -> io::Result<PeriodFiles> {
        let Some(layout) = &self.layout else { return Err(io::ErrorKind::InvalidInput.into()) };
        let directory = self.path.join(fill(&layout.pattern, &layout.cadence, period.start));
        let files = list(&directory)?;
        check_cadence(self, &layout.pattern, layout.cadence.every, &directory, files.as_deref())?;
        let key = Some(layout.cadence.key_at(period.start));
        let mut found = PeriodFiles { key, period: Some(period), directory, files, waits: None };
        if let Some(files) = found.files.as_ref().filter(|files| !files.is_empty()) {
            found.waits = self.readiness.waits(&found.directory, &self.shown_directory(&found), files);
        }
        if found.waits.is_some() {
            found.files = None;
        }
        Ok(found)
    }

    /// `feature_view/feed@2026-02-01`.
    pub fn period_name(&self, period: &PeriodFiles) -> String {
        period.key.as_ref().map_or_else(|| self.name.clone(), |key| format!("{}@{key}", self.name))
    }

    /// A period's directory as the manifest would write it.
    pub fn shown_directory(&self, period: &PeriodFiles) -> String {
        Path::new(&self.shown).join(self.file_name(&period.directory)).display().to_string()
    }

    /// The instants that rows in the files of a period may have.
    pub fn admits(&self, period: Period) -> Period {
        Period { start: period.start.saturating_sub(self.lateness), end: period.end }
    }

    /// The start of the first period that can hold data: as declared, or of the earliest one present.
    pub fn first_instant(&self) -> Option<i64> {
        self.first.or_else(|| self.earliest(self.layout.as_ref()?))
    }

    /// The earliest period whose directory holds data: one that was made or left empty says nothing.
    fn earliest(&self, layout: &LayoutSpec) -> Option<i64> {
        let depth = layout.pattern.split('/').filter(|part| !part.is_empty()).count();
        let start = |path: &PathBuf| read_pattern(&layout.pattern, &layout.cadence, &slashed(path));
        let mut found: Vec<(i64, PathBuf)> =
            listing::directories(&self.path, depth).into_iter().filter_map(|path| Some((start(&path)?, path))).collect();
        found.sort();
        // What cannot be listed is somebody's data: whoever reads it says what is wrong.
        let holds_data =
            |path: &Path| listing::parquet_files(&self.path.join(path)).map_or(true, |files| files.is_some_and(|f| !f.is_empty()));
        found.into_iter().find(|(_, path)| holds_data(path)).map(|(start, _)| start)
    }

    /// A file's name below the source: what listings and messages call it.
    pub fn file_name(&self, path: &Path) -> String {
        slashed(path.strip_prefix(&self.path).unwrap_or(path))
    }

    pub fn lance_pin(&self) -> lance::Pin {
        match &self.pin {
            PinSpec::Latest => lance::Pin::Latest,
            PinSpec::Tag(tag) => lance::Pin::Tag(tag.clone()),
            PinSpec::Version(version) => lance::Pin::Version(*version),
        }
    }
}

/// Where an asset's last op publishes, and how its partitions lie there.
fn behind(asset: &str, catalog: &Catalog, site: &Site) -> (String, Option<LayoutSpec>) {
    let found = catalog.assets.get(asset).and_then(|asset| Some((asset, asset.ops.last()?)));
    let Some((asset, op)) = found else { return (asset.to_string(), None) };
    let Pattern { root, pattern, cadence } = Pattern::of(catalog, site, asset, op);
    let end = asset.partitions.as_ref().and_then(|name| catalog.partitions.get(name)?.end);
    match cadence {
        Some(cadence) => (site.root.name(&root), Some(LayoutSpec { pattern, cadence, end })),
        None => (site.root.name(&root.join(pattern)), None),
    }
}
