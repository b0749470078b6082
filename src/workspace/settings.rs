//! Settings: the manifest's `config`, overridden by profile, environment and `--set`, each value with where it came from.
//!
//! Precedence, weakest first: default, file, profile, environment (`DAEDA_OUTPUT_ROOT`), `--set output-root=…`; then what the machine has.
//! Values of the runtime file are in [`tuning`](super::tuning). Invariant: whatever a value comes from, it is judged by the same rules.

use super::code;
use super::tuning::{self, Tuning};
use crate::catalog::declaration::{HistoryDecl, ManifestDecl, SettingsDecl, Text};
use crate::catalog::quantity::{Duration, Size};
use crate::source::{Diagnostic, Span, Spanned, did_you_mean, is_slip, suggestion};
use std::collections::BTreeMap;
use std::fmt;

/// What a command line and its environment say.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    pub profile: Option<String>,
    /// `--set KEY=VALUE`, in the order given.
    pub set: Vec<(String, String)>,
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Default,
    /// All that there is, where more was asked for.
    Machine,
    File,
    Profile(String),
    /// Of a file or profile that takes it from a variable.
    Variable(Box<Origin>, String),
    Environment(String),
    Set,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Machine => f.write_str("this machine, which has no more"),
            Self::File => f.write_str("Daedalus.kdl"),
            Self::Profile(name) => write!(f, "profile {name}"),
            Self::Variable(origin, variable) => write!(f, "{origin}: (env)\"{variable}\""),
            Self::Environment(variable) => write!(f, "environment {variable}"),
            Self::Set => f.write_str("--set"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting<T> {
    pub value: T,
    pub origin: Origin,
}

impl<T> Setting<T> {
    fn default(value: T) -> Self {
        Self { value, origin: Origin::Default }
    }
}

/// The effective configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    pub runtime: Setting<String>,
    pub aggregations: Setting<String>,
    pub feature_views: Setting<String>,
    pub feature_services: Setting<String>,
    pub output_root: Setting<String>,
    pub enriched_output_root: Setting<String>,
    pub cpus: Setting<u64>,
    pub memory: Setting<Size>,
    pub object_store: Setting<Size>,
    pub replace_max: Setting<Option<u64>>,
    pub history_runs: Setting<u64>,
    pub history_keep: Setting<Duration>,
    pub history_size: Setting<Size>,
}

/// Name, value and origin, for people.
pub type Row = (String, String, String);

/// The names of the settings, as `--set` and the environment write them.
pub const NAMES: [&str; 13] = [
    "runtime",
    "aggregations",
    "feature-views",
    "feature-services",
    "output-root",
    "enriched-output-root",
    "resources.cpus",
    "resources.memory",
    "resources.object-store",
    "replace-max",
    "history.runs",
    "history.keep",
    "history.size",
];

impl Settings {
    /// `machine` is what there is at most: (cpus, bytes of memory). An error is of the command line or the environment; variables that files
    /// name and that are not set are diagnostics, and leave the value as it was.
    pub fn resolve(manifest: &ManifestDecl, overrides: &Overrides, machine: (u64, u64)) -> Result<(Self, Vec<Diagnostic>), String> {
        let mut settings = Self::defaults(machine);
        let mut unset = settings.apply(&manifest.settings, Origin::File, overrides);
        if let Some(name) = overrides.profile.as_deref() {
            let profile = manifest.profiles.iter().find(|p| p.name.value == name);
            let known = manifest.profiles.iter().map(|p| p.name.value.as_str());
            let unknown = || format!("there is no profile `{name}`; {}", suggestion(name, known));
            unset.extend(settings.apply(&profile.ok_or_else(unknown)?.settings, Origin::Profile(name.into()), overrides));
        }
        for name in NAMES {
            let variable = variable_of(name);
            if let Some(value) = overrides.environment.get(&variable) {
                settings.set(name, value, Origin::Environment(variable))?;
            }
        }
        for (name, value) in overrides.set.iter().filter(|(name, _)| !Tuning::concerns(bare(name))) {
            settings.set(name, value, Origin::Set)?;
        }
        settings.cut_to(machine);
        Ok((settings, unset))
    }

    /// An envelope beyond the machine is cut to what there is.
    fn cut_to(&mut self, (cpus, memory): (u64, u64)) {
        if self.cpus.value > cpus {
            self.cpus = Setting { value: cpus, origin: Origin::Machine };
        }
        if self.memory.value.bytes > memory {
            self.memory = Setting { value: Size { bytes: memory }, origin: Origin::Machine };
        }
    }

    fn defaults(machine: (u64, u64)) -> Self {
        Self {
            runtime: Setting::default("config/training/runtime.kdl".into()),
            aggregations: Setting::default("config/training/aggregations.kdl".into()),
            feature_views: Setting::default("feature_views".into()),
            feature_services: Setting::default("feature_services".into()),
            output_root: Setting::default("data/training_output".into()),
            enriched_output_root: Setting::default("data/training_output_enriched".into()),
            cpus: Setting::default(machine.0),
            memory: Setting::default(Size { bytes: machine.1 }),
            object_store: Setting::default(Size { bytes: 12 << 30 }),
            replace_max: Setting::default(None),
            history_runs: Setting::default(10_000),
            history_keep: Setting::default(Duration { millis: 365 * Duration::DAY.millis }),
            history_size: Setting::default(Size { bytes: 256 << 20 }),
        }
    }

    fn apply(&mut self, declared: &SettingsDecl, origin: Origin, overrides: &Overrides) -> Vec<Diagnostic> {
        let mut unset = Vec::new();
        let texts = [
            (&declared.runtime, &mut self.runtime),
            (&declared.aggregations, &mut self.aggregations),
            (&declared.feature_views, &mut self.feature_views),
            (&declared.feature_services, &mut self.feature_services),
            (&declared.output_root, &mut self.output_root),
            (&declared.enriched_output_root, &mut self.enriched_output_root),
        ];
        for (text, setting) in texts {
            match text.as_ref().map(|text| (text, read_text(text, overrides))) {
                Some((text, Ok(value))) => *setting = Setting { value, origin: origin_of(text, &origin) },
                Some((_, Err(diagnostic))) => unset.push(diagnostic),
                None => {}
            }
        }
        if let Some(cpus) = &declared.resources.cpus {
            self.cpus = Setting { value: cpus.value, origin: origin.clone() };
        }
        if let Some(memory) = &declared.resources.memory {
            self.memory = Setting { value: memory.value, origin: origin.clone() };
        }
        if let Some(store) = &declared.resources.object_store {
            self.object_store = Setting { value: store.value, origin: origin.clone() };
        }
        if let Some(max) = &declared.replace_max {
            self.replace_max = Setting { value: Some(max.value), origin: origin.clone() };
        }
        self.apply_history(&declared.history, &origin);
        unset
    }

    fn apply_history(&mut self, declared: &HistoryDecl, origin: &Origin) {
        if let Some(runs) = &declared.runs {
            self.history_runs = Setting { value: runs.value, origin: origin.clone() };
        }
        if let Some(keep) = &declared.keep {
            self.history_keep = Setting { value: keep.value, origin: origin.clone() };
        }
        if let Some(size) = &declared.size {
            self.history_size = Setting { value: size.value, origin: origin.clone() };
        }
    }

    fn set(&mut self, name: &str, value: &str, origin: Origin) -> Result<(), String> {
        let given = Given { name, value, origin: &origin };
        let name = bare(name);
        if let Some(text) = self.text(name) {
            *text = Setting { value: given.path()?, origin };
            return Ok(());
        }
        match name {
            "resources.cpus" => self.cpus = Setting { value: given.number(1)?, origin },
            "resources.memory" => self.memory = Setting { value: given.size()?, origin },
            "resources.object-store" => self.object_store = Setting { value: given.size()?, origin },
            "replace-max" if value == "none" => self.replace_max = Setting { value: None, origin },
            "replace-max" => self.replace_max = Setting { value: Some(given.number(0)?), origin },
            "history.runs" => self.history_runs = Setting { value: given.number(1)?, origin },
            "history.keep" => self.history_keep = Setting { value: given.duration()?, origin },
            "history.size" => self.history_size = Setting { value: given.size()?, origin },
            _ => {
                let hint = suggestion(name, NAMES.into_iter().chain(tuning::NAMES));
                return Err(format!("there is no setting `{name}`; {hint}"));
            }
        }
        Ok(())
    }

    fn text(&mut self, name: &str) -> Option<&mut Setting<String>> {
        Some(match name {
            "runtime" => &mut self.runtime,
            "aggregations" => &mut self.aggregations,
            "feature-views" => &mut self.feature_views,
            "feature-services" => &mut self.feature_services,
            "output-root" => &mut self.output_root,
            "enriched-output-root" => &mut self.enriched_output_root,
            _ => return None,
        })
    }

    /// Name, value and origin of each, for people.
    pub fn rows(&self) -> Vec<Row> {
        let texts =
            [&self.runtime, &self.aggregations, &self.feature_views, &self.feature_services, &self.output_root, &self.enriched_output_root];
        let mut rows: Vec<Row> =
            NAMES.into_iter().zip(texts).map(|(name, s)| (name.to_string(), s.value.clone(), s.origin.to_string())).collect();
        rows.push((NAMES[6].into(), self.cpus.value.to_string(), self.cpus.origin.to_string()));
        rows.push((NAMES[7].into(), rounded(self.memory.value), self.memory.origin.to_string()));
        rows.push((NAMES[8].into(), self.object_store.value.to_string(), self.object_store.origin.to_string()));
        let max = self.replace_max.value.map_or("none".into(), |n| n.to_string());
        rows.push((NAMES[9].into(), max, self.replace_max.origin.to_string()));
        rows.push((NAMES[10].into(), self.history_runs.value.to_string(), self.history_runs.origin.to_string()));
        rows.push((NAMES[11].into(), self.history_keep.value.to_string(), self.history_keep.origin.to_string()));
        rows.push((NAMES[12].into(), self.history_size.value.to_string(), self.history_size.origin.to_string()));
        rows
    }
}

/// A size that the machine gave is no round number.
fn rounded(size: Size) -> String {
    if size.bytes.is_multiple_of(1 << 20) { size.to_string() } else { format!("{:.1}GiB", size.bytes as f64 / (1u64 << 30) as f64) }
}

/// Where a text of the file comes from: the file, and the variable that it names.
fn origin_of(text: &Spanned<Text>, file: &Origin) -> Origin {
    match &text.value {
        Text::Literal(_) => file.clone(),
        Text::Env(variable) => Origin::Variable(Box::new(file.clone()), variable.clone()),
    }
}

fn read_text(text: &Spanned<Text>, overrides: &Overrides) -> Result<String, Diagnostic> {
    match &text.value {
        Text::Literal(value) => Ok(value.clone()),
        Text::Env(variable) => {
            let value = overrides.environment.get(variable).filter(|value| !value.trim().is_empty());
            value.cloned().ok_or_else(|| unset(variable, text.span))
        }
    }
}

fn unset(variable: &str, span: Span) -> Diagnostic {
    let message = format!("the environment has no variable `{variable}`");
    Diagnostic::error(code::UNSET_VARIABLE, message, span).label("not set").hint(format!("set it: export {variable}=…"))
}

/// A value from outside the files.
struct Given<'a> {
    name: &'a str,
    value: &'a str,
    origin: &'a Origin,
}

impl Given<'_> {
    fn wrong(&self, what: &str) -> String {
        let Self { name, value, origin } = self;
        format!("{name} is {what}, not `{value}` ({origin})")
    }

    fn number(&self, least: u64) -> Result<u64, String> {
        let number = self.value.parse().ok().filter(|n| *n >= least);
        number.ok_or_else(|| self.wrong(&format!("a whole number of at least {least}")))
    }

    fn size(&self) -> Result<Size, String> {
        Size::parse(self.value).filter(|size| size.bytes > 0).ok_or_else(|| self.wrong("a size such as 16GiB"))
    }

    fn duration(&self) -> Result<Duration, String> {
        Duration::parse(self.value).ok_or_else(|| self.wrong("a duration such as 90d"))
    }

    fn path(&self) -> Result<String, String> {
        if self.value.trim().is_empty() { Err(self.wrong("a path and cannot be empty")) } else { Ok(self.value.into()) }
    }
}

/// The variable of a setting.
pub fn variable_of(name: &str) -> String {
    format!("DAEDA_{}", name.to_uppercase().replace(['-', '.'], "_"))
}

/// Variables that are ours and name no setting.
const OTHERS: [&str; 5] = ["DAEDA_PROFILE", "DAEDA_NOW", "DAEDA_RUNTIME_DIR", "DAEDA_METADATA", "DAEDA_MACHINE"];

/// Variables that are nearly those of settings, each with the one that was meant.
pub fn misspelt(environment: &BTreeMap<String, String>) -> Vec<String> {
    let known: Vec<String> = NAMES.into_iter().chain(tuning::NAMES).map(variable_of).chain(OTHERS.map(String::from)).collect();
    let bare = |variable: &'_ String| variable.trim_start_matches("DAEDA_").to_string();
    let words: Vec<String> = known.iter().map(bare).collect();
    let words = || words.iter().map(String::as_str);
    let strangers = environment.keys().filter(|name| name.starts_with("DAEDA_") && !known.contains(name)).map(bare);
    let meant = |word: String| {
        let near = did_you_mean(&word, words()).filter(|_| is_slip(&word, words()))?;
        Some(format!("DAEDA_{word} is no setting; did you mean DAEDA_{near}?"))
    };
    strangers.filter_map(meant).collect()
}

/// A setting's name without the prefix that says what it is a setting of.
pub fn bare(name: &str) -> &str {
    name.strip_prefix("training.").unwrap_or(name)
}

/// What this machine has: (cpus, bytes of memory). `DAEDA_MACHINE="16 64GiB"` says so where it cannot be seen, as in some containers.
pub fn machine(environment: &BTreeMap<String, String>) -> (u64, u64) {
    let told = environment.get("DAEDA_MACHINE").and_then(|text| text.split_once(' '));
    let told = told.and_then(|(cpus, memory)| Some((cpus.parse().ok()?, Size::parse(memory)?.bytes)));
    told.unwrap_or_else(seen_machine)
}

fn seen_machine() -> (u64, u64) {
    let cpus = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.lines().find_map(|l| l.strip_prefix("MemTotal:")).and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok());
    (cpus, total.map_or(8 << 30, |kib| kib * 1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(overrides: &Overrides) -> Result<Settings, String> {
        Settings::resolve(&ManifestDecl::default(), overrides, (4, 8 << 30)).map(|(settings, _)| settings)
    }

    #[test]
    fn the_command_line_beats_the_environment() {
        let mut overrides = Overrides::default();
        overrides.environment.insert("DAEDA_OUTPUT_ROOT".into(), "from_env".into());
        assert_eq!(resolve(&overrides).unwrap().output_root.origin.to_string(), "environment DAEDA_OUTPUT_ROOT");
        overrides.set.push(("output-root".into(), "from_set".into()));
        assert_eq!(resolve(&overrides).unwrap().output_root.value, "from_set");
    }

    fn text(value: &str) -> Option<Spanned<Text>> {
        let span = Span { source: crate::source::SourceId(0), offset: 0, len: 0 };
        Some(Spanned::new(Text::Literal(value.into()), span))
    }

    /// Each layer says something of `output-root`, from the strongest that is taken away one by one.
    #[test]
    fn the_stronger_layer_wins() {
        let profile = SettingsDecl { output_root: text("of_profile"), ..SettingsDecl::default() };
        let name = Spanned::new("prod".to_string(), Span { source: crate::source::SourceId(0), offset: 0, len: 0 });
        let manifest = ManifestDecl {
            settings: SettingsDecl { output_root: text("of_file"), ..SettingsDecl::default() },
            profiles: vec![crate::catalog::declaration::ProfileDecl { name, settings: profile }],
            ..ManifestDecl::default()
        };
        let mut overrides = Overrides { profile: Some("prod".into()), ..Overrides::default() };
        overrides.environment.insert("DAEDA_OUTPUT_ROOT".into(), "of_environment".into());
        overrides.set.push(("output-root".into(), "of_set".into()));
        let root = |manifest: &ManifestDecl, overrides: &Overrides| {
            let root = Settings::resolve(manifest, overrides, (4, 8 << 30)).unwrap().0.output_root;
            (root.value, root.origin.to_string())
        };
        let of = |value: &str, origin: &str| (value.to_string(), origin.to_string());
        assert_eq!(root(&manifest, &overrides), of("of_set", "--set"));
        overrides.set.clear();
        assert_eq!(root(&manifest, &overrides), of("of_environment", "environment DAEDA_OUTPUT_ROOT"));
        overrides.environment.clear();
        assert_eq!(root(&manifest, &overrides), of("of_profile", "profile prod"));
        overrides.profile = None;
        assert_eq!(root(&manifest, &overrides), of("of_file", "Daedalus.kdl"));
        assert_eq!(root(&ManifestDecl::default(), &overrides), of("data/training_output", "default"));
    }

    #[test]
    fn nested_values_are_reached_by_their_path_and_the_last_word_counts() {
        let set = ["training.resources.cpus=3", "resources.memory=1GiB", "resources.cpus=2", "replace-max=0"];
        let set = set.map(|text| text.split_once('=').map(|(k, v)| (k.into(), v.into())).unwrap()).to_vec();
        let settings = resolve(&Overrides { set, ..Overrides::default() }).unwrap();
        assert_eq!((settings.cpus.value, settings.memory.value.bytes, settings.replace_max.value), (2, 1 << 30, Some(0)));
        let none = Overrides { set: vec![("replace-max".into(), "none".into())], ..Overrides::default() };
        assert_eq!(resolve(&none).unwrap().replace_max.value, None);
    }

    #[test]
    fn a_bad_value_is_refused_with_what_it_came_from() {
        let wrong = |variable: &str, value: &str| {
            let mut overrides = Overrides::default();
            overrides.environment.insert(variable.into(), value.into());
            let Err(message) = resolve(&overrides) else { panic!("refused") };
            message
        };
        assert_eq!(
            wrong("DAEDA_RESOURCES_CPUS", "many"),
            "resources.cpus is a whole number of at least 1, not `many` (environment DAEDA_RESOURCES_CPUS)"
        );
        assert!(wrong("DAEDA_RESOURCES_MEMORY", "0GiB").contains("a size such as 16GiB"));
        assert!(wrong("DAEDA_OUTPUT_ROOT", "").contains("cannot be empty"));
    }

    #[test]
    fn the_envelope_is_cut_to_the_machine() {
        let overrides = Overrides { set: vec![("resources.cpus".into(), "64".into())], ..Overrides::default() };
        assert_eq!(resolve(&overrides).unwrap().cpus.value, 4);
    }

    #[test]
    fn the_machine_can_be_told() {
        let told = |text: &str| machine(&[("DAEDA_MACHINE".to_string(), text.to_string())].into());
        assert_eq!(told("16 64GiB"), (16, 64 << 30));
        // What is no size of a machine is not believed.
        assert_eq!(told("many"), seen_machine());
    }

    #[test]
    fn a_mistyped_setting_is_refused_with_the_right_one() {
        let overrides = Overrides { set: vec![("outputroot".into(), "x".into())], ..Overrides::default() };
        let Err(message) = resolve(&overrides) else { panic!("refused") };
        assert!(message.contains("`output-root`"), "{message}");
    }
}
