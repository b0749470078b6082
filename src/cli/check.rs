//! `daeda check`: everything that is wrong with the workspace's files, in one run, without building.

use super::args::{Check, CheckFormat};
use super::context::Context;
use super::error::{CliError, code};
use super::output::{print, print_json, say};
use crate::catalog;
use crate::engine::clock::Clock;
use crate::manifest;
use crate::query;
use crate::report::{diagnostics, github, sarif};
use crate::rules;
use crate::source::{Diagnostic, counted, suggestion};
use crate::workspace::{self, Loaded};
use std::collections::BTreeSet;
use std::path::Path;

pub fn run(context: &Context, command: &Check) -> Result<u8, CliError> {
    if let Some(code) = &command.explain {
        return explain(code);
    }
    let mut loaded = context.load()?;
    let found = further(context, command, &loaded);
    loaded.extend(found);
    show(context, command, &loaded)?;
    let errors = loaded.diagnostics.iter().filter(|d| d.is_error()).count();
    let warnings = loaded.diagnostics.len() - errors;
    if !context.args.quiet {
        say(&summary(command, &loaded, errors, warnings));
    }
    let denied = is_denied(command, warnings);
    Ok(if errors > 0 || denied { code::INVALID } else { code::DONE })
}

/// What there is to say of a workspace that loads: whether it could be built, what its readers would notice, what its data is.
fn further(context: &Context, command: &Check, loaded: &Loaded) -> Vec<Diagnostic> {
    let Some(workspace) = &loaded.workspace else { return Vec::new() };
    let mut found = workspace::unbuildable(workspace, &loaded.declared);
    found.extend(query::contract::changed(workspace, &loaded.declared));
    if command.data {
        found.extend(rules::inspection::inspect(&workspace.catalog, &workspace.site(), &loaded.declared, context.clock.now()));
    }
    found
}

fn show(context: &Context, command: &Check, loaded: &Loaded) -> Result<(), CliError> {
    let (found, sources) = (&loaded.diagnostics, &loaded.sources);
    let prefix = || workspace::find(context.start()).map_or(String::new(), |root| prefix(&root));
    match command.format {
        CheckFormat::Json => print_json(&diagnostics::json(found, sources)),
        CheckFormat::Text => print(&diagnostics::text(found, sources, context.style())),
        CheckFormat::Sarif => print_json(&sarif::sarif(found, sources, &pages(), &prefix())),
        CheckFormat::Github => print(&github::annotations(found, sources, &prefix())),
    }
}

/// Whether a warning is enough to fail.
fn is_denied(command: &Check, warnings: usize) -> bool {
    command.deny.is_some() && warnings > 0
}

fn summary(command: &Check, loaded: &Loaded, errors: usize, warnings: usize) -> String {
    let denied = if is_denied(command, warnings) { ", denied" } else { "" };
    let numbers = format!("{}, {}{denied}", counted(errors, "error"), counted(warnings, "warning"));
    match &loaded.workspace {
        Some(workspace) if errors == 0 => {
            let catalog = &workspace.catalog;
            let of = [(catalog.views.len(), "view"), (catalog.services.len(), "service"), (catalog.assets.len(), "asset")];
            let of: Vec<String> = of.into_iter().map(|(number, word)| counted(number, word)).collect();
            format!("{}: {numbers}\n", of.join(", "))
        }
        found => {
            let unlooked = if command.data && found.is_none() { "the data was not looked at; " } else { "" };
            format!("{numbers}; {unlooked}`daeda check --explain CODE` says more about each\n")
        }
    }
}

/// The workspace's directory below its repository, with a slash behind it: code hosts name files from there.
fn prefix(root: &Path) -> String {
    let root = std::fs::canonicalize(root).unwrap_or_else(|_| root.into());
    let repository = root.ancestors().find(|directory| directory.join(".git").exists());
    let below = repository.and_then(|repository| root.strip_prefix(repository).ok());
    let parts = below.iter().flat_map(|below| below.components());
    parts.map(|part| format!("{}/", part.as_os_str().to_string_lossy())).collect()
}

/// All codes with what they mean.
fn pages() -> Vec<(&'static str, &'static str)> {
    [manifest::CODES, catalog::code::CODES, workspace::CODES, query::contract::CODES, rules::inspection::CODES].concat()
}

/// The page of a code, which may be given without its prefix; or all pages.
fn explain(wanted: &str) -> Result<u8, CliError> {
    let all = pages();
    let is_meant = |name: &str| wanted == "all" || name == wanted || name.rsplit("::").next() == Some(wanted);
    let meant: Vec<String> = all.iter().filter(|(name, _)| is_meant(name)).map(|(name, page)| drawn(name, page)).collect();
    if meant.is_empty() {
        let short: BTreeSet<&str> = all.iter().filter_map(|(name, _)| name.rsplit("::").next()).collect();
        return Err(CliError::Usage(format!("there is no code `{wanted}`; {}", suggestion(wanted, short))));
    }
    print(&meant.join("\n"))?;
    Ok(code::DONE)
}

fn drawn(name: &str, page: &str) -> String {
    format!("{name}\n\n{}\n", diagnostics::wrapped(page, 80))
}
