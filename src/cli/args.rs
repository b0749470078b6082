//! What can be typed. No effects: what it means is decided by the commands.

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// The build tool for machine-learning training data.
#[derive(Debug, Parser)]
#[command(name = "daeda", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(after_help = "Example:\n  daeda build dssm_ranking_training@2026-02-01\n\nStart with `daeda demo` in the example workspace.")]
pub struct Args {
    /// Work in this directory instead of the current one
    #[arg(short = 'C', value_name = "DIR", global = true)]
    pub directory: Option<PathBuf>,
    /// The profile of Daedalus.kdl to use
    #[arg(long, value_name = "NAME", global = true, env = "DAEDA_PROFILE")]
    pub profile: Option<String>,
    /// Override a setting, such as output-root=/tmp/out
    #[arg(long = "set", value_name = "KEY=VALUE", global = true)]
    pub set: Vec<String>,
    /// When to use colour
    #[arg(long, value_enum, default_value_t = Color::Auto, global = true)]
    pub color: Color,
    /// Say only what went wrong
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more: every reason of every action
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// How to write progress and messages on stderr
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT", global = true)]
    pub log_format: Format,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Bring targets up to date
    Build(Build),
    /// Show what is fresh, what is not, and why
    Status(Status),
    /// Tell why a partition is what it is, up to the root causes
    Explain(Explain),
    /// Validate manifest, views, services and config without building
    Check(Check),
    /// Show the operator DAG of a service
    Compile(Compile),
    /// Show what a view, service, asset or column comes from and goes into
    Lineage(Lineage),
    /// Build one day of a service's training asset and print a JSON summary
    MaterializeDay(MaterializeDay),
    /// List what the manifest declares
    List(List),
    /// Run a job: build what it selects
    #[command(subcommand, after_help = "Example:\n  daeda job run dssm_ranking_daily @latest")]
    Job(JobCommand),
    /// Show and build what is due by the schedules
    #[command(
        subcommand,
        after_help = "Examples:\n  daeda schedule list\n  daeda schedule run            # once, for cron\n  daeda schedule run --watch    # until it is stopped"
    )]
    Schedule(ScheduleCommand),
    /// Show a published partition
    Show(Show),
    /// Show past runs and what they did, or one asset over time
    Runs(Runs),
    /// Show what the programs of a past run said
    Log(Log),
    /// Remove published outputs, leaving their records; or caches
    Clean(Clean),
    /// Write a commented starter workspace
    Init(Init),
    /// Lay the KDL files out in the common way, comments kept
    Fmt(Fmt),
    /// Write synthetic data for the example workspace
    Sample(Sample),
    /// The tour: sample data, three days built, status and summary
    Demo(Demo),
    /// Print what a shell needs to complete commands
    Completions(Completions),
    /// Write the manual pages
    Man(Man),
    /// Run actions for a parent process
    #[command(hide = true)]
    Worker,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Targets:\n  asset  asset@2026-02-01  asset@2026-02-01..2026-02-07  asset@2026-02  asset@latest  asset.op@KEY  job\n  With --select, @KEYS are the keys of all that is selected.\n\nExamples:\n  daeda build dssm_ranking_training@2026-02-01..2026-02-03 -n --explain\n  daeda build --select 'group:training and not tag:slow' @latest"
)]
pub struct Build {
    /// What to build
    #[arg(value_name = "TARGET", required_unless_present = "select")]
    pub targets: Vec<String>,
    /// Build what an expression selects: +name (with upstreams), name+, group:G, kind:K, tag:T, and, or, not, (…)
    #[arg(long, value_name = "EXPR")]
    pub select: Option<String>,
    #[command(flatten)]
    pub options: BuildOptions,
    /// Print a stream of JSON events on stdout instead of text
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

#[derive(Debug, Subcommand)]
pub enum JobCommand {
    /// Build what a job selects
    Run(JobRun),
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  daeda job run dssm_ranking_daily @2026-02-01..2026-02-03")]
pub struct JobRun {
    /// A job of Daedalus.kdl
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Which partitions, such as @2026-02-01 or @latest; all that have ended without
    #[arg(value_name = "@KEY")]
    pub keys: Vec<String>,
    #[command(flatten)]
    pub options: BuildOptions,
    /// Print a stream of JSON events on stdout instead of text
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

#[derive(Debug, Subcommand)]
pub enum ScheduleCommand {
    /// List the schedules, with what is next, due, late and missed
    List(ScheduleNames),
    /// List the periods that are due, late or missed
    Due(ScheduleNames),
    /// Build what is due, the oldest first
    Run(ScheduleRun),
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  daeda schedule due dssm_ranking_daily")]
pub struct ScheduleNames {
    /// Schedules of Daedalus.kdl; all without
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "A schedule that another process is running is left to it, so that cron may start this as often as it likes.\n\nExamples:\n  daeda schedule run                 # once, for cron or a systemd timer\n  daeda schedule run --watch         # as a service"
)]
pub struct ScheduleRun {
    /// Schedules of Daedalus.kdl; all without
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Stay, and build each period when it comes due
    #[arg(long)]
    pub watch: bool,
    /// Run at most so many actions at once
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub jobs: Option<u64>,
    /// Try again what failed and has not changed since
    #[arg(long)]
    pub retry_failed: bool,
    /// Replace up to so many published partitions, whatever `replace-max` says
    #[arg(long, value_name = "N")]
    pub replace: Option<u64>,
    /// Give the reasons of every action
    #[arg(long)]
    pub explain: bool,
}

/// Which partitions come first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Order {
    #[default]
    Oldest,
    Newest,
}

#[derive(Debug, Clone, Default, ClapArgs)]
pub struct BuildOptions {
    /// Say what would run, and change nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Run at most so many actions at once
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub jobs: Option<u64>,
    /// After a failure, go on with what does not depend on it
    #[arg(short, long)]
    pub keep_going: bool,
    /// Rebuild the targets whatever their state
    #[arg(long)]
    pub force: bool,
    /// Try again what failed and has not changed since
    #[arg(long)]
    pub retry_failed: bool,
    /// Replace up to so many published partitions, whatever `replace-max` says
    #[arg(long, value_name = "N")]
    pub replace: Option<u64>,
    /// Rebuild also partitions whose input has vanished, from what is left
    #[arg(long)]
    pub allow_missing: bool,
    /// Rebuild also settled partitions whose data has changed since
    #[arg(long)]
    pub drifted: bool,
    /// Which partitions to build first
    #[arg(long, value_enum, default_value_t = Order::Oldest, value_name = "ORDER")]
    pub order: Order,
    /// Compare outputs by content, not by size and time
    #[arg(long)]
    pub verify: bool,
    /// Give the reasons of every action
    #[arg(long)]
    pub explain: bool,
    /// Write a Chrome trace of the build, for Perfetto
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  daeda status dssm_ranking_training@2026-02 --all")]
pub struct Status {
    /// What to look at; everything without
    #[arg(value_name = "TARGET")]
    pub targets: Vec<String>,
    /// Look at what an expression selects: +name (with upstreams), name+, group:G, kind:K, tag:T, and, or, not, (…)
    #[arg(long, value_name = "EXPR")]
    pub select: Option<String>,
    /// List fresh partitions too
    #[arg(long)]
    pub all: bool,
    /// Compare outputs by content, not by size and time
    #[arg(long)]
    pub verify: bool,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Exit with 10 if anything is not fresh
    #[arg(long)]
    pub exit_code: bool,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Of an asset's partition the last op is explained; asset.op@KEY names another.\n\nExamples:\n  daeda explain dssm_ranking_training@2026-02-03\n  daeda explain dssm_ranking_training.skeleton@2026-02 --format json"
)]
pub struct Explain {
    /// What to explain; partitions with the same causes are told once
    #[arg(value_name = "TARGET@KEY", required = true)]
    pub targets: Vec<String>,
    /// Compare outputs by content, not by size and time
    #[arg(long)]
    pub verify: bool,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  daeda check --deny warnings\n  daeda check --data\n  daeda check --explain unknown-name")]
pub struct Check {
    /// Also compare what views declare with the footers of their files
    #[arg(long)]
    pub data: bool,
    /// How to say it: drawn on the source, for programs, for code scanning, as annotations of a GitHub workflow
    #[arg(long, value_enum, default_value_t = CheckFormat::Text)]
    pub format: CheckFormat,
    /// Treat warnings as errors
    #[arg(long, value_name = "WHAT", value_parser = ["warnings"])]
    pub deny: Option<String>,
    /// Print the page of a diagnostic's code; `all` prints every one
    #[arg(long, value_name = "CODE")]
    pub explain: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    Text,
    Json,
    Sarif,
    Github,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    Kdl,
    Json,
    Dot,
    Mermaid,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  daeda compile dssm_ranking --format mermaid")]
pub struct Compile {
    pub service: String,
    #[arg(long, value_enum, default_value_t = GraphFormat::Kdl)]
    pub format: GraphFormat,
    /// Write config/pipelines/SERVICE.generated.kdl instead of printing
    #[arg(long)]
    pub write: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LineageFormat {
    Text,
    Json,
    Dot,
    Mermaid,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "What a column is needed for:\n  value   it is in the result\n  key     rows are matched by it\n  time    it says which row is the latest, or lies within a window\n  filter  it says which rows count\n  input   a program gets to see it\n\nExamples:\n  daeda lineage dssm_ranking.author_membership\n  daeda lineage feed_events.event\n  daeda lineage dssm_ranking --columns\n  daeda lineage dssm_ranking.label --format mermaid"
)]
pub struct Lineage {
    /// A view, service or asset, or a column of one: `view.column`, `service.column`
    pub name: String,
    /// Each column of a view, service or asset
    #[arg(long)]
    pub columns: bool,
    #[arg(long, value_enum, default_value_t = LineageFormat::Text)]
    pub format: LineageFormat,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  daeda materialize-day dssm_ranking 2026-02-01")]
pub struct MaterializeDay {
    pub service: String,
    #[arg(value_name = "DATE")]
    pub date: String,
    /// Which asset, where several are built from the service
    #[arg(long)]
    pub asset: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum What {
    Assets,
    Views,
    Services,
    Jobs,
    Schedules,
    Profiles,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  daeda list profiles --effective")]
pub struct List {
    #[arg(value_enum, default_value_t = What::Assets)]
    pub what: What,
    /// With `profiles`: each setting's value and where it comes from
    #[arg(long)]
    pub effective: bool,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  daeda show dssm_ranking_training@2026-02-03")]
pub struct Show {
    #[arg(value_name = "TARGET@KEY")]
    pub target: String,
    /// How many rows to show
    #[arg(long, default_value_t = 5)]
    pub rows: usize,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  daeda runs\n  daeda runs 12\n  daeda runs --asset dssm_ranking_training --metric rows")]
pub struct Runs {
    /// What this run did: its number, or `last`
    #[arg(value_name = "RUN", conflicts_with = "asset")]
    pub run: Option<String>,
    /// The metadata of an asset over time: `asset`, or `asset.op`
    #[arg(long, value_name = "ASSET")]
    pub asset: Option<String>,
    /// Only this value of the metadata, with each partition's
    #[arg(long, value_name = "NAME", requires = "asset")]
    pub metric: Option<String>,
    /// How many runs, or partitions, to show
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: u64,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  daeda log last\n  daeda log 12 dssm_ranking_report@2026-02-03")]
pub struct Log {
    /// The run's number, or `last`
    #[arg(value_name = "RUN")]
    pub run: String,
    /// Only the actions whose names begin so
    #[arg(value_name = "ACTION")]
    pub action: Option<String>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Of an output that was cleaned the record stays, so that what was built from it is fresh as before. It is built again when\nits data is needed, or when it is named by key.\n\nExamples:\n  daeda clean dssm_ranking_training.skeleton --older-than 30d -n\n  daeda clean dssm_ranking_training --keep 90"
)]
pub struct Clean {
    /// Whose outputs to remove
    #[arg(value_name = "TARGET")]
    pub targets: Vec<String>,
    /// Keep the newest N partitions
    #[arg(long, value_name = "N")]
    pub keep: Option<u64>,
    /// Only partitions whose period ended longer ago, such as 90d
    #[arg(long, value_name = "DURATION")]
    pub older_than: Option<String>,
    /// Remove the caches under .daeda
    #[arg(long)]
    pub cache: bool,
    /// Remove outputs of assets and ops that the manifest does not declare
    #[arg(long)]
    pub undeclared: bool,
    /// Say what would be removed, and change nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Remove up to so many published partitions, whatever `replace-max` says
    #[arg(long, value_name = "N")]
    pub replace: Option<u64>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  daeda sample --users 100000 --artworks 200000 --events-per-day 500000")]
pub struct Sample {
    /// Where to write; the workspace's `data` without
    #[arg(value_name = "DIR")]
    pub to: Option<PathBuf>,
    #[command(flatten)]
    pub size: SampleSize,
}

#[derive(Debug, Clone, Default, ClapArgs)]
pub struct SampleSize {
    /// Days of data, from the first day of the workspace's partitions
    #[arg(long)]
    pub days: Option<u32>,
    #[arg(long)]
    pub users: Option<u32>,
    #[arg(long)]
    pub artworks: Option<u32>,
    #[arg(long)]
    pub events_per_day: Option<u32>,
    /// Width of the embeddings
    #[arg(long)]
    pub dim: Option<u32>,
    /// Same seed, same bytes
    #[arg(long)]
    pub seed: Option<u64>,
    /// A directory for each hour, `dt=…/hr=…`; without it, where the workspace's views say so
    #[arg(long)]
    pub hourly: bool,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  daeda demo")]
pub struct Demo {}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Nothing that is there already is overwritten.\n\nExample:\n  daeda init my_training && cd my_training && daeda check && daeda sample"
)]
pub struct Init {
    /// Where; the current directory without
    #[arg(value_name = "DIR")]
    pub to: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "The names of changed files go to stdout. A file with syntax errors is left as it is.\n\nExamples:\n  daeda fmt --check\n  daeda fmt feature_views/feed_events.kdl\n  daeda fmt - < feature_views/feed_events.kdl"
)]
pub struct Fmt {
    /// Files, directories, or `-` for stdin; all files of the workspace without
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Change nothing; exit with 10 if something would change
    #[arg(long)]
    pub check: bool,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  daeda completions bash > ~/.local/share/bash-completion/completions/daeda\n  daeda completions zsh > \"${fpath[1]}/_daeda\"\n  daeda completions fish > ~/.config/fish/completions/daeda.fish"
)]
pub struct Completions {
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  daeda man | man -l -\n  daeda man ~/.local/share/man/man1")]
pub struct Man {
    /// Write a page for each command there; without it, the first page goes to stdout
    #[arg(value_name = "DIR")]
    pub to: Option<PathBuf>,
}
