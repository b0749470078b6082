//! `daeda init`: a commented starter workspace that builds as it is, over the data that `daeda sample` writes.
//!
//! Invariants: nothing that is there is overwritten; what is printed at the end works when it is typed.

use super::args::Init;
use super::context::Context;
use super::error::{CliError, code};
use super::output::{print, say};
use crate::engine::clock::Clock;
use crate::sample::SampleSpec;
use chrono::{DateTime, Days, NaiveDate};
use std::fs;
use std::path::{Path, PathBuf};

/// The files of the workspace.
const FILES: [(&str, &str); 5] = [
    ("Daedalus.kdl", include_str!("starter/Daedalus.kdl")),
    ("feature_views/feed_events.kdl", include_str!("starter/feature_views/feed_events.kdl")),
    ("feature_views/artworks.kdl", include_str!("starter/feature_views/artworks.kdl")),
    ("feature_services/like_prediction.kdl", include_str!("starter/feature_services/like_prediction.kdl")),
    ("config/training/aggregations.kdl", include_str!("starter/config/training/aggregations.kdl")),
];
const IGNORE: &str = ".gitignore";
const IGNORED: &str = "# data, and what daeda makes of it\n/data/\n/.daeda/\n";
/// The first day in the files as they lie here.
const FIRST_DAY: &str = "2026-02-01";

pub fn run(context: &Context, command: &Init) -> Result<u8, CliError> {
    let directory = command.to.as_ref().map_or(context.start().to_path_buf(), |to| context.start().join(to));
    let there: Vec<&str> = FILES.iter().map(|(name, _)| *name).filter(|name| directory.join(name).exists()).collect();
    if !there.is_empty() {
        let hint = "nothing is overwritten; choose another directory: daeda init DIR";
        return Err(CliError::Usage(format!("{} already has {}; {hint}", directory.display(), there.join(", "))));
    }
    if let Some(file) = in_the_way(&directory) {
        let hint = "a directory belongs there; choose another directory: daeda init DIR";
        return Err(CliError::Usage(format!("{} is no directory; {hint}", file.display())));
    }
    let ignore = Some((IGNORE, IGNORED)).filter(|(name, _)| !directory.join(name).exists());
    let first = first_day(context.clock.now()).to_string();
    let mut written = String::new();
    for (name, text) in FILES.into_iter().chain(ignore) {
        write(&directory.join(name), &text.replace(FIRST_DAY, &first))?;
        written += &format!("{name}\n");
    }
    print(&written)?;
    if !context.args.quiet {
        say(&next(context, command));
    }
    Ok(code::DONE)
}

/// Something in place of a directory that a file is to lie in.
fn in_the_way(directory: &Path) -> Option<PathBuf> {
    let is_in_the_way = |path: &Path| fs::symlink_metadata(path).is_ok() && !path.is_dir();
    FILES.iter().find_map(|(name, _)| directory.join(name).ancestors().skip(1).find(|path| is_in_the_way(path)).map(Path::to_path_buf))
}

/// So many days before today that the sample ends with yesterday: all that is due then has its data.
fn first_day(now: i64) -> NaiveDate {
    let sample = SampleSpec::default();
    let today = DateTime::from_timestamp_millis(now).map(|now| now.date_naive());
    today.and_then(|today| today.checked_sub_days(Days::new(sample.days.into()))).unwrap_or(sample.start)
}

fn write(path: &Path, text: &str) -> Result<(), CliError> {
    let parent = path.parent().map_or(Ok(()), fs::create_dir_all);
    parent.and_then(|()| fs::write(path, text)).map_err(|e| CliError::io(path.display(), &e))
}

/// What to type now.
fn next(context: &Context, command: &Init) -> String {
    let steps = [
        ("check", "is it sound?"),
        ("sample", "ten days of synthetic data"),
        ("build like_training", "all days that have ended"),
        ("show like_training@latest", "what came out"),
        ("status", "what is fresh, and what is not"),
        ("lineage like_prediction.label", "what a column is made of"),
    ];
    let program = context.program();
    let mut text = "\nnext:\n".to_string();
    if let Some(to) = &command.to {
        let to = to.display().to_string();
        let to = if to.starts_with('-') { format!("./{to}") } else { to };
        text += &format!("  cd {}\n", super::context::quoted(&to));
    }
    let program = if command.to.is_some() { "daeda".to_string() } else { program };
    for (step, why) in steps {
        let step = format!("{program} {step}");
        text += &format!("  {step:<37}  # {why}\n");
    }
    text
}
