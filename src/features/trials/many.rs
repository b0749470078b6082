//! Many small cases: windows, as-of and static joins held against the reference, and the bugs that this would find.
//!
//! `DAEDA_CASES` raises the number of cases, `DAEDA_SEED` runs a single one.

use super::super::as_of::{AsOf, as_of};
use super::super::keyed::Keyed;
use super::super::latest::latest;
use super::super::pairs;
use super::super::reference::{self, Bug, Naive, Value, close};
use super::super::rolling::{Reach, rolling, rolling_known};
use super::cases::{Case, Columns, DAY};
use super::chance::{Chance, case};
use crate::catalog::aggregate::Options;
use crate::features::aggregates::Aggregate;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

const CASES: u64 = 10_000;

/// Every so many cases, windows are computed by Polars too.
const ON_POLARS: u64 = 40;

/// What is asked of a case: one aggregate over its windows, an as-of join and a static one.
struct Question {
    case: Case,
    columns: Columns,
    aggregate: (&'static dyn Aggregate, Options),
    known: bool,
    max_age: Option<i64>,
    inclusive: bool,
    available: bool,
    /// Whether Polars is asked too.
    on_polars: bool,
    /// So many rows are joined statically, by times that are all equal or not.
    few: usize,
    timeless: bool,
}

/// What the kernels, or the reference, say.
#[derive(Debug)]
struct Answer {
    windows: Vec<Vec<Option<Value>>>,
    as_of: Vec<Option<u32>>,
    latest: Result<Vec<Option<u32>>, (i64, usize)>,
}

impl Question {
    fn of(seed: u64) -> Self {
        let (case, mut chance) = case(seed);
        let all = case.aggregates();
        let (aggregate, options, _) = &all[chance.below(all.len())];
        let aggregate = (*aggregate, options.clone());
        let columns = case.columns();
        let max_age = |chance: &mut Chance| chance.pick(&[0, 1, 6, DAY - 1, DAY, DAY + 1]);
        Self {
            aggregate,
            known: chance.percent(30),
            max_age: chance.maybe(60, max_age),
            inclusive: chance.percent(35),
            available: chance.percent(30),
            on_polars: seed.is_multiple_of(ON_POLARS),
            few: chance.below(5),
            timeless: chance.percent(50),
            columns,
            case,
        }
    }

    fn known(&self, wanted: bool) -> Option<&[Option<i64>]> {
        wanted.then_some(&self.columns.known[..])
    }

    fn how(&self) -> AsOf<'_> {
        AsOf { max_age: self.max_age, inclusive: self.inclusive, available: self.known(self.available) }
    }

    /// The right side of the static join.
    fn newest(&self) -> (Vec<arrow::array::ArrayRef>, Vec<i64>) {
        let few = self.few.min(self.case.events.len());
        let time = |time: &i64| if self.timeless { 0 } else { *time };
        (self.columns.event_keys.iter().map(|key| key.slice(0, few)).collect(), self.columns.event_times[..few].iter().map(time).collect())
    }

    fn answer(&self) -> Answer {
        let (spine, events) = (self.columns.spine(), self.columns.events());
        let what = self.columns.rolling(&self.case, self.aggregate.0, &self.aggregate.1);
        let windows = match self.known(self.known) {
            Some(known) => rolling_known(&spine, &events, &what, known),
            None => rolling(&spine, &events, &what),
        };
        let (keys, times) = self.newest();
        let latest = latest(&self.columns.spine_keys, &Keyed { keys: &keys, times: &times });
        Answer {
            windows: windows.unwrap().iter().map(reference::column).collect(),
            as_of: as_of(&spine, &events, &self.how()),
            latest: latest.map_err(|tie| (tie.time, tie.keys)),
        }
    }

    fn expected(&self, naive: Naive) -> Answer {
        let (spine, events) = (self.columns.spine(), self.columns.events());
        let what = self.columns.rolling(&self.case, self.aggregate.0, &self.aggregate.1);
        let (keys, times) = self.newest();
        Answer {
            windows: naive.rolling(&spine, &events, &what, self.known(self.known)),
            as_of: naive.as_of(&spine, &events, &self.how()),
            latest: naive.latest(&spine, &Keyed { keys: &keys, times: &times }),
        }
    }
}

/// Whether Polars says of the windows what the kernel says.
fn polars_agrees(question: &Question, native: &Answer) -> bool {
    let (spine, events) = (question.columns.spine(), question.columns.events());
    let what = question.columns.rolling(&question.case, question.aggregate.0, &question.aggregate.1);
    let found = pairs::rolling(&spine, &events, &what, question.known(question.known)).unwrap();
    let same = |(found, native): (&arrow::array::ArrayRef, &Vec<Option<Value>>)| {
        let found = reference::column(found);
        found.len() == native.len() && found.iter().zip(native).all(|(found, native)| close(found, native))
    };
    found.len() == native.windows.len() && found.iter().zip(&native.windows).all(same)
}

fn agree(found: &Answer, expected: &Answer) -> bool {
    let columns = found.windows.iter().zip(&expected.windows);
    let mut cells = columns.flat_map(|(found, expected)| found.iter().zip(expected));
    let shape = |answer: &Answer| answer.windows.iter().map(Vec::len).collect::<Vec<_>>();
    shape(found) == shape(expected)
        && cells.all(|(found, expected)| close(found, expected))
        && found.as_of == expected.as_of
        && found.latest == expected.latest
}

/// What a case puts to the test.
#[derive(Clone, Copy, Default)]
struct Awkward {
    /// Two events of a window, or two that a join chooses from, at one instant.
    ties: bool,
    /// An event of a row's key exactly where a window starts.
    starts: bool,
    /// One exactly at the end that is excluded.
    ends: bool,
    /// A null among a window's values, or a key of a row.
    nulls: bool,
    /// A row without events in its window.
    empties: bool,
}

fn awkward(question: &Question) -> Awkward {
    let (columns, case) = (&question.columns, &question.case);
    let mut met = Awkward { nulls: case.spine.iter().any(|(key, _)| key.0.is_none()), ..Awkward::default() };
    for span in &case.windows {
        let seen = reference::seen(&columns.spine(), &columns.events(), span, question.known(question.known));
        for ((key, at), seen) in case.spine.iter().zip(&seen) {
            met.empties |= seen.is_empty();
            met.ties |= seen.windows(2).any(|pair| case.events[pair[0]].time == case.events[pair[1]].time);
            met.nulls |= seen.iter().any(|event| case.events[*event].value.is_none());
            let sign = if span.forward { 1 } else { -1 };
            let near = at + sign * span.offset;
            let far = if let Reach::Of(width) = span.reach { near.checked_add(sign.saturating_mul(width)) } else { None };
            let mut of_key = case.events.iter().filter(|event| event.key == *key);
            met.starts |= seen.iter().any(|event| Some(case.events[*event].time) == far);
            met.ends |= of_key.any(|event| event.time == near);
        }
    }
    met
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number, and not {text}")))
}

/// Runs seeds on all processors; the first of those that `find` something, with it.
fn first<T: Send>(seeds: std::ops::Range<u64>, find: impl Fn(u64) -> Option<T> + Sync) -> Option<(u64, T)> {
    let (next, end) = (AtomicU64::new(seeds.start), AtomicU64::new(seeds.end));
    let found = Mutex::new(None::<(u64, T)>);
    let work = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end.load(Ordering::Relaxed) {
            return;
        }
        if let Some(here) = find(seed) {
            end.fetch_min(seed, Ordering::Relaxed);
            let mut found = found.lock().unwrap();
            if found.as_ref().is_none_or(|(earlier, _)| seed < *earlier) {
                *found = Some((seed, here));
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    found.into_inner().unwrap()
}

#[test]
fn kernels_agree_with_the_reference_on_many_cases() {
    let seeds = match number("DAEDA_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("DAEDA_CASES").unwrap_or(CASES).max(CASES),
    };
    let (cases, met) = (seeds.end - seeds.start, Mutex::new([0_u64; 5]));
    let disagreement = first(seeds, |seed| {
        let question = Question::of(seed);
        let Awkward { ties, starts, ends, nulls, empties } = awkward(&question);
        met.lock().unwrap().iter_mut().zip([ties, starts, ends, nulls, empties]).for_each(|(count, met)| *count += u64::from(met));
        let (found, expected) = (question.answer(), question.expected(Naive::default()));
        let what = || {
            format!(
                "{} {:?}\n{:#?}\nfound {found:?}\nexpected {expected:?}",
                question.aggregate.0.name(),
                question.aggregate.1,
                question.case
            )
        };
        let agree = agree(&found, &expected) && (!question.on_polars || polars_agrees(&question, &found));
        (!agree).then(what)
    });
    if let Some((seed, what)) = disagreement {
        panic!("DAEDA_SEED={seed}: {what}");
    }
    let shares = met.into_inner().unwrap().map(|count| count * 100 / cases);
    let rare = "ties, events at t - w, events at t, nulls, empty windows are in these percentages of the cases:";
    assert!(cases < 100 || shares.iter().all(|share| *share >= 20), "{rare} {shares:?}");
}

/// Each bug is put into the reference, and is found by the comparison with the kernels within the cases of a plain run.
#[test]
fn planted_bugs_are_found() {
    for bug in Bug::ALL {
        let found = first(0..CASES, |seed| {
            let question = Question::of(seed);
            (!agree(&question.answer(), &question.expected(Naive { bug: Some(bug) }))).then_some(())
        });
        assert!(found.is_some(), "{bug:?} is not found in {CASES} cases");
    }
}
