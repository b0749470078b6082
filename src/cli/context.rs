//! What every command needs: the workspace as the command line and the environment want it, the clock, the style.

use super::args::{Args, Color, Command, Format, Order, ScheduleCommand};
use super::build::output_check;
use super::error::{CliError, code};
use super::output::{say, wants_color};
use crate::engine::check::{Eyes, Verdict};
use crate::engine::clock::{Clock, SystemClock};
use crate::engine::decision::Permits;
use crate::engine::envelope::Envelope;
use crate::engine::execute::Cancel;
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
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Mutex;

/// Whether caches keep what a survey learned: a dry run changes no byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remember {
    Learned,
    Nothing,
}

pub struct Context<'a> {
    pub args: &'a Args,
    pub clock: SystemClock,
    /// Requested by the first Ctrl-C or SIGTERM, once somebody listens.
    pub cancel: Cancel,
    /// What is said once and not again by a command that looks again and again.
    told: Mutex<BTreeSet<String>>,
    overrides: Overrides,
    start: PathBuf,
}

impl<'a> Context<'a> {
    pub fn new(args: &'a Args) -> Result<Self, CliError> {
        let start = match &args.directory {
            Some(directory) => std::fs::canonicalize(directory).map_err(|e| CliError::io(directory.display(), &e))?,
            None => std::env::current_dir().map_err(|e| CliError::io("the current directory", &e))?,
        };
        let profile = args.profile.clone().filter(|name| !name.is_empty());
        let mut overrides = Overrides { profile, environment: environment(), ..Overrides::default() };
        for text in &args.set {
            let (key, value) = text.split_once('=').ok_or_else(|| CliError::Usage(format!("--set takes KEY=VALUE, not `{text}`")))?;
            overrides.set.push((key.into(), value.into()));
        }
        let clock = clock_of(overrides.environment.get("DAEDA_NOW"))?;
        Ok(Self { args, clock, cancel: Cancel::default(), told: Mutex::default(), overrides, start })
    }

    /// From now on the first Ctrl-C stops cleanly, the second at once.
    pub fn listen(&self) {
        let cancel = self.cancel.clone();
        // Whoever comes second finds that somebody listens already.
        let _ = ctrlc::set_handler(move || {
            if cancel.is_requested() {
                std::process::exit(i32::from(code::INTERRUPTED));
            }
            cancel.request();
        });
    }

    /// Whether a text has not been said yet.
    pub fn is_news(&self, text: &str) -> bool {
        self.told.lock().expect("no thread panics while it remembers").insert(text.to_string())
    }

    /// The profile that is in force.
    pub fn profile(&self) -> Option<&str> {
        self.overrides.profile.as_deref()
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
                    let found = loaded.diagnostics.iter().map(|d| diagnostics::line(d, &loaded.sources));
                    let misspelt = workspace::misspelt(&self.overrides.environment).into_iter().map(|text| format!("warning: {text}\n"));
                    found.chain(misspelt).filter(|text| self.is_news(text)).for_each(|text| say(&text));
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
        self.survey_by(self.index(workspace), workspace, graph, permits, verify, remember)
    }

    /// The same by an index that is open.
    pub fn survey_by(
        &self,
        index: TraceIndex,
        workspace: &Workspace,
        graph: &Graph,
        permits: &Permits,
        verify: bool,
        remember: Remember,
    ) -> Vec<Verdict> {
        self.judged(index, workspace, graph, permits, verify, remember, false)
    }

    /// A graph, and the index of traces, which is read meanwhile.
    pub fn graph_and_index(&self, workspace: &Workspace, targets: &[Target]) -> Result<(Graph, TraceIndex), CliError> {
        let (graph, index) = rayon::join(|| self.graph(workspace, targets), || self.index(workspace));
        Ok((graph?, index))
    }

    /// The same with the evidence that verdicts were made from, so that they can be explained.
    pub fn evidence(&self, workspace: &Workspace, graph: &Graph, verify: bool) -> Vec<Verdict> {
        self.judged(self.index(workspace), workspace, graph, &Permits::default(), verify, Remember::Learned, true)
    }

    #[expect(clippy::too_many_arguments)]
    fn judged(
        &self,
        index: TraceIndex,
        workspace: &Workspace,
        graph: &Graph,
        permits: &Permits,
        verify: bool,
        remember: Remember,
        evidence: bool,
    ) -> Vec<Verdict> {
        let (world, memory) = (self.world(workspace), self.memory(workspace));
        let eyes = Eyes { world: &world, records: &TableRecords, index: &index, output: output_check(verify), evidence };
        let judge = Judge { eyes, clock: &self.clock, memory: &memory, retry_failed: permits.retry_failed };
        let tell = |Hashed { done, total }| say(&(hashing(done, total) + "\n"));
        let verdicts = watched(&world, &tell, || survey(graph, &judge, permits));
        if remember == Remember::Learned {
            world.remember();
            index.save();
        }
        self.say_started_anew(&world, &index);
        self.leave((world, index));
        verdicts
    }

    /// Is done with something that may consist of very many small things: freeing them is for those whose process goes on.
    pub fn leave<T>(&self, done: T) {
        match &self.args.command {
            Command::Schedule(ScheduleCommand::Run(run)) if run.watch => drop(done),
            _ => std::mem::forget(done),
        }
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
        TableWorld::new(&workspace.state_directory().join("cache/columns"))
    }

    pub fn index(&self, workspace: &Workspace) -> TraceIndex {
        TraceIndex::open(&workspace.state_directory().join("cache/traces"))
    }

    /// A cache that could not be believed has cost time and nothing else.
    pub fn say_started_anew(&self, world: &TableWorld, index: &TraceIndex) {
        let caches = [("cache/columns", world.is_started_anew()), ("cache/traces", index.is_started_anew())];
        for (name, _) in caches.iter().filter(|(_, anew)| *anew && !self.args.quiet && self.args.log_format == Format::Text) {
            say(&format!("warning: .daeda/{name} is damaged, or of another version of daeda: it is made anew\n"));
        }
    }

    pub fn memory(&self, workspace: &Workspace) -> FailureMemory {
        FailureMemory::new(&workspace.state_directory())
    }

    /// Whether talk on stderr is drawn in colour.
    pub fn draws_color(&self) -> bool {
        wants_color(self.args.color == Color::Always, self.args.color == Color::Never, &std::io::stderr())
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

/// The variables that are text; what is none can be no setting.
fn environment() -> BTreeMap<String, String> {
    let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    std::env::vars_os().filter_map(text).collect()
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

/// `DAEDA_NOW`: an RFC 3339 instant, a day, or a file that holds one.
fn clock_of(text: Option<&String>) -> Result<SystemClock, CliError> {
    let Some(text) = text else { return Ok(SystemClock::Machine) };
    let wrong = || {
        let example = "an instant such as 2026-02-04T00:00:00Z";
        CliError::Usage(match text.strip_prefix('@') {
            Some(file) => format!("DAEDA_NOW names the file {file}, and that holds no time; write {example} into it"),
            None => format!("DAEDA_NOW is {example}, not `{text}`"),
        })
    };
    SystemClock::parse(text).ok_or_else(wrong)
}
