//! The kernels and the reference agree.

use super::super::as_of::{AsOf, as_of};
use super::super::latest::latest;
use super::super::pairs;
use super::super::reference::{self, Naive, Value, close, covers};
use super::super::rolling::{Reach, rolling, rolling_known};
use super::cases::{Case, case};
use crate::catalog::dag::Engine;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

fn assert_agreement(case: &Case, engine: Engine, known: bool) {
    let columns = case.columns();
    let (spine, events) = (columns.spine(), columns.events());
    for (aggregate, options, _) in case.aggregates() {
        let what = columns.rolling(case, aggregate, &options);
        let known = known.then_some(&columns.known[..]);
        let expected = Naive::default().rolling(&spine, &events, &what, known);
        let found = match (engine, known) {
            (Engine::Polars, known) => pairs::rolling(&spine, &events, &what, known),
            (_, Some(known)) => rolling_known(&spine, &events, &what, known),
            (_, None) => rolling(&spine, &events, &what),
        };
        let found: Vec<Vec<Option<Value>>> = found.unwrap().iter().map(reference::column).collect();
        assert_eq!(found.len(), expected.len());
        for (window, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let agree = found.len() == expected.len() && found.iter().zip(expected).all(|(found, expected)| close(found, expected));
            assert!(agree, "{} {options:?} {:?}:\n{found:?}\n{expected:?}", aggregate.name(), case.windows[window]);
        }
    }
}

/// Cases of fewer rows, for the slow engine.
fn few() -> impl Strategy<Value = Case> {
    case().prop_map(|mut case| {
        case.events.truncate(24);
        case.spine.truncate(8);
        case
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn windows_agree(case in case()) {
        assert_agreement(&case, Engine::Arrow, false);
    }

    #[test]
    fn windows_of_known_events_agree(case in case()) {
        assert_agreement(&case, Engine::Arrow, true);
    }

}

proptest! {
    // Every aggregate that reads a case's values; one of them in many more cases is asked for in `many`, and on whole workspaces in `skeleton_agrees`.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn polars_agrees(case in few(), known: bool) {
        assert_agreement(&case, Engine::Polars, known);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// What Polars makes has the types of what the kernel makes.
    #[test]
    fn engines_make_one_type(case in few()) {
        let columns = case.columns();
        for (aggregate, options, _) in case.aggregates() {
            let what = columns.rolling(&case, aggregate, &options);
            let (native, polars) = (rolling(&columns.spine(), &columns.events(), &what), pairs::rolling(&columns.spine(), &columns.events(), &what, None));
            for (native, polars) in native.unwrap().iter().zip(polars.unwrap()) {
                prop_assert_eq!(native.data_type(), polars.data_type(), "{}", aggregate.name());
            }
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn as_of_joins_agree(case in case(), max_age in prop::option::of(0..60i64), inclusive: bool, available: bool) {
        let columns = case.columns();
        let how = AsOf { max_age, inclusive, available: available.then_some(&columns.known[..]) };
        prop_assert_eq!(as_of(&columns.spine(), &columns.events(), &how), Naive::default().as_of(&columns.spine(), &columns.events(), &how));
    }

    #[test]
    fn static_joins_agree(mut case in case(), few in 0..12usize, timeless: bool) {
        case.events.truncate(few);
        case.events.iter_mut().filter(|_| timeless).for_each(|event| event.time = 0);
        let columns = case.columns();
        let found = latest(&columns.spine_keys, &columns.events()).map_err(|tie| (tie.time, tie.keys));
        prop_assert_eq!(found, Naive::default().latest(&columns.spine(), &columns.events()));
    }

    #[test]
    fn results_have_the_types_that_were_announced(case in case()) {
        let columns = case.columns();
        for (aggregate, options, announced) in case.aggregates() {
            let what = columns.rolling(&case, aggregate, &options);
            for array in rolling(&columns.spine(), &columns.events(), &what).unwrap() {
                let found = array.data_type();
                prop_assert_eq!(plain(found), announced.clone(), "{}", aggregate.name());
            }
        }
    }
}

/// The type in the words of the catalog.
fn plain(arrow: &arrow::datatypes::DataType) -> crate::catalog::types::DataType {
    use crate::catalog::types::{DataType, TimeUnit};
    use arrow::datatypes::DataType as Arrow;
    match arrow {
        Arrow::Boolean => DataType::Bool,
        Arrow::Utf8 | Arrow::LargeUtf8 | Arrow::Utf8View => DataType::String,
        Arrow::Date32 => DataType::Date,
        Arrow::Timestamp(_, None) => DataType::Timestamp { unit: TimeUnit::Ms, zone: None },
        Arrow::List(field) | Arrow::LargeList(field) => plain(field.data_type()).list(),
        other => DataType::parse(&other.to_string().to_lowercase()).unwrap(),
    }
}

/// What a case puts to the test.
struct Awkward {
    ties: bool,
    edges: bool,
    null_values: bool,
    null_keys: bool,
    empty_windows: bool,
    negative_times: bool,
}

fn awkward(case: &Case) -> Awkward {
    let columns = case.columns();
    let seen: Vec<Vec<Vec<usize>>> =
        case.windows.iter().map(|span| reference::seen(&columns.spine(), &columns.events(), span, None)).collect();
    let tie = |rows: &Vec<usize>| rows.windows(2).any(|pair| columns.event_times[pair[0]] == columns.event_times[pair[1]]);
    Awkward {
        ties: seen.iter().flatten().any(tie),
        edges: has_edges(case),
        null_values: seen.iter().flatten().flatten().any(|row| case.events[*row].value.is_none()),
        null_keys: case.spine.iter().any(|(key, _)| key.0.is_none()) && case.events.iter().any(|event| event.key.0.is_none()),
        empty_windows: seen.iter().flatten().any(Vec::is_empty),
        negative_times: seen.iter().flatten().flatten().any(|row| columns.event_times[*row] < 0),
    }
}

/// Whether some event lies exactly on the included end of a window, and some on the excluded one.
fn has_edges(case: &Case) -> bool {
    let pairs = || case.spine.iter().flat_map(|(key, at)| case.events.iter().filter(move |event| event.key == *key).map(|e| (*at, e.time)));
    let (mut included, mut excluded) = (false, false);
    for span in &case.windows {
        let Reach::Of(width) = span.reach else { continue };
        let sign = if span.forward { 1 } else { -1 };
        included |= pairs().any(|(at, time)| time == at.saturating_add(sign * span.offset.saturating_add(width)) && covers(span, at, time));
        excluded |= pairs().any(|(at, time)| time == at + sign * span.offset && !covers(span, at, time));
    }
    included && excluded
}

#[test]
fn the_awkward_is_common() {
    const CASES: usize = 400;
    let mut runner = TestRunner::deterministic();
    let cases: Vec<Awkward> = (0..CASES).map(|_| awkward(&case().new_tree(&mut runner).unwrap().current())).collect();
    let assert_common = |name: &str, has: fn(&Awkward) -> bool| {
        let share = cases.iter().filter(|case| has(case)).count();
        assert!(share * 5 >= CASES, "{name} in only {share} of {CASES} cases");
    };
    assert_common("ties", |case| case.ties);
    assert_common("exact edges", |case| case.edges);
    assert_common("null values", |case| case.null_values);
    assert_common("null keys", |case| case.null_keys);
    assert_common("empty windows", |case| case.empty_windows);
    assert_common("negative times", |case| case.negative_times);
}
