//! `enrich`: looks embeddings up and pools them onto a skeleton partition, shard by shard.
//!
//! Invariants: the partition is never whole in memory; rows keep their order; what the metadata says of the result comes from the
//! footers of the files that were written.

use super::checks::{self, CheckSpec};
use super::failures::{of_lance, of_rows, of_table};
use super::keyed::{self, Keyed, store_rows};
use super::operators::{contract_schema, fulfil, refuse_nulls};
use super::place::place;
use super::skeleton::{needs_partitions, outline, output_files, output_path};
use super::source::SourceSpec;
use super::uses::Uses;
use super::{Outline, Partition, RuleKind, Subject, Tell, spec_of};
use crate::catalog::dag::{Embed, Kind as Does, Operator, Sink, SinkColumn, Stage};
use crate::catalog::types::DataType;
use crate::engine::action::{Job, Place};
use crate::engine::execute::{Made, Progress};
use crate::engine::failure::{Failure, FailureKind};
use crate::features::arrow_type::arrow_type;
use crate::features::elements::{Element, Vector};
use crate::features::embed::{Asked, Embedded, Matrix, look_up, pool};
use crate::table::lance::Dataset;
use crate::table::listing::parquet_files;
use crate::table::parquet::{Column, RowGroups, Rows, ShardWriter, Vectors as _, WriteOptions, footer, read_batches, schema_of};
use crate::table::rows::RowCache;
use crate::table::vectors::{VectorError, VectorFile};
use arrow::array::{Array, ArrayRef, Int64Array, ListArray, RecordBatch};
use arrow::datatypes::DataType as Arrow;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeMap, HashMap, HashSet};
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
}

impl RuleKind for Enrich {
    fn name(&self) -> &'static str {
        "enrich"
    }

    fn outline(&self, subject: &Subject) -> Result<Outline, String> {
        needs_partitions(subject)?;
        let operators = subject.dag.stage(Stage::Enrich);
        if operators.is_empty() {
            return Err(format!("service `{}` embeds nothing, so there is nothing to enrich: remove the op", subject.dag.service));
        }
        let skeleton = subject.needed("skeleton").ok_or("rule `enrich` works on a skeleton: say needs=\"skeleton\"")?;
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
    stores: HashMap<String, Arc<Vectors>>,
    asked: Asked,
    uses: Uses,
}

/// The vectors of one store that this partition needs, and the row of each key.
struct Vectors {
    file: VectorFile,
    rows: HashMap<i64, u32>,
}

impl Matrix for Vectors {
    fn width(&self) -> usize {
        self.file.width()
    }

    fn row_of(&self, key: i64) -> Option<usize> {
        self.rows.get(&key).map(|row| *row as usize)
    }

    fn vector(&self, row: usize) -> Vector<'_> {
        Vector::Float16(self.file.vector(row))
    }
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
        let (asked, uses) = (Asked::default(), Uses::of(&spec.operators));
        let mut run = Self { job, spec, tell, inputs, rows, contract, stores: HashMap::new(), asked, uses };
        for embed in embeds(&spec.operators) {
            run.open_store(embed)?;
        }
        Ok(run)
    }

    /// Reads the vectors of a store that any of its embeddings needs.
    fn open_store(&mut self, embed: &Embed) -> Result<(), Failure> {
        let name = store_name(embed);
        if self.stores.contains_key(&name) {
            return Ok(());
        }
        let source = self.spec.sources.get(&embed.store.view);
        let source = source.ok_or_else(|| Failure::permanent(format!("no source for view `{}`", embed.store.view)))?;
        let dataset = Dataset::open(&source.path, &source.lance_pin()).map_err(of_lance)?;
        let addresses = dataset.addresses(&embed.store.key).map_err(of_lance)?;
        let wanted = self.wanted(&name)?;
        let width = match &embed.data_type {
            DataType::Vector(_, width) => *width as usize,
            other => return Err(Failure::permanent(format!("an embedding is a vector, and `{}` is {other}", embed.name))),
        };
        let tell = |done, total| (self.tell)(Progress::Step { message: format!("reading vectors of {}", source.shown), done, total });
        let directory = self.job.staging.parent().unwrap_or(&self.job.staging);
        let file = VectorFile::read(&dataset, &addresses, &embed.store.vector, width, &wanted, directory, &tell).map_err(of_vectors)?;
        let known = store_rows(dataset, &embed.store.key, Some(&embed.store.vector), &RowCache::none()).map_err(of_rows)?;
        self.uses.note_vectors(&Keyed::embedding(embed), &known, &wanted, file.taken())?;
        let rows = file.keys().iter().enumerate().map(|(row, key)| (*key, row as u32)).collect();
        self.stores.insert(name, Arc::new(Vectors { file, rows }));
        Ok(())
    }

    /// The keys that rows ask of a store, sorted, each once.
    fn wanted(&self, store: &str) -> Result<Vec<i64>, Failure> {
        let mut wanted: HashSet<i64> = HashSet::new();
        let columns: Vec<(String, Arrow)> =
            embeds(&self.spec.operators).filter(|e| store_name(e) == store).map(|e| (e.input.clone(), input_type(e))).collect();
        for input in &self.inputs {
            for batch in read_batches(input, &columns, BATCH_ROWS).map_err(of_table)? {
                for column in batch.map_err(of_table)?.columns() {
                    wanted.extend(keys_of(column).into_iter().flat_map(|keys| keys.iter().flatten().collect::<Vec<_>>()));
                }
            }
        }
        let mut wanted: Vec<i64> = wanted.into_iter().collect();
        wanted.sort_unstable();
        Ok(wanted)
    }

    fn run(mut self) -> Result<Made, Failure> {
        let schema = Arc::new(contract_schema(&self.contract));
        let names: Vec<String> = embeds(&self.spec.operators).map(|e| e.name.clone()).collect();
        std::mem::take(&mut self.uses).write(&self.job.staging, &schema)?;
        let mut writer = ShardWriter::new(&self.job.staging, schema, self.spec.write.clone(), &names).map_err(of_table)?;
        let mut asked = Asked::default();
        writer.write_groups(self.groups()?.map(|batch| self.embed(&batch?, &mut asked)))?;
        let written = writer.finish().map_err(of_table)?;
        self.asked = asked;
        let mut made = Made { files: output_files(&written.files), ..Made::default() };
        checks::judge(&self.spec.checks, &written, &mut made)?;
        self.describe(&mut made, names)?;
        Ok(made)
    }

    /// The skeleton's row groups as they will be written, with a word for each on how far we are.
    fn groups(&self) -> Result<impl Iterator<Item = Result<RecordBatch, Failure>> + Send, Failure> {
        let mut files = Vec::new();
        for input in &self.inputs {
            files.push(read_batches(input, &self.columns_of(input)?, BATCH_ROWS).map_err(of_table)?);
        }
        let (mut done, total, tell) = (0, self.rows, self.tell);
        let groups = RowGroups::new(files.into_iter().flatten(), &self.spec.write);
        Ok(groups.map(move |group| {
            let group = group.map_err(of_table)?;
            tell(Progress::Step { message: "pooling and writing".into(), done, total });
            done += group.num_rows() as u64;
            Ok(group)
        }))
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
    fn embed(&self, batch: &RecordBatch, asked: &mut Asked) -> Result<Rows, Failure> {
        let mut embedded: HashMap<&str, Arc<Embedded>> = HashMap::new();
        for embed in embeds(&self.spec.operators) {
            embedded.insert(&embed.name, Arc::new(self.embedding(embed, batch, asked)?));
        }
        let column = |wanted: &SinkColumn| match embedded.get(wanted.name.as_str()) {
            Some(vectors) => refuse_nulls(wanted, vectors.nulls()).map(|()| Column::Vectors(vectors.clone())),
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
        Element::of(wanted)
            .ok_or_else(|| Failure::permanent(format!("an embedding is a vector of floats, and `{}` is {wanted}", embed.name)))
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

/// Embeddings of one dataset, key and column share their vectors.
fn store_name(embed: &Embed) -> String {
    format!("{}.{} by {}", embed.store.view, embed.store.vector, embed.store.key)
}

fn input_type(embed: &Embed) -> Arrow {
    let key = DataType::Int64;
    arrow_type(&if embed.pool.is_some() { key.list() } else { key })
}

/// The keys in a column of keys or of lists of keys.
fn keys_of(column: &ArrayRef) -> Option<Int64Array> {
    let any = column.as_any();
    let flat = any.downcast_ref::<Int64Array>().cloned();
    flat.or_else(|| {
        let lists = any.downcast_ref::<ListArray>()?;
        let (start, end) = (lists.value_offsets().first()?, lists.value_offsets().last()?);
        lists.values().slice(*start as usize, (end - start) as usize).as_any().downcast_ref::<Int64Array>().cloned()
    })
}

fn of_vectors(error: VectorError) -> Failure {
    match error {
        VectorError::Lance(error) => of_lance(error),
        VectorError::Rows(error) => of_rows(error),
        VectorError::Io(error) => Failure::io("vectors cannot be kept beside the output", &error),
        VectorError::Width { .. } | VectorError::NullElement => Failure::new(FailureKind::Permanent, error.to_string()),
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
        };
        let fields = SpecFields {
            hashed: &["operators", "write"],
            exempt: &[
                ("sources", "where data lies; what lies there is observed"),
                ("checks", "judge the output and do not change it"),
                ("workspace", "for people: paths are named from it"),
            ],
        };
        fields.check(&serde_json::to_value(&spec).unwrap());
    }
}
