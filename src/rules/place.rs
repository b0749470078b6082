//! Where ops publish: as their `output` says, or below the root of their rule, by asset and period.
//!
//! Knows nothing of what lies there. Invariant: whoever reads an asset finds it by the pattern that it is published by.

use super::{Partition, Site, Subject};
use crate::catalog::calendar::Cadence;
use crate::catalog::model::{Asset, Catalog, Op};
use crate::catalog::pattern::{fill, partition_directory};
use crate::engine::action::Place;
use std::path::Path;
use std::sync::Arc;

/// A root, and the pattern of what an op publishes below it.
pub struct Pattern {
    pub root: Arc<Path>,
    pub pattern: String,
    /// None where the asset has no partitions.
    pub cadence: Option<Cadence>,
}

impl Pattern {
    pub fn of(catalog: &Catalog, site: &Site, asset: &Asset, op: &Op) -> Self {
        let cadence = asset.partitions.as_ref().and_then(|name| catalog.partitions.get(name)).map(|p| p.cadence);
        let Some(output) = &op.output else {
            let root = if op.rule == "enrich" { &site.enriched_output_root } else { &site.output_root };
            let below = cadence.map_or(String::new(), |cadence| format!("/{}", cadence.every.directory_pattern()));
            return Self { root: root.clone(), pattern: format!("{}{below}", asset.name), cadence };
        };
        let roots = [("{output-root}", &site.output_root), ("{enriched-output-root}", &site.enriched_output_root)];
        let chosen = roots.iter().find_map(|(name, path)| Some(((*path).clone(), output.strip_prefix(name)?.trim_start_matches('/'))));
        let (root, rest) = chosen.unwrap_or((site.root.path().into(), output));
        let key = cadence.map_or(String::new(), |cadence| format!("{{{}}}", cadence.every.key_format()));
        let pattern = rest.replace("{asset}", &asset.name).replace("{op}", &op.name).replace("{partition}", &key);
        Self { root, pattern, cadence }
    }
}

/// Where an action publishes: as its op's `output` says, or `<asset>/dt=<key>` below the root.
pub fn place(subject: &Subject, root: &Arc<Path>, partition: Option<Partition>) -> Place {
    if subject.op.output.is_none() {
        let directory = |key: &str| [&subject.asset.name, "/", &partition_directory(key)].concat();
        return Place { root: root.clone(), directory: partition.map_or(subject.asset.name.clone(), |p| directory(p.key)) };
    }
    let Pattern { root, pattern, cadence } = Pattern::of(subject.catalog, subject.site, subject.asset, subject.op);
    let Some(Partition { period, .. }) = partition else { return Place { root, directory: pattern } };
    Place { root, directory: fill(&pattern, &cadence.unwrap_or(Cadence::DAILY), period.start) }
}
