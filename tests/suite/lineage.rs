//! Lineage: what each column of the example comes from, as a table that was read by a person; and forward what would change with a column.

use crate::example::repository;
use crate::fixture::{Said, Workspace};
use serde_json::Value;
use std::fs;
use std::process::Command;

fn lineage(args: &[&str]) -> Said {
    let mut daeda = Command::new(env!("CARGO_BIN_EXE_daeda"));
    daeda.current_dir(repository()).arg("lineage").args(args);
    let said = Said::from(daeda.output().unwrap());
    assert_eq!(said.code, 0, "{args:?}: {}", said.stderr);
    said
}

fn nodes(document: &Value, side: &str) -> Vec<(String, String)> {
    let text = |node: &Value, key: &str| node[key].as_str().unwrap_or_default().to_string();
    document[side].as_array().unwrap().iter().map(|node| (text(node, "name"), text(node, "role"))).collect()
}

/// `DAEDA_BLESS=1` writes the file anew; read the difference before it is committed.
#[test]
fn every_column_of_the_example_comes_from_where_the_table_says() {
    let file = repository().join("tests/fixtures/lineage_dssm_ranking.txt");
    let table = lineage(&["dssm_ranking", "--columns"]).stdout;
    if std::env::var_os("DAEDA_BLESS").is_some() {
        fs::write(&file, &table).unwrap();
    }
    assert_eq!(table, fs::read_to_string(&file).unwrap_or_default());
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    let service = fs::read_to_string(repository().join("feature_services/dssm_ranking.kdl")).unwrap();
    let columns = service.split("columns {").last().unwrap().lines().map(str::trim);
    let names = columns.filter(|line| !line.is_empty() && !line.starts_with(['/', '}'])).map(|line| line.split(' ').next().unwrap());
    for name in names {
        assert!(table.contains(&format!("dssm_ranking.{name}:")), "{name}");
    }
}

#[test]
fn a_source_column_leads_to_what_would_change_with_it() {
    let event = lineage(&["feed_events.event", "--format", "json"]).json();
    let found = nodes(&event, "downstream");
    let has = |name: &str, role: &str| assert!(found.contains(&(name.into(), role.into())), "{name} {role} in {found:?}");
    has("dssm_ranking", "filter");
    has("dssm_ranking.label", "value");
    has("dssm_ranking.user_like_count_7d", "filter");
    has("dssm_ranking.like_artwork_avg_embeds", "filter");
    has("dssm_ranking_report", "input");
    assert!(!found.iter().any(|(name, _)| name == "dssm_ranking.membership"), "{found:?}");
    let asset = event["downstream"].as_array().unwrap().iter().find(|node| node["name"] == "dssm_ranking_training").unwrap();
    assert!(asset["columns"].as_array().unwrap().contains(&"label".into()), "{asset}");
}

#[test]
fn backward_and_forward_agree() {
    let service = lineage(&["dssm_ranking", "--columns", "--format", "json"]).json();
    for column in service["columns"].as_array().unwrap() {
        for (source, role) in nodes(column, "upstream") {
            let forward = lineage(&[&source, "--format", "json"]).json();
            let name = column["name"].as_str().unwrap().to_string();
            assert!(nodes(&forward, "downstream").contains(&(name.clone(), role.clone())), "{source} → {name} as {role}");
        }
        // Enough for one binary to be started so often.
        if column["name"] == "dssm_ranking.author_membership" {
            break;
        }
    }
}

#[test]
fn lineage_goes_on_behind_what_an_asset_publishes() {
    let workspace = Workspace::new();
    workspace.write(
        "feature_views/counted.kdl",
        "feature-view \"counted\" {\n    entity \"user\"\n    source asset=\"counter\" timestamp=\"event_timestamp\" unit=\"ms\"\n    fields {\n        user_id \"int64\"\n        event_timestamp \"int64\"\n        likes_2d \"int64\"\n    }\n}\n",
    );
    let said = workspace.daeda(&["lineage", "counted.likes_2d", "--format", "json"]);
    let upstream = nodes(&said.json(), "upstream");
    for (name, role) in [("counter.likes_2d", "value"), ("counting.likes_2d", "value"), ("feed.event", "filter"), ("feed.user_id", "key")] {
        assert!(upstream.contains(&(name.into(), role.into())), "{name} in {upstream:?}");
    }
    let said = workspace.daeda(&["lineage", "feed.event", "--format", "json"]);
    assert!(nodes(&said.json(), "downstream").contains(&("counted.likes_2d".into(), "filter".into())), "{}", said.stdout);
}

#[test]
fn what_an_asset_publishes_has_the_rows_of_its_service() {
    let rows = |name: &str| nodes(&lineage(&[name, "--format", "json"]).json(), "rows");
    let of_service = rows("dssm_ranking.label");
    assert!(of_service.contains(&("artwork_properties.rating".into(), "filter".into())), "{of_service:?}");
    assert_eq!(rows("dssm_ranking_training.label"), of_service);
}

#[test]
fn a_view_and_a_service_of_one_name_have_their_columns_each() {
    let workspace = Workspace::new();
    let text = fs::read_to_string(workspace.path("feature_services/counting.kdl")).unwrap();
    workspace.write("feature_services/feed.kdl", &text.replace("\"counting\"", "\"feed\""));
    let of = |name: &str| workspace.daeda(&["lineage", name]);
    assert!(of("feed.likes_2d").stdout.contains("comes from"), "{}", of("feed.likes_2d").stderr);
    assert!(of("feed.event").stdout.contains("goes into"), "{}", of("feed.event").stderr);
    let wrong = of("feed.likes_3d");
    assert!(wrong.stderr.contains("view and service `feed` have no column `likes_3d`; did you mean `likes_2d`?"), "{}", wrong.stderr);
}

#[test]
fn pictures_draw_what_the_table_says() {
    for name in ["dssm_ranking.like_artwork_avg_embeds", "feed_events.event", "dssm_ranking", "artwork_properties", "dssm_ranking_training"]
    {
        let dot = lineage(&[name, "--format", "dot"]).stdout;
        assert!(dot.starts_with("digraph ") && dot.matches('{').count() == dot.matches('}').count(), "{dot}");
        let mermaid = lineage(&[name, "--format", "mermaid"]).stdout;
        assert!(mermaid.starts_with("flowchart LR\n") && mermaid.matches("subgraph").count() == mermaid.matches("  end\n").count());
        let edges = |text: &str, arrow: &str| text.lines().filter(|line| line.contains(arrow)).count();
        assert_eq!(edges(&dot, " -> "), edges(&mermaid, " --"), "{dot}{mermaid}");
        assert!(edges(&dot, " -> ") > 0);
    }
}
