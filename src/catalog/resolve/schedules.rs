//! Jobs and schedules: what they select is there, and what is due some time has periods.

use super::Resolver;
use super::expressions::{part, place};
use super::names::Kind;
use crate::catalog::code;
use crate::catalog::declaration::*;
use crate::catalog::model::{Job, Notify, Schedule};
use crate::catalog::quantity::Duration;
use crate::catalog::selection::{self, AssetGraph};
use crate::source::{Diagnostic, Spanned};

/// How far back a schedule builds what came due, where it does not say.
const CATCH_UP: Duration = Duration { millis: 7 * Duration::DAY.millis };

/// How long a program that is told may take, where it is not said.
const NOTIFY_TIMEOUT: Duration = Duration { millis: 30_000 };

impl Resolver<'_> {
    pub fn jobs(&mut self) {
        for job in &self.declared.manifest.jobs {
            let select = job.select.iter().map(|s| s.value.clone()).collect();
            self.catalog.jobs.insert(job.name.value.clone(), Job { name: job.name.value.clone(), select });
            self.job_targets(job);
        }
    }

    pub fn schedules(&mut self) {
        for declared in &self.declared.manifest.schedules {
            if !self.is_known(Kind::Job, &declared.job) {
                continue;
            }
            self.has_periods(declared);
            if let Some(schedule) = self.schedule(declared) {
                self.catalog.schedules.insert(schedule.name.clone(), schedule);
            }
        }
    }

    fn schedule(&mut self, declared: &ScheduleDecl) -> Option<Schedule> {
        let notify: Option<Vec<Notify>> = declared.notify.iter().map(|notify| self.notify(notify, declared)).collect();
        Some(Schedule {
            name: declared.name.value.clone(),
            job: declared.job.value.clone(),
            after: declared.after.as_ref().map(|a| a.value).unwrap_or_default(),
            catch_up: declared.catch_up.as_ref().map_or(CATCH_UP, |c| c.value),
            deadline: declared.deadline.as_ref().map(|d| d.value),
            notify: notify?,
        })
    }

    fn notify(&mut self, declared: &NotifyDecl, schedule: &ScheduleDecl) -> Option<Notify> {
        let late = declared.on.iter().find(|on| on.value == Occurrence::Late);
        if let (Some(late), None) = (late, &schedule.deadline) {
            let message = format!("nothing of schedule `{}` is ever late: it has no deadline", schedule.name);
            let hint = "add deadline=\"6h\" to the schedule, or remove \"late\"";
            self.report(Diagnostic::error(code::BAD_OPTION, message, late.span).hint(hint));
            return None;
        }
        let texts = |texts: &[Spanned<Text>]| texts.iter().map(|text| text.value.clone()).collect::<Vec<_>>();
        Some(Notify {
            on: declared.on.iter().map(|on| on.value).collect(),
            run: texts(&declared.run),
            environment: texts(&declared.environment),
            timeout: declared.timeout.as_ref().map_or(NOTIFY_TIMEOUT, |t| t.value),
        })
    }

    /// A job of which no asset has partitions is never due.
    fn has_periods(&mut self, schedule: &ScheduleDecl) {
        let Some(job) = self.catalog.jobs.get(&schedule.job.value) else { return };
        let named = |text: &String| self.catalog.assets.get(text.split_once('.').map_or(text.as_str(), |(asset, _)| asset));
        if job.select.iter().filter_map(named).any(|asset| asset.partitions.is_some()) {
            return;
        }
        let graph = AssetGraph::of(&self.catalog);
        let found: Option<Vec<String>> =
            job.select.iter().map(|text| assets_of(text, &graph)).collect::<Option<Vec<_>>>().map(|f| f.concat());
        // Where something of it is broken, that has been said.
        let Some(found) = found else { return };
        let assets: Option<Vec<_>> = found.iter().filter(|n| !n.starts_with("feature_view/")).map(|n| self.catalog.assets.get(n)).collect();
        let Some(assets) = assets.filter(|assets| assets.iter().all(|asset| asset.partitions.is_none())) else { return };
        let what = if assets.is_empty() { "selects no asset that is built" } else { "has no asset with partitions" };
        let message = format!("job `{}` {what}, so nothing of it is ever due", schedule.job);
        let hint = "give one of its assets partitions \"…\", or run the job itself from cron: daeda job run";
        self.report(Diagnostic::error(code::BAD_OPTION, message, schedule.job.span).hint(hint));
    }

    /// The name of an asset, of an op of one, or of a view as the source that it is.
    fn job_target(&mut self, name: &Name) {
        let (kind, text) = match name.strip_prefix("feature_view/") {
            Some(view) => (Kind::View, view),
            None => (Kind::Asset, name.split_once('.').map_or(name.as_str(), |(asset, _)| asset)),
        };
        self.is_known(kind, &Spanned::new(text.to_string(), name.span));
    }

    /// A selection has the graph syntax, and its names are those of assets and views.
    fn job_targets(&mut self, job: &JobDecl) {
        for target in &job.select {
            match selection::parse(target) {
                Err(error) => {
                    let diagnostic = Diagnostic::error(code::SELECTION, error.message, place(target, Some(error.at)));
                    self.report(diagnostic.part(part(target, Some(error.at))).hint(error.hint));
                }
                Ok(selection) => {
                    let words = selection.words().into_iter().filter(|(by, _)| *by == selection::By::Name);
                    for (_, word) in words {
                        self.job_target(&Spanned::new(word.text.clone(), place(target, Some(word.at))));
                    }
                }
            }
        }
    }
}

/// What one line of a job selects: the asset of an op, or what an expression names.
fn assets_of(text: &str, graph: &AssetGraph) -> Option<Vec<String>> {
    let asset = text.split_once('.').map_or(text, |(asset, _)| asset);
    let names = selection::parse(asset).ok()?.of(graph).ok()?;
    Some(names.into_iter().collect())
}
