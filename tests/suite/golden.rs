//! Golden outputs: what operators make of a fixed sample, pinned. If results change, so must a version in `src/rules/versions.rs` (or an
//! aggregate's), else published partitions would count as fresh although a build would make something else.

use super::example::{copy_example, edit};
use super::in_process;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono::NaiveDate;
use daeda::digest::Hasher;
use daeda::sample::{self, SampleSpec};
use daeda::table::parquet::{read_batches, schema_of};
use std::fs;
use std::path::Path;

/// Rule and aggregate versions that the digests below belong to, as an action's definition lists them.
const VERSIONS: &str = "aggregate count 1, aggregate count_distinct 1, aggregate distinct 1, aggregate last_k 1, aggregate mean 1, aggregate sum 1, aggregate time_since_last 1, arrow_udf 1, filter 1, join 1, pit_join 1, project 1, rolling_aggregate 1, scan 1, sink 1";

/// The digest of each column of the third day's skeletons.
const COLUMNS: &[(&str, &str)] = &[
    ("dssm_ranking_training.user_id", "e372453d"),
    ("dssm_ranking_training.artwork_id", "ec56ab61"),
    ("dssm_ranking_training.event_timestamp", "30b05afe"),
    ("dssm_ranking_training.label", "a884f9ef"),
    ("dssm_ranking_training.artwork_age_days", "33209b27"),
    ("dssm_ranking_training.membership", "c94e10c7"),
    ("dssm_ranking_training.author_membership", "5e49f3c7"),
    ("dssm_ranking_training.user_like_count_1d", "2e388637"),
    ("dssm_ranking_training.user_like_count_7d", "6cf4cfca"),
    ("dssm_ranking_training.user_like_count_30d", "6cf4cfca"),
    ("dssm_ranking_training.user_view_count_1h", "c7c82ff4"),
    ("dssm_ranking_training.user_view_count_1d", "e6addf53"),
    ("dssm_ranking_training.user_like_aes_7d", "dd06f362"),
    ("dssm_ranking_training.artwork_like_count_1d", "7d60e841"),
    ("dssm_ranking_training.artwork_like_count_7d", "b2680f0d"),
    ("dssm_ranking_training.user_author_likes_7d", "7c98304e"),
    ("dssm_ranking_training.like_artwork_tack_ids_7d", "dd65bc85"),
    ("dssm_ranking_training.like_artwork_ids_7d", "588dac28"),
    ("dssm_ranking_training.dislike_artwork_ids", "fcdef392"),
    ("dssm_ranking_training.user_recent_published_30d", "0291fdde"),
    ("xgb_reranker_training.user_id", "e907fa77"),
    ("xgb_reranker_training.artwork_id", "06482bb9"),
    ("xgb_reranker_training.event_timestamp", "6f4d0c98"),
    ("xgb_reranker_training.label", "015fa6a2"),
    ("xgb_reranker_training.rating", "31e2f1df"),
    ("xgb_reranker_training.model_id", "ed46b4a1"),
    ("xgb_reranker_training.user_like_count_1d", "e3c34d13"),
    ("xgb_reranker_training.user_like_count_7d", "acbe2940"),
    ("xgb_reranker_training.user_view_count_1d", "8f50027b"),
    ("xgb_reranker_training.user_like_rate_1d", "9ce0884b"),
    ("xgb_reranker_training.artwork_like_count_1d", "cb0cc373"),
    ("xgb_reranker_training.artwork_like_count_7d", "0a121859"),
    ("xgb_reranker_training.user_like_weight_1d", "254f99d3"),
    ("xgb_reranker_training.user_like_weight_7d", "38a934df"),
    ("xgb_reranker_training.user_distinct_likes_7d", "8063567c"),
    ("xgb_reranker_training.user_since_like_30d", "786cfffa"),
];

/// Every column of a partition, each digested over its values as text, so that neither encoding nor compression matters.
fn columns(directory: &Path) -> Vec<(String, String)> {
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|f| f.file_name().unwrap().to_string_lossy().starts_with("part-"));
    files.sort();
    let schema = schema_of(&files[0]).unwrap();
    let digest = |name: &str, data_type: &arrow::datatypes::DataType| {
        let mut hasher = Hasher::new("golden column");
        for batch in files.iter().flat_map(|f| read_batches(f, &[(name.to_string(), data_type.clone())], 1024).unwrap()) {
            let column = batch.unwrap().column(0).clone();
            let formatter = ArrayFormatter::try_new(column.as_ref(), &FormatOptions::default().with_null("null")).unwrap();
            for row in 0..column.len() {
                hasher.text("value", &formatter.value(row).to_string());
            }
        }
        hasher.finish().short()
    };
    schema.fields().iter().map(|f| (f.name().clone(), digest(f.name(), f.data_type()))).collect()
}

#[test]
fn results_change_only_with_a_version() {
    let directory = tempfile::tempdir().unwrap();
    copy_example(directory.path());
    let start = NaiveDate::from_ymd_opt(2026, 2, 1).unwrap();
    let spec = SampleSpec { start, days: 3, users: 40, artworks: 200, events_per_day: 500, dim: 8, seed: 7, hourly: vec![] };
    edit(&directory.path().join("feature_views/artwork_embeddings.kdl"), "1152", "8");
    edit(&directory.path().join("feature_services/dssm_ranking.kdl"), "1152", "8");
    sample::write(&directory.path().join("data"), &spec, &mut |_| {}).unwrap();
    let workspace = in_process::open(directory.path()).unwrap();
    let mut versions = std::collections::BTreeSet::new();
    let mut found = Vec::new();
    for asset in ["dssm_ranking_training", "xgb_reranker_training"] {
        let action = in_process::plan(&workspace, &format!("{asset}.skeleton@2026-02-03")).unwrap();
        versions.extend(action.common.definition.iter().filter(|o| o.kind.name() == "rule").map(|o| format!("{} {}", o.name, shown(o))));
        found.extend(columns(&in_process::publish(&action).unwrap()).into_iter().map(|(name, d)| (format!("{asset}.{name}"), d)));
    }
    let versions = versions.into_iter().collect::<Vec<_>>().join(", ");
    let pinned: Vec<(String, String)> = COLUMNS.iter().map(|(n, d)| (n.to_string(), d.to_string())).collect();
    let now: String = found.iter().map(|(n, d)| format!("    (\"{n}\", \"{d}\"),\n")).collect();
    let remedy = "results or versions changed: raise the version of what changed results, then pin anew";
    assert!(versions == VERSIONS && found == pinned, "{remedy}:\nconst VERSIONS: &str = \"{versions}\";\n{now}");
}

fn shown(observation: &daeda::engine::observation::Observation) -> String {
    match &observation.value {
        daeda::engine::observation::Shown::Text(text) => text.clone(),
        _ => String::new(),
    }
}
