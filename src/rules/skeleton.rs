//! `skeleton`: the source layer of a service for one period. Spine, joins, rolling aggregates, filters and the contract, as Parquet.

use super::budget::Budget;
use super::checks::{self, CheckSpec, Staged};
use super::failures::of_table;
use super::kept::Kept;
use super::keyed;
use super::loader::{Inputs, Loader, Stream};
use super::operators::{Ledger, Machine, Spilled, Step, contract_schema};
use super::place::place;
use super::reads::{Periods, Reads};
use super::selected::told;
use super::selects::selects;
use super::source::SourceSpec;
use super::uses::Uses;
use super::world::{Ask, Read, merged};
use super::{Outline, Partition, RuleKind, Subject, Tell, period_of, spec_of, versions};
use crate::catalog::calendar::Cadence;
use crate::catalog::dag::{ArrowUdf, Kind as Does, Operator, Stage, flatten, parameters};
use crate::catalog::declaration::{Every, Late};
use crate::catalog::model::{Place as DataPlace, Runtime};
use crate::catalog::quantity::Duration;
use crate::engine::action::{Action, Job, Place, Request};
use crate::engine::execute::{Made, Progress, Unit};
use crate::engine::failure::Failure;
use crate::engine::observation::{Kind, Observation};
use crate::engine::record::OutputFile;
use crate::path::Root;
use crate::table::parquet::{Compression, ShardWriter, WriteOptions, Written, WrittenFile};
use crate::table::spill::Spill;
use arrow::datatypes::SchemaRef;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub struct Skeleton;

/// What a skeleton action runs by.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SkeletonSpec {
    pub operators: Vec<Operator>,
    /// By view. Where data lies is no parameter: what lies there is observed.
    pub sources: BTreeMap<String, SourceSpec>,
    pub write: WriteOptions,
    pub checks: Vec<CheckSpec>,
    /// The workspace's directory, from which paths are named.
    pub workspace: PathBuf,
    pub kept: Kept,
}

impl RuleKind for Skeleton {
    fn name(&self) -> &'static str {
        "skeleton"
    }

    fn fit(&self, subject: &Subject) -> Result<(), String> {
        needs_partitions(subject)
    }

    fn outline(&self, subject: &Subject) -> Result<Outline, String> {
        self.fit(subject)?;
        Ok(Outline { requests: requests(subject), inputs: assets_read(subject), ..outline(subject, &subject.dag.stage(Stage::Skeleton)) })
    }

    fn place(&self, subject: &Subject, partition: Option<Partition>) -> Place {
        place(subject, &subject.site.output_root, partition)
    }

    fn run(&self, job: &Job, tell: Tell) -> Result<Made, Failure> {
        let mut spec: SkeletonSpec = spec_of(&job.action)?;
        keyed::resolve(&mut spec.sources, &job.resolved);
        let inputs = Inputs::list(&spec, period_of(&job.action)?)?;
        let budget = Budget::of(job.action.common.resources.memory);
        let work = Work { spec: &spec, job, tell };
        match budget.holds(&inputs)? {
            true => work.at_once(inputs),
            false => work.in_parts(inputs, budget),
        }
    }
}

/// One run of the rule.
struct Work<'a> {
    spec: &'a SkeletonSpec,
    job: &'a Job,
    tell: Tell<'a>,
}

impl Work<'_> {
    /// With all rows in memory.
    fn at_once(&self, inputs: Inputs) -> Result<Made, Failure> {
        let loader = Loader::open(inputs, self.tell)?;
        let mut machine = Machine::new(&loader);
        for (number, operator) in self.spec.operators.iter().enumerate() {
            self.tell(&operator.id, number);
            machine.step(operator)?;
        }
        let batch = machine.result()?;
        let (schema, seen) = (batch.schema(), Seen::of(machine.close(), &loader.inputs, &self.spec.kept));
        let mut writer = self.writer(&schema)?;
        // What the world would have to read again is told of the rows in memory, and these are let go, while others are written.
        let tell_and_drop = || {
            let selected = told(&self.job.action, loader.inputs.period, &loader).text();
            drop(loader);
            selected
        };
        let (written, selected) = rayon::join(move || writer.write(batch).and_then(|()| writer.finish()), tell_and_drop);
        Ok(Made { seen: selected, ..self.made(written.map_err(of_table)?, schema, seen)? })
    }

    /// With what has room in memory, and the rest spilled beside the output.
    fn in_parts(&self, inputs: Inputs, budget: Budget) -> Result<Made, Failure> {
        let stream = Stream::open(inputs)?;
        let spill = Spill::new(self.job.staging.parent().unwrap_or(&self.job.staging));
        let tell = |operator: &Operator| self.tell_of(operator);
        let mut machine = Spilled::new(&stream, budget, spill.clone(), &tell);
        let schema = self.schema()?;
        let mut writer = self.writer(&schema)?;
        machine.run(&mut |batch| writer.write(batch).map_err(of_table))?;
        let seen = Seen::of(machine.ledger, &stream.inputs, &self.spec.kept);
        let mut made = self.made(writer.finish().map_err(of_table)?, schema, seen)?;
        made.metadata.insert("spilled_bytes".into(), json!(spill.bytes()));
        Ok(made)
    }

    fn tell_of(&self, operator: &Operator) {
        let number = self.spec.operators.iter().position(|other| other.id == operator.id);
        self.tell(&operator.id, number.unwrap_or_default());
    }

    fn tell(&self, message: &str, done: usize) {
        let total = self.spec.operators.len() as u64;
        (self.tell)(Progress::Step { message: message.into(), done: done as u64, total, unit: Unit::Steps });
    }

    /// What the contract promises.
    fn schema(&self) -> Result<SchemaRef, Failure> {
        match self.spec.operators.last().map(|operator| &operator.does) {
            Some(Does::Sink(contract)) => Ok(Arc::new(contract_schema(contract))),
            _ => Err(Failure::permanent("the service has no contract")),
        }
    }

    fn writer(&self, schema: &SchemaRef) -> Result<ShardWriter, Failure> {
        ShardWriter::new(&self.job.staging, schema.clone(), self.spec.write.clone(), &[]).map_err(of_table)
    }

    /// Tells of what was written.
    fn made(&self, written: Written, schema: SchemaRef, seen: Seen) -> Result<Made, Failure> {
        seen.uses.write(&self.job.staging, &schema)?;
        let mut made = Made { files: output_files(&written.files), warnings: seen.warnings, ..Made::default() };
        checks::judge(&self.spec.checks, &Staged::written(self.job, &written), &mut made, self.tell)?;
        made.metadata.insert("rows".into(), json!(written.rows));
        made.metadata.insert("columns".into(), json!(schema.fields().len()));
        made.metadata.insert("output_path".into(), json!(output_path(&self.spec.workspace, &self.job.action)));
        made.metadata.insert("steps".into(), json!(seen.steps));
        made.metadata.insert("absent_periods".into(), json!(seen.absent));
        if !seen.late.is_empty() {
            made.metadata.insert("late_rows".into(), json!(seen.late));
        }
        Ok(made)
    }
}

/// What is worth saying of a run, beside its rows.
struct Seen {
    steps: Vec<Step>,
    uses: Uses,
    /// How many periods within reach are not there, by view.
    absent: BTreeMap<String, usize>,
    /// How many rows were dropped because they lie outside their partition's period, by view.
    late: BTreeMap<String, usize>,
    warnings: Vec<String>,
}

impl Seen {
    fn of(ledger: Ledger, inputs: &Inputs, kept: &Kept) -> Self {
        let damaged: Vec<String> = ledger.damaged().iter().map(|path| kept.started_anew(path)).collect();
        let (steps, uses) = ledger.close();
        let absent = inputs.absent.iter().map(|(view, keys)| (view.clone(), keys.len())).collect();
        let warnings = damaged.into_iter().chain(inputs.warnings()).collect();
        Self { steps, uses, absent, late: inputs.late.clone(), warnings }
    }
}

pub fn output_files(files: &[WrittenFile]) -> Vec<OutputFile> {
    let of = |f: &WrittenFile| OutputFile { name: f.name.clone(), size: f.size, digest: f.digest, modified: f.modified };
    files.iter().map(of).collect()
}

/// What the partitions of an op that runs operators and writes Parquet have alike; what it asks the world is its kind's to say.
pub fn outline(subject: &Subject, operators: &[Operator]) -> Outline {
    let write = write_options(&subject.catalog.runtime);
    let mut definition = definition(operators, &write);
    definition.extend(calendar(subject));
    definition.extend(late_rows(subject, operators));
    let (sources, checks, workspace) = (sources(subject, operators), checks::of(subject), subject.site.root.path());
    let kept = Kept::of(subject.site);
    let spec = json!({"operators": operators, "sources": sources, "write": write, "checks": checks, "workspace": workspace, "kept": kept});
    Outline { definition, requests: vec![], reads: vec![], inputs: vec![], spec }
}

pub fn needs_partitions(subject: &Subject) -> Result<(), String> {
    let none = || format!("rule `{}` needs an asset with partitions", subject.op.rule);
    subject.asset.partitions.as_ref().map(drop).ok_or_else(none)
}

/// Where an action publishes, for people.
pub fn output_path(workspace: &Path, action: &Action) -> String {
    Root::new(workspace).name(&action.place.path())
}

/// Everything that operators and the writer are told, as observations.
fn definition(operators: &[Operator], write: &WriteOptions) -> Vec<Observation> {
    let mut named = parameters(operators);
    flatten("write", &serde_json::to_value(write).unwrap_or(Value::Null), &mut named);
    let mut definition = versions::rules(operators);
    definition.extend(named.into_iter().map(|(name, value)| Observation::text(Kind::Parameter, name, value)));
    definition
}

/// How the asset's time is cut, where its keys do not say so.
pub fn calendar(subject: &Subject) -> Vec<Observation> {
    let partitions = subject.asset.partitions.as_ref().and_then(|name| subject.catalog.partitions.get(name));
    let Some(Cadence { every, zone }) = partitions.map(|p| p.cadence) else { return Vec::new() };
    let said = |name: &str, value: &str| Observation::text(Kind::Parameter, format!("partitions.{name}"), value);
    let weekly = (every == Every::Week).then(|| said("every", every.name()));
    let zoned = (zone != Cadence::DAILY.zone).then(|| said("timezone", zone.name()));
    weekly.into_iter().chain(zoned).collect()
}

/// What becomes of rows outside their partition's period, where the views that are scanned say more than that it is an error.
fn late_rows(subject: &Subject, operators: &[Operator]) -> Vec<Observation> {
    let sources = sources(subject, operators);
    let said = |(view, source): (&String, &SourceSpec)| {
        let policy = match source.late {
            Late::Error => return None,
            Late::Drop => "drop".to_string(),
            Late::Allow => format!("allow {}", Duration { millis: source.lateness }),
        };
        Some(Observation::text(Kind::Parameter, format!("source/{view}.late"), policy))
    };
    sources.iter().filter_map(said).collect()
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

/// One question per view that is scanned: the files and columns of every scan's reach; and one for each source that is read by key. Only the
/// spine's own period is required.
fn requests(subject: &Subject) -> Vec<Request> {
    let spine = subject.asset.service.as_ref().map(|s| s.spine.name.clone()).unwrap_or_default();
    let operators = subject.dag.stage(Stage::Skeleton);
    let mut reads: BTreeMap<&str, Vec<Read>> = BTreeMap::new();
    for operator in operators.iter().filter(|operator| !keyed::is_keyed_scan(operator, &operators)) {
        if let Does::Scan(scan) = &operator.does {
            let columns = scan.columns.iter().map(|c| c.physical.clone()).collect();
            reads.entry(&scan.view).or_default().push(Read { reach: scan.reach, columns, selects: selects(operator, scan, &operators) });
        }
    }
    let source = |view: &str| subject.catalog.views.get(view).map(|view| SourceSpec::of(view, subject.catalog, subject.site));
    let by_key = keyed::requests(&operators, &source, &|view| asset_behind(subject, view).is_some());
    let scanned = reads
        .into_iter()
        .filter(|(view, _)| asset_behind(subject, view).is_none())
        .filter_map(|(view, reads)| Some(Ask::Parquet { source: source(view)?, reads: merged(reads), required: view == spine }.request()));
    scanned.chain(by_key).collect()
}

/// The asset of this workspace that a view reads.
fn asset_behind<'a>(subject: &Subject<'a>, view: &str) -> Option<&'a str> {
    match &subject.catalog.views.get(view)?.place {
        DataPlace::Asset(asset) => Some(asset),
        DataPlace::Path(_) => None,
    }
}

/// What the scans read of assets: their files need no looking at, for their digests are known.
fn assets_read(subject: &Subject) -> Vec<Reads> {
    let operators = subject.dag.operators.iter().filter(|o| o.stage == Stage::Skeleton);
    let reads = operators.filter_map(|operator| match &operator.does {
        Does::Scan(scan) => {
            let first = subject.catalog.views.get(&scan.view).and_then(|view| view.first);
            let asset = asset_behind(subject, &scan.view)?.to_string();
            Some(Reads { asset, periods: Periods::Scanned { reach: scan.reach, first } })
        }
        _ => None,
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
            operators: vec![],
            sources: BTreeMap::new(),
            write: WriteOptions { compression: Compression::None, row_group_rows: 1, shard_rows: 1 },
            checks: vec![],
            workspace: PathBuf::new(),
            kept: Kept::default(),
        };
        let fields = SpecFields {
            hashed: &["operators", "write"],
            exempt: &[
                ("sources", "where data lies; what lies there is observed"),
                ("checks", "judge the output and do not change it"),
                ("workspace", "for people: paths are named from it"),
                ("kept", "what may be lost at any time"),
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
