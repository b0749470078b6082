//! The example workspace reads without a word, as what it says.

use super::{EXAMPLE, File, one, under};
use crate::catalog::declaration::*;
use crate::catalog::quantity::{Duration, Size, Window};
use crate::catalog::types::DataType;
use crate::manifest;
use crate::source::{Diagnostic, SourceId, Sources};

fn read<T>(name: &str, read: fn(&Sources, SourceId) -> (T, Vec<Diagnostic>)) -> (Sources, T) {
    let (_, _, text) = EXAMPLE.iter().find(|(_, file, _)| *file == name).expect("a file of the example");
    let (sources, id) = one(text);
    let (decl, found) = read(&sources, id);
    assert!(found.is_empty(), "{name}: {found:#?}");
    (sources, decl)
}

#[test]
fn nothing_is_wrong_with_it() {
    for (file, name, text) in EXAMPLE {
        let (sources, id) = one(text);
        assert_eq!(file.check(&sources, id), [], "{name}");
    }
}

#[test]
fn the_manifest_says_what_it_says() {
    let (sources, manifest) = read("Daedalus.kdl", manifest::daedalus);
    let settings = &manifest.settings;
    assert_eq!(settings.output_root.as_deref(), Some(&Text::Literal("data/training_output".into())));
    assert_eq!(settings.resources.memory.as_deref(), Some(&Size { bytes: 44 << 30 }));
    assert_eq!(under(&sources, settings.resources.memory.as_ref().unwrap().span), "44GiB");
    assert_eq!(under(&sources, settings.resources.cpus.as_ref().unwrap().span), "16");
    assert_eq!(settings.replace_max.as_deref(), Some(&200));
    let prod = &manifest.profiles[0];
    assert_eq!(prod.name.value, "prod");
    assert_eq!(prod.settings.resources.object_store, None);
    assert_eq!(manifest.entities.iter().map(|e| e.key.value.as_str()).collect::<Vec<_>>(), ["user_id", "artwork_id"]);
    assert_eq!(*manifest.partitions[0].every, Every::Day);
    assert_eq!(manifest.partitions[0].start.value, "2026-02-01");
    assert_eq!(manifest.jobs[0].select[0].value, "dssm_ranking_training");
    assert_eq!(manifest.schedules[0].after.as_deref(), Some(&Duration { millis: 3_600_000 }));
}

#[test]
fn an_asset_has_its_ops_and_checks() {
    let (sources, manifest) = read("Daedalus.kdl", manifest::daedalus);
    let [training, _, xgb] = &manifest.assets[..] else { panic!("three assets") };
    assert_eq!(training.ops.iter().map(|op| op.name.value.as_str()).collect::<Vec<_>>(), ["compile", "skeleton", "enrich"]);
    assert_eq!(xgb.ops.len(), 2);
    let skeleton = &training.ops[1];
    let retry = skeleton.retry.as_ref().unwrap();
    assert_eq!((*retry.times, retry.backoff.as_deref(), retry.jitter.as_deref()), (3, Some(&Backoff::Exponential), Some(&Jitter::Full)));
    assert_eq!(retry.max_delay.as_deref(), Some(&Duration { millis: 60_000 }));
    assert_eq!(skeleton.resources.cpus.as_deref(), Some(&8));
    assert!(skeleton.command.is_none());
    assert_eq!(under(&sources, skeleton.needs[0].span), "compile");
    assert_eq!(under(&sources, skeleton.timeout.as_ref().unwrap().span), "2h");
    assert_eq!(training.checks[1].null_ratio_max.as_deref(), Some(&0.02));
    assert_eq!(training.checks[1].severity, CheckSeverity::Warn);
}

#[test]
fn a_view_has_its_source_and_fields() {
    let (sources, views) = read("feature_views/artwork_properties.kdl", manifest::feature_view);
    let view = &views[0];
    let PlaceDecl::Path(path) = &view.source.place else { panic!("a path") };
    assert_eq!(under(&sources, path.span), "data/artworks");
    assert_eq!((view.renames[0].from.value.as_str(), view.renames[0].to.value.as_str()), ("id", "artwork_id"));
    assert_eq!(view.fields.len(), 7);
    assert_eq!(*view.fields[5].data_type, DataType::Int64.list());
    assert_eq!(under(&sources, view.fields[5].data_type.span), "list<int64>");
    assert_eq!(under(&sources, view.fields[5].name.span), "tack_ids");
    assert_eq!(under(&sources, view.source.unit.as_ref().unwrap().span), "ms");
    let (_, feed) = read("feature_views/feed_events.kdl", manifest::feature_view);
    assert_eq!(feed[0].entities.len(), 2);
    assert!(feed[0].fields[4].nullable && !feed[0].fields[5].nullable);
    assert_eq!(feed[0].ttl.as_deref().map(|ttl| ttl.to_string()), Some("90d".into()));
}

#[test]
fn a_service_has_its_spine_joins_and_contract() {
    let (sources, services) = read("feature_services/dssm_ranking.kdl", manifest::feature_service);
    let service = &services[0];
    assert_eq!(
        (service.version.as_deref(), service.owner.as_deref(), service.grain.as_deref()),
        (Some(&1), Some("recsys"), Some("impression"))
    );
    let sessions = service.spine.sessions.as_ref().unwrap();
    assert_eq!(*sessions.drop[0], SessionKind::ViewOnly);
    assert_eq!(under(&sources, sessions.likes.span), "event = 'like'");
    assert_eq!(under(&sources, service.spine.filters[0].span), "event IN ('view', 'like', 'download')");
    let author = &service.joins[2];
    assert_eq!((*author.how, author.prefix.as_ref().unwrap().value.as_str()), (How::AsOf, "author_"));
    assert_eq!(under(&sources, author.on[0].span), "author_id");
    assert_eq!(service.curate.len(), 2);
    assert_eq!((service.rolling.len(), service.embed.len(), service.columns.len()), (9, 2, 22));
    let ColumnDecl::Named(ages) = &service.columns[4] else { panic!("a named column") };
    assert_eq!(under(&sources, ages.expr.as_ref().unwrap().span), "(event_timestamp - published_at) / 86400000.0");
    let ColumnDecl::Named(tacks) = &service.columns[16] else { panic!("a named column") };
    assert_eq!(tacks.default.as_deref(), Some(&Literal::Text("[]".into())));
}

#[test]
fn the_second_service_defaults_its_numbers() {
    let (_, services) = read("feature_services/xgb_reranker.kdl", manifest::feature_service);
    let default = |column| match column {
        ColumnDecl::Named(NamedColumnDecl { default, .. }) => default.map(|default| default.value),
        ColumnDecl::Rest(_) => None,
    };
    let defaults: Vec<Literal> = services.into_iter().flat_map(|service| service.columns).filter_map(default).collect();
    assert_eq!(defaults[..3], [Literal::Int(0), Literal::Int(-1), Literal::Float(0.0)]);
}

fn aggregation<'a>(decl: &'a AggregationsDecl, name: &str) -> &'a AggregationDecl {
    decl.aggregations.iter().find(|aggregation| aggregation.name.value == name).expect("an aggregation of the example")
}

fn function(decl: &AggregationDecl) -> &str {
    match &decl.function.value {
        FunctionDecl::Of { function, .. } => function,
        FunctionDecl::Ratio { .. } => "ratio",
    }
}

#[test]
fn aggregations_have_their_functions_and_windows() {
    let (sources, decl) = read("config/training/aggregations.kdl", manifest::aggregations);
    let named = |name| aggregation(&decl, name);
    let functions = [
        ("user_like_count", "count"),
        ("user_like_rate", "ratio"),
        ("user_like_aes", "mean"),
        ("like_artwork_ids", "last_k"),
        ("like_artwork_tack_ids", "distinct"),
        ("user_distinct_likes", "count_distinct"),
        ("user_since_like", "time_since_last"),
    ];
    for (name, expected) in functions {
        assert_eq!(function(named(name)), expected, "{name}");
    }
    let FunctionDecl::Of { k, column, .. } = &named("like_artwork_ids").function.value else { panic!("a function") };
    assert_eq!(k.as_deref(), Some(&Amount::Constant("max_like_artworks_len".into())));
    assert_eq!(under(&sources, k.as_ref().unwrap().span), "(constant)\"max_like_artworks_len\"");
    assert_eq!(under(&sources, column.as_ref().unwrap().span), "artwork_id");
    let by: Vec<&str> = named("user_author_likes").by.iter().map(|by| under(&sources, by.span)).collect();
    assert_eq!(by, ["user_id", "author_id"]);
    assert_eq!(*named("dislike_artwork_ids").windows[0], Window::Lifetime);
    assert_eq!(under(&sources, named("user_like_count").windows[2].span), "30d");
    assert_eq!(named("user_recent_published").on[0].value, "user_id");
    assert!(named("user_like_rate").view.is_none());
    assert_eq!(under(&sources, named("user_like_rate").function.span), "ratio");
    assert_eq!((decl.stores.len(), decl.embeddings.len()), (1, 2));
    assert!(matches!(decl.embeddings[1].kind, EmbeddingKind::Pool { .. }));
}

#[test]
fn the_runtime_has_its_constants() {
    let (sources, decl) = read("config/training/runtime.kdl", manifest::runtime);
    assert_eq!(decl.engine.as_deref(), Some(&ComputeEngine::Native));
    assert_eq!(decl.compression.as_ref().unwrap().value, "zstd");
    assert_eq!(decl.row_group_rows.as_deref(), Some(&65_536));
    assert_eq!(under(&sources, decl.constants["max_like_artworks_len"].span), "32");
}

#[test]
fn what_the_example_leaves_out_is_read_too() {
    let (sources, id) = one(r##"
daedalus version=1
config { output-root (env)"ROOT"; }
asset "report" {
    op "report" rule="command" needs="a   b" {
        input "x" window="7d"
        source "tools/a.py" "tools/b.py"
        env "LANG"
        run "python3" (env)"SCRIPT" #"{output}"#
        retry 2 delay="10s" exit-codes="75 111"
        output "{output-root}/elsewhere/dt={day}"
    }
}
"##);
    let (decl, found) = manifest::daedalus(&sources, id);
    assert_eq!(found, []);
    let root = decl.settings.output_root.unwrap();
    assert_eq!((under(&sources, root.span), &root.value), ("(env)\"ROOT\"", &Text::Env("ROOT".into())));
    let op = &decl.assets[0].ops[0];
    assert_eq!(op.needs.iter().map(|name| under(&sources, name.span)).collect::<Vec<_>>(), ["a", "b"]);
    let command = op.command.as_ref().unwrap();
    assert_eq!((command.inputs.len(), command.sources.len(), command.environment.len(), command.run.len()), (1, 2, 1, 3));
    assert_eq!(command.run[1].value, Text::Env("SCRIPT".into()));
    assert_eq!(under(&sources, command.run[2].span), "{output}");
    assert_eq!(under(&sources, command.span), "input");
    assert_eq!(op.retry.as_ref().unwrap().exit_codes.iter().map(|code| code.value).collect::<Vec<_>>(), [75, 111]);
}

#[test]
fn a_source_may_be_an_asset_and_a_contract_may_take_the_rest() {
    let (sources, id) =
        one("feature-view a { source asset=feed_export late=drop lateness=2d gaps=block; }".replace("2d", "\"2d\"").as_str());
    let (views, found) = manifest::feature_view(&sources, id);
    assert_eq!(found, []);
    assert!(matches!(&views[0].source.place, PlaceDecl::Asset(name) if name.value == "feed_export"));
    assert_eq!((*views[0].source.gaps, *views[0].source.late), (Gaps::Block, Late::Drop));
    let (sources, id) =
        one("feature-service a { spine s; join v how=as-of inclusive=#true { on a b; column c d; }; columns { x bool; *; }; }");
    let (services, found) = manifest::feature_service(&sources, id);
    assert_eq!(found, []);
    assert!(matches!(services[0].columns[1], ColumnDecl::Rest(span) if under(&sources, span) == "*"));
    assert_eq!((services[0].version.is_none(), services[0].joins[0].on.len(), services[0].joins[0].columns.len()), (true, 2, 2));
    assert!(services[0].joins[0].inclusive.is_some());
}

#[test]
fn windows_may_be_shifted_and_look_ahead() {
    let (sources, id) =
        one("aggregation a view=v by=\"x y\" { first c k=3 distinct=#true; windows \"1d\" offset=\"1d\" direction=forward; }");
    let (decl, found) = manifest::aggregations(&sources, id);
    assert_eq!(found, []);
    let decl = &decl.aggregations[0];
    assert_eq!((function(decl), decl.forward.is_some(), decl.by.len()), ("first_k", true, 2));
    assert_eq!(decl.offset.as_deref(), Some(&Duration::DAY));
}

#[test]
fn empty_files_are_valid() {
    for file in [File::View, File::Service, File::Runtime, File::Aggregations] {
        for text in ["", "\n\n", "// nothing\n", "\u{feff}"] {
            let (sources, id) = one(text);
            assert_eq!(file.check(&sources, id), [], "{file:?} {text:?}");
        }
    }
    let (sources, id) = one("daedalus version=1\nconfig {}\nasset \"a\" {}\njob \"j\" {}\nprofile \"p\"");
    assert_eq!(File::Daedalus.check(&sources, id), []);
    let (sources, id) = one("runtime {}");
    assert_eq!(File::Runtime.check(&sources, id), []);
}
