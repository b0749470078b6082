//! Runs the operators where all rows have no room in memory at once.
//!
//! Rows pass by in batches. An operator on single rows takes them as they come. Where rows of two chains meet, both are spilled into buckets by
//! hash of their key, left ones with their ordinals; the bucket is what the kernels see, and their results go back beside the left rows
//! by ordinal. A bucket that is too large is parted anew by another hash, unless it is one key: that is computed as it is.
//!
//! What stays whole in memory: the keys of the stores that coverage asks, and what is noted of keyed sources.
//! Invariants: the rows of a bucket are in canonical order; the spine's rows come out in theirs.

mod buckets;
mod chain;
mod hash;
mod ordered;
mod restored;
mod sides;

use super::Ledger;
use crate::catalog::dag::{Operator, Scan};
use crate::engine::failure::Failure;
use crate::rules::budget::{Budget, cost, width};
use crate::rules::failures::of_spill;
use crate::rules::loader::{Batches, Stream, in_order};
use crate::table::parquet::Extent;
use crate::table::spill::{Spill, SpillWriter, Spilled as Chunks};
use arrow::array::RecordBatch;
use buckets::{Buckets, Nulls, Parting, Partitioner};
use chain::{Chain, Meeting, Round};
use ordered::Look;
use restored::{ORDINAL, Part, Restored, Results, numbered};

pub struct Spilled<'a> {
    stream: &'a Stream<'a>,
    budget: Budget,
    spill: Spill,
    tell: &'a dyn Fn(&Operator),
    pub ledger: Ledger<'a>,
}

/// Who takes rows.
type Take<'t> = &'t mut dyn FnMut(RecordBatch) -> Result<(), Failure>;

/// Whether somebody minds in which order rows come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Canonical,
    AsRead,
}

/// So many files and batches are worth it, and no more.
const BUCKETS: u64 = 256;
/// How often a bucket is parted anew.
const DEPTH: u64 = 4;

impl<'a> Spilled<'a> {
    pub fn new(stream: &'a Stream<'a>, budget: Budget, spill: Spill, tell: &'a dyn Fn(&Operator)) -> Self {
        Self { stream, budget, spill, tell, ledger: Ledger::new(stream.inputs.spec) }
    }

    /// Hands over the rows of the last operator, in the spine's order.
    pub fn run(&mut self, take: Take) -> Result<(), Failure> {
        let chain = Chain::of(&self.stream.inputs.spec.operators)?;
        self.chain(&chain, Order::Canonical, take)
    }

    fn chain(&mut self, chain: &Chain<'a>, order: Order, take: Take) -> Result<(), Failure> {
        let chunk_rows = self.chunk_rows(chain)?;
        let mut rows = self.scan(chain.scan, order, chunk_rows)?;
        for round in chain.rounds() {
            if !round.met.is_empty() {
                rows = self.round(chain, rows, &round, chunk_rows)?;
                continue;
            }
            let mut first = 0;
            for batch in std::mem::replace(&mut rows, Box::new(std::iter::empty())) {
                let batch = batch?;
                let count = batch.num_rows();
                // Who counts rows knows of no others.
                let counted = |f: Failure| Failure { message: format!("{} (rows counted from row {first} on)", f.message), ..f };
                let made = self.alone(batch, &round);
                take(if order == Order::Canonical { made.map_err(counted)? } else { made? })?;
                first += count;
            }
        }
        Ok(())
    }

    /// Chunks of rows as wide as they will be.
    fn chunk_rows(&self, chain: &Chain) -> Result<usize, Failure> {
        let Extent { rows, bytes } = self.stream.inputs.extent(chain.scan)?;
        let added: u64 = chain.meetings().map(|meeting| width(meeting.operator)).sum();
        Ok(self.budget.chunk_rows(bytes / rows.max(1) + added))
    }

    fn scan(&self, scan: &'a Scan, order: Order, batch_rows: usize) -> Result<Batches<'a>, Failure> {
        let rows = || self.stream.scan(scan, batch_rows);
        if order == Order::AsRead {
            return rows();
        }
        let mut look = Look::new(scan);
        let times = only_order(scan);
        for batch in self.stream.scan(&times, batch_rows)? {
            look.look(&batch?)?;
        }
        if look.is_in_order() {
            return rows();
        }
        let ranges = 4 * self.stream.inputs.extent(scan)?.bytes / self.budget.work() + 1;
        look.sorted(rows()?, ranges.min(BUCKETS) as usize, batch_rows, &self.spill)
    }

    fn alone(&mut self, batch: RecordBatch, round: &Round) -> Result<RecordBatch, Failure> {
        round.alone.iter().try_fold(batch, |batch, operator| self.ledger.alone(operator, &batch))
    }

    /// Spills rows, brings to them what others have for them, and takes them up again.
    fn round(&mut self, chain: &Chain<'a>, rows: Batches<'a>, round: &Round<'_, 'a>, chunk_rows: usize) -> Result<Batches<'a>, Failure> {
        let buckets = self.buckets(chain, round)?;
        let mut stage: Option<Stage> = None;
        for batch in rows {
            let batch = self.alone(batch?, round)?;
            let stage = match &mut stage {
                Some(stage) => stage,
                none => none.insert(Stage::new(&self.spill, &batch, &round.met, buckets, chunk_rows)?),
            };
            stage.write(batch)?;
        }
        let Some(stage) = stage else { return Ok(Box::new(std::iter::empty())) };
        let (chunks, mut lefts) = stage.finish()?;
        let mut parts = Vec::new();
        for meeting in &round.met {
            let left = lefts.iter_mut().find(|left| left.keys == meeting.sides.left_keys);
            let left = left.ok_or_else(|| Failure::permanent("rows were not parted by the keys of an operator"))?;
            parts.push(self.meeting(meeting, &mut left.buckets, chunk_rows)?);
        }
        Ok(Box::new(Restored::new(chunks, parts)))
    }

    /// How many buckets let each of the operators work, as far as footers tell.
    fn buckets(&self, chain: &Chain, round: &Round) -> Result<usize, Failure> {
        let left = self.stream.inputs.extent(chain.scan)?;
        let mut most = 1;
        for meeting in &round.met {
            let right = self.stream.inputs.extent(meeting.right.scan)?;
            most = most.max(cost(meeting.operator, left, right) * 3 / 2 / self.budget.work() + 1);
        }
        Ok(most.min(BUCKETS) as usize)
    }

    fn meeting(&mut self, meeting: &Meeting<'a>, left: &mut Buckets, chunk_rows: usize) -> Result<Part, Failure> {
        (self.tell)(meeting.operator);
        let count = left.len();
        let parting = Parting::Keys { columns: meeting.sides.right_keys.clone(), seed: 0, nulls: Nulls::Drop };
        let mut right: Option<Partitioner> = None;
        let spill = self.spill.clone();
        self.chain(&meeting.right, Order::AsRead, &mut |batch| {
            let batch = project(&batch, &meeting.sides.right)?;
            let right = match &mut right {
                Some(right) => right,
                none => none.insert(Partitioner::new(&spill, batch.schema_ref(), parting.clone(), count, PARTED)?),
            };
            right.write(batch)
        })?;
        let mut right = right.ok_or_else(|| Failure::permanent("a scan made no batch"))?.finish()?;
        let mut results = Results::new(&self.spill, &meeting.sides.adds, meeting.is_filter(), (chunk_rows / count).clamp(8, 8192));
        self.meet(meeting, left, &mut right, &mut results, Parted { depth: 0, cost: u64::MAX })?;
        results.finish()
    }

    /// Works on bucket after bucket.
    fn meet(
        &mut self,
        meeting: &Meeting<'a>,
        left: &mut Buckets,
        right: &mut Buckets,
        results: &mut Results,
        parted: Parted,
    ) -> Result<(), Failure> {
        for bucket in 0..left.len() {
            // There are results, if only without rows, so that the columns are known.
            if left.extent(bucket).rows == 0 && bucket + 1 < left.len() {
                continue;
            }
            let cost = cost(meeting.operator, left.extent(bucket), right.extent(bucket));
            if parted.is_worth_it(cost, self.budget.work()) {
                self.part_anew(meeting, (left, right), bucket, results, Parted { depth: parted.depth + 1, cost })?;
                continue;
            }
            let (left, right) = (left.load(bucket)?, in_order(right.load(bucket)?, meeting.right.scan)?);
            results.add(&self.ledger.together(meeting.operator, &left, &right)?)?;
        }
        Ok(())
    }

    fn part_anew(
        &mut self,
        meeting: &Meeting<'a>,
        (left, right): (&mut Buckets, &mut Buckets),
        bucket: usize,
        results: &mut Results,
        parted: Parted,
    ) -> Result<(), Failure> {
        let count = (parted.cost * 2 / self.budget.work()).clamp(2, BUCKETS) as usize;
        let part = |buckets: &mut Buckets, columns: &[String], nulls: Nulls| {
            let parting = Parting::Keys { columns: columns.to_vec(), seed: parted.depth, nulls };
            let into = Partitioner::new(&self.spill, buckets.schema(), parting, count, PARTED)?;
            buckets.split(bucket, into)
        };
        let mut left = part(left, &meeting.sides.left_keys, Nulls::Keep)?;
        let mut right = part(right, &meeting.sides.right_keys, Nulls::Drop)?;
        self.meet(meeting, &mut left, &mut right, results, parted)
    }
}

/// A scan of just what puts its rows in order.
fn only_order(scan: &Scan) -> Scan {
    let orders = |name: &String| scan.time.iter().any(|time| time.name == *name) || scan.created.as_ref() == Some(name);
    Scan { columns: scan.columns.iter().filter(|column| orders(&column.name)).cloned().collect(), ..scan.clone() }
}

/// Rows that are parted at once.
const PARTED: usize = 1 << 16;

/// How often rows were parted anew, and what it had cost to compute them together.
#[derive(Clone, Copy)]
struct Parted {
    depth: u64,
    cost: u64,
}

impl Parted {
    /// Not where the last time has hardly helped: then it is one key.
    fn is_worth_it(self, cost: u64, work: u64) -> bool {
        cost > work.saturating_mul(2) && self.depth < DEPTH && cost < self.cost / 4 * 3
    }
}

/// Rows on their way to where others are brought to them: as they are, and by each key that somebody asks for.
struct Stage {
    chunks: SpillWriter,
    lefts: Vec<Left<Partitioner>>,
    rows: u64,
}

/// What operators with equal keys take.
struct Left<B> {
    keys: Vec<String>,
    columns: Vec<String>,
    buckets: B,
}

impl Stage {
    fn new(spill: &Spill, batch: &RecordBatch, met: &[&Meeting], buckets: usize, batch_rows: usize) -> Result<Self, Failure> {
        let mut lefts: Vec<Left<()>> = Vec::new();
        for sides in met.iter().map(|meeting| &meeting.sides) {
            let keys = sides.left_keys.clone();
            let known = lefts.iter().position(|left| left.keys == keys).unwrap_or_else(|| {
                lefts.push(Left { keys, columns: vec![ORDINAL.to_string()], buckets: () });
                lefts.len() - 1
            });
            sides.left.iter().for_each(|name| sides::add(&mut lefts[known].columns, name));
        }
        let numbered = numbered(batch, 0)?;
        let open = |Left { keys, columns, .. }: Left<()>| {
            let parting = Parting::Keys { columns: keys.clone(), seed: 0, nulls: Nulls::Keep };
            let schema = project(&numbered, &columns)?.schema();
            let buckets = Partitioner::new(spill, &schema, parting, buckets, batch_rows)?;
            Ok(Left { keys, columns, buckets })
        };
        let chunks = spill.writer(batch.schema_ref()).map_err(of_spill)?;
        Ok(Self { chunks, lefts: lefts.into_iter().map(open).collect::<Result<_, Failure>>()?, rows: 0 })
    }

    fn write(&mut self, batch: RecordBatch) -> Result<(), Failure> {
        self.chunks.write(&batch).map_err(of_spill)?;
        let numbered = numbered(&batch, self.rows)?;
        self.rows += batch.num_rows() as u64;
        self.lefts.iter_mut().try_for_each(|left| left.buckets.write(project(&numbered, &left.columns)?))
    }

    fn finish(self) -> Result<(Chunks, Vec<Left<Buckets>>), Failure> {
        let close = |Left { keys, columns, buckets }: Left<Partitioner>| Ok(Left { keys, columns, buckets: buckets.finish()? });
        let lefts = self.lefts.into_iter().map(close).collect::<Result<_, Failure>>()?;
        Ok((self.chunks.finish().map_err(of_spill)?, lefts))
    }
}

/// Some columns of rows.
fn project(rows: &RecordBatch, names: &[String]) -> Result<RecordBatch, Failure> {
    let columns = names.iter().map(|name| Ok((name, super::column(rows, name)?.clone(), true))).collect::<Result<Vec<_>, Failure>>()?;
    RecordBatch::try_from_iter_with_nullable(columns).map_err(super::arrow_failure)
}
