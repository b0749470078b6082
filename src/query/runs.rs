//! Past runs as text and JSON: a list of them, what one did, what programs said, one asset over time.

use super::grid::grid;
use crate::engine::clock::rfc3339;
use crate::history::{Attempt, PastAction, PastCheck, PastRun, Point};
use crate::source::suggestion;
use crate::workspace::Workspace;
use serde_json::{Value, json};

/// The asset and op that `asset` or `asset.op` names; without an op its last.
pub fn named(workspace: &Workspace, text: &str) -> Result<(String, String), String> {
    let (asset, op) = text.split_once('.').map_or((text, None), |(asset, op)| (asset, Some(op)));
    let assets = &workspace.catalog.assets;
    let unknown = || format!("there is no asset `{asset}`; {}", suggestion(asset, assets.keys().map(String::as_str)));
    let found = assets.get(asset).ok_or_else(unknown)?;
    let names = || found.ops.iter().map(|op| op.name.as_str());
    let op = match op {
        Some(op) if names().any(|name| name == op) => op,
        Some(op) => return Err(format!("asset `{asset}` has no op `{op}`; {}", suggestion(op, names()))),
        None => names().next_back().unwrap_or_default(),
    };
    Ok((asset.into(), op.into()))
}

fn time(millis: i64) -> String {
    rfc3339(millis)
}

fn took(seconds: Option<f64>) -> String {
    seconds.map_or("–".into(), |seconds| match seconds {
        s if s < 60.0 => format!("{s:.2} s"),
        s if s < 3600.0 => format!("{:.0} min {:.0} s", (s / 60.0).floor(), s % 60.0),
        s => format!("{:.0} h {:.0} min", (s / 3600.0).floor(), s % 3600.0 / 60.0),
    })
}

/// The counts of a summary that are not nothing.
fn counts(summary: &Value) -> String {
    let words = ["built", "fresh", "drifted", "orphaned", "failed", "skipped", "blocked", "retried"];
    let count = |word: &&str| summary[*word].as_u64().filter(|count| *count > 0).map(|count| format!("{count} {word}"));
    words.iter().filter_map(count).collect::<Vec<_>>().join(", ")
}

pub fn list_text(runs: &[PastRun]) -> String {
    if runs.is_empty() {
        return "no runs yet: `daeda build` makes one\n".into();
    }
    let head = ["run", "started", "took", "ended", "did", "command"].map(String::from).to_vec();
    let row = |run: &PastRun| {
        let number = run.number.map_or("–".into(), |number| number.to_string());
        vec![number, time(run.started), took(run.seconds), run.state.name().into(), counts(&run.summary), run.command.clone()]
    };
    grid(&std::iter::once(head).chain(runs.iter().map(row)).collect::<Vec<_>>())
}

pub fn list_json(runs: &[PastRun]) -> Value {
    json!({"version": 1, "runs": runs.iter().map(run_head).collect::<Vec<_>>()})
}

fn run_head(run: &PastRun) -> Value {
    json!({
        "run": run.number, "started": time(run.started), "seconds": run.seconds, "state": run.state.name(), "command": run.command,
        "summary": run.summary,
    })
}

pub fn run_text(run: &PastRun, actions: &[PastAction]) -> String {
    let number = run.number.map_or("–".into(), |number| number.to_string());
    let mut text = format!("run {number}: {}\n  {}, {}", run.command, time(run.started), run.state.name());
    if run.seconds.is_some() {
        text += &format!(" after {}", took(run.seconds));
    }
    text += &format!("\n  {}\n", counts(&run.summary));
    actions.iter().for_each(|action| text += &action_text(action));
    text
}

fn action_text(action: &PastAction) -> String {
    let state = action.state.as_ref().map_or(String::new(), |state| format!(" ({state})"));
    let rows = action.metadata["rows"].as_u64().map_or(String::new(), |rows| format!(", {rows} rows"));
    let peak = if action.peak_memory > 0 { format!(", peak {} MB", action.peak_memory / 1_000_000) } else { String::new() };
    let seconds = action.seconds.map_or(String::new(), |_| format!(" in {}", took(action.seconds)));
    let mut text = format!("{}: {}{seconds}{rows}{peak}{state}\n", action.name(), action.outcome);
    action.reasons.iter().take(3).for_each(|reason| text += &format!("    because {reason}\n"));
    if action.attempts.len() > 1 {
        action.attempts.iter().for_each(|attempt| text += &attempt_text(attempt));
    }
    action.checks.iter().for_each(|check| text += &check_text(check));
    action.error.iter().for_each(|error| text += &format!("    {error}\n"));
    text
}

fn attempt_text(attempt: &Attempt) -> String {
    let ended = attempt.error.as_ref().map_or("succeeded".to_string(), |error| format!("failed: {error}"));
    let pause = attempt.delay.map_or(String::new(), |delay| format!("; then a pause of {}", took(Some(delay))));
    format!("    attempt {} {ended} ({}){pause}\n", attempt.number, took(Some(attempt.seconds)))
}

fn check_text(check: &PastCheck) -> String {
    let ended = match (check.passed, check.blocks) {
        (true, _) => "passed",
        (false, true) => "failed",
        (false, false) => "warned",
    };
    let value = if check.value.is_null() { String::new() } else { format!(" ({})", check.value) };
    let detail = check.detail.as_ref().map_or(value, |detail| format!(": {detail}"));
    format!("    check `{}` {ended}, {}{detail}\n", check.name, check.kind)
}

pub fn run_json(run: &PastRun, actions: &[PastAction]) -> Value {
    let mut head = run_head(run);
    head["version"] = json!(1);
    head["actions"] = actions.iter().map(action_json).collect();
    head
}

fn action_json(action: &PastAction) -> Value {
    let attempt = |attempt: &Attempt| {
        let Attempt { number, seconds, error, delay, started } = attempt;
        json!({"number": number, "started": time(*started), "seconds": seconds, "error": error, "delay": delay})
    };
    let check = |check: &PastCheck| {
        let PastCheck { name, kind, passed, blocks, value, detail } = check;
        json!({"check": name, "kind": kind, "passed": passed, "blocks": blocks, "value": value, "detail": detail})
    };
    json!({
        "action": action.name(), "outcome": action.outcome, "state": action.state, "reasons": action.reasons, "started": time(action.started),
        "seconds": action.seconds, "peak_memory": action.peak_memory, "error": action.error, "metadata": action.metadata,
        "attempts": action.attempts.iter().map(attempt).collect::<Vec<_>>(), "checks": action.checks.iter().map(check).collect::<Vec<_>>(),
    })
}

/// What the program of an action said.
pub struct Logged {
    pub action: PastAction,
    pub text: Option<String>,
}

pub fn log_text(logged: &[Logged]) -> String {
    let one = |Logged { action, text }: &Logged| {
        let error = action.error.as_ref().map_or(String::new(), |error| format!("error: {error}\n"));
        let text = text.as_deref().unwrap_or(if error.is_empty() { "it said nothing\n" } else { "" });
        format!("# {} {} {}\n{text}{error}", time(action.started), action.name(), action.outcome)
    };
    logged.iter().map(one).collect::<Vec<_>>().join("\n")
}

pub fn log_json(run: i64, logged: &[Logged]) -> Value {
    let one =
        |Logged { action, text }: &Logged| json!({"action": action.name(), "outcome": action.outcome, "error": action.error, "log": text});
    json!({"version": 1, "run": run, "logs": logged.iter().map(one).collect::<Vec<_>>()})
}

/// One asset over time.
pub struct OverTime {
    pub asset: String,
    pub op: String,
    pub points: Vec<Point>,
    /// Only this number.
    pub metric: Option<String>,
}

impl OverTime {
    /// The numbers that its partitions told, each with its value in each partition.
    fn series(&self) -> Vec<(String, Vec<Option<f64>>)> {
        let mut names: Vec<String> = Vec::new();
        for (name, _) in self.points.iter().flat_map(Point::numbers) {
            if !names.contains(&name) && self.metric.as_ref().is_none_or(|metric| *metric == name) {
                names.push(name);
            }
        }
        let of = |point: &Point, name: &str| point.numbers().into_iter().find(|(known, _)| known == name).map(|(_, number)| number);
        let series = |name: String| {
            let values = self.points.iter().map(|point| of(point, &name)).collect();
            (name, values)
        };
        names.into_iter().map(series).collect()
    }

    fn labels(&self) -> Vec<String> {
        self.points.iter().map(|point| point.key.clone().unwrap_or_else(|| time(point.started))).collect()
    }

    pub fn text(&self) -> String {
        let labels = self.labels();
        let (Some(first), Some(last)) = (labels.first(), labels.last()) else {
            return format!("{}.{}: nothing of it was built yet, as far as the history goes\n", self.asset, self.op);
        };
        let mut text = format!("{}.{}: {} built, {first}..{last}\n", self.asset, self.op, labels.len());
        let series = self.series();
        if let Some(metric) = self.metric.as_ref().filter(|_| series.is_empty()) {
            return text + &format!("none of them tells a number `{metric}`\n");
        }
        let head = ["", "over time", "least", "greatest", "last"].map(String::from).to_vec();
        let row = |(name, values): &(String, Vec<Option<f64>>)| {
            let known: Vec<f64> = values.iter().flatten().copied().collect();
            let least = known.iter().copied().fold(f64::INFINITY, f64::min);
            let greatest = known.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let last = known.last().copied().unwrap_or_default();
            vec![name.clone(), sparkline(values), number(least), number(greatest), number(last)]
        };
        text += &grid(&std::iter::once(head).chain(series.iter().map(row)).collect::<Vec<_>>());
        if let (Some(_), Some((_, values))) = (&self.metric, series.first()) {
            let each = labels.iter().zip(values).map(|(label, value)| vec![label.clone(), value.map_or("–".into(), number)]);
            text += &format!("\n{}", grid(&each.collect::<Vec<_>>()));
        }
        text
    }

    pub fn json(&self) -> Value {
        let point = |point: &Point| {
            let numbers: serde_json::Map<String, Value> = point.numbers().into_iter().map(|(name, number)| (name, json!(number))).collect();
            json!({"partition": point.key, "run": point.run, "started": time(point.started), "metadata": point.metadata, "numbers": numbers})
        };
        json!({"version": 1, "asset": self.asset, "op": self.op, "points": self.points.iter().map(point).collect::<Vec<_>>()})
    }
}

/// A number, whole where it is.
fn number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 { format!("{value:.0}") } else { format!("{value:.4}") }
}

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Values as bars, from the least to the greatest; a gap where there is none.
fn sparkline(values: &[Option<f64>]) -> String {
    let known = || values.iter().flatten().copied().filter(|value| value.is_finite());
    let (least, greatest) = (known().fold(f64::INFINITY, f64::min), known().fold(f64::NEG_INFINITY, f64::max));
    let bar = |value: f64| {
        // Where all are alike, the middle.
        let share = if greatest > least { (value - least) / (greatest - least) } else { 0.5 };
        BARS[((share * 7.0).round() as usize).min(7)]
    };
    values.iter().map(|value| value.filter(|value| value.is_finite()).map_or(' ', bar)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sparkline_goes_from_the_least_to_the_greatest_and_has_gaps() {
        assert_eq!(sparkline(&[Some(0.0), Some(7.0), None, Some(3.0)]), "▁█ ▄");
        assert_eq!(sparkline(&[Some(5.0), Some(5.0)]), "▅▅");
        assert_eq!(sparkline(&[None]), " ");
    }

    #[test]
    fn times_and_numbers_read_well() {
        assert_eq!([0.5, 75.0, 7300.0].map(|seconds| took(Some(seconds))), ["0.50 s", "1 min 15 s", "2 h 2 min"]);
        assert_eq!([12.0, 0.25].map(number), ["12", "0.2500"]);
    }
}
