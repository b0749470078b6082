//! What daeda says, as a scenario expects it: the events of a build and the JSON of a status as a few lines, other output as it is.
//!
//! Invariants: what is the same in two runs reads the same: no digests, no durations, no place of the workspace, no order that
//! chance decides; and nothing that happened is left out.

use super::periods::compress;
use super::plain::{is_digest, plain};
use crate::fixture::Said;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Lines of a group of partitions that have them in common.
type Grouped = Vec<((String, Vec<String>), Vec<String>)>;

/// What became of one action.
#[derive(Default)]
struct Fate {
    op: String,
    key: String,
    published: usize,
    started: usize,
    /// Failures, waits and skips, as words.
    end: Option<String>,
    because: Vec<String>,
}

/// The events of one or more builds that ran at once.
pub fn builds(said: &[Said], root: &Path) -> Vec<String> {
    let events: Vec<Value> = said.iter().flat_map(|said| said.stdout.lines().filter_map(|line| serde_json::from_str(line).ok())).collect();
    let mut lines = actions(&events);
    lines.extend(summary(&events));
    lines.extend(said.iter().flat_map(|said| said.stderr.lines().map(|line| format!("! {line}"))));
    lines.extend(exit_codes(said));
    lines.into_iter().map(|line| plain(&line, root)).collect()
}

/// The JSON of a status.
pub fn status(said: &Said, root: &Path) -> Vec<String> {
    let document: Value = serde_json::from_str(&said.stdout).unwrap_or_default();
    let mut lines: Vec<String> = list(&document["assets"]).iter().flat_map(asset).collect();
    lines.extend(said.stderr.lines().map(|line| format!("! {line}")));
    lines.extend(exit_codes(std::slice::from_ref(said)));
    lines.into_iter().map(|line| plain(&line, root)).collect()
}

/// Anything else, word for word.
pub fn verbatim(said: &Said, root: &Path) -> Vec<String> {
    let mut lines: Vec<String> = said.stdout.lines().map(str::to_string).collect();
    lines.extend(said.stderr.lines().map(|line| format!("! {line}")));
    lines.extend(exit_codes(std::slice::from_ref(said)));
    lines.into_iter().map(|line| plain(&line, root)).collect()
}

fn exit_codes(said: &[Said]) -> Option<String> {
    let codes: Vec<String> = said.iter().map(|said| said.code.to_string()).collect();
    said.iter().any(|said| said.code != 0).then(|| format!("exit {}", codes.join(" and ")))
}

fn actions(events: &[Value]) -> Vec<String> {
    let mut fates: Vec<Fate> = Vec::new();
    for event in events.iter().filter(|event| event["action"].is_object()) {
        let op = format!("{}.{}", text(&event["action"]["asset"]), text(&event["action"]["op"]));
        let key = text(&event["action"]["key"]);
        let at = fates.iter().position(|fate| fate.op == op && fate.key == key).unwrap_or_else(|| {
            fates.push(Fate { op, key, ..Fate::default() });
            fates.len() - 1
        });
        fates[at].hears(event);
    }
    fates.sort_by_key(|fate| (in_order(&fate.op), fate.key.clone()));
    let mut grouped: Grouped = Vec::new();
    for fate in fates.iter().filter(|fate| fate.is_worth_telling()) {
        group(&mut grouped, (format!("{} {}", fate.word(), fate.op), fate.because.clone()), &fate.key);
    }
    indented(grouped, "")
}

/// By asset, and then as the ops of an asset follow each other.
fn in_order(op: &str) -> (String, usize, String) {
    const FIRST: [&str; 3] = ["compile", "skeleton", "enrich"];
    let (asset, op) = op.split_once('.').unwrap_or(("", op));
    (asset.into(), FIRST.iter().position(|first| *first == op).unwrap_or(FIRST.len()), op.into())
}

impl Fate {
    fn hears(&mut self, event: &Value) {
        match text(&event["event"]).as_str() {
            "judged" if self.because.is_empty() => self.because = reasons(&event["reasons"], &self.key),
            "held" => {
                self.end = Some(text(&event["state"]));
                self.because = reasons(&event["reasons"], &self.key);
            }
            "started" => self.started += 1,
            "published" => self.published += 1,
            "retrying" => self.because.push(format!("retried: {}", text(&event["error"]))),
            "warned" => self.because.push(format!("warning: {}", text(&event["message"]))),
            "failed" => {
                self.end = Some(if self.started == 0 { "failed before" } else { "failed" }.into());
                self.because.push(own_key(&text(&event["error"]), &self.key));
            }
            "blocked" => {
                self.end = Some("blocked".into());
                self.because.push(own_key(&text(&event["message"]), &self.key));
            }
            "skipped" => {
                self.end = Some("skipped".into());
                let why = &event["because"];
                let id = || format!("because of {}.{}{}", text(&why["asset"]), text(&why["op"]), at(&text(&why["key"])));
                self.because = if why.is_object() { vec![own_key(&id(), &self.key)] } else { vec![] };
            }
            _ => {}
        }
    }

    fn is_worth_telling(&self) -> bool {
        self.published > 0 || self.started > 0 || self.end.is_some() || !self.because.is_empty()
    }

    fn word(&self) -> String {
        match (&self.end, self.published) {
            (Some(end), _) => end.clone(),
            (None, 0) if self.started > 0 => "began".into(),
            (None, 0) => "left".into(),
            (None, 1) => "built".into(),
            (None, times) => format!("built {times} times"),
        }
    }
}

/// Counts that are not 0, of all builds together.
fn summary(events: &[Value]) -> Option<String> {
    let finished: Vec<&Value> = events.iter().filter(|event| event["event"] == "finished").collect();
    let count = |name: &str| finished.iter().map(|event| event[name].as_u64().unwrap_or(0)).sum::<u64>();
    let names = ["built", "fresh", "orphaned", "drifted", "failed", "skipped", "blocked", "retried"];
    let counted = names.iter().filter(|name| count(name) > 0).map(|name| format!("{} {name}", count(name)));
    let interrupted = if events.iter().any(|event| event["event"] == "interrupted") { "interrupted: " } else { "" };
    (!finished.is_empty()).then(|| format!("{interrupted}{}", counted.collect::<Vec<_>>().join(", ")))
}

/// `ranker: 4 fresh, 1 stale 2026-02-03`, and below it the ops that are not fresh, with their reasons.
fn asset(asset: &Value) -> Vec<String> {
    let (mut keys, mut grouped) = (BTreeMap::<String, Vec<String>>::new(), Grouped::new());
    for entry in list(&asset["entries"]) {
        let key = text(&entry["partition"]);
        keys.entry(text(&entry["state"])).or_default().push(key.clone());
        for op in list(&entry["ops"]).iter().filter(|op| op["state"] != "fresh") {
            let what = format!("{} {}", text(&op["state"]), text(&op["op"]));
            group(&mut grouped, (what, reasons(&op["reasons"], &key)), &key);
        }
    }
    let states = asset["counts"].as_object().into_iter().flatten().filter(|(_, count)| count.as_u64() != Some(0));
    let mut states: Vec<String> = states.map(|(state, count)| counted(state, count, keys.get(state))).collect();
    states.sort_by_key(|text| !text.contains("fresh"));
    let mut lines = vec![format!("{}: {}", text(&asset["asset"]), if states.is_empty() { "nothing".into() } else { states.join(", ") })];
    grouped.sort_by_key(|((what, _), keys)| (in_order(what.split(' ').nth(1).unwrap_or_default()), keys.clone()));
    lines.extend(indented(grouped, "  "));
    lines
}

fn counted(state: &str, count: &Value, keys: Option<&Vec<String>>) -> String {
    let keys: Vec<String> = keys.into_iter().flatten().filter(|key| !key.is_empty()).cloned().collect();
    format!("{count} {state} {}", if state == "fresh" { String::new() } else { compress(&keys) }).trim().to_string()
}

fn group(grouped: &mut Grouped, what: (String, Vec<String>), key: &str) {
    match grouped.iter_mut().find(|(known, _)| *known == what) {
        Some((_, keys)) => keys.push(key.to_string()),
        None => grouped.push((what, vec![key.to_string()])),
    }
}

fn indented(grouped: Grouped, indent: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for ((what, why), keys) in grouped {
        lines.push(format!("{indent}{what} {}", compress(&keys)).trim_end().to_string());
        lines.extend(why.into_iter().map(|reason| format!("{indent}  {reason}")));
    }
    lines
}

/// What is missing needs no reason.
const NOTHING: &str = "nothing is published in";

/// Reasons as lines, sorted. What is said of several columns of a file, or of all parameters of an operator, shares a line.
fn reasons(reasons: &Value, key: &str) -> Vec<String> {
    let mut together: BTreeMap<(String, &str), Vec<String>> = BTreeMap::new();
    let mut lines = Vec::new();
    for reason in list(reasons).iter().filter(|reason| reason["name"] != NOTHING) {
        match (together_with(reason), side(reason)) {
            (Some((whose, which)), side) => together.entry((whose, side)).or_default().push(which),
            (None, side) => lines.push(one_reason(reason, side, key)),
        }
    }
    lines.extend(together.into_iter().map(|((whose, side), which)| format!("{whose} {}: {side}", shortened(&which))));
    lines.sort();
    lines
}

/// Whether there was, is, or was and is something of the name.
fn side(reason: &Value) -> &'static str {
    match (reason["old"].is_string(), reason["new"].is_string()) {
        (true, true) => "changed",
        (false, true) => "new",
        (true, false) => "gone",
        (false, false) => "",
    }
}

/// Columns of one file: their values are digests. Parameters of an operator that is new or gone: one says as much as all.
fn together_with(reason: &Value) -> Option<(String, String)> {
    let (name, detail) = (text(&reason["name"]), text(&reason["detail"]));
    match reason["kind"].as_str()? {
        "columns" if !detail.is_empty() => Some((format!("columns {name}"), format!("`{detail}`"))),
        "parameter" if side(reason) != "changed" => {
            let (operator, parameter) = name.split_once('.')?;
            Some((format!("parameter {operator}"), format!("`{parameter}`")))
        }
        _ => None,
    }
}

/// The first few of many.
fn shortened(names: &[String]) -> String {
    const SHOWN: usize = 4;
    let more = names.len().saturating_sub(SHOWN);
    let shown = names[..names.len() - more].join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

fn one_reason(reason: &Value, side: &str, key: &str) -> String {
    let (kind, name, detail) = (text(&reason["kind"]), text(&reason["name"]), text(&reason["detail"]));
    let line = match kind.as_str() {
        "output" => own_key(&format!("{name} {detail}"), key),
        "blocked" | "failed" => own_key(&detail, key),
        "upstream" => own_key(&format!("{kind} {name} {detail}"), key),
        "rows" if !detail.is_empty() => format!("{kind} {name}: {detail}"),
        "selection" if !detail.is_empty() => format!("{kind} {name} {detail}"),
        _ if detail.is_empty() => format!("{kind} {name}"),
        _ => format!("{kind} {name} `{detail}`"),
    };
    format!("{}{}", line.trim_end(), values(&reason["old"], &reason["new"], side))
}

fn values(old: &Value, new: &Value, side: &str) -> String {
    let shown = |value: &Value| value.as_str().map(|text| plain(text, Path::new("/nowhere"))).filter(|text| !is_digest(text));
    match (shown(old), shown(new)) {
        (Some(old), Some(new)) if old != new => format!(": {old} → {new}"),
        (None, Some(new)) if side == "new" => format!(": new, {new}"),
        (Some(old), None) if side == "gone" => format!(": was {old}, gone"),
        _ if side.is_empty() => String::new(),
        _ => format!(": {side}"),
    }
}

/// A partition's own key, so that partitions that say the same share their lines.
fn own_key(line: &str, key: &str) -> String {
    if key.is_empty() { line.into() } else { line.replace(&at(key), "").replace(key, "{key}") }
}

fn at(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!("@{key}") }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_string()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
