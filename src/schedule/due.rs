//! The calendar of a schedule: which periods of its job have come due by now, and which one is next.
//!
//! Pure but for what the workspace has read. Invariants: what is due is a function of the manifest and the clock alone, whatever ran when;
//! periods come in the order in which they came due, the oldest first.

use crate::catalog::calendar::{Partitions, Period};
use crate::catalog::model::{Asset, Schedule};
use crate::workspace::{Keys, Target, TargetError, Workspace, due_after, job_targets};
use std::sync::Arc;

/// An asset of the job, up to one of its ops.
#[derive(Debug, Clone)]
pub struct Member {
    pub asset: Arc<Asset>,
    pub op: Option<String>,
}

/// A period that has come due, and what is built of it.
#[derive(Debug, Clone)]
pub struct Due {
    /// The partitions that it is a period of; none for what has no partitions and follows every period.
    pub partitions: Option<String>,
    pub key: Option<String>,
    /// When it came due.
    pub at: i64,
    /// Whether it is still built: it came due within the schedule's catch-up, or is the latest one.
    pub within: bool,
    /// When it is late.
    pub deadline: Option<i64>,
    pub members: Vec<Member>,
}

/// What comes due when, of one schedule.
pub struct Calendar<'a> {
    pub schedule: &'a Schedule,
    parts: Vec<Part<'a>>,
    /// Members without partitions.
    whole: Vec<Member>,
}

/// Members that have the same periods, which come due at the same time.
struct Part<'a> {
    partitions: &'a Partitions,
    /// From the end of a period until it is due.
    delay: i64,
    members: Vec<Member>,
}

impl Due {
    /// What a ledger calls it.
    pub fn name(&self) -> String {
        match (&self.partitions, &self.key) {
            (Some(partitions), Some(key)) => format!("{partitions}@{key}"),
            _ => "whole".to_string(),
        }
    }

    /// For a build, which is to treat it like any other period: nobody has named it.
    pub fn targets(&self) -> Vec<Target> {
        let keys = || self.key.clone().map_or(Keys::Unpartitioned, |key| Keys::All(vec![key]));
        self.members.iter().map(|m| Target { asset: m.asset.clone(), op: m.op.clone(), keys: keys() }).collect()
    }

    pub fn is_late(&self, now: i64) -> bool {
        self.deadline.is_some_and(|deadline| now >= deadline)
    }
}

impl<'a> Calendar<'a> {
    pub fn of(workspace: &'a Workspace, schedule: &'a Schedule, now: i64) -> Result<Self, TargetError> {
        let select = workspace.catalog.jobs.get(&schedule.job).map_or(&[][..], |job| &job.select);
        let mut calendar = Self { schedule, parts: Vec::new(), whole: Vec::new() };
        for Target { asset, op, .. } in job_targets(workspace, select, None, now)? {
            let partitions = asset.partitions.as_ref().and_then(|name| workspace.catalog.partitions.get(name));
            let delay = schedule.after.millis.saturating_add(due_after(workspace, &asset));
            let member = Member { asset, op };
            match partitions {
                None => calendar.whole.push(member),
                Some(partitions) => calendar.part(partitions, delay).members.push(member),
            }
        }
        Ok(calendar)
    }

    fn part(&mut self, partitions: &'a Partitions, delay: i64) -> &mut Part<'a> {
        let known = self.parts.iter().position(|p| p.partitions.name == partitions.name && p.delay == delay);
        let at = known.unwrap_or_else(|| {
            self.parts.push(Part { partitions, delay, members: Vec::new() });
            self.parts.len() - 1
        });
        &mut self.parts[at]
    }

    /// Every period that has come due, the oldest first; last what has no partitions, which follows the latest of them.
    pub fn due(&self, now: i64) -> Vec<Due> {
        let mut due: Vec<Due> = self.parts.iter().flat_map(|part| part.due(self.schedule, now)).collect();
        due.sort_by(|a, b| (a.at, &a.key).cmp(&(b.at, &b.key)));
        if let Some(at) = due.last().map(|last| last.at).filter(|_| !self.whole.is_empty()) {
            let deadline = deadline_of(self.schedule, at);
            due.push(Due { partitions: None, key: None, at, within: true, deadline, members: self.whole.clone() });
        }
        due
    }

    /// The period that comes due next, and when.
    pub fn next(&self, now: i64) -> Option<(String, i64)> {
        self.parts.iter().filter_map(|part| part.next(now)).min_by_key(|(_, at)| *at)
    }
}

fn deadline_of(schedule: &Schedule, at: i64) -> Option<i64> {
    schedule.deadline.map(|deadline| at.saturating_add(deadline.millis))
}

impl Part<'_> {
    fn due(&self, schedule: &Schedule, now: i64) -> Vec<Due> {
        let keys = self.partitions.keys(now.saturating_sub(self.delay));
        let latest = keys.len().saturating_sub(1);
        let of = |(number, key): (usize, String)| {
            let at = self.partitions.cadence.period(&key)?.end.saturating_add(self.delay);
            Some(Due {
                partitions: Some(self.partitions.name.clone()),
                key: Some(key),
                at,
                within: number == latest || at.saturating_add(schedule.catch_up.millis) > now,
                deadline: deadline_of(schedule, at),
                members: self.members.clone(),
            })
        };
        keys.into_iter().enumerate().filter_map(of).collect()
    }

    fn next(&self, now: i64) -> Option<(String, i64)> {
        let Partitions { cadence, start, end, .. } = self.partitions;
        let period: Period = cadence.period_at(now.saturating_sub(self.delay).max(*start));
        let is_there = end.is_none_or(|end| period.start < end);
        is_there.then(|| (cadence.key_at(period.start), period.end.saturating_add(self.delay)))
    }
}
