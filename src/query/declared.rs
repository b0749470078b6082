//! What the manifest declares, as text and as JSON.

use super::grid::grid;
use crate::catalog::model::{Asset, Place, Schedule, View};
use crate::workspace::Workspace;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A list of declared things.
pub struct Declared {
    pub text: String,
    pub json: Value,
}

fn declared(heading: &[&str], rows: Vec<Vec<String>>, items: Vec<Value>) -> Declared {
    let heading = heading.iter().map(|word| word.to_string()).collect();
    let text = if rows.is_empty() { "none is declared\n".into() } else { grid(&[vec![heading], rows].concat()) };
    Declared { text, json: json!({"version": 1, "items": items}) }
}

fn or_dash(text: Option<&str>) -> String {
    text.unwrap_or("-").into()
}

/// Built assets by their groups, and every view as the external asset that it is.
pub fn assets(workspace: &Workspace) -> Declared {
    let (assets, views) = (&workspace.catalog.assets, &workspace.catalog.views);
    let mut groups: BTreeMap<&str, Vec<Vec<String>>> = BTreeMap::new();
    for asset in assets.values() {
        groups.entry(asset.group.as_deref().unwrap_or("without a group")).or_default().push(asset_row(asset));
    }
    let heading = ["asset", "partitions", "service", "ops"].map(String::from).to_vec();
    let mut rows = vec![heading];
    for (group, members) in groups {
        rows.push(vec![group.into()]);
        rows.extend(members);
    }
    let external: Vec<Vec<String>> = views.values().map(|view| external_row(view)).collect();
    let external = if external.is_empty() { String::new() } else { format!("\nfeature_views\n{}", grid(&external)) };
    let items = assets.values().map(|asset| asset_json(asset)).chain(views.values().map(|view| external_json(view)));
    Declared { text: grid(&rows) + &external, json: json!({"version": 1, "items": items.collect::<Vec<_>>()}) }
}

fn asset_row(asset: &Asset) -> Vec<String> {
    let ops = asset.ops.iter().map(|op| op.name.as_str()).collect::<Vec<_>>().join(" → ");
    let service = asset.service.as_ref().map(|service| service.name.as_str());
    vec![format!("  {}", asset.name), or_dash(asset.partitions.as_deref()), or_dash(service), ops]
}

fn asset_json(asset: &Asset) -> Value {
    json!({
        "asset": asset.name, "kind": "built", "group": asset.group, "partitions": asset.partitions,
        "service": asset.service.as_ref().map(|service| &service.name), "ops": asset.ops.iter().map(|op| &op.name).collect::<Vec<_>>(),
        "description": asset.description, "owner": asset.owner, "tags": asset.tags,
    })
}

fn format_name(view: &View) -> String {
    format!("{:?}", view.format).to_lowercase()
}

fn external_row(view: &View) -> Vec<String> {
    vec![format!("  {}", view.asset_name()), format_name(view), or_dash(view.layout.as_ref().map(|layout| layout.pattern.as_str()))]
}

fn external_json(view: &View) -> Value {
    json!({
        "asset": view.asset_name(), "kind": "external", "group": "feature_views",
        "partitions": view.layout.as_ref().map(|layout| &layout.pattern), "service": null, "ops": [], "format": format_name(view),
        "description": view.description, "owner": view.owner, "tags": view.tags,
    })
}

pub fn views(workspace: &Workspace) -> Declared {
    let views = &workspace.catalog.views;
    let rows = views.values().map(|v| {
        let time = v.timestamp.as_ref().map(|t| format!("{} ({})", t.name, t.unit.name()));
        vec![v.name.clone(), v.entities.join(", "), source(v), or_dash(time.as_deref()), v.fields.len().to_string()]
    });
    let items = views.values().map(|v| {
        json!({
            "view": v.name, "entities": v.entities, "source": source(v), "format": format_name(v),
            "timestamp": v.timestamp.as_ref().map(|t| &t.name), "unit": v.timestamp.as_ref().map(|t| t.unit.name()),
            "fields": v.fields.iter().map(|f| json!({"name": f.name, "type": f.data_type.to_string(), "nullable": f.nullable})).collect::<Vec<_>>(),
            "description": v.description, "owner": v.owner, "tags": v.tags,
        })
    });
    declared(&["view", "entities", "source", "timestamp", "fields"], rows.collect(), items.collect())
}

fn source(view: &View) -> String {
    match &view.place {
        Place::Path(path) => path.clone(),
        Place::Asset(asset) => format!("asset {asset}"),
    }
}

pub fn services(workspace: &Workspace) -> Declared {
    let (mut rows, mut items) = (Vec::new(), Vec::new());
    for s in workspace.catalog.services.values() {
        let assets: Vec<String> = workspace.catalog.asset_of_service(&s.name).iter().map(|a| a.name.clone()).collect();
        let owner = or_dash(s.owner.as_deref());
        rows.push(vec![s.name.clone(), s.version.to_string(), s.spine.name.clone(), s.columns.len().to_string(), owner, assets.join(", ")]);
        let columns = s.columns.iter().map(|c| json!({"name": c.name, "type": c.data_type.to_string(), "nullable": c.nullable}));
        items.push(json!({
            "service": s.name, "version": s.version, "spine": s.spine.name, "columns": columns.collect::<Vec<_>>(), "owner": s.owner,
            "description": s.description, "grain": s.grain, "assets": assets,
        }));
    }
    declared(&["service", "version", "spine", "columns", "owner", "assets"], rows, items)
}

pub fn jobs(workspace: &Workspace) -> Declared {
    let jobs = &workspace.catalog.jobs;
    let rows = jobs.values().map(|j| vec![j.name.clone(), j.select.join(", ")]);
    declared(&["job", "select"], rows.collect(), jobs.values().map(|j| json!({"job": j.name, "select": j.select})).collect())
}

pub fn schedules(workspace: &Workspace) -> Declared {
    let schedules = &workspace.catalog.schedules;
    let headings = ["schedule", "job", "after", "catch-up", "deadline", "notify"];
    declared(&headings, schedules.values().map(schedule_row).collect(), schedules.values().map(schedule_item).collect())
}

/// The changes of state that a schedule tells somebody of.
fn told(schedule: &Schedule) -> BTreeSet<&str> {
    schedule.notify.iter().flat_map(|notify| notify.on.iter().map(|on| on.name())).collect()
}

fn schedule_row(schedule: &Schedule) -> Vec<String> {
    let told = told(schedule).into_iter().collect::<Vec<_>>().join(", ");
    let deadline = schedule.deadline.map(|deadline| deadline.to_string());
    let told = Some(told).filter(|told| !told.is_empty());
    let (after, catch_up) = (schedule.after.to_string(), schedule.catch_up.to_string());
    vec![schedule.name.clone(), schedule.job.clone(), after, catch_up, or_dash(deadline.as_deref()), or_dash(told.as_deref())]
}

fn schedule_item(schedule: &Schedule) -> Value {
    json!({
        "schedule": schedule.name, "job": schedule.job, "after": schedule.after.millis as f64 / 1000.0,
        "catch_up": schedule.catch_up.millis as f64 / 1000.0,
        "deadline": schedule.deadline.map(|d| d.millis as f64 / 1000.0), "notify": told(schedule),
    })
}

/// Each setting with where it comes from.
pub fn settings(workspace: &Workspace) -> Declared {
    let settings: Vec<_> = workspace.settings.rows().into_iter().chain(workspace.tuning.clone()).collect();
    let items = settings.iter().map(|(name, value, origin)| json!({"setting": name, "value": value, "from": origin})).collect();
    let rows = settings.into_iter().map(|(name, value, origin)| vec![name, value, origin]);
    declared(&["setting", "value", "from"], rows.collect(), items)
}

pub fn profiles(names: &[String]) -> Declared {
    let items = names.iter().map(|name| json!({"profile": name})).collect();
    declared(&["profile"], names.iter().map(|name| vec![name.clone()]).collect(), items)
}
