//! The canonical tree, written down: a fold that records how it was updated and merged.

use super::super::frame::Frame;
use super::super::keyed::Keyed;
use super::super::rolling::{Layout, Reach, Rolling, Sight, WindowSpan};
use super::super::sweep::{Fold, Walk, Way, sweep};
use super::super::tiles::Tiled;
use crate::catalog::aggregate::Options;
use crate::features::aggregates::by_name;
use arrow::array::{ArrayRef, Int64Array};
use proptest::prelude::*;
use std::sync::Arc;

/// `abc` for events that were folded, `(x+y)` for states that were merged; what is empty is not written.
struct Written;

impl Fold for Written {
    type State = String;
    type Column = Vec<Option<String>>;

    fn init(&self) -> String {
        String::new()
    }

    fn update(&self, state: &mut String, position: usize) {
        state.push(char::from_u32('a' as u32 + position as u32).unwrap());
    }

    fn merge(&self, state: &mut String, later: &String) {
        *state = match (state.is_empty(), later.is_empty()) {
            (true, _) => later.clone(),
            (_, true) => state.clone(),
            _ => format!("({state}+{later})"),
        };
    }

    fn finish(&self, state: &String, _at: i64, column: &mut Self::Column) {
        column.push(Some(state.clone()));
    }

    fn walk<'s>(&'s self, frame: &'s Frame) -> impl Walk<Column = Self::Column> + 's {
        Tiled::new(self, frame)
    }
}

const DAY: i64 = 10;

/// So many different keys, in turns.
fn turns(rows: usize, keys: i64) -> [ArrayRef; 1] {
    [Arc::new(Int64Array::from_iter_values((0..rows as i64).map(|row| row % keys)))]
}

/// The trees of the windows, key by key and row by row; built from nothing if asked.
fn trees(keys: i64, rows: &[i64], events: &[i64], windows: &[WindowSpan], from_nothing: bool) -> Vec<Vec<String>> {
    let (row_keys, event_keys) = (turns(rows.len(), keys), turns(events.len(), keys));
    let (spine, events) = (Keyed { keys: &row_keys, times: rows }, Keyed { keys: &event_keys, times: events });
    let options = Options::default();
    let what = Rolling { aggregate: by_name("count").unwrap(), options: &options, values: None, windows, day: DAY, units_per_second: 1 };
    let layout = Layout::new(&spine, &events).unwrap();
    let mut frame = Frame::new(&layout, &what, &Sight::default()).unwrap();
    if from_nothing {
        frame.way = Way::Known(vec![i64::MIN; events.times.len()]);
    }
    let windows = sweep(&frame, &Written).into_iter();
    windows.map(|parts| parts.into_iter().flatten().flatten().collect()).collect()
}

/// The tree of one window over the events a to h.
fn tree(at: i64, reach: Reach, forward: bool) -> String {
    let events = [1, 2, 3, 11, 12, 21, 35, 36];
    trees(1, &[at], &events, &[WindowSpan { reach, offset: 0, forward }], false).remove(0).remove(0)
}

#[test]
fn trees_are_as_defined() {
    assert_eq!(tree(37, Reach::Of(35), false), "(((b+c)+(de+f))+gh)");
    assert_eq!(tree(36, Reach::Of(34), false), "(((b+c)+(de+f))+g)");
    assert_eq!(tree(40, Reach::Of(38), false), "((b+c)+((de+f)+gh))");
    assert_eq!(tree(40, Reach::Of(40), false), "((a+(b+c))+((de+f)+gh))");
    assert_eq!(tree(32, Reach::Of(35), false), "((abc+de)+f)");
    assert_eq!(tree(37, Reach::Lifetime, false), "(((abc+de)+f)+gh)");
}

#[test]
fn a_window_within_a_day_is_folded_in_order() {
    assert_eq!(tree(9, Reach::Of(9), false), "abc");
    assert_eq!(tree(2, Reach::Of(7), true), "c");
    assert_eq!(tree(10, Reach::Of(10), false), "(a+(b+c))", "the excluded end is of the next day");
}

#[test]
fn forward_trees_mirror_the_days() {
    assert_eq!(tree(1, Reach::Of(35), true), "(((b+c)+(de+f))+gh)");
    assert_eq!(tree(2, Reach::Lifetime, true), "(c+((de+f)+gh))");
    assert_eq!(tree(-1, Reach::Of(11), true), "abc");
    assert_eq!(tree(-1, Reach::Of(12), true), "(abc+d)");
}

fn window() -> impl Strategy<Value = WindowSpan> {
    let reach = prop_oneof![6 => (0..45i64).prop_map(Reach::Of), 1 => Just(Reach::Lifetime)];
    (reach, prop_oneof![Just(0), 0..15i64], any::<bool>()).prop_map(|(reach, offset, forward)| WindowSpan { reach, offset, forward })
}

fn ascending(range: std::ops::Range<i64>, most: usize) -> impl Strategy<Value = Vec<i64>> {
    prop::collection::vec(range, 0..most).prop_map(|mut times| {
        times.sort_unstable();
        times
    })
}

proptest! {
    #[test]
    fn what_is_kept_changes_no_tree(
        keys in 1..4i64,
        rows in ascending(-30..40, 30),
        events in ascending(-30..40, 60),
        windows in prop::collection::vec(window(), 1..5),
    ) {
        prop_assert_eq!(trees(keys, &rows, &events, &windows, false), trees(keys, &rows, &events, &windows, true));
    }
}
