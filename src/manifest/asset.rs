//! `asset` and what stands in it: ops with their retries and commands. Its checks have a file of their own.

use super::about::{DESCRIPTION, OWNER, TAGS};
use super::check::{CHECK, check};
use super::grammar::{Argument, Child, Grammar, Kind, Property, words};
use super::node::Node;
use super::settings::{RESOURCES, resources};
use crate::catalog::declaration::{AssetDecl, Backoff, CommandDecl, InputDecl, Jitter, OpDecl, RetryDecl};
use crate::catalog::quantity::Duration;
use crate::source::Spanned;

const GROUP: Grammar = Grammar {
    name: "group",
    doc: "The group that `--select group:…` and listings put the asset in.",
    example: "group \"training\"",
    arguments: &[Argument::one("name", Kind::Name, "Any name.")],
    ..Grammar::EMPTY
};

const ASSET_PARTITIONS: Grammar = Grammar {
    name: "partitions",
    doc: "The partitions that the asset is built in; without them it has one, unnamed.",
    example: "partitions \"daily\"",
    arguments: &[Argument::one("partitions", Kind::Reference, "A name that `partitions` defines.")],
    ..Grammar::EMPTY
};

const SERVICE: Grammar = Grammar {
    name: "service",
    doc: "The feature service whose rows the asset holds.",
    example: "service \"dssm_ranking\"",
    arguments: &[Argument::one("service", Kind::Reference, "A name of `feature_services/`.")],
    ..Grammar::EMPTY
};

const SETTLE: Grammar = Grammar {
    name: "settle",
    doc: "How long after its end a period still follows changed data; an older one is reported as drifted and left alone.",
    example: "settle \"30d\"",
    arguments: &[Argument::one("age", Kind::Duration, "The age at which a period settles.")],
    ..Grammar::EMPTY
};

const BACKOFF: [(&str, Backoff); 3] = [("constant", Backoff::Constant), ("linear", Backoff::Linear), ("exponential", Backoff::Exponential)];
const BACKOFF_WORDS: &[&str] = &words(&BACKOFF);
const JITTER: [(&str, Jitter); 2] = [("none", Jitter::None), ("full", Jitter::Full)];
const JITTER_WORDS: &[&str] = &words(&JITTER);

const RETRY: Grammar = Grammar {
    name: "retry",
    doc: "How often, and after what pause, an op is tried again when it failed in a way that can pass.",
    example: "retry 3 delay=\"2s\" backoff=\"exponential\" max-delay=\"1m\" jitter=\"full\"",
    arguments: &[Argument::one("times", Kind::Integer(0, 1_000), "How many tries follow the first.")],
    properties: &[
        Property::optional("delay", Kind::Duration, "The pause before the second try; none without it."),
        Property::optional("backoff", Kind::Word(BACKOFF_WORDS), "How the pause grows; constant without it."),
        Property::optional("max-delay", Kind::Duration, "The longest pause; any without it."),
        Property::optional("jitter", Kind::Word(JITTER_WORDS), "Whether the pause is drawn at random up to its length; none without it."),
        Property::optional("exit-codes", Kind::ExitCodes, "Exit codes of a command that can pass, with spaces between them."),
    ],
    ..Grammar::EMPTY
};

const TIMEOUT: Grammar = Grammar {
    name: "timeout",
    doc: "How long one try may take before it is killed.",
    example: "timeout \"2h\"",
    arguments: &[Argument::one("duration", Kind::Duration, "The longest time.")],
    ..Grammar::EMPTY
};

const OUTPUT: Grammar = Grammar {
    name: "output",
    doc: "Where the op publishes, instead of the place that its rule gives it.",
    example: "output \"{output-root}/elsewhere/dt={day}\"",
    arguments: &[Argument::one("path", Kind::Path, "A path with placeholders such as {output-root}, {asset}, {day} and {hour}.")],
    ..Grammar::EMPTY
};

const INPUT: Grammar = Grammar {
    name: "input",
    doc: "An asset that a command reads; {input.…} in `run` is a file that lists its paths.",
    example: "input \"dssm_ranking_training\" window=\"7d\"",
    arguments: &[Argument::one("asset", Kind::Reference, "The asset.")],
    properties: &[Property::optional("window", Kind::Duration, "How far back its periods are read; without it those that overlap.")],
    ..Grammar::EMPTY
};

const COMMAND_SOURCE: Grammar = Grammar {
    name: "source",
    doc: "A file of the workspace that a command depends on, such as its script.",
    example: "source \"tools/report.py\"",
    arguments: &[Argument::many("paths", Kind::Path, "Files.")],
    ..Grammar::EMPTY
};

pub(super) const ENV: Grammar = Grammar {
    name: "env",
    doc: "Variables of the environment that a program gets to see. A command depends on their values; one written (env)\"NAME\" is a secret: passed on, observed and shown nowhere.",
    example: "env \"LANG\" (env)\"API_TOKEN\"",
    arguments: &[Argument::many("names", Kind::TextOrEnv, "Names of variables.")],
    ..Grammar::EMPTY
};

const RUN: Grammar = Grammar {
    name: "run",
    doc: "The program that a command runs, and its arguments; {output}, {partition} and {input.…} are filled in.",
    example: "run \"python3\" \"tools/report.py\" \"{output}\"",
    arguments: &[Argument::many("words", Kind::TextOrEnv, "The program, then its arguments.")],
    ..Grammar::EMPTY
};

const OP: Grammar = Grammar {
    name: "op",
    doc: "One step of building an asset; the last one's output is the asset.",
    example: "op \"skeleton\" rule=\"skeleton\" needs=\"compile\"",
    arguments: &[Argument::one("name", Kind::Name, "What targets and `needs` call it.")],
    properties: &[
        Property::required("rule", Kind::Reference, "How it builds: compile, skeleton, enrich or command."),
        Property::optional("needs", Kind::References, "The ops of this asset that come first, with spaces between them."),
    ],
    children: &[
        Child::once(&RETRY),
        Child::once(&TIMEOUT),
        Child::once(&RESOURCES),
        Child::once(&OUTPUT),
        Child::distinct(&INPUT),
        Child::any(&COMMAND_SOURCE),
        Child::any(&ENV),
        Child::once(&RUN),
    ],
    ..Grammar::EMPTY
};

/// The nodes of an op that only a command has.
const COMMAND_NODES: [&str; 4] = ["input", "source", "env", "run"];

pub(super) const ASSET: Grammar = Grammar {
    name: "asset",
    doc: "Something that is built, period by period, by one op or several.",
    example: "asset \"dssm_ranking_training\" {\n    partitions \"daily\"\n    service \"dssm_ranking\"\n    op \"compile\" rule=\"compile\"\n    op \"skeleton\" rule=\"skeleton\" needs=\"compile\"\n}",
    arguments: &[Argument::one("name", Kind::Name, "What targets, jobs and inputs call it.")],
    children: &[
        Child::once(&DESCRIPTION),
        Child::once(&GROUP),
        Child::once(&OWNER),
        Child::any(&TAGS),
        Child::once(&ASSET_PARTITIONS),
        Child::once(&SERVICE),
        Child::once(&SETTLE),
        Child::distinct(&OP),
        Child::distinct(&CHECK),
    ],
    ..Grammar::EMPTY
};

pub(super) fn asset(node: &Node) -> Option<AssetDecl> {
    Some(AssetDecl {
        name: node.first()?,
        description: node.text("description"),
        group: node.value("group").map(|value| value.name()),
        owner: node.text("owner"),
        tags: node.names("tags"),
        partitions: node.value("partitions").map(|value| value.name()),
        service: node.value("service").map(|value| value.name()),
        settle: node.value("settle").and_then(|value| value.read(Duration::parse)),
        ops: node.decode("op", op),
        checks: node.decode("check", check),
    })
}

fn op(node: &Node) -> Option<OpDecl> {
    Some(OpDecl {
        name: node.first()?,
        rule: node.property_name("rule")?,
        needs: node.property("needs").map(|value| value.words()).unwrap_or_default(),
        retry: node.child("retry").and_then(retry),
        timeout: node.value("timeout").and_then(|value| value.read(Duration::parse)),
        resources: resources(node),
        output: node.value("output").map(|value| value.name()),
        command: command(node),
    })
}

fn retry(node: &Node) -> Option<RetryDecl> {
    let codes = node.property("exit-codes").map(|value| value.words()).unwrap_or_default();
    Some(RetryDecl {
        times: node.argument(0)?.integer()?,
        delay: node.property_duration("delay"),
        backoff: node.choice("backoff", &BACKOFF),
        max_delay: node.property_duration("max-delay"),
        jitter: node.choice("jitter", &JITTER),
        exit_codes: codes.into_iter().filter_map(|code| Some(Spanned::new(code.parse().ok()?, code.span))).collect(),
    })
}

fn command(node: &Node) -> Option<CommandDecl> {
    let first = node.children.iter().find(|child| COMMAND_NODES.contains(&child.grammar.name))?;
    let run = node.child("run").map(|run| run.arguments().map(|value| value.text_or_env()).collect());
    Some(CommandDecl {
        inputs: node.decode("input", |input| Some(InputDecl { asset: input.first()?, window: input.property_duration("window") })),
        sources: node.names("source"),
        environment: node.children("env").flat_map(|env| env.arguments().map(|value| value.text_or_env())).collect(),
        run: run.unwrap_or_default(),
        span: first.name.span,
    })
}
