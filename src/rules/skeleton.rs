//! `skeleton`: the source layer of a service for one period. Spine, joins, rolling aggregates, filters and the contract, as Parquet.

use super::checks::{self, CheckSpec};
use super::failures::of_table;
use super::loader::Loader;
use super::operators::Machine;
use super::place::place;
use super::source::SourceSpec;
use super::world::{Ask, Read};
use super::{Draft, Reads, RuleKind, Subject, Tell, versions};
use crate::catalog::calendar::Period;
use crate::catalog::dag::{ArrowUdf, Kind as Does, Operator, Stage, flatten, parameters};
use crate::catalog::model::{Place, Runtime};
use crate::engine::action::{Action, Common, Request};
use crate::engine::execute::{Made, Progress};
use crate::engine::failure::Failure;
use crate::engine::observation::{Kind, Observation};
use crate::engine::record::OutputFile;
use crate::table::parquet::{Compression, ShardWriter, WriteOptions, WrittenFile};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub struct Skeleton;

/// What a skeleton action runs by.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SkeletonSpec {
    /// From the partition's key, which is in the action's name.
    pub period: Period,
    pub operators: Vec<Operator>,
    /// By view. Where data lies is no parameter: what lies there is observed.
    pub sources: BTreeMap<String, SourceSpec>,
    pub write: WriteOptions,
    pub checks: Vec<CheckSpec>,
    /// For people.
    pub output_path: String,
}

impl RuleKind for Skeleton {
    fn name(&self) -> &'static str {
        "skeleton"
    }

    fn common(&self, subject: &Subject) -> Result<Common, String> {
        Ok(common(subject, &subject.dag.stage(Stage::Skeleton)))
    }

    fn draft(&self, subject: &Subject) -> Result<Draft, String> {
        let (_, period) = subject.partition.ok_or("rule `skeleton` needs an asset with partitions")?;
        let place = place(subject);
        let requests = requests(subject, period);
        let output_path = subject.site.root.name(&place.path());
        let inputs = assets_read(subject, period);
        Ok(Draft { requests, reads: vec![], inputs, spec: json!({"period": period, "output_path": output_path}), place })
    }

    fn run(&self, action: &Action, staging: &Path, tell: Tell) -> Result<Made, Failure> {
        let spec: SkeletonSpec = serde_json::from_value(action.whole_spec()).map_err(|e| Failure::permanent(e.to_string()))?;
        let loader = Loader::open(&spec, tell)?;
        let mut machine = Machine::new(&spec, &loader);
        for (number, operator) in spec.operators.iter().enumerate() {
            tell(Progress::Step { message: operator.id.clone(), done: number as u64, total: spec.operators.len() as u64 });
            machine.step(operator)?;
        }
        let batch = machine.result()?;
        let mut writer = ShardWriter::new(staging, batch.schema(), spec.write.clone(), vec![]);
        let columns = batch.num_columns();
        writer.write(batch).map_err(of_table)?;
        let written = writer.finish().map_err(of_table)?;
        let mut made = Made { files: output_files(&written.files), ..Made::default() };
        checks::judge(&spec.checks, &written, &mut made)?;
        made.metadata.insert("rows".into(), json!(written.rows));
        made.metadata.insert("columns".into(), json!(columns));
        made.metadata.insert("output_path".into(), json!(spec.output_path));
        made.metadata.insert("steps".into(), json!(machine.steps));
        made.metadata.insert("absent_periods".into(), json!(loader.absent));
        Ok(made)
    }
}

pub fn output_files(files: &[WrittenFile]) -> Vec<OutputFile> {
    let of = |f: &WrittenFile| OutputFile { name: f.name.clone(), size: f.size, digest: f.digest, modified: f.modified };
    files.iter().map(of).collect()
}

/// What the partitions of an op that runs operators and writes Parquet have alike.
pub fn common(subject: &Subject, operators: &[Operator]) -> Common {
    let write = write_options(&subject.catalog.runtime);
    let definition = definition(operators, &write);
    let (sources, checks) = (sources(subject, operators), checks::of(subject));
    Common { definition, spec: json!({"operators": operators, "sources": sources, "write": write, "checks": checks}) }
}

/// Everything that operators and the writer are told, as observations.
fn definition(operators: &[Operator], write: &WriteOptions) -> Vec<Observation> {
    let mut named = parameters(operators);
    flatten("write", &serde_json::to_value(write).unwrap_or(Value::Null), &mut named);
    let mut definition = versions::rules(operators);
    definition.extend(named.into_iter().map(|(name, value)| Observation::text(Kind::Parameter, name, value)));
    definition
}

fn write_options(runtime: &Runtime) -> WriteOptions {
    let compression = match runtime.compression.as_str() {
        "none" => Compression::None,
        "snappy" => Compression::Snappy,
        "lz4" => Compression::Lz4,
        _ => Compression::Zstd(runtime.level.unwrap_or(1) as u32),
    };
    WriteOptions { compression, row_group_rows: runtime.row_group_rows, shard_rows: runtime.shard_rows }
}

/// The views that operators read, by name.
fn sources(subject: &Subject, operators: &[Operator]) -> BTreeMap<String, SourceSpec> {
    let views = operators.iter().filter_map(|operator| match &operator.does {
        Does::Scan(scan) => Some(&scan.view),
        Does::ArrowUdf(ArrowUdf::Coverage { store, .. }) => Some(&store.view),
        Does::Embed(embed) => Some(&embed.store.view),
        _ => None,
    });
    let found = views.filter_map(|name| subject.catalog.views.get(name));
    found.map(|view| (view.name.clone(), SourceSpec::of(view, subject.catalog, subject.site))).collect()
}

/// One question per view: the files and columns of every scan's reach, and the stores' keys. Only the spine's own period is required.
fn requests(subject: &Subject, period: Period) -> Vec<Request> {
    let spine = subject.asset.service.as_ref().map(|s| s.spine.name.clone()).unwrap_or_default();
    let mut reads: BTreeMap<&str, Vec<Read>> = BTreeMap::new();
    let mut stores: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for operator in subject.dag.operators.iter().filter(|o| o.stage == Stage::Skeleton) {
        match &operator.does {
            Does::Scan(scan) => {
                let columns = scan.columns.iter().map(|c| c.physical.clone()).collect();
                reads.entry(&scan.view).or_default().push(Read { range: SourceSpec::range(scan.reach, period), columns });
            }
            Does::ArrowUdf(ArrowUdf::Coverage { store, .. }) => {
                stores.entry(&store.view).or_default().insert(store.key.clone());
            }
            _ => {}
        }
    }
    let source = |view: &str| subject.catalog.views.get(view).map(|view| SourceSpec::of(view, subject.catalog, subject.site));
    let parquet = reads.into_iter().filter(|(view, _)| asset_behind(subject, view).is_none()).filter_map(|(view, reads)| {
        let required = (view == spine).then_some(period);
        Some(Ask::Parquet { source: source(view)?, reads, required }.request())
    });
    let lance = stores.into_iter().filter_map(|(view, keys)| {
        let columns = keys.into_iter().collect();
        Some(Ask::Lance { source: source(view)?, columns }.request())
    });
    parquet.chain(lance).collect()
}

/// The asset of this workspace that a view reads.
fn asset_behind<'a>(subject: &Subject<'a>, view: &str) -> Option<&'a str> {
    match &subject.catalog.views.get(view)?.place {
        Place::Asset(asset) => Some(asset),
        Place::Path(_) => None,
    }
}

/// What the scans read of assets: their files need no looking at, for their digests are known.
fn assets_read(subject: &Subject, period: Period) -> Vec<Reads> {
    let scans = subject.dag.operators.iter().filter(|o| o.stage == Stage::Skeleton).filter_map(|operator| match &operator.does {
        Does::Scan(scan) => Some(scan),
        _ => None,
    });
    let reads = scans.filter_map(|scan| {
        let (from, until) = SourceSpec::range(scan.reach, period);
        let asset = asset_behind(subject, &scan.view)?.to_string();
        let first = subject.catalog.views.get(&scan.view).and_then(|view| view.first);
        let from = from.max(first);
        Some(Reads { asset, range: (from, (until < i64::MAX).then_some(until)) })
    });
    reads.collect()
}

#[cfg(test)]
mod tests {
    use super::super::SpecFields;
    use super::*;

    #[test]
    fn every_field_of_the_spec_is_hashed_or_exempt() {
        let spec = SkeletonSpec {
            period: Period { start: 0, end: 1 },
            operators: vec![],
            sources: BTreeMap::new(),
            write: WriteOptions { compression: Compression::None, row_group_rows: 1, shard_rows: 1 },
            checks: vec![],
            output_path: String::new(),
        };
        let fields = SpecFields {
            hashed: &["operators", "write"],
            exempt: &[
                ("period", "follows from the key, which is in the action's name"),
                ("sources", "where data lies; what lies there is observed"),
                ("checks", "judge the output and do not change it"),
                ("output_path", "for people"),
            ],
        };
        fields.check(&serde_json::to_value(&spec).unwrap());
    }

    #[test]
    fn the_writer_s_options_are_parameters() {
        let write = |rows| WriteOptions { compression: Compression::Zstd(1), row_group_rows: rows, shard_rows: 5 };
        let changed: Vec<_> = crate::engine::trace::compare(&definition(&[], &write(1)), &definition(&[], &write(2)));
        assert_eq!(changed.iter().map(|r| r.to_string()).collect::<Vec<_>>(), ["parameter write.row_group_rows: 1 → 2"]);
    }
}
