//! Mistakes, each with its code and the text that it is found at.

use super::File::{self, Aggregations, Daedalus, Pipeline, Runtime, Service, View};
use super::{one, under};
use crate::manifest;
use crate::source::Diagnostic;

/// A file with one mistake; the code, without its prefix; the text under the first label. `Daedalus` files lack their first line here.
const MISTAKES: &[(File, &str, &str, &str)] = &[
    // syntax
    (View, "feature-view \"a\" {\n source \"x\"\n", "syntax", "{"),
    (View, "feature-view \"a\" { source \"x }\n}", "syntax", "\"x }"),
    (Service, "feature-service \"a\" { spine \"s\"; columns { x \"bool\" nullable=true; }; }", "syntax", "true"),
    (Service, "feature-service \"a\" { spine \"s\" { where r\"a = 1\"; }; }", "syntax", "r\""),
    (Runtime, "/- kdl-version 1\nruntime { }", "syntax", "/- kdl-version 1"),
    (Runtime, "runtime { constant \"a\" 32k; }", "syntax", "32k"),
    (View, "feature-view \"a\" { source \"x\"; ttl 90d; }", "syntax", "90d"),
    (View, "feature-view \"a\" { source \"x\"; description \"a\\d\"; }", "syntax", "\\d"),
    (Runtime, "runtime } {", "syntax", "}"),
    (Runtime, "{ runtime; }", "syntax", "{"),
    (Runtime, "runtime { /* compute }", "syntax", "/*"),
    (Runtime, "runtime { output compression= ; }", "syntax", "="),
    (View, "feature-view \"a\" { source \"x\"; fields { b \"int64\" null=#true; }; }", "syntax", "null"),
    (Service, "feature-service \"a\" {\n spine s; columns {\n a bool expr=a=b\n }\n}", "syntax", "=b"),
    // unknown node
    (Daedalus, "aset \"a\" { }", "unknown-node", "aset"),
    (Daedalus, "asset \"a\" { opp \"b\" rule=\"c\"; }", "unknown-node", "opp"),
    (Daedalus, "config { output \"x\"; }", "unknown-node", "output"),
    (Daedalus, "asset \"a\" { op \"b\" rule=\"c\" { retries 3; }; }", "unknown-node", "retries"),
    (Daedalus, "entity \"a\" key=\"b\" { owner \"c\"; ttl \"d\"; }", "unknown-node", "owner"),
    (View, "feature-view \"a\" { sorce \"x\"; }", "unknown-node", "sorce"),
    (Service, "feature-service \"a\" { spine \"s\"; owner \"me\"; }", "unknown-node", "owner"),
    (Service, "feature-service \"a\" { spine \"s\"; join \"b\" how=\"static\" { columns \"c\"; }; }", "unknown-node", "columns"),
    (Aggregations, "aggregation \"a\" view=\"v\" { cuont; windows \"1d\"; }", "unknown-node", "cuont"),
    (Runtime, "runtime { \"compute engine\" engine=\"native\"; }", "unknown-node", "compute engine"),
    (Pipeline, "pipeline \"a\" { scan \"scan/b\" engine=\"polars\"; }", "unknown-node", "scan"),
    (Pipeline, "pipeline \"a\" { rolling_aggregate \"b\" engine=\"duckdb\"; }", "bad-value", "duckdb"),
    // unknown property
    (Daedalus, "entity \"a\" keys=\"b\"", "unknown-property", "keys"),
    (Daedalus, "asset \"a\" { op \"b\" rule=\"c\" timeout=\"2h\"; }", "unknown-property", "timeout"),
    (Daedalus, "asset \"a\" { op \"b\" rule=\"c\" { retry 3 dellay=\"2s\"; }; }", "unknown-property", "dellay"),
    (View, "feature-view \"a\" { source \"x\" formt=\"lance\"; }", "unknown-property", "formt"),
    (View, "feature-view \"a\" { source \"x\"; fields { b \"int64\" optional=#true; }; }", "unknown-property", "optional"),
    (Aggregations, "aggregation \"a\" view=\"v\" { count distinct=#true; windows \"1d\"; }", "unknown-property", "distinct"),
    (Aggregations, "aggregation \"a\" view=\"v\" ofset=\"1d\" { count; windows \"1d\"; }", "unknown-property", "ofset"),
    // unknown annotation
    (Daedalus, "config { output-root (environment)\"X\"; }", "unknown-annotation", "environment"),
    (Daedalus, "entity \"a\" key=(env)\"B\"", "unknown-annotation", "env"),
    (Aggregations, "aggregation \"a\" view=\"v\" { last \"x\" k=(env)\"b\"; windows \"1d\"; }", "unknown-annotation", "env"),
    (Runtime, "(fast)runtime { }", "unknown-annotation", "fast"),
    // wrong type
    (Daedalus, "config { resources cpus=\"16\"; }", "wrong-type", "\"16\""),
    (Daedalus, "config { replace-max \"many\"; }", "wrong-type", "\"many\""),
    (Daedalus, "config { output-root #false; }", "wrong-type", "#false"),
    (Daedalus, "config { output-root (env)3; }", "wrong-type", "(env)3"),
    (Daedalus, "asset \"a\" { op \"b\" rule=\"c\" { timeout 120; }; }", "wrong-type", "120"),
    (Daedalus, "asset \"a\" { op \"b\" rule=\"c\" { retry 2 exit-codes=75; }; }", "wrong-type", "75"),
    (Daedalus, "asset \"a\" { op \"b\" rule=\"c\" { retry 2.5; }; }", "wrong-type", "2.5"),
    (Daedalus, "asset 7 { }", "wrong-type", "7"),
    (View, "feature-view \"a\" { source \"x\"; fields { b \"int64\" nullable=\"true\"; }; }", "wrong-type", "\"true\""),
    (Service, "feature-service \"a\" version=\"1\" { spine \"s\"; }", "wrong-type", "\"1\""),
    (Service, "feature-service \"a\" { spine \"s\"; columns { x \"bool\" default=#null; }; }", "wrong-type", "#null"),
    (Runtime, "runtime { constant \"a\" #true; }", "wrong-type", "#true"),
    // bad value
    (Daedalus, "config { resources memory=\"44GB\"; }", "bad-value", "44GB"),
    (Daedalus, "config { resources cpus=0; }", "bad-value", "0"),
    (Daedalus, "config { replace-max -1; }", "bad-value", "-1"),
    (Daedalus, "partitions \"a\" every=\"daily\" start=\"2026-02-01\"", "bad-value", "daily"),
    (Daedalus, "partitions \"a\" every=\"day\" start=\"2026-02-30\"", "bad-value", "2026-02-30"),
    (Daedalus, "partitions \"a\" every=\"hour\" start=\"2026-02-01T24\"", "bad-value", "2026-02-01T24"),
    (Daedalus, "partitions \"a\" every=\"day\" start=\"2026-02-01\" timezone=\"Europe/Berln\"", "bad-value", "Europe/Berln"),
    (Daedalus, "asset \"a b\" { }", "bad-value", "a b"),
    (Daedalus, "asset \"\" { }", "bad-value", "\"\""),
    (Daedalus, "asset \"../x\" { }", "bad-value", "../x"),
    (Daedalus, "asset \"a\" { settle \"30\"; }", "bad-value", "30"),
    (Daedalus, "asset \"a\" { op \"b\" rule=\"c\" { retry 3 backoff=\"exponentail\"; }; }", "bad-value", "exponentail"),
    (Daedalus, "asset \"a\" { op \"b\" rule=\"c\" { retry 3 exit-codes=\"75,111\"; }; }", "bad-value", "75,111"),
    (Daedalus, "asset \"a\" { check \"b\" column=\"c\" null-ratio-max=2; }", "bad-value", "2"),
    (Daedalus, "asset \"a\" { check \"b\" rows-min=1 severity=\"warning\"; }", "bad-value", "warning"),
    (Daedalus, "schedule \"a\" job=\"b\" catch-up=\"7\"", "bad-value", "7"),
    (Daedalus, "schedule \"a\" job=\"b\" { notify \"broken\" { run \"x\"; }; }", "bad-value", "broken"),
    (View, "feature-view \"a\" { source \"x\" unit=\"sec\"; }", "bad-value", "sec"),
    (View, "feature-view \"a\" { source \"x\" first=\"yesterday\"; }", "bad-value", "yesterday"),
    (View, "feature-view \"a\" { source \"x\"; fields { b \"int\"; }; }", "bad-value", "int"),
    (View, "feature-view \"a\" { source \"x\"; fields { b \"vector<string, 3>\"; }; }", "bad-value", "vector<string, 3>"),
    (View, "feature-view \"a\" { source \"x\" version=0; }", "bad-value", "0"),
    (Service, "feature-service \"a\" { spine \"s\" { where \" \"; }; }", "bad-value", " "),
    (Service, "feature-service \"a\" { spine \"s\"; join \"b\" how=\"asof\"; }", "bad-value", "asof"),
    (Service, "feature-service \"a\" { spine \"s\" { sessions \"c\" { drop \"viewonly\"; likes \"x\"; }; }; }", "bad-value", "viewonly"),
    (Aggregations, "aggregation \"a\" view=\"v\" { count; windows \"1d\" \"1w\"; }", "bad-value", "1w"),
    (Aggregations, "aggregation \"a\" view=\"v\" { last \"x\" k=0; windows \"1d\"; }", "bad-value", "0"),
    (Aggregations, "embedding \"a\" store=\"b\" pool=\"average\" over=\"c\"", "bad-value", "average"),
    (Runtime, "runtime { output compression=\"gzip\"; }", "bad-value", "gzip"),
    (Runtime, "runtime { output level=99; }", "bad-value", "99"),
    (Runtime, "runtime { constant \"a\" 99999999999999999999; }", "bad-value", "99999999999999999999"),
    // missing
    (Daedalus, "entity \"a\"", "missing", "entity"),
    (Daedalus, "entity key=\"a\"", "missing", "entity"),
    (Daedalus, "partitions \"a\"", "missing", "partitions"),
    (Daedalus, "asset \"a\" { op \"b\"; }", "missing", "op"),
    (Daedalus, "asset \"a\" { op \"b\" rule=\"c\" { run; }; }", "missing", "run"),
    (Daedalus, "schedule \"a\" after=\"1h\"", "missing", "schedule"),
    (Daedalus, "schedule \"a\" job=\"b\" { notify \"failed\"; }", "missing", "notify"),
    (Daedalus, "schedule \"a\" job=\"b\" { notify { run \"x\"; }; }", "missing", "notify"),
    (View, "feature-view \"a\" { }", "missing", "feature-view"),
    (View, "feature-view \"a\" { source format=\"lance\"; }", "missing", "source"),
    (View, "feature-view \"a\" { source \"x\"; rename \"id\"; }", "missing", "rename"),
    (View, "feature-view \"a\" { source \"x\"; fields { b; }; }", "missing", "b"),
    (Service, "feature-service \"a\"", "missing", "feature-service"),
    (Service, "feature-service \"a\" { spine \"s\" { sessions \"c\" { drop \"view-only\"; }; }; }", "missing", "sessions"),
    (Aggregations, "aggregation \"a\" view=\"v\" { count; }", "missing", "aggregation"),
    (Aggregations, "aggregation \"a\" view=\"v\" { windows \"1d\"; }", "missing", "aggregation"),
    (Aggregations, "aggregation \"a\" { count; windows \"1d\"; }", "missing", "aggregation"),
    (Aggregations, "aggregation \"a\" view=\"v\" { sum; windows \"1d\"; }", "missing", "sum"),
    (Aggregations, "aggregation \"a\" { ratio \"b\"; windows \"1d\"; }", "missing", "ratio"),
    (Daedalus, "asset \"a\" { check \"b\" min=1; }", "missing", "check"),
    (Aggregations, "embedding \"a\" store=\"b\"", "missing", "embedding"),
    (Aggregations, "embedding \"a\" store=\"b\" pool=\"mean\"", "missing", "embedding"),
    // too many
    (Daedalus, "config \"x\" { }", "too-many", "\"x\""),
    (Daedalus, "entity \"a\" \"b\" \"c\" key=\"d\"", "too-many", "\"b\""),
    (View, "feature-view \"a\" { source \"x\" \"y\"; }", "too-many", "\"y\""),
    (Service, "feature-service \"a\" 1 { spine \"s\"; }", "too-many", "1"),
    (Aggregations, "aggregation \"a\" view=\"v\" { count \"x\"; windows \"1d\"; }", "too-many", "\"x\""),
    (Runtime, "runtime { constant \"a\" 1 2; }", "too-many", "2"),
    // repeated
    (Daedalus, "config { }\nconfig { replace-max 1; }", "repeated", "config"),
    (Daedalus, "entity \"a\" key=\"b\" key=\"c\"", "repeated", "key"),
    (View, "feature-view \"a\" { source \"x\"; source \"y\"; }", "repeated", "source"),
    (Service, "feature-service \"a\" { spine \"s\"; columns { *; x \"bool\"; *; }; }", "repeated", "*"),
    (Aggregations, "aggregation \"a\" view=\"v\" by=\"x\" { by \"y\"; count; windows \"1d\"; }", "repeated", "by"),
    (Aggregations, "aggregation \"a\" view=\"v\" { count; windows \"1d\" \"24h\"; }", "repeated", "24h"),
    (Aggregations, "aggregation \"a\" view=\"v\" { last \"x\"; last \"y\"; windows \"1d\"; }", "repeated", "last"),
    // duplicate name
    (Daedalus, "entity \"a\" key=\"b\"\nentity \"a\" key=\"c\"", "duplicate-name", "a"),
    (Daedalus, "asset \"a\" { op \"b\" rule=\"c\"; op \"b\" rule=\"d\"; }", "duplicate-name", "b"),
    (Daedalus, "job \"a\" { }; job \"a\" { }", "duplicate-name", "a"),
    (View, "feature-view \"a\" { source \"x\"; }\nfeature-view \"a\" { source \"y\"; }", "duplicate-name", "a"),
    (View, "feature-view \"a\" { source \"x\"; fields { b \"bool\"; \"b\" \"bool\"; }; }", "duplicate-name", "b"),
    (Service, "feature-service \"a\" { spine \"s\"; curate { keep \"b\" where=\"c\"; keep \"b\" where=\"d\"; }; }", "duplicate-name", "b"),
    (Runtime, "runtime { constant \"a\" 1; constant \"a\" 2; }", "duplicate-name", "a"),
    // conflict
    (View, "feature-view \"a\" { source \"x\" asset=\"y\"; }", "conflict", "asset"),
    (View, "feature-view \"a\" { source \"x\" tag=\"t\" version=3; }", "conflict", "version"),
    (Aggregations, "aggregation \"a\" view=\"v\" { count; sum \"x\"; windows \"1d\"; }", "conflict", "sum"),
    (Aggregations, "aggregation \"a\" view=\"v\" { ratio \"x\" \"y\"; windows \"1d\"; }", "conflict", "view"),
    (Aggregations, "embedding \"a\" store=\"b\" lookup=\"c\" pool=\"mean\" over=\"d\"", "conflict", "pool"),
];

fn check(file: File, text: &str) -> (crate::source::Sources, Vec<Diagnostic>) {
    let text = if file == Daedalus { format!("daedalus version=1\n{text}") } else { text.to_string() };
    let (sources, id) = one(&text);
    let found = file.check(&sources, id);
    (sources, found)
}

#[test]
fn each_mistake_is_said_once_at_its_place() {
    let mut wrong = Vec::new();
    for (file, text, code, place) in MISTAKES {
        let (sources, found) = check(*file, text);
        let said: Vec<(&str, &str)> =
            found.iter().map(|d| (d.code.trim_start_matches("daeda::manifest::"), under(&sources, d.span()))).collect();
        if said != [(*code, *place)] {
            wrong.push(format!("{text}\n  wanted {:?}\n  found  {found:#?}", (code, place)));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), MISTAKES.len(), wrong.join("\n"));
}

#[test]
fn every_code_but_one_is_in_the_table() {
    for (code, _) in manifest::CODES {
        let short = code.trim_start_matches("daeda::manifest::");
        assert!(short == "misplaced" || MISTAKES.iter().any(|(_, _, code, _)| *code == short), "{code}");
    }
}

#[test]
fn the_first_line_is_required_first_and_of_this_version() {
    let cases = [
        ("", "missing", ""),
        ("config { }", "missing", "config"),
        ("config { }\ndaedalus version=1", "misplaced", "daedalus"),
        ("daedalus version=2\nnew-node", "bad-value", "2"),
        ("daedalus", "missing", "daedalus"),
        ("daedalus version=1\ndaedalus version=1", "repeated", "daedalus"),
        ("deadalus version=1", "unknown-node", "deadalus"),
    ];
    for (text, code, place) in cases {
        let (sources, id) = one(text);
        let found = Daedalus.check(&sources, id);
        let said: Vec<(&str, &str)> =
            found.iter().map(|d| (d.code.trim_start_matches("daeda::manifest::"), under(&sources, d.span()))).collect();
        assert_eq!(said, [(code, place)], "{text:?}: {found:#?}");
    }
}

fn hint(file: File, text: &str) -> String {
    let (_, found) = check(file, text);
    found.into_iter().next().and_then(|diagnostic| diagnostic.hint).unwrap_or_default()
}

#[test]
fn hints_help() {
    let cases = [
        (Daedalus, "asset \"a\" { opp \"b\"; }", "did you mean `op`?"),
        (Daedalus, "config { resources cpus=\"16\"; }", "without quotes: 16"),
        (Daedalus, "asset \"a\" { op \"b\" rule=\"c\" timeout=\"2h\"; }", "a node of its own"),
        (Service, "feature-service \"a\" { spine \"s\"; owner \"me\"; }", "a property of the node itself"),
        (
            Daedalus,
            "asset \"a\" { op \"b\" rule=\"c\" { retry 3 backoff=\"exponentail\"; }; }",
            "did you mean `exponential`? one of constant, linear, exponential",
        ),
        (Daedalus, "partitions \"a\" every=\"day\" start=\"2026-02-01\" timezone=\"Europe/Berln\"", "did you mean `Europe/Berlin`?"),
        (View, "feature-view \"a\" { source \"x\"; fields { b \"int\"; }; }", "did you mean `int64`?"),
        (View, "feature-view \"a\" { source \"x\"; ttl \"90\"; }", "ms s m h d"),
        (Aggregations, "aggregation \"a\" view=\"v\" { count; }", "windows \"1d\" \"7d\""),
        (Service, "feature-service \"a\" { spine \"s\"; columns { x \"bool\" nullable=true; }; }", "#true"),
    ];
    for (file, text, expected) in cases {
        let hint = hint(file, text);
        assert!(hint.contains(expected), "{text}: {hint}");
    }
}

#[test]
fn all_mistakes_are_found_in_one_run_and_in_order() {
    let text = "asset \"a\" {\n settle \"x\"\n op \"b\" rul=\"c\"\n}\nentity 3\nasset \"a\"\njob \"j\" { select 1 \"ok\" 2; }";
    let (sources, found) = check(Daedalus, text);
    let said: Vec<&str> = found.iter().map(|d| under(&sources, d.span())).collect();
    assert_eq!(said, ["x", "rul", "entity", "3", "a", "1", "2"], "{found:#?}");
}

#[test]
fn what_is_right_beside_a_mistake_is_read() {
    let (sources, id) = one(
        "feature-view a { source x unit=sec; ttl \"9\"; fields { b bool; c nonsense; }; }\nfeature-view b { }\nfeature-view c { source y; }",
    );
    let (views, found) = manifest::feature_view(&sources, id);
    assert_eq!(found.len(), 4);
    assert_eq!(views.iter().map(|view| view.name.value.as_str()).collect::<Vec<_>>(), ["a", "c"]);
    assert_eq!((views[0].fields.len(), views[0].ttl.is_none(), views[0].source.unit.is_none()), (1, true, true));
}

#[test]
fn clashes_point_at_both_places() {
    for (file, text, code, _) in MISTAKES {
        if ["repeated", "duplicate-name", "conflict"].contains(code) {
            let (sources, found) = check(*file, text);
            let labels = &found[0].labels;
            assert!(labels.len() == 2 && labels.iter().all(|label| !under(&sources, label.span).is_empty()), "{text}");
        }
    }
}
