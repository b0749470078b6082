//! Laws over the whole registry: the identity, splits, threads, the order of the spine, and what lies outside a window.

use super::super::frame::Frame;
use super::super::reference::{close, column};
use super::super::rolling::{Layout, Reach, Sight, WindowSpan, rolled, rolling, rolling_known};
use super::super::sweep::Way;
use super::Cuts;
use super::cases::{Case, Columns, DAY, case};
use crate::catalog::aggregate::Options;
use crate::features::aggregates::Aggregate;
use arrow::array::{Array, ArrayRef, UInt32Array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::take;
use proptest::prelude::*;

/// The results when every window is cut.
fn cut(case: &Case, columns: &Columns, aggregate: &'static dyn Aggregate, options: &Options, cuts: Cuts) -> Vec<ArrayRef> {
    let what = columns.rolling(case, aggregate, options);
    let layout = Layout::new(&columns.spine(), &columns.events()).unwrap();
    let mut frame = Frame::new(&layout, &what, &Sight::default()).unwrap();
    frame.way = Way::Cut(cuts);
    aggregate.roll(&frame, options).unwrap()
}

/// Positions of the first event of each tile.
fn tile_starts(case: &Case, columns: &Columns, aggregate: &'static dyn Aggregate, options: &Options) -> Vec<usize> {
    let what = columns.rolling(case, aggregate, options);
    let layout = Layout::new(&columns.spine(), &columns.events()).unwrap();
    let frame = Frame::new(&layout, &what, &Sight::default()).unwrap();
    let times: Vec<i64> = (0..frame.events.runs().rows.len()).map(|position| frame.time(position)).collect();
    (1..times.len()).filter(|at| times[*at].div_euclid(DAY) != times[at - 1].div_euclid(DAY)).collect()
}

/// Whether results do not depend on the order of merging.
fn is_exact(aggregate: &dyn Aggregate, values: &ArrayRef) -> bool {
    match aggregate.name() {
        "var" | "stddev" => false,
        "sum" | "mean" => !values.data_type().is_floating(),
        _ => true,
    }
}

fn assert_bits(found: &[ArrayRef], expected: &[ArrayRef], aggregate: &dyn Aggregate) {
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found.to_data(), expected.to_data(), "{}", aggregate.name());
    }
}

fn assert_close(found: &[ArrayRef], expected: &[ArrayRef], aggregate: &dyn Aggregate) {
    for (found, expected) in found.iter().zip(expected) {
        let agree = column(found).iter().zip(&column(expected)).all(|(found, expected)| close(found, expected));
        assert!(agree, "{}: {found:?} {expected:?}", aggregate.name());
    }
}

/// Every result of a case.
fn all(case: &Case) -> Vec<ArrayRef> {
    let columns = case.columns();
    let results = |(aggregate, options, _): (&'static dyn Aggregate, Options, _)| {
        rolling(&columns.spine(), &columns.events(), &columns.rolling(case, aggregate, &options)).unwrap()
    };
    case.aggregates().into_iter().flat_map(results).collect()
}

fn on_threads<T: Send>(threads: usize, run: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run)
}

/// Where to cut, ascending; the same place more than once leaves an empty piece.
fn positions() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..50usize, 0..8).prop_map(|mut positions| {
        positions.sort_unstable();
        positions
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn empty_is_the_identity(case in case(), positions in positions()) {
        let columns = case.columns();
        for (aggregate, options, _) in case.aggregates() {
            let plain = cut(&case, &columns, aggregate, &options, Cuts { positions: positions.clone(), padded: false });
            let padded = cut(&case, &columns, aggregate, &options, Cuts { positions: positions.clone(), padded: true });
            assert_bits(&padded, &plain, aggregate);
        }
    }

    #[test]
    fn any_split_is_as_good(case in case(), positions in positions()) {
        let columns = case.columns();
        for (aggregate, options, _) in case.aggregates() {
            let split = cut(&case, &columns, aggregate, &options, Cuts { positions: positions.clone(), padded: false });
            let whole = rolling(&columns.spine(), &columns.events(), &columns.rolling(&case, aggregate, &options)).unwrap();
            match is_exact(aggregate, &columns.values) {
                true => assert_bits(&split, &whole, aggregate),
                false => assert_close(&split, &whole, aggregate),
            }
        }
    }

    #[test]
    fn splits_at_tile_boundaries_change_no_bit(mut case in case()) {
        case.windows = vec![WindowSpan { reach: Reach::Lifetime, offset: 0, forward: false }];
        case.spine.iter_mut().for_each(|(_, time)| *time += 10 * DAY);
        let columns = case.columns();
        for (aggregate, options, _) in case.aggregates() {
            let cuts = Cuts { positions: tile_starts(&case, &columns, aggregate, &options), padded: false };
            let whole = rolling(&columns.spine(), &columns.events(), &columns.rolling(&case, aggregate, &options)).unwrap();
            assert_bits(&cut(&case, &columns, aggregate, &options, cuts), &whole, aggregate);
        }
    }

    #[test]
    fn the_tree_is_the_same_built_from_nothing(case in case()) {
        let columns = case.columns();
        let known = vec![Some(i64::MIN); case.events.len()];
        for (aggregate, options, _) in case.aggregates() {
            let what = columns.rolling(&case, aggregate, &options);
            let plain = rolling_known(&columns.spine(), &columns.events(), &what, &known).unwrap();
            assert_bits(&rolling(&columns.spine(), &columns.events(), &what).unwrap(), &plain, aggregate);
        }
    }

    #[test]
    fn events_that_are_not_seen_are_as_good_as_absent(case in case(), kept in prop::collection::vec(any::<bool>(), 60), known: bool) {
        let keep: BooleanBuffer = kept[..case.events.len()].iter().copied().collect();
        let left = case.events.iter().zip(&kept).filter(|(_, kept)| **kept).map(|(event, _)| event.clone());
        let few = Case { events: left.collect(), ..case.clone() };
        let (columns, fewer) = (case.columns(), few.columns());
        let layout = Layout::new(&columns.spine(), &columns.events()).unwrap();
        let sight = Sight { keep: Some(&keep), seen: Some(&layout.seen(Some(&keep))), known: known.then_some(&columns.known[..]) };
        for (aggregate, options, _) in case.aggregates() {
            let found = rolled(&layout, &columns.rolling(&case, aggregate, &options), &sight).unwrap();
            let what = fewer.rolling(&few, aggregate, &options);
            let alone = match known {
                true => rolling_known(&fewer.spine(), &fewer.events(), &what, &fewer.known),
                false => rolling(&fewer.spine(), &fewer.events(), &what),
            };
            assert_bits(&found, &alone.unwrap(), aggregate);
        }
    }

    #[test]
    fn threads_change_no_bit(case in case()) {
        prop_assert!(on_threads(1, || all(&case)) == on_threads(5, || all(&case)));
    }

    #[test]
    fn the_order_of_the_spine_changes_no_bit(case in case(), seed: u64) {
        let mut order: Vec<u32> = (0..case.spine.len() as u32).collect();
        order.sort_by_key(|row| (u64::from(*row) + 1).wrapping_mul(seed | 1));
        let shuffled = Case { spine: order.iter().map(|row| case.spine[*row as usize]).collect(), ..case.clone() };
        let order = UInt32Array::from(order);
        let expected: Vec<ArrayRef> = all(&case).iter().map(|array| take(array, &order, None).unwrap()).collect();
        prop_assert!(all(&shuffled) == expected);
    }

    #[test]
    fn older_events_change_no_bit(mut case in case(), older in 1..6usize) {
        for span in &mut case.windows {
            span.reach = match span.reach {
                Reach::Of(width) if width < 10 * DAY && !span.forward => Reach::Of(width),
                _ => Reach::Of(3 * DAY),
            };
            span.forward = false;
        }
        let history: Vec<_> = case.events.iter().step_by(older).cloned().map(|mut event| {
            event.time -= 30 * DAY;
            event
        }).collect();
        let with_history = Case { events: history.into_iter().chain(case.events.clone()).collect(), ..case.clone() };
        prop_assert!(all(&with_history) == all(&case));
    }
}
