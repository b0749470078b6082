//! `job` and `schedule`: what is built together, when its periods are due, and who is told when that goes wrong.

use super::asset::ENV;
use super::grammar::{Argument, Child, Grammar, Kind, Property, words};
use super::node::Node;
use crate::catalog::declaration::{JobDecl, NotifyDecl, Occurrence, ScheduleDecl};
use crate::catalog::quantity::Duration;

const SELECT: Grammar = Grammar {
    name: "select",
    doc: "The assets that a job builds, with what they need.",
    example: "select \"dssm_ranking_training\"",
    arguments: &[Argument::many("assets", Kind::Reference, "Names of assets, or selections such as \"group:training\".")],
    ..Grammar::EMPTY
};

pub(super) const JOB: Grammar = Grammar {
    name: "job",
    doc: "A name for building several assets together.",
    example: "job \"dssm_ranking_daily\" {\n    select \"dssm_ranking_training\"\n}",
    arguments: &[Argument::one("name", Kind::Name, "What targets and schedules call it.")],
    children: &[Child::any(&SELECT)],
    ..Grammar::EMPTY
};

const OCCURRENCES: [(&str, Occurrence); 3] =
    [("failed", Occurrence::Failed), ("late", Occurrence::Late), ("recovered", Occurrence::Recovered)];
const OCCURRENCE_WORDS: &[&str] = &words(&OCCURRENCES);

const NOTIFY_RUN: Grammar = Grammar {
    name: "run",
    doc: "The program that is told, and its arguments; what has happened comes as JSON on its stdin.",
    example: "run \"sh\" \"tools/tell.sh\" (env)\"WEBHOOK_URL\"",
    arguments: &[Argument::many("words", Kind::TextOrEnv, "The program, then its arguments.")],
    ..Grammar::EMPTY
};

const NOTIFY_TIMEOUT: Grammar = Grammar {
    name: "timeout",
    doc: "How long the program may take before it is killed; 30s if absent.",
    example: "timeout \"30s\"",
    arguments: &[Argument::one("duration", Kind::Duration, "The longest time.")],
    ..Grammar::EMPTY
};

const NOTIFY: Grammar = Grammar {
    name: "notify",
    doc: "Runs a program when a period of the schedule has failed, is late, or has recovered from either; once for each change.",
    example: "notify \"failed\" \"recovered\" {\n    env (env)\"WEBHOOK_URL\"\n    run \"sh\" \"tools/tell.sh\"\n}",
    arguments: &[Argument::many("occurrences", Kind::Word(OCCURRENCE_WORDS), "What it is told of: failed, late, recovered.")],
    children: &[Child::required(&NOTIFY_RUN), Child::any(&ENV), Child::once(&NOTIFY_TIMEOUT)],
    ..Grammar::EMPTY
};

pub(super) const SCHEDULE: Grammar = Grammar {
    name: "schedule",
    doc: "Builds a job as time passes: each of its periods is due once it has ended, plus `after`.",
    example: "schedule \"dssm_ranking_daily\" job=\"dssm_ranking_daily\" after=\"1h\" catch-up=\"7d\" deadline=\"6h\"",
    arguments: &[Argument::one("name", Kind::Name, "What `daeda schedule` calls it.")],
    properties: &[
        Property::required("job", Kind::Reference, "The job that it builds."),
        Property::optional("after", Kind::Duration, "How long to wait after a period has ended."),
        Property::optional(
            "catch-up",
            Kind::Duration,
            "What came due longer ago is not built any more, but for the latest period; 7d if absent.",
        ),
        Property::optional("deadline", Kind::Duration, "A period that is not there so long after it came due is late."),
    ],
    children: &[Child::any(&NOTIFY)],
    ..Grammar::EMPTY
};

pub(super) fn job(node: &Node) -> Option<JobDecl> {
    Some(JobDecl { name: node.first()?, select: node.names("select") })
}

pub(super) fn schedule(node: &Node) -> Option<ScheduleDecl> {
    Some(ScheduleDecl {
        name: node.first()?,
        job: node.property_name("job")?,
        after: node.property_duration("after"),
        catch_up: node.property_duration("catch-up"),
        deadline: node.property_duration("deadline"),
        notify: node.decode("notify", notify),
    })
}

fn notify(node: &Node) -> Option<NotifyDecl> {
    Some(NotifyDecl {
        on: node.arguments().filter_map(|value| value.choice(&OCCURRENCES)).collect(),
        run: node.child("run")?.arguments().map(|value| value.text_or_env()).collect(),
        environment: node.children("env").flat_map(|env| env.arguments().map(|value| value.text_or_env())).collect(),
        timeout: node.value("timeout").and_then(|value| value.read(Duration::parse)),
    })
}
