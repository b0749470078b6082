//! Values of the runtime file that the environment or `--set` override: `runtime.constant.max_likes=16`, `runtime.compute.engine=polars`.
//!
//! Invariant: an override is what the file would have said, and is judged by the same rules.

use super::settings::{Origin, Overrides, bare, variable_of};
use crate::catalog::declaration::{ComputeEngine, RuntimeDecl};
use crate::catalog::model::Runtime;
use crate::source::{SourceId, Span, Spanned, suggestion};
use std::collections::BTreeMap;

/// Where values of constants stand: what follows is the constant's name.
pub const CONSTANT: &str = "runtime.constant.";

/// The other values, by their paths in the file.
pub const NAMES: [&str; 5] = [
    "runtime.compute.engine",
    "runtime.output.compression",
    "runtime.output.level",
    "runtime.output.row-group-rows",
    "runtime.output.shard-rows",
];

const ENGINES: [(&str, ComputeEngine); 2] = [("native", ComputeEngine::Native), ("polars", ComputeEngine::Polars)];
const COMPRESSIONS: [&str; 4] = ["none", "snappy", "lz4", "zstd"];

/// Overrides of the runtime, the stronger ones last.
#[derive(Debug, Clone, Default)]
pub struct Tuning {
    given: Vec<(String, String, Origin)>,
}

impl Tuning {
    /// Whether a name is one of the runtime's.
    pub fn concerns(name: &str) -> bool {
        name.starts_with("runtime.")
    }

    /// What the environment and the command line say of what a runtime declares.
    pub fn of(overrides: &Overrides, declared: &RuntimeDecl) -> Self {
        let constants = declared.constants.keys().map(|constant| format!("{CONSTANT}{constant}"));
        let names = NAMES.into_iter().map(str::to_string).chain(constants);
        let of_environment = names.filter_map(|name| {
            let variable = variable_of(&name);
            let value = overrides.environment.get(&variable)?;
            Some((name, value.clone(), Origin::Environment(variable)))
        });
        let of_line = overrides.set.iter().map(|(name, value)| (bare(name), value)).filter(|(name, _)| Self::concerns(name));
        Self { given: of_environment.chain(of_line.map(|(name, value)| (name.into(), value.clone(), Origin::Set))).collect() }
    }

    /// Puts the overrides into what the file declares.
    pub fn apply(&self, runtime: &mut RuntimeDecl) -> Result<(), String> {
        self.given.iter().try_for_each(|(name, value, origin)| put(runtime, name, value, origin))
    }

    /// Name, value and origin of each, for people.
    pub fn rows(&self, declared: &RuntimeDecl, file: &str) -> Vec<(String, String, String)> {
        let default = Runtime::default();
        let origins: BTreeMap<&str, &Origin> = self.given.iter().map(|(name, _, origin)| (name.as_str(), origin)).collect();
        let row = |name: &str, value: Option<String>, otherwise: String| {
            let from = match (origins.get(name), &value) {
                (Some(origin), _) => origin.to_string(),
                (None, Some(_)) => file.to_string(),
                (None, None) => Origin::Default.to_string(),
            };
            (name.to_string(), value.unwrap_or(otherwise), from)
        };
        let engine = |engine: ComputeEngine| ENGINES.iter().find(|(_, e)| *e == engine).map_or("", |(name, _)| name).to_string();
        let number = |value: &Option<Spanned<u64>>| value.as_ref().map(|v| v.value.to_string());
        let level = if declared.compression.is_none() { default.level } else { None };
        let mut rows = vec![
            row(NAMES[0], declared.engine.as_ref().map(|e| engine(e.value)), engine(default.engine)),
            row(NAMES[1], declared.compression.as_ref().map(|c| c.value.clone()), default.compression.clone()),
            row(NAMES[2], number(&declared.level), level.map_or("the codec's own".into(), |level| level.to_string())),
            row(NAMES[3], number(&declared.row_group_rows), default.row_group_rows.to_string()),
            row(NAMES[4], number(&declared.shard_rows), default.shard_rows.to_string()),
        ];
        let constants = declared.constants.iter();
        rows.extend(constants.map(|(name, value)| row(&format!("{CONSTANT}{name}"), Some(value.value.to_string()), String::new())));
        rows
    }
}

fn put(runtime: &mut RuntimeDecl, name: &str, value: &str, origin: &Origin) -> Result<(), String> {
    let spanned = |value: u64| Spanned::new(value, nowhere());
    let number = |least: u64, most: u64| {
        let number = value.parse().ok().filter(|n| (least..=most).contains(n));
        number.ok_or_else(|| wrong(name, value, origin, &format!("a whole number from {least} to {most}")))
    };
    if let Some(constant) = name.strip_prefix(CONSTANT) {
        // It has to be declared: one that nothing uses would never take effect.
        let Some(known) = runtime.constants.get_mut(constant) else {
            let hint = suggestion(constant, runtime.constants.keys().map(String::as_str));
            return Err(format!("the runtime has no constant `{constant}` ({origin}); {hint}"));
        };
        *known = spanned(number(0, i64::MAX as u64)?);
        return Ok(());
    }
    match name {
        "runtime.compute.engine" => {
            let found = ENGINES.iter().find(|(known, _)| *known == value);
            let (_, engine) = found.ok_or_else(|| wrong(name, value, origin, "native or polars"))?;
            runtime.engine = Some(Spanned::new(*engine, nowhere()));
        }
        "runtime.output.compression" => {
            if !COMPRESSIONS.contains(&value) {
                return Err(wrong(name, value, origin, &format!("one of {}", COMPRESSIONS.join(", "))));
            }
            runtime.compression = Some(Spanned::new(value.to_string(), nowhere()));
        }
        "runtime.output.level" => runtime.level = Some(spanned(number(1, 22)?)),
        "runtime.output.row-group-rows" => runtime.row_group_rows = Some(spanned(number(1, 1 << 31)?)),
        "runtime.output.shard-rows" => runtime.shard_rows = Some(spanned(number(1, 1 << 40)?)),
        _ => {
            let constants: Vec<String> = runtime.constants.keys().map(|constant| format!("{CONSTANT}{constant}")).collect();
            let hint = suggestion(name, NAMES.into_iter().chain(constants.iter().map(String::as_str)));
            return Err(format!("there is no setting `{name}` ({origin}); {hint}"));
        }
    }
    Ok(())
}

fn wrong(name: &str, value: &str, origin: &Origin, what: &str) -> String {
    format!("{name} is {what}, not `{value}` ({origin})")
}

/// What comes from outside stands in no file; nothing that is judged here is shown in its place.
fn nowhere() -> Span {
    Span { source: SourceId(0), offset: 0, len: 0 }
}
