//! Whether what the manifest asks for could be built: rules that can work as their ops stand, places that do not collide, resources
//! within the envelope.
//!
//! Builds no graph: looks at two periods of each asset, because places differ from period to period or they do not. Invariant: what is
//! found here is what a build would refuse, with its place in the text.

use super::{Workspace, code};
use crate::catalog::calendar::Partitions;
use crate::catalog::compile::compile;
use crate::catalog::dag::Dag;
use crate::catalog::declaration::{AssetDecl, Declarations, OpDecl, PlaceDecl, ProfileDecl};
use crate::catalog::model::{Asset, Op};
use crate::rules::{self, Partition, RuleKind, Site, Subject};
use crate::source::{Diagnostic, Span};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// Everything that would keep assets from being built, and what is asked for beyond the envelope.
pub fn unbuildable(workspace: &Workspace, declared: &Declarations) -> Vec<Diagnostic> {
    let site = workspace.site();
    let asked: Vec<Asked> = declared.manifest.assets.par_iter().map(|declared| Asked::of(workspace, &site, declared)).collect();
    let mut survey = Survey { site: &site, sources: sources(workspace, declared), holders: HashMap::new(), found: Vec::new() };
    asked.into_iter().for_each(|asked| survey.add(asked));
    let mut found = survey.found;
    found.extend(beyond_the_envelope(workspace, declared));
    found
}

/// What an asset's ops ask for, taken by itself.
#[derive(Default)]
struct Asked {
    /// By op: the places of its first two periods, and for what. Further ones differ from these as these from each other.
    places: Vec<Vec<(PathBuf, Holder)>>,
    found: Vec<Diagnostic>,
}

impl Asked {
    fn of(workspace: &Workspace, site: &Site, declared: &AssetDecl) -> Self {
        let mut asked = Self::default();
        let catalog = &workspace.catalog;
        let Some(asset) = catalog.assets.get(&declared.name.value) else { return asked };
        let nothing = || Dag { service: String::new(), version: 0, operators: vec![] };
        let dag = asset.service.as_ref().map_or_else(nothing, |service| compile(catalog, service));
        let partitions = asset.partitions.as_ref().and_then(|name| catalog.partitions.get(name));
        let keys = partitions.map(first_keys);
        for declared in &declared.ops {
            let Some((op, rule)) = resolved(asset, declared) else { continue };
            let subject = Subject { catalog, site, asset, op, dag: &dag };
            match rule.fit(&subject) {
                Err(why) => asked.found.push(unworkable(&why, declared)),
                Ok(()) => asked.places.push(places(&subject, rule, declared, partitions.zip(keys.as_deref()))),
            }
        }
        asked
    }
}

fn unworkable(why: &str, declared: &OpDecl) -> Diagnostic {
    let (message, hint) = why.split_once(": ").unwrap_or((why, "correct the op"));
    Diagnostic::error(code::RULE, message, declared.rule.span).label(format!("in op `{}`", declared.name)).hint(hint)
}

/// The places of an op's first two periods.
fn places(subject: &Subject, rule: &dyn RuleKind, declared: &OpDecl, periods: Option<(&Partitions, &[String])>) -> Vec<(PathBuf, Holder)> {
    let span = declared.output.as_ref().map_or(declared.name.span, |output| output.span);
    let id = format!("{}.{}", subject.asset.name, subject.op.name);
    let Some((partitions, keys)) = periods.filter(|_| !rule.is_unpartitioned()) else {
        return vec![(rule.place(subject, None).path(), Holder { id, span })];
    };
    let periods = keys.iter().filter_map(|key| Some(Partition { key, period: partitions.cadence.period(key)? }));
    periods.map(|of| (rule.place(subject, Some(of)).path(), Holder { id: format!("{id}@{}", of.key), span })).collect()
}

/// Who publishes in a place.
struct Holder {
    id: String,
    span: Span,
}

struct Survey<'a> {
    site: &'a Site,
    /// What views read, and where that is said.
    sources: BTreeMap<PathBuf, (String, Span)>,
    holders: HashMap<PathBuf, Holder>,
    found: Vec<Diagnostic>,
}

impl Survey<'_> {
    fn add(&mut self, asked: Asked) {
        self.found.extend(asked.found);
        for places in asked.places {
            // Of several periods the first that collides is enough.
            let _ = places.into_iter().all(|(place, holder)| self.claim(place, holder));
        }
    }

    /// Reports a place that is taken, or that lies over a source; whether it was free.
    fn claim(&mut self, place: PathBuf, holder: Holder) -> bool {
        let name = self.site.root.name(&place);
        if let Some((view, source)) = self.source_over(&place) {
            let message = format!("`{}` would publish to {name}, over the source of view `{view}`", holder.id);
            let hint = "choose another output root, or give the op output \"{output-root}/…\"";
            self.found.push(Diagnostic::error(code::PUBLISH, message, holder.span).also(source, "the source").hint(hint));
            return false;
        }
        let Some(first) = self.holders.get(&place) else {
            self.holders.insert(place, holder);
            return true;
        };
        let diagnostic = match first.span == holder.span {
            true => {
                let message = format!("`{}` and `{}` would both publish to {name}", first.id, holder.id);
                Diagnostic::error(code::PUBLISH, message, holder.span)
                    .hint("name the period in `output`, such as \"{output-root}/{asset}/dt={day}\"")
            }
            false => {
                let message = format!("`{}` and `{}` would both publish to {name}", first.id, holder.id);
                let hint = "give one of them a place of its own: output \"{output-root}/{asset}/{op}/dt={day}\"";
                Diagnostic::error(code::PUBLISH, message, holder.span).also(first.span, "the other one").hint(hint)
            }
        };
        self.found.push(diagnostic);
        false
    }

    /// The view whose source is, holds, or lies in a place.
    fn source_over(&self, place: &Path) -> Option<(String, Span)> {
        let holds = place.ancestors().find_map(|path| self.sources.get(path));
        let below = self.sources.range(place.to_path_buf()..).next().filter(|(path, _)| path.starts_with(place)).map(|(_, found)| found);
        holds.or(below).cloned()
    }
}

/// An op as the catalog has it, with its rule.
fn resolved<'a>(asset: &'a Asset, declared: &OpDecl) -> Option<(&'a Op, &'static dyn RuleKind)> {
    let op = asset.ops.iter().find(|op| op.name == declared.name.value)?;
    Some((op, rules::by_name(&op.rule)?))
}

fn first_keys(partitions: &Partitions) -> Vec<String> {
    let start = partitions.start;
    let first = partitions.cadence.key_at(start);
    let second = partitions.cadence.period(&first).map(|period| partitions.cadence.key_at(period.end));
    std::iter::once(first).chain(second).collect()
}

fn sources(workspace: &Workspace, declared: &Declarations) -> BTreeMap<PathBuf, (String, Span)> {
    let path = |place: &PlaceDecl| match place {
        PlaceDecl::Path(path) => Some((workspace.root.join(path), path.span)),
        PlaceDecl::Asset(_) => None,
    };
    let views = declared.views.iter().filter_map(|view| Some((view.name.value.clone(), path(&view.source.place)?)));
    views.map(|(view, (path, span))| (path, (view, span))).collect()
}

/// Ops that ask for more than the envelope as the manifest says it; what one machine has is no business of the manifest.
fn beyond_the_envelope(workspace: &Workspace, declared: &Declarations) -> Vec<Diagnostic> {
    let manifest = &declared.manifest;
    let profile = manifest.profiles.iter().find(|profile| is_chosen(profile, workspace));
    let envelope = |of: &ProfileDecl| of.settings.resources.clone();
    let chosen = profile.map(envelope);
    let cpus = chosen.as_ref().and_then(|r| r.cpus.clone()).or(manifest.settings.resources.cpus.clone());
    let memory = chosen.and_then(|r| r.memory).or(manifest.settings.resources.memory.clone());
    let mut found = Vec::new();
    for op in manifest.assets.iter().flat_map(|asset| &asset.ops) {
        if let (Some(asked), Some(most)) = (&op.resources.cpus, &cpus)
            && asked.value > most.value
        {
            found.push(beyond(op, &format!("{asked} cpus"), &format!("{most}"), asked.span, most.span, &format!("cpus={most}")));
        }
        if let (Some(asked), Some(most)) = (&op.resources.memory, &memory)
            && asked.value > most.value
        {
            found.push(beyond(op, &asked.to_string(), &most.to_string(), asked.span, most.span, &format!("memory=\"{most}\"")));
        }
    }
    found
}

fn is_chosen(profile: &ProfileDecl, workspace: &Workspace) -> bool {
    workspace.profile.as_ref() == Some(&profile.name.value)
}

fn beyond(op: &OpDecl, asked: &str, most: &str, at: Span, envelope: Span, remedy: &str) -> Diagnostic {
    let message = format!("op `{}` asks for {asked}, and the whole build has {most}", op.name);
    let diagnostic = Diagnostic::warning(code::RESOURCES, message, at).also(envelope, "the envelope");
    diagnostic.hint(format!("say {remedy}, or raise the envelope; as it is, the op runs alone with all there is"))
}
