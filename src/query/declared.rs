//! What the manifest declares, as rows and as JSON.

use crate::catalog::model::{Place, Schedule};
use crate::workspace::Workspace;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A list of declared things: a heading, rows, and the same as JSON.
pub struct Declared {
    pub heading: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
    pub json: Value,
}

fn declared(heading: Vec<&'static str>, rows: Vec<Vec<String>>) -> Declared {
    let object = |row: &Vec<String>| Value::Object(heading.iter().map(|h| h.to_string()).zip(row.iter().map(|c| json!(c))).collect());
    let json = json!({"version": 1, "items": rows.iter().map(object).collect::<Vec<_>>()});
    Declared { heading, rows, json }
}

fn or_dash(text: Option<&String>) -> String {
    text.cloned().unwrap_or_else(|| "-".into())
}

/// Built assets, and every view as the external asset that it is.
pub fn assets(workspace: &Workspace) -> Declared {
    let built = workspace.catalog.assets.values().map(|a| {
        let ops = a.ops.iter().map(|o| o.name.as_str()).collect::<Vec<_>>().join(" → ");
        let service = a.service.as_ref().map(|s| s.name.clone());
        vec![a.name.clone(), "built".into(), or_dash(a.group.as_ref()), or_dash(a.partitions.as_ref()), or_dash(service.as_ref()), ops]
    });
    let external = workspace.catalog.views.values().map(|v| {
        let partitions = v.layout.as_ref().map(|l| l.pattern.clone());
        let kind = format!("{:?}", v.format).to_lowercase();
        vec![v.asset_name(), "external".into(), "feature_views".into(), or_dash(partitions.as_ref()), "-".into(), kind]
    });
    declared(vec!["asset", "kind", "group", "partitions", "service", "ops"], built.chain(external).collect())
}

pub fn views(workspace: &Workspace) -> Declared {
    let rows = workspace.catalog.views.values().map(|v| {
        let place = match &v.place {
            Place::Path(path) => path.clone(),
            Place::Asset(asset) => format!("asset {asset}"),
        };
        let time = v.timestamp.as_ref().map(|t| format!("{} ({})", t.name, t.unit.name()));
        vec![v.name.clone(), v.entities.join(", "), place, or_dash(time.as_ref()), v.fields.len().to_string()]
    });
    declared(vec!["view", "entities", "source", "timestamp", "fields"], rows.collect())
}

pub fn services(workspace: &Workspace) -> Declared {
    let rows = workspace.catalog.services.values().map(|s| {
        let assets = workspace.catalog.asset_of_service(&s.name).iter().map(|a| a.name.clone()).collect::<Vec<_>>().join(", ");
        vec![s.name.clone(), s.version.to_string(), s.spine.name.clone(), s.columns.len().to_string(), or_dash(s.owner.as_ref()), assets]
    });
    declared(vec!["service", "version", "spine", "columns", "owner", "assets"], rows.collect())
}

pub fn jobs(workspace: &Workspace) -> Declared {
    let rows = workspace.catalog.jobs.values().map(|j| vec![j.name.clone(), j.select.join(", ")]);
    declared(vec!["job", "select"], rows.collect())
}

pub fn schedules(workspace: &Workspace) -> Declared {
    let row = |s: &Schedule| {
        let told: BTreeSet<&str> = s.notify.iter().flat_map(|notify| notify.on.iter().map(|on| on.name())).collect();
        let told = told.into_iter().collect::<Vec<_>>().join(", ");
        let deadline = s.deadline.map(|deadline| deadline.to_string());
        let told = Some(told).filter(|told| !told.is_empty());
        vec![s.name.clone(), s.job.clone(), s.after.to_string(), s.catch_up.to_string(), or_dash(deadline.as_ref()), or_dash(told.as_ref())]
    };
    declared(vec!["schedule", "job", "after", "catch_up", "deadline", "notify"], workspace.catalog.schedules.values().map(row).collect())
}

pub fn settings(workspace: &Workspace) -> Declared {
    let rows = workspace.settings.rows().into_iter().chain(workspace.tuning.clone());
    let rows = rows.map(|(name, value, origin)| vec![name, value, origin]);
    declared(vec!["setting", "value", "from"], rows.collect())
}

pub fn profiles(names: Vec<String>) -> Declared {
    declared(vec!["profile"], names.into_iter().map(|n| vec![n]).collect())
}
