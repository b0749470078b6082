//! Finding and reading a workspace's files. Everything that is wrong with them is found in one run.

use super::Workspace;
use super::code;
use super::files::{Disk, Files};
use super::settings::{Overrides, Row, Setting, Settings, machine};
use super::tuning::Tuning;
use crate::catalog;
use crate::catalog::declaration::{AggregationsDecl, Declarations, PipelineDecl, RuntimeDecl, ServiceDecl, SettingsDecl, Text, ViewDecl};
use crate::catalog::lint;
use crate::catalog::resolve::{self, Vocabulary};
use crate::manifest;
use crate::path::Root;
use crate::rules;
use crate::source::{Diagnostic, SourceId, Sources, Span, Spanned, did_you_mean};
use rayon::prelude::*;
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

const MANIFEST: &str = "Daedalus.kdl";
const PIPELINES: &str = "config/pipelines";

/// Why a workspace could not even be read.
#[derive(Debug)]
pub enum LoadError {
    NotFound {
        from: PathBuf,
    },
    /// A profile, variable or `--set` that is wrong.
    Settings(String),
}

/// A workspace with what there is to say about it.
pub struct Loaded {
    pub sources: Sources,
    pub diagnostics: Vec<Diagnostic>,
    /// What the files say, with places, as far as they could be read.
    pub declared: Declarations,
    /// Texts that could not be read as they are: what stands in for them is nobody's.
    pub unread: Vec<SourceId>,
    /// Absent if any diagnostic is an error.
    pub workspace: Option<Workspace>,
}

impl Loaded {
    /// Adds what was found since, in the order of files and places; errors and warnings together, as they stand in the text.
    pub fn extend(&mut self, found: impl IntoIterator<Item = Diagnostic>) {
        self.diagnostics.extend(found);
        self.diagnostics.sort_by_key(|d| (d.span().source, d.span().offset, d.code));
        self.diagnostics.dedup();
    }
}

/// The nearest directory at or above `from` that holds `Daedalus.kdl`.
pub fn find(from: &Path) -> Result<PathBuf, LoadError> {
    let found = from.ancestors().find(|directory| directory.join(MANIFEST).is_file());
    found.map(Path::to_path_buf).ok_or_else(|| LoadError::NotFound { from: from.into() })
}

/// Reads and resolves the workspace in a directory.
pub fn load(directory: &Path, overrides: &Overrides) -> Result<Loaded, LoadError> {
    load_from(&Disk, directory, overrides)
}

/// Reads and resolves the workspace in a directory of some files.
pub fn load_from(files: &dyn Files, directory: &Path, overrides: &Overrides) -> Result<Loaded, LoadError> {
    let mut reader = Reader {
        files,
        root: Root::new(directory),
        sources: Sources::default(),
        found: Vec::new(),
        declared: Declarations::default(),
        unread: Vec::new(),
        is_whole: true,
    };
    if let Some(id) = reader.read(&directory.join(MANIFEST), None) {
        let (manifest, found) = manifest::daedalus(&reader.sources, id);
        // Of one that could not be read at all, everything would be missed that it declares.
        reader.is_whole = found.is_empty() || !manifest.entities.is_empty() || !manifest.assets.is_empty();
        reader.found.extend(found);
        reader.declared.manifest = manifest;
    }
    let (settings, unset) =
        Settings::resolve(&reader.declared.manifest, overrides, machine(&overrides.environment)).map_err(LoadError::Settings)?;
    reader.is_whole &= unset.is_empty();
    reader.found.extend(unset);
    reader.read_all(&settings, overrides.profile.as_deref());
    let tuning = reader.tune(overrides, &settings.runtime.value)?;
    Ok(reader.resolve(settings, tuning, overrides.profile.clone()))
}

struct Reader<'a> {
    files: &'a dyn Files,
    root: Root,
    sources: Sources,
    found: Vec<Diagnostic>,
    declared: Declarations,
    unread: Vec<SourceId>,
    /// Whether all files that were named were there and are text, so that what is declared nowhere is a stranger.
    is_whole: bool,
}

impl Reader<'_> {
    /// A text; `None` where there is none to be had, which has been reported.
    fn read(&mut self, path: &Path, named: Option<Span>) -> Option<SourceId> {
        match self.files.read(path).map(String::from_utf8) {
            Ok(Ok(text)) => Some(self.sources.add(self.root.name(path), text)),
            Ok(Err(error)) => {
                let at = error.utf8_error().valid_up_to();
                let id = self.stand_in(path, &String::from_utf8_lossy(error.as_bytes()));
                self.found.push(not_text(Span { source: id, offset: at, len: 3 }, error.as_bytes()));
                None
            }
            Err(error) => {
                let id = self.stand_in(path, "");
                let found = unreadable(&self.root.name(path), &error, Span { source: id, offset: 0, len: 0 });
                self.found.push(named.map_or(found.clone(), |named| found.also(named, "named here")));
                None
            }
        }
    }

    /// What is shown of a text that cannot be read as it is.
    fn stand_in(&mut self, path: &Path, text: &str) -> SourceId {
        let id = self.sources.add(self.root.name(path), text);
        self.unread.push(id);
        self.is_whole = false;
        id
    }

    /// Reads the texts one after the other, in the order in which things are said of them, and understands them on all cores.
    fn read_all(&mut self, settings: &Settings, profile: Option<&str>) {
        let mut texts: Vec<(Kind, SourceId)> = Vec::new();
        let runtime = self.asked(&settings.runtime, profile, |s| &s.runtime, "config/training/runtime.kdl");
        texts.extend(self.read_if_there(&runtime).map(|id| (Kind::Runtime, id)));
        let is_written_by_hand = |path: &PathBuf| !path.to_string_lossy().ends_with(".generated.kdl");
        let pipelines = self.kdl_files(&Asked { path: PIPELINES.into(), said: None, usual: PIPELINES });
        for path in pipelines.iter().filter(|path| is_written_by_hand(path)) {
            texts.extend(self.read(path, None).map(|id| (Kind::Pipelines, id)));
        }
        let aggregations = self.asked(&settings.aggregations, profile, |s| &s.aggregations, "config/training/aggregations.kdl");
        texts.extend(self.read_if_there(&aggregations).map(|id| (Kind::Aggregations, id)));
        let views = self.asked(&settings.feature_views, profile, |s| &s.feature_views, "feature_views");
        for path in self.kdl_files(&views) {
            texts.extend(self.read(&path, None).map(|id| (Kind::Views, id)));
        }
        let services = self.asked(&settings.feature_services, profile, |s| &s.feature_services, "feature_services");
        for path in self.kdl_files(&services) {
            texts.extend(self.read(&path, None).map(|id| (Kind::Services, id)));
        }
        let sources = &self.sources;
        let understood: Vec<_> = texts.par_iter().map(|(kind, id)| kind.understand(sources, *id)).collect();
        for (said, found) in understood {
            self.found.extend(found);
            match said {
                Said::Runtime(runtime) => self.declared.runtime = *runtime,
                Said::Aggregations(aggregations) => self.declared.aggregations = *aggregations,
                Said::Pipelines(pipelines) => self.declared.pipelines.extend(pipelines),
                Said::Views(views) => self.declared.views.extend(views),
                Said::Services(services) => self.declared.services.extend(services),
            }
        }
    }

    /// Overrides values of the runtime; what they are then, and where they come from.
    fn tune(&mut self, overrides: &Overrides, file: &str) -> Result<Vec<Row>, LoadError> {
        let tuning = Tuning::of(overrides, &self.declared.runtime);
        tuning.apply(&mut self.declared.runtime).map_err(LoadError::Settings)?;
        Ok(tuning.rows(&self.declared.runtime, file))
    }

    /// What a setting asks for, and where a file of the workspace says so.
    fn asked(&self, setting: &Setting<String>, profile: Option<&str>, of: Of, usual: &'static str) -> Asked {
        let manifest = &self.declared.manifest;
        let profile = manifest.profiles.iter().find(|p| Some(p.name.value.as_str()) == profile);
        let said = profile.and_then(|p| of(&p.settings).as_ref()).or(of(&manifest.settings).as_ref());
        let said = said.filter(|said| matches!(&said.value, Text::Env(_)) || said.value == Text::Literal(setting.value.clone()));
        Asked { path: setting.value.clone(), said: said.map(|said| said.span), usual }
    }

    fn read_if_there(&mut self, asked: &Asked) -> Option<SourceId> {
        let path = self.root.join(&asked.path);
        if self.files.exists(&path) {
            return self.read(&path, asked.said);
        }
        self.absent(asked, "file");
        None
    }

    fn kdl_files(&mut self, asked: &Asked) -> Vec<PathBuf> {
        let directory = self.root.join(&asked.path);
        match self.files.kdl_files(&directory) {
            Ok(Some(files)) => return files,
            Ok(None) => self.absent(asked, "directory"),
            Err(error) => {
                self.is_whole = false;
                let place = asked.said.unwrap_or_else(|| Span { source: self.stand_in(&directory, ""), offset: 0, len: 0 });
                self.found.push(unreadable(&asked.path, &error, place));
            }
        }
        Vec::new()
    }

    /// What a file of the workspace names must be there; a default need not.
    fn absent(&mut self, asked: &Asked, what: &str) {
        let Some(said) = asked.said else { return };
        self.is_whole = false;
        let message = format!("there is no {what} `{}`", asked.path);
        let hint = format!("paths are relative to the directory of Daedalus.kdl; make it, or correct the path{}", self.near(asked));
        self.found.push(Diagnostic::error(code::MISSING_FILE, message, said).label(format!("no such {what}")).hint(hint));
    }

    /// The usual path, where it was probably meant.
    fn near(&self, asked: &Asked) -> String {
        let lies = |path: &Path| self.files.exists(path) || self.files.kdl_files(path).is_ok_and(|files| files.is_some());
        let is_there = |path: &&str| *path != asked.path && lies(&self.root.join(path));
        let near = did_you_mean(&asked.path, Some(asked.usual).filter(is_there));
        near.map_or(String::new(), |near| format!(": did you mean `{near}`?"))
    }

    fn resolve(mut self, settings: Settings, tuning: Vec<Row>, profile: Option<String>) -> Loaded {
        let aggregates = rules::aggregates();
        let vocabulary = Vocabulary { aggregates: &aggregates, rules: rules::NAMES, on_polars: rules::ON_POLARS };
        let broken = self.broken_texts();
        self.declared.partial = broken.clone();
        let (catalog, mut found) = resolve::resolve(&self.declared, &vocabulary);
        let whole = self.is_whole;
        found.retain(|d| d.code != catalog::code::UNKNOWN_NAME || (whole && !is_cascade(d, &broken, &self.sources)));
        self.found.extend(found.into_iter().map(|found| pinpointed(found, &self.sources)));
        if !self.found.iter().any(Diagnostic::is_error) {
            self.found.extend(lint::lint(&catalog, &self.declared));
        }
        let sound = !self.found.iter().any(Diagnostic::is_error);
        let profiles = self.declared.manifest.profiles.iter().map(|p| p.name.value.clone()).collect();
        let workspace = sound.then(|| Workspace { root: self.root, catalog, settings, tuning, profiles, profile });
        let mut loaded = Loaded { sources: self.sources, diagnostics: Vec::new(), declared: self.declared, unread: self.unread, workspace };
        loaded.extend(self.found);
        loaded
    }

    /// The files in which the manifest itself has mistakes, so that some of their definitions may have been left out.
    fn broken_texts(&self) -> Vec<SourceId> {
        let broken: HashSet<SourceId> = self.found.iter().filter(|d| d.is_error()).map(|d| d.span().source).collect();
        broken.into_iter().collect()
    }
}

/// One of the settings, as `config` or a profile says it.
type Of = fn(&SettingsDecl) -> &Option<Spanned<Text>>;

/// A file or a directory that is looked for.
struct Asked {
    path: String,
    /// Where a file of the workspace names it; nowhere if it is a default, or said on the command line.
    said: Option<Span>,
    /// Where it lies in most workspaces.
    usual: &'static str,
}

/// The kinds of file beside Daedalus.kdl.
#[derive(Clone, Copy)]
enum Kind {
    Runtime,
    Pipelines,
    Aggregations,
    Views,
    Services,
}

/// What one of them declares.
enum Said {
    Runtime(Box<RuntimeDecl>),
    Pipelines(Vec<PipelineDecl>),
    Aggregations(Box<AggregationsDecl>),
    Views(Vec<ViewDecl>),
    Services(Vec<ServiceDecl>),
}

impl Kind {
    fn understand(self, sources: &Sources, id: SourceId) -> (Said, Vec<Diagnostic>) {
        fn of<T>((said, found): (T, Vec<Diagnostic>), what: impl FnOnce(T) -> Said) -> (Said, Vec<Diagnostic>) {
            (what(said), found)
        }
        match self {
            Kind::Runtime => of(manifest::runtime(sources, id), |said| Said::Runtime(Box::new(said))),
            Kind::Pipelines => of(manifest::pipelines(sources, id), Said::Pipelines),
            Kind::Aggregations => of(manifest::aggregations(sources, id), |said| Said::Aggregations(Box::new(said))),
            Kind::Views => of(manifest::feature_view(sources, id), Said::Views),
            Kind::Services => of(manifest::feature_service(sources, id), Said::Services),
        }
    }
}

/// Something lies where a file or a directory belongs, and is not to be read.
fn unreadable(name: &str, error: &io::Error, place: Span) -> Diagnostic {
    let (why, hint) = match error.kind() {
        io::ErrorKind::IsADirectory => ("it is a directory".into(), "a manifest is a file: rename the directory, or remove it"),
        io::ErrorKind::NotADirectory => {
            ("it is no directory".into(), "KDL files lie in a directory: rename what lies there, or correct the path")
        }
        io::ErrorKind::NotFound => ("it is a link that leads nowhere".into(), "mend the link, or remove it"),
        io::ErrorKind::PermissionDenied => ("permission denied".into(), "let whoever runs daeda read it"),
        _ => (error.to_string(), "put a file in its place, or remove it"),
    };
    Diagnostic::error(code::UNREADABLE, format!("`{name}` cannot be read: {why}"), place).hint(hint)
}

fn not_text(place: Span, bytes: &[u8]) -> Diagnostic {
    let hint = match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "this is UTF-16; save the file as UTF-8".to_string(),
        _ => format!("the byte here is 0x{:02X}; save the file as UTF-8", bytes.get(place.offset).copied().unwrap_or_default()),
    };
    Diagnostic::error(code::NOT_TEXT, "this is not UTF-8; KDL files are UTF-8 text", place).hint(hint)
}

/// With the place of the part that is meant, of a text that is written otherwise than it reads.
fn pinpointed(mut found: Diagnostic, sources: &Sources) -> Diagnostic {
    let Some(part) = found.part.take() else { return found };
    let span = found.span();
    let text = sources.get(span.source).text.get(span.offset..span.offset + span.len);
    if let Some(place) = text.and_then(|text| manifest::written(text, part)) {
        found.labels[0].span = Span { offset: span.offset + place.start, len: place.len(), ..span };
    }
    found
}

/// Whether a name counts as unknown only because its definition, in a file with mistakes, was left out.
fn is_cascade(diagnostic: &Diagnostic, broken: &[SourceId], sources: &Sources) -> bool {
    let span = diagnostic.span();
    let name = sources.get(span.source).text.get(span.offset..span.offset + span.len).unwrap_or_default();
    let name = name.trim_start_matches("(constant)").trim_matches('"');
    broken.iter().any(|id| sources.get(*id).text.lines().any(|line| defines(line.trim_start(), name)))
}

fn defines(line: &str, name: &str) -> bool {
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
    // One whose name is broken may have been meant.
    let is_it = |word: Option<&str>| {
        let word = word.unwrap_or("{");
        let named = word.trim_matches(['"', '{', ';']);
        named == name || word.starts_with('{') || word.contains('=') || word.contains(|c: char| "'`".contains(c)) || near(named, name)
    };
    words.next().is_some_and(|first| DEFINERS.contains(&first)) && is_it(words.next())
}

/// Whether a name that cannot be one, such as a number or one with a space in it, stands where another is missed.
fn near(written: &str, name: &str) -> bool {
    let is_name = |text: &str| text.starts_with(|c: char| c.is_alphabetic() || c == '_');
    !is_name(written) || name.starts_with(written)
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
