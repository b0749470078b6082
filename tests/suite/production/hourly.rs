//! The repository's own workspace by the hour instead of by the day.

use crate::example::{copy_example, edit};
use crate::fixture::{Workspace, data_files};

const VIEWS: [&str; 3] = ["feed_events", "user_likes", "user_attributes"];

/// Must show: `every="hour"` by that one word, and the sources' own layout: builds, status and paths are right.
#[test]
fn the_example_goes_from_days_to_hours_by_one_word() {
    let workspace = Workspace::empty();
    copy_example(workspace.directory.path());
    edit(&workspace.path("Daedalus.kdl"), "every=\"day\"", "every=\"hour\"");
    for view in VIEWS {
        edit(&workspace.path(&format!("feature_views/{view}.kdl")), "partition=\"dt={day}\"", "partition=\"dt={day}/hr={hour}\"");
    }
    workspace.write("tools/report.py", &std::fs::read_to_string(crate::example::repository().join("tools/report.py")).unwrap());
    let sample = ["sample", "--days", "2", "--users", "80", "--artworks", "150", "--events-per-day", "2400", "-q"];
    assert_eq!(workspace.daeda(&sample).code, 0);
    assert!(workspace.path("data/feed/dt=2026-02-02/hr=23/part-0.parquet").exists());
    assert!(!workspace.path("data/feed/dt=2026-02-02/part-0.parquet").exists());

    let now = |mut command: std::process::Command| command.env("DAEDA_NOW", "2026-02-02T14:30:00Z").output().unwrap();
    let run = |args: &[&str]| crate::fixture::Said::from(now(workspace.command(args)));
    let built =
        run(&["build", "dssm_ranking_training@2026-02-02T12..2026-02-02T13", "xgb_reranker_training@2026-02-01T05", "--format", "json"]);
    assert_eq!(built.code, 0, "{} {}", built.stdout, built.stderr);
    let enriched = "data/training_output_enriched/dssm_ranking_training/dt=2026-02-02";
    for path in [
        &format!("{enriched}/hr=12"),
        &format!("{enriched}/hr=13"),
        "data/training_output/dssm_ranking_training/dt=2026-02-02/hr=13",
        "data/training_output/xgb_reranker_training/dt=2026-02-01/hr=05",
    ] {
        assert!(!data_files(&workspace.path(path)).is_empty(), "{path}");
    }
    let rows = |key: &str| {
        run(&["show", &format!("xgb_reranker_training@{key}"), "--format", "json"]).json()["metadata"]["rows"].as_u64().unwrap()
    };
    assert!(rows("2026-02-01T05") > 0);

    let status = run(&["status", "dssm_ranking_training", "--format", "json"]).json();
    let counts = &status["assets"][0]["counts"];
    // 24 hours of the first day and 14 of the second have ended.
    assert_eq!((&counts["fresh"], &counts["missing"]), (&2.into(), &36.into()), "{counts}");
    let text = run(&["status", "dssm_ranking_training"]).stdout;
    assert!(text.contains("2026-02-01T00..2026-02-02T11"), "{text}");
    assert_eq!(run(&["build", "dssm_ranking_training@2026-02-02T12..2026-02-02T13"]).stderr.matches("nothing to do").count(), 1);
    // An hour that is not there yet is waited for.
    assert_eq!(run(&["build", "xgb_reranker_training@2026-02-03T00"]).code, 12);
    // A later hour's rows are no business of an earlier one's.
    std::fs::remove_file(workspace.path("data/feed/dt=2026-02-02/hr=13/part-0.parquet")).unwrap();
    let explained = run(&["status", "dssm_ranking_training@2026-02-02T12", "--format", "json"]).json();
    assert_eq!(explained["assets"][0]["counts"]["fresh"], 1);
}

/// By the day or by the hour, a sample has the same rows.
#[test]
fn an_hourly_sample_has_the_rows_of_a_daily_one() {
    let workspace = Workspace::empty();
    let size = ["--days", "1", "--users", "40", "--artworks", "60", "--events-per-day", "500", "--dim", "2", "-q"];
    let written = |directory: &str, more: &[&str]| {
        let said = workspace.daeda(&[&["sample", directory], size.as_slice(), more].concat());
        assert_eq!(said.code, 0, "{}", said.stderr);
        let line = |table: &str| said.stdout.lines().find(|line| line.trim_start().starts_with(table)).unwrap().to_string();
        ["feed", "likes", "user_attributes"].map(|table| line(table).split_whitespace().map(str::to_string).collect::<Vec<_>>())
    };
    let (daily, hourly) = (written("daily", &[]), written("hourly", &["--hourly"]));
    for (day, hours) in daily.iter().zip(&hourly) {
        assert_eq!((&day[1], day[3].as_str(), hours[3].as_str()), (&hours[1], "1", "24"), "{day:?} {hours:?}");
    }
}
