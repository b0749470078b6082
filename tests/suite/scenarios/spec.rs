//! What an action is told, field by field: either it is observed, so that a change of it makes stale, or a scenario says why not.
//!
//! Knows of an action only how it is written. Invariant: a field that the scenario does not name is an error.

use crate::fixture::Workspace;
use crate::in_process;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// `name: observed` or `name: exempt, why`, for each field.
pub struct Fields {
    pub action: String,
    pub said: BTreeMap<String, Fate>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    Observed,
    Exempt,
}

impl Fields {
    pub fn parse(action: &str, lines: &[String]) -> Result<Self, String> {
        let said =
            lines.iter().map(|line| field(line).ok_or_else(|| format!("`{line}` is neither `NAME: observed` nor `NAME: exempt, WHY`")));
        Ok(Self { action: action.into(), said: said.collect::<Result<_, _>>()? })
    }

    /// Whether the action has just these fields, and what is observed is among its parameters.
    pub fn hold(&self, workspace: &Workspace) -> Result<(), String> {
        let opened = in_process::open(workspace.directory.path()).map_err(|e| format!("{e:?}"))?;
        let action = in_process::plan(&opened, &self.action).map_err(|e| format!("{e:?}"))?;
        let written = serde_json::to_value(&action).map_err(|e| e.to_string())?;
        let fields = fields(&written);
        let undecided: Vec<&str> = fields.keys().filter(|field| !self.said.contains_key(*field)).map(String::as_str).collect();
        if !undecided.is_empty() {
            return Err(format!("{} is told {}: observe it, or say here why it is exempt", self.action, undecided.join(", ")));
        }
        if let Some(field) = self.said.keys().find(|field| !fields.contains_key(*field)) {
            return Err(format!("{} is not told `{field}`", self.action));
        }
        let parameters = parameters(&written);
        let unobserved = fields.iter().find(|(field, value)| self.said[*field] == Fate::Observed && !is_among(&parameters, field, value));
        unobserved.map_or(Ok(()), |(field, _)| Err(format!("no parameter of {} tells of `{field}`", self.action)))
    }
}

fn field(line: &str) -> Option<(String, Fate)> {
    match line.split_once(": ")? {
        (name, "observed") => Some((name.into(), Fate::Observed)),
        (name, why) => why.strip_prefix("exempt, ").map(|_| (name.into(), Fate::Exempt)),
    }
}

/// What all partitions of the op are told, and what one is told of its own.
fn fields(action: &Value) -> BTreeMap<String, Value> {
    let objects = [&action["common"]["spec"], &action["spec"]];
    objects.iter().filter_map(|object| object.as_object()).flatten().map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn parameters(action: &Value) -> BTreeSet<String> {
    let definition = action["common"]["definition"].as_array().into_iter().flatten();
    definition.filter(|o| o["kind"] == "parameter").filter_map(|o| o["name"].as_str()).map(str::to_string).collect()
}

/// A field is among the parameters by its own name, or, being a list of operators, by each one's.
fn is_among(parameters: &BTreeSet<String>, field: &str, value: &Value) -> bool {
    let begins = |name: &str| parameters.iter().any(|p| p.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')));
    let ids: Vec<&str> = value.as_array().into_iter().flatten().filter_map(|part| part["id"].as_str()).collect();
    begins(field) || (!ids.is_empty() && ids.into_iter().all(begins))
}
