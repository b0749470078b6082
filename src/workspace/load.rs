//! Finding and reading a workspace's files. Everything that is wrong with them is found in one run.

use super::Workspace;
use super::settings::{Overrides, Row, Settings, SettingsError, machine};
use super::tuning::Tuning;
use crate::catalog::declaration::Declarations;
use crate::catalog::resolve::{self, Vocabulary};
use crate::manifest;
use crate::path::Root;
use crate::rules;
use crate::source::{Diagnostic, SourceId, Sources};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const MANIFEST: &str = "Daedalus.kdl";

/// Why a workspace could not even be read.
#[derive(Debug)]
pub enum LoadError {
    NotFound {
        from: PathBuf,
    },
    Io {
        path: PathBuf,
        error: io::Error,
    },
    /// A profile, variable or `--set` that is wrong.
    Settings(String),
}

/// A workspace with what there is to say about it.
pub struct Loaded {
    pub sources: Sources,
    pub diagnostics: Vec<Diagnostic>,
    /// Absent if any diagnostic is an error.
    pub workspace: Option<Workspace>,
}

/// The nearest directory at or above `from` that holds `Daedalus.kdl`.
pub fn find(from: &Path) -> Result<PathBuf, LoadError> {
    let found = from.ancestors().find(|directory| directory.join(MANIFEST).is_file());
    found.map(Path::to_path_buf).ok_or_else(|| LoadError::NotFound { from: from.into() })
}

/// Reads and resolves the workspace in a directory.
pub fn load(directory: &Path, overrides: &Overrides) -> Result<Loaded, LoadError> {
    let mut reader =
        Reader { root: Root::new(directory), sources: Sources::default(), found: Vec::new(), declared: Declarations::default() };
    let id = reader.read(&directory.join(MANIFEST))?;
    let (manifest, found) = manifest::daedalus(&reader.sources, id);
    reader.found.extend(found);
    reader.declared.manifest = manifest;
    let settings = match Settings::resolve(&reader.declared.manifest, overrides, machine(&overrides.environment)) {
        Ok(settings) => Some(settings),
        Err(SettingsError::InFile(diagnostic)) => {
            reader.found.push(diagnostic);
            None
        }
        Err(SettingsError::Outside(message)) => return Err(LoadError::Settings(message)),
    };
    let mut tuning = Vec::new();
    if let Some(settings) = &settings {
        reader.read_all(settings)?;
        tuning = reader.tune(overrides, &settings.runtime.value)?;
    }
    Ok(reader.resolve(settings, tuning))
}

struct Reader {
    root: Root,
    sources: Sources,
    found: Vec<Diagnostic>,
    declared: Declarations,
}

impl Reader {
    fn read(&mut self, path: &Path) -> Result<SourceId, LoadError> {
        let bytes = fs::read(path).map_err(|error| LoadError::Io { path: path.into(), error })?;
        let text = String::from_utf8(bytes).map_err(|_| {
            let error = io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8; KDL files are UTF-8 text");
            LoadError::Io { path: path.into(), error }
        })?;
        Ok(self.sources.add(self.root.name(path), text))
    }

    fn read_all(&mut self, settings: &Settings) -> Result<(), LoadError> {
        if let Some(id) = self.read_if_there(&settings.runtime.value)? {
            let (runtime, found) = manifest::runtime(&self.sources, id);
            self.declared.runtime = runtime;
            self.found.extend(found);
        }
        for path in self.kdl_files("config/pipelines")?.iter().filter(|p| !p.to_string_lossy().ends_with(".generated.kdl")) {
            let id = self.read(path)?;
            let (pipelines, found) = manifest::pipelines(&self.sources, id);
            self.declared.pipelines.extend(pipelines);
            self.found.extend(found);
        }
        if let Some(id) = self.read_if_there(&settings.aggregations.value)? {
            let (aggregations, found) = manifest::aggregations(&self.sources, id);
            self.declared.aggregations = aggregations;
            self.found.extend(found);
        }
        for path in self.kdl_files(&settings.feature_views.value)? {
            let id = self.read(&path)?;
            let (views, found) = manifest::feature_view(&self.sources, id);
            self.declared.views.extend(views);
            self.found.extend(found);
        }
        for path in self.kdl_files(&settings.feature_services.value)? {
            let id = self.read(&path)?;
            let (services, found) = manifest::feature_service(&self.sources, id);
            self.declared.services.extend(services);
            self.found.extend(found);
        }
        Ok(())
    }

    /// Overrides values of the runtime; what they are then, and where they come from.
    fn tune(&mut self, overrides: &Overrides, file: &str) -> Result<Vec<Row>, LoadError> {
        let tuning = Tuning::of(overrides, &self.declared.runtime);
        match tuning.apply(&mut self.declared.runtime) {
            Ok(()) => Ok(tuning.rows(&self.declared.runtime, file)),
            Err(SettingsError::Outside(message)) => Err(LoadError::Settings(message)),
            Err(SettingsError::InFile(diagnostic)) => {
                self.found.push(diagnostic);
                Ok(Vec::new())
            }
        }
    }

    fn read_if_there(&mut self, relative: &str) -> Result<Option<SourceId>, LoadError> {
        let path = self.root.join(relative);
        if path.exists() { self.read(&path).map(Some) } else { Ok(None) }
    }

    /// The KDL files of a directory by name; hidden ones are no part of the workspace.
    fn kdl_files(&self, relative: &str) -> Result<Vec<PathBuf>, LoadError> {
        let directory = self.root.join(relative);
        if !directory.is_dir() {
            return Ok(Vec::new());
        }
        let entries = fs::read_dir(&directory).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
        let entries = entries.map_err(|error| LoadError::Io { path: directory, error })?;
        let is_hidden = |p: &Path| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
        let is_kdl = |p: &PathBuf| p.extension().is_some_and(|e| e == "kdl") && !is_hidden(p);
        let mut files: Vec<PathBuf> = entries.into_iter().map(|e| e.path()).filter(is_kdl).collect();
        files.sort();
        Ok(files)
    }

    fn resolve(mut self, settings: Option<Settings>, tuning: Vec<Row>) -> Loaded {
        let aggregates = rules::aggregates();
        let vocabulary = Vocabulary { aggregates: &aggregates, rules: rules::NAMES, on_polars: rules::ON_POLARS };
        let broken = self.broken_texts();
        self.declared.partial = broken.clone();
        let (catalog, mut found) = resolve::resolve(&self.declared, &vocabulary);
        found.retain(|d| !is_cascade(d, &broken, &self.sources));
        self.found.extend(found);
        if !self.found.iter().any(Diagnostic::is_error) {
            self.found.extend(resolve::unused(&catalog, &self.declared));
        }
        // In the order of files and places; errors and warnings together, as they stand in the text.
        self.found.sort_by_key(|d| (d.span().source, d.span().offset, d.code));
        self.found.dedup();
        let sound = !self.found.iter().any(Diagnostic::is_error);
        let profiles = self.declared.manifest.profiles.iter().map(|p| p.name.value.clone()).collect();
        let workspace = settings.filter(|_| sound).map(|settings| Workspace { root: self.root, catalog, settings, tuning, profiles });
        Loaded { sources: self.sources, diagnostics: self.found, workspace }
    }

    /// The files in which the manifest itself has mistakes, so that some of their definitions may have been left out.
    fn broken_texts(&self) -> Vec<SourceId> {
        self.found.iter().filter(|d| d.is_error()).map(|d| d.span().source).collect()
    }
}

/// Whether a name counts as unknown only because its definition, in a file with mistakes, was left out.
fn is_cascade(diagnostic: &Diagnostic, broken: &[SourceId], sources: &Sources) -> bool {
    if diagnostic.code != "daeda::catalog::unknown-name" {
        return false;
    }
    let span = diagnostic.span();
    let name = sources.get(span.source).text.get(span.offset..span.offset + span.len).unwrap_or_default();
    let quoted = format!("\"{}\"", name.trim_matches('"'));
    broken.iter().any(|id| sources.get(*id).text.lines().any(|line| defines(line.trim_start(), &quoted)))
}

fn defines(line: &str, quoted: &str) -> bool {
    const DEFINERS: [&str; 11] = [
        "feature-view",
        "feature-service",
        "aggregation",
        "embedding-store",
        "embedding",
        "entity",
        "partitions",
        "asset",
        "op",
        "job",
        "constant",
    ];
    let mut words = line.split_whitespace();
    words.next().is_some_and(|first| DEFINERS.contains(&first)) && words.next() == Some(quoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIEW: &str = r#"feature-view "feed" {
        entity "user"
        source "data/feed" partition="dt={day}" timestamp="at" unit="ms"
        fields { user_id "int64"; at "int64"; x "float64"; }
    }"#;
    const SERVICE: &str = r#"feature-service "rows" {
        spine "feed"
        rolling "warmth" "events"
        columns { user_id "int64"; warmth_1d "float64" nullable=#true; events_1d "int64"; }
    }"#;
    const AGGREGATIONS: &str = r#"
        aggregation "warmth" view="feed" by="user_id" { mean "x"; windows "1d"; }
        aggregation "events" view="feed" by="user_id" { count; windows "1d"; }
    "#;

    /// What is wrong where Polars can count and nothing else.
    fn found(runtime: &str, pipelines: &str) -> Vec<Diagnostic> {
        let mut sources = Sources::default();
        let texts = ["daedalus version=1; entity \"user\" key=\"user_id\"", VIEW, SERVICE, AGGREGATIONS, runtime, pipelines];
        let [manifest, view, service, aggregations, runtime, pipelines] = texts.map(|text| sources.add("test.kdl", text));
        let declared = Declarations {
            manifest: manifest::daedalus(&sources, manifest).0,
            views: manifest::feature_view(&sources, view).0,
            services: manifest::feature_service(&sources, service).0,
            aggregations: manifest::aggregations(&sources, aggregations).0,
            runtime: manifest::runtime(&sources, runtime).0,
            pipelines: manifest::pipelines(&sources, pipelines).0,
            ..Declarations::default()
        };
        let aggregates = rules::aggregates();
        resolve::resolve(&declared, &Vocabulary { aggregates: &aggregates, rules: rules::NAMES, on_polars: &["count"] }).1
    }

    #[test]
    fn an_aggregate_that_polars_has_not_is_refused_by_name() {
        let polars = "runtime { compute engine=\"polars\"; }";
        let wrong = found(polars, "");
        let [wrong] = wrong.as_slice() else { panic!("{wrong:?}") };
        assert!(wrong.message.contains("`mean`") && wrong.message.contains("`rolling/warmth` of `rows`"), "{}", wrong.message);
        let hint = format!("{wrong:?}");
        assert!(hint.contains("config/pipelines/rows.kdl") && hint.contains("native"), "{hint}");
        assert!(found("", "").is_empty());
        assert!(found(polars, "pipeline \"rows\" { rolling_aggregate \"rolling/warmth\" engine=\"arrow\"; }").is_empty());
        assert_eq!(found("", "pipeline \"rows\" { rolling_aggregate \"rolling/warmth\" engine=\"polars\"; }").len(), 1);
        assert!(found("", "pipeline \"rows\" { rolling_aggregate \"rolling/events\" engine=\"polars\"; }").is_empty());
    }

    #[test]
    fn an_engine_is_said_of_an_operator_that_has_a_choice_and_once() {
        let wrong = |pipelines: &str| found("", pipelines).into_iter().map(|d| d.message).collect::<Vec<_>>();
        let one = "rolling_aggregate \"rolling/events\" engine=\"polars\"";
        assert_eq!(wrong(&format!("pipeline \"rows\" {{ {one}; {one}; }}")), ["the engine of `rolling/events` is said twice"]);
        let other = wrong("pipeline \"rows\" { rolling_aggregate \"scan/feed\" engine=\"polars\"; }");
        assert_eq!(other, ["operator `scan/feed` of `rows` runs on arrow alone"]);
        let none = wrong("pipeline \"rows\" { rolling_aggregate \"rolling/event\" engine=\"polars\"; }");
        assert_eq!(none, ["service `rows` has no operator `rolling/event`"]);
        assert_eq!(wrong("pipeline \"row\" { }").len(), 1);
    }
}
