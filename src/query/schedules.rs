//! Schedules as text and JSON: what is next, what is due, what is late, what was missed.

use super::ranges::{abridged, of_keys};
use crate::catalog::model::Schedule;
use crate::engine::clock::rfc3339;
use crate::engine::state::State;
use crate::schedule::Standing;
use serde_json::{Value, json};

/// A schedule with how its due periods stand.
pub struct Outline<'a> {
    pub schedule: &'a Schedule,
    pub standings: Vec<Standing>,
    /// The period that comes due next, and when.
    pub next: Option<(String, i64)>,
    pub now: i64,
}

/// Periods as ranges, those of each partitions definition by themselves.
pub fn periods<'a>(standings: impl Iterator<Item = &'a Standing>) -> String {
    let mut by_partitions: Vec<(Option<&str>, Vec<&str>)> = Vec::new();
    for due in standings.map(|s| &s.due) {
        let partitions = due.partitions.as_deref();
        let at = by_partitions.iter().position(|(known, _)| *known == partitions).unwrap_or_else(|| {
            by_partitions.push((partitions, Vec::new()));
            by_partitions.len() - 1
        });
        by_partitions[at].1.extend(due.key.as_deref());
    }
    let several = by_partitions.len() > 1;
    let told = by_partitions.into_iter().map(|(partitions, mut keys)| {
        keys.dedup();
        let keys = abridged(&of_keys(keys), 6);
        match partitions {
            None => "what has no partitions".to_string(),
            Some(name) if several => format!("{name} {keys}"),
            Some(_) => keys,
        }
    });
    told.collect::<Vec<_>>().join(", ")
}

impl Outline<'_> {
    pub fn open(&self) -> impl Iterator<Item = &Standing> {
        self.standings.iter().filter(|s| s.is_open())
    }

    pub fn missed(&self) -> impl Iterator<Item = &Standing> {
        self.standings.iter().filter(|s| s.is_missed())
    }

    fn late(&self) -> impl Iterator<Item = &Standing> {
        self.open().filter(|s| s.is_late(self.now))
    }

    /// A row of `schedule list`.
    pub fn row(&self) -> Vec<String> {
        let Schedule { name, job, .. } = self.schedule;
        let (next, at) = self.next.as_ref().map_or(("-".into(), "-".into()), |(key, at)| (key.clone(), rfc3339(*at)));
        let count = |n: usize| if n == 0 { "-".to_string() } else { n.to_string() };
        vec![name.clone(), job.clone(), next, at, count(self.open().count()), count(self.late().count()), count(self.missed().count())]
    }

    pub const HEADING: [&'static str; 7] = ["schedule", "job", "next", "due at", "due", "late", "missed"];

    /// Rows of `schedule due`.
    pub fn due_rows(&self) -> Vec<Vec<String>> {
        let row = |s: &Standing| {
            let late = if s.is_late(self.now) { ", late" } else { "" };
            let missed = if s.is_missed() { ", missed" } else { "" };
            let why = s.failed.first().map(|f| f.message.lines().last().unwrap_or_default().to_string());
            // That nothing is published yet is what "missing" says.
            let why = why.or_else(|| s.why.first().filter(|_| s.state != State::Missing).cloned()).unwrap_or_default();
            let key = s.due.key.clone().unwrap_or_else(|| "-".into());
            vec![self.schedule.name.clone(), key, rfc3339(s.due.at), format!("{}{late}{missed}", s.state.name()), why]
        };
        self.standings.iter().filter(|s| s.is_open() || s.is_missed()).map(row).collect()
    }

    pub const DUE_HEADING: [&'static str; 5] = ["schedule", "period", "due at", "state", "why"];

    /// What came due too long ago, with what would build it.
    pub fn missed_text(&self, program: &str) -> Option<String> {
        let missed: Vec<&Standing> = self.missed().collect();
        let (first, last) = (missed.first()?.due.key.clone()?, missed.last()?.due.key.clone()?);
        let keys = if first == last { first } else { format!("{first}..{last}") };
        let Schedule { name, job, catch_up, .. } = self.schedule;
        let periods = periods(missed.into_iter());
        Some(format!("{name}: missed {periods}: due more than {catch_up} ago (catch-up); to build it: {program} job run {job} @{keys}"))
    }

    /// The object of `docs/json.md`.
    pub fn json(&self) -> Value {
        let Schedule { name, job, after, catch_up, deadline, .. } = self.schedule;
        let next = self.next.as_ref().map(|(key, at)| json!({"partition": key, "due": rfc3339(*at)}));
        let period = |s: &Standing| {
            let assets: Vec<&str> = s.due.members.iter().map(|m| m.asset.name.as_str()).collect();
            let failed: Vec<Value> = s.failed.iter().map(|f| json!({"action": f.action, "message": f.message, "log": f.log})).collect();
            json!({
                "partitions": s.due.partitions, "partition": s.due.key, "assets": assets, "due": rfc3339(s.due.at),
                "deadline": s.due.deadline.map(rfc3339), "state": s.state, "late": s.is_late(self.now), "missed": s.is_missed(),
                "why": s.why, "failed": failed,
            })
        };
        let periods: Vec<Value> = self.standings.iter().filter(|s| s.is_open() || s.is_missed()).map(period).collect();
        json!({
            "schedule": name, "job": job, "after": seconds(after.millis), "catch_up": seconds(catch_up.millis),
            "deadline": deadline.map(|d| seconds(d.millis)), "next": next, "periods": periods,
        })
    }
}

fn seconds(millis: i64) -> f64 {
    millis as f64 / 1e3
}
