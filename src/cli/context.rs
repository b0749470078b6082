//! What every command needs: the workspace as the command line and the environment want it, the clock, the style.

use super::args::{Args, Color, Format, Order};
use super::build::output_check;
use super::error::CliError;
use super::output::{say, wants_color};
use crate::engine::check::{Eyes, Verdict};
use crate::engine::clock::{self, Clock, SystemClock};
use crate::engine::decision::Permits;
use crate::engine::envelope::Envelope;
use crate::engine::failure::FailureMemory;
use crate::engine::graph::Graph;
use crate::engine::hashing::{Hashed, watched};
use crate::engine::index::TraceIndex;
use crate::engine::judge::Judge;
use crate::engine::survey::survey;
use crate::engine::world::World;
use crate::history::{self, Retention};
use crate::report::diagnostics::{self, Style};
use crate::report::plain::hashing;
use crate::rules::{TableRecords, TableWorld};
use crate::workspace::{self, Loaded, Overrides, Target, Workspace, parse_target};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Whether caches keep what a survey learned: a dry run changes no byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remember {
    Learned,
    Nothing,
}

pub struct Context<'a> {
    pub args: &'a Args,
    pub clock: SystemClock,
    overrides: Overrides,
    start: PathBuf,
}

impl<'a> Context<'a> {
    pub fn new(args: &'a Args) -> Result<Self, CliError> {
        let start = match &args.directory {
            Some(directory) => std::fs::canonicalize(directory).map_err(|e| CliError::io(directory.display(), &e))?,
            None => std::env::current_dir().map_err(|e| CliError::io("the current directory", &e))?,
        };
        let mut overrides = Overrides { profile: args.profile.clone(), environment: std::env::vars().collect(), ..Overrides::default() };
        for text in &args.set {
            let (key, value) = text.split_once('=').ok_or_else(|| CliError::Usage(format!("--set takes KEY=VALUE, not `{text}`")))?;
            overrides.set.push((key.into(), value.into()));
        }
        let clock = SystemClock { fixed: fixed_now(overrides.environment.get("DAEDA_NOW"))? };
        Ok(Self { args, clock, overrides, start })
    }

    pub fn start(&self) -> &std::path::Path {
        &self.start
    }

    /// The directory of the workspace.
    pub fn root(&self) -> Result<PathBuf, CliError> {
        Ok(workspace::find(&self.start)?)
    }

    /// Everything there is to say about the workspace, sound or not.
    pub fn load(&self) -> Result<Loaded, CliError> {
        Ok(workspace::load(&self.root()?, &self.overrides)?)
    }

    /// The workspace. Mistakes end the command; warnings are said in a line each.
    pub fn workspace(&self) -> Result<Workspace, CliError> {
        let loaded = self.load()?;
        match loaded.workspace {
            None => Err(CliError::Manifest(Box::new((loaded.sources, loaded.diagnostics)))),
            Some(workspace) => {
                if !self.args.quiet && self.args.log_format == Format::Text {
                    loaded.diagnostics.iter().for_each(|d| say(&diagnostics::line(d, &loaded.sources)));
                }
                Ok(workspace)
            }
        }
    }

    pub fn targets(&self, workspace: &Workspace, texts: &[String]) -> Result<Vec<Target>, CliError> {
        let mut targets = Vec::new();
        for text in texts {
            targets.extend(parse_target(workspace, text, self.clock.now())?);
        }
        Ok(targets)
    }

    pub fn graph(&self, workspace: &Workspace, targets: &[Target]) -> Result<Graph, CliError> {
        Ok(workspace::graph(workspace, targets, self.clock.now())?)
    }

    /// Targets, and what a selection leaves of them; the partitions of each in the order in which they are to be built.
    pub fn wanted(&self, workspace: &Workspace, texts: &[String], select: Option<&str>, order: Order) -> Result<Vec<Target>, CliError> {
        let mut targets = match select {
            Some(select) => workspace::select(workspace, select, texts, self.clock.now())?,
            None => self.targets(workspace, texts)?,
        };
        if order == Order::Newest {
            targets.iter_mut().for_each(|target| target.keys.reverse());
        }
        Ok(targets)
    }

    /// The verdict on every action of a graph; nothing is run.
    pub fn survey(&self, workspace: &Workspace, graph: &Graph, permits: &Permits, verify: bool, remember: Remember) -> Vec<Verdict> {
        self.judged(workspace, graph, permits, verify, remember, false)
    }

    /// The same with the evidence that verdicts were made from, so that they can be explained.
    pub fn evidence(&self, workspace: &Workspace, graph: &Graph, verify: bool) -> Vec<Verdict> {
        self.judged(workspace, graph, &Permits::default(), verify, Remember::Learned, true)
    }

    fn judged(
        &self,
        workspace: &Workspace,
        graph: &Graph,
        permits: &Permits,
        verify: bool,
        remember: Remember,
        evidence: bool,
    ) -> Vec<Verdict> {
        let (world, memory, index) = (self.world(workspace), self.memory(workspace), self.index(workspace));
        let eyes = Eyes { world: &world, records: &TableRecords, index: &index, output: output_check(verify), evidence };
        let judge = Judge { eyes, clock: &self.clock, memory: &memory, retry_failed: permits.retry_failed };
        let tell = |Hashed { done, total }| say(&(hashing(done, total) + "\n"));
        let verdicts = watched(&world, &tell, || survey(graph, &judge, permits));
        if remember == Remember::Learned {
            world.remember();
            index.save();
        }
        verdicts
    }

    /// The command line up to a command's name, with what makes it speak of this workspace in this way.
    pub fn program(&self) -> String {
        let mut words = vec!["daeda".to_string()];
        words.extend(self.args.directory.iter().map(|directory| format!("-C {}", quoted(&directory.display().to_string()))));
        words.extend(self.args.profile.iter().map(|profile| format!("--profile {}", quoted(profile))));
        words.extend(self.args.set.iter().map(|setting| format!("--set {}", quoted(setting))));
        words.join(" ")
    }

    pub fn world(&self, workspace: &Workspace) -> TableWorld {
        let world = TableWorld::new(&workspace.state_directory().join("cache/columns"));
        self.say_started_anew(world.is_started_anew(), "cache/columns");
        world
    }

    pub fn index(&self, workspace: &Workspace) -> TraceIndex {
        let index = TraceIndex::open(&workspace.state_directory().join("cache/traces"));
        self.say_started_anew(index.is_started_anew(), "cache/traces");
        index
    }

    /// A cache that cannot be believed costs time and nothing else.
    fn say_started_anew(&self, anew: bool, name: &str) {
        if anew && !self.args.quiet && self.args.log_format == Format::Text {
            say(&format!("warning: .daeda/{name} is damaged, or of another version of daeda: it is made anew\n"));
        }
    }

    pub fn memory(&self, workspace: &Workspace) -> FailureMemory {
        FailureMemory::new(&workspace.state_directory())
    }

    /// The envelope that all processes of this user share.
    pub fn envelope(&self) -> Envelope {
        Envelope::shared(&runtime_directory(&self.overrides.environment))
    }

    pub fn say_unshared(&self, envelope: &Envelope) {
        if let Some(why) = envelope.trouble() {
            self.warn(&format!("what other daeda processes use here is not known: {why}; DAEDA_RUNTIME_DIR names another place"));
        }
    }

    /// Says what is worth knowing and holds nothing up.
    pub fn warn(&self, what: &str) {
        if self.args.log_format == Format::Text {
            what.lines().for_each(|line| say(&format!("warning: {line}\n")));
        }
    }

    /// What the history knows of a build when it begins.
    pub fn history_head(&self, workspace: &Workspace) -> history::Head {
        let settings = &workspace.settings;
        let keep = Retention {
            runs: settings.history_runs.value,
            age: settings.history_keep.value.millis,
            bytes: settings.history_size.value.bytes,
        };
        history::Head { state: workspace.state_directory(), command: typed(), keep }
    }

    /// How data on stdout is drawn.
    pub fn style(&self) -> Style {
        let color = wants_color(self.args.color == Color::Always, self.args.color == Color::Never, &std::io::stdout());
        Style { color, width: 80 }
    }
}

/// The command line as it was typed, without the program's path.
fn typed() -> String {
    let words: Vec<String> = std::env::args_os().skip(1).map(|word| quoted(&word.to_string_lossy())).collect();
    format!("daeda {}", words.join(" "))
}

/// Where the processes of one user meet: `DAEDA_RUNTIME_DIR`, or below what the system has for that.
fn runtime_directory(environment: &BTreeMap<String, String>) -> PathBuf {
    let of_system = || Some(PathBuf::from(environment.get("XDG_RUNTIME_DIR")?)).filter(|path| path.is_dir()).map(|path| path.join("daeda"));
    let own = environment.get("DAEDA_RUNTIME_DIR").map(PathBuf::from);
    own.or_else(of_system).unwrap_or_else(|| std::env::temp_dir().join(format!("daeda-{}", rustix::process::getuid().as_raw())))
}

/// A word as a shell reads it.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "_-./=:@%+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) { word.to_string() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// `DAEDA_NOW`: an RFC 3339 instant, or a day.
fn fixed_now(text: Option<&String>) -> Result<Option<i64>, CliError> {
    let Some(text) = text else { return Ok(None) };
    let wrong = || CliError::Usage(format!("DAEDA_NOW is an instant such as 2026-02-04T00:00:00Z, not `{text}`"));
    clock::parse(text).map(Some).ok_or_else(wrong)
}
