//! `enrich`: looks embeddings up and pools them onto a skeleton partition, shard by shard.
//!
//! Invariants: the partition is never whole in memory; rows keep their order; what the metadata says of the result comes from the
//! footers of the files that were written.

use super::checks::{self, CheckSpec, Staged};
use super::failures::of_table;
use super::kept::Kept;
use super::keyed;
use super::operators::{contract_schema, fulfil, refuse_nulls};
use super::pace::{Count, Counted, told};
use super::place::place;
use super::skeleton::{needs_partitions, outline, output_files, output_path};
use super::source::SourceSpec;
use super::uses::Uses;
use super::vectors::{Opening, Stores, store_name};
use super::{Outline, Partition, RuleKind, Subject, Tell, spec_of};
use crate::catalog::dag::{Embed, Kind as Does, Operator, Sink, SinkColumn, Stage};
use crate::catalog::model::Op;
use crate::engine::action::{Job, Place};
use crate::engine::execute::Made;
use crate::engine::failure::{Failure, FailureKind};
use crate::features::arrow_type::arrow_type;
use crate::features::embed::{Asked, Embedded, Matrix, look_up, pool};
use crate::table::listing::parquet_files;
use crate::table::parquet::{Column, PageVectors, RowGroups, Rows, ShardWriter, WriteOptions, footer, read_batches, schema_of};
use crate::table::vectors::Element;
use arrow::array::{Array, Int64Array, ListArray, RecordBatch};
use arrow::datatypes::DataType as Arrow;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub struct Enrich;

/// Skeleton rows that are worked on at once.
const BATCH_ROWS: usize = 4096;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct EnrichSpec {
    operators: Vec<Operator>,
    sources: BTreeMap<String, SourceSpec>,
    write: WriteOptions,
    checks: Vec<CheckSpec>,
    /// The workspace's directory, from which paths are named.
    workspace: PathBuf,
    kept: Kept,
}

/// The op whose rows get vectors.
fn skeleton_of<'a>(subject: &'a Subject) -> Result<&'a Op, String> {
    subject.needed("skeleton").ok_or_else(|| "rule `enrich` works on a skeleton: say needs=\"skeleton\"".into())
}

impl RuleKind for Enrich {
    fn name(&self) -> &'static str {
        "enrich"
    }

    fn fit(&self, subject: &Subject) -> Result<(), String> {
        needs_partitions(subject)?;
        if !subject.dag.operators.iter().any(|operator| operator.stage == Stage::Enrich) {
            return Err(format!("service `{}` embeds nothing, so there is nothing to enrich: remove the op", subject.dag.service));
        }
        skeleton_of(subject).map(drop)
    }

    fn outline(&self, subject: &Subject) -> Result<Outline, String> {
        self.fit(subject)?;
        let (operators, skeleton) = (subject.dag.stage(Stage::Enrich), skeleton_of(subject)?);
        let source = |view: &str| subject.catalog.views.get(view).map(|view| SourceSpec::of(view, subject.catalog, subject.site));
        let requests = keyed::requests(&operators, &source, &|_| false);
        Ok(Outline { requests, reads: vec![skeleton.name.clone()], ..outline(subject, &operators) })
    }

    fn place(&self, subject: &Subject, partition: Option<Partition>) -> Place {
        place(subject, &subject.site.enriched_output_root, partition)
    }

    fn run(&self, job: &Job, tell: Tell) -> Result<Made, Failure> {
        let mut spec: EnrichSpec = spec_of(&job.action)?;
        keyed::resolve(&mut spec.sources, &job.resolved);
        Enrichment::open(job, &spec, tell)?.run()
    }
}

fn embeds(operators: &[Operator]) -> impl Iterator<Item = &Embed> {
    operators.iter().filter_map(|o| match &o.does {
        Does::Embed(embed) => Some(embed),
        _ => None,
    })
}

/// One run of the rule.
struct Enrichment<'a> {
    job: &'a Job,
    spec: &'a EnrichSpec,
    tell: Tell<'a>,
    inputs: Vec<PathBuf>,
    rows: u64,
    contract: Sink,
    stores: Stores,
    asked: Asked,
    uses: Uses,
    warnings: Vec<String>,
}

impl<'a> Enrichment<'a> {
    fn open(job: &'a Job, spec: &'a EnrichSpec, tell: Tell<'a>) -> Result<Self, Failure> {
        let skeleton = job.inputs.iter().find(|input| input.rule == "skeleton").map(|input| input.path.as_path());
        let skeleton = skeleton.ok_or_else(|| Failure::new(FailureKind::Bug, "an enrichment without a skeleton"))?;
        let listed = parquet_files(skeleton).map_err(|e| Failure::io(&skeleton.display().to_string(), &e))?;
        let inputs = listed.ok_or_else(|| Failure::transient(format!("{} is gone", skeleton.display())))?;
        let mut rows = 0;
        for input in &inputs {
            rows += footer(input).map_err(of_table)?.rows;
        }
        let contract = spec.operators.iter().find_map(|o| match &o.does {
            Does::Sink(sink) => Some(sink.clone()),
            _ => None,
        });
        let contract = contract.ok_or_else(|| Failure::permanent("the service has no contract"))?;
        let (asked, mut uses) = (Asked::default(), Uses::of(&spec.operators));
        let opening = Opening {
            embeds: embeds(&spec.operators).collect(),
            sources: &spec.sources,
            inputs: &inputs,
            kept: &spec.kept,
            scratch: job.staging.parent().unwrap_or(&job.staging),
            mapped: job.action.common.resources.memory / 2,
            tell,
        };
        let (stores, warnings) = opening.open(&mut uses)?;
        Ok(Self { job, spec, tell, inputs, rows, contract, stores, asked, uses, warnings })
    }

    fn run(mut self) -> Result<Made, Failure> {
        let schema = Arc::new(contract_schema(&self.contract));
        let names: Vec<String> = embeds(&self.spec.operators).map(|e| e.name.clone()).collect();
        std::mem::take(&mut self.uses).write(&self.job.staging, &schema)?;
        let mut writer = ShardWriter::new(&self.job.staging, schema, self.spec.write.clone(), &names).map_err(of_table)?;
        let mut asked = Asked::default();
        let (groups, count) = (self.groups()?, Count::default());
        let all = (self.rows, names.len() as u64);
        told(self.tell, "pooling and writing", &count, all, || {
            writer.write_groups(groups.map(|batch| self.embed(&batch?, &mut asked, &count)))
        })?;
        let written = writer.finish().map_err(of_table)?;
        self.asked = asked;
        let mut made = Made { files: output_files(&written.files), warnings: std::mem::take(&mut self.warnings), ..Made::default() };
        checks::judge(&self.spec.checks, &Staged::written(self.job, &written), &mut made, self.tell)?;
        self.describe(&mut made, names)?;
        Ok(made)
    }

    /// The skeleton's row groups as they will be written.
    fn groups(&self) -> Result<impl Iterator<Item = Result<RecordBatch, Failure>> + Send, Failure> {
        let mut files = Vec::new();
        for input in &self.inputs {
            files.push(read_batches(input, &self.columns_of(input)?, BATCH_ROWS).map_err(of_table)?);
        }
        let groups = RowGroups::new(files.into_iter().flatten(), &self.spec.write);
        Ok(groups.map(move |group| group.map_err(of_table)))
    }

    /// The columns of a skeleton file that the contract or an embedding reads, of the types they have.
    fn columns_of(&self, input: &Path) -> Result<Vec<(String, Arrow)>, Failure> {
        let schema = schema_of(input).map_err(of_table)?;
        let is_read = |name: &String| {
            self.contract.columns.iter().any(|column| column.name == *name) || embeds(&self.spec.operators).any(|e| e.input == *name)
        };
        Ok(schema.fields().iter().filter(|f| is_read(f.name())).map(|f| (f.name().clone(), f.data_type().clone())).collect())
    }

    /// The contract's columns of a row group: the skeleton's as they are, embeddings as they will be made.
    fn embed(&self, batch: &RecordBatch, asked: &mut Asked, count: &Count) -> Result<Rows, Failure> {
        let mut embedded: HashMap<&str, Arc<Embedded>> = HashMap::new();
        for embed in embeds(&self.spec.operators) {
            let vectors = self.embedding(embed, batch, asked)?;
            // Nothing has to be made of what is null.
            count.add(vectors.nulls().map_or(0, |nulls| nulls.null_count() as u64));
            embedded.insert(&embed.name, Arc::new(vectors));
        }
        let column = |wanted: &SinkColumn| match embedded.get(wanted.name.as_str()) {
            Some(vectors) => refuse_nulls(wanted, vectors.nulls())
                .map(|()| Column::Vectors(Arc::new(Counted { vectors: vectors.clone(), count: count.clone() }))),
            None => fulfil(batch, wanted).map(Column::Array),
        };
        let columns: Result<Vec<Column>, Failure> = self.contract.columns.iter().map(column).collect();
        Ok(Rows { count: batch.num_rows(), columns: columns? })
    }

    fn embedding(&self, embed: &Embed, batch: &RecordBatch, asked: &mut Asked) -> Result<Embedded, Failure> {
        let matrix: Arc<dyn Matrix> = self.stores[&store_name(embed)].clone();
        let element = self.element_of(embed)?;
        let input = batch
            .column_by_name(&embed.input)
            .ok_or_else(|| Failure::permanent(format!("the skeleton has no column `{}`", embed.input)))?;
        let any = input.as_any();
        let embedded = match (embed.pool, any.downcast_ref::<Int64Array>(), any.downcast_ref::<ListArray>()) {
            (None, Some(keys), _) => Some(look_up(keys, matrix, element, asked)),
            (Some(by), _, Some(lists)) => pool(lists, by, matrix, element, asked),
            _ => None,
        };
        embedded.ok_or_else(|| Failure::permanent(format!("`{}` is not what `{}` is looked up by", embed.input, embed.name)))
    }

    /// What the elements of an embedding are rounded to: what the contract says of it.
    fn element_of(&self, embed: &Embed) -> Result<Element, Failure> {
        let wanted = self.contract.columns.iter().find(|column| column.name == embed.name).map_or(&embed.data_type, |c| &c.data_type);
        let element = match arrow_type(wanted) {
            Arrow::FixedSizeList(item, _) => Element::of(item.data_type()),
            _ => None,
        };
        element.ok_or_else(|| Failure::permanent(format!("an embedding is a vector of floats, and `{}` is {wanted}", embed.name)))
    }

    /// Metadata from the footers of what was written.
    fn describe(&self, made: &mut Made, embedding_columns: Vec<String>) -> Result<(), Failure> {
        let (mut rows, mut columns) = (0, Vec::new());
        for file in &made.files {
            let footer = footer(&self.job.staging.join(&file.name)).map_err(of_table)?;
            rows += footer.rows;
            columns = footer.columns;
        }
        let mut say = |name: &str, value| drop(made.metadata.insert(name.into(), value));
        say("rows", json!(rows));
        say("columns", json!(columns.len()));
        say("schema", json!(columns));
        say("embedding_columns", json!(embedding_columns));
        say("output_path", json!(output_path(&self.spec.workspace, &self.job.action)));
        say("partition", json!(self.job.action.id.key));
        say("ids", json!(self.asked.keys));
        say("ids_not_found", json!(self.asked.not_found));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::SpecFields;
    use super::*;
    use crate::table::parquet::Compression;

    #[test]
    fn every_field_of_the_spec_is_hashed_or_exempt() {
        let spec = EnrichSpec {
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
}
