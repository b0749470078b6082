//! Jobs and schedules: what they select is there, and what is due some time has periods.

use super::Resolver;
use super::expressions::place;
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
        let jobs: Vec<String> = self.declared.manifest.jobs.iter().map(|j| j.name.value.clone()).collect();
        for declared in &self.declared.manifest.schedules {
            if !jobs.contains(&declared.job.value) {
                self.unknown("job", &declared.job, &jobs);
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
            self.report(Diagnostic::error("daeda::catalog::bad-option", message, late.span).hint(hint));
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
        self.report(Diagnostic::error("daeda::catalog::bad-option", message, schedule.job.span).hint(hint));
    }

    /// A selection has the graph syntax, and its names are those of assets and views.
    fn job_targets(&mut self, job: &JobDecl) {
        let assets: Vec<String> = self.declared.manifest.assets.iter().map(|a| a.name.value.clone()).collect();
        let views = self.declared.views.iter().map(|v| format!("feature_view/{}", v.name));
        let names: Vec<String> = assets.iter().cloned().chain(views).collect();
        for target in &job.select {
            match selection::parse(target) {
                Err(error) => {
                    let diagnostic = Diagnostic::error("daeda::catalog::selection", error.message, place(target, Some(error.at)));
                    self.report(diagnostic.hint(error.hint));
                }
                Ok(selection) => {
                    let of_asset = |word: &str| word.split_once('.').map_or(word, |(asset, _)| asset).to_string();
                    let words = selection.words().into_iter().filter(|(by, _)| *by == selection::By::Name);
                    for (_, word) in words.filter(|(_, word)| !names.contains(&of_asset(&word.text))) {
                        self.unknown("asset", &Spanned::new(word.text.clone(), place(target, Some(word.at))), &assets);
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
