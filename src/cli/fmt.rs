//! `daeda fmt`: the KDL files in their common layout.
//!
//! Invariant: a file is replaced whole or not at all, and one that cannot be parsed is left as it is.

use super::args::Fmt;
use super::context::Context;
use super::error::{CliError, code};
use super::output::{print, say};
use crate::manifest::{self, FormatError};
use crate::source::{Diagnostic, SourceId, Sources};
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

pub fn run(context: &Context, command: &Fmt) -> Result<u8, CliError> {
    if command.files.iter().any(|file| file.as_os_str() == "-") {
        return standard_input(command);
    }
    let Texts { sources, paths, unread } = if command.files.is_empty() { workspace(context)? } else { named(context, &command.files)? };
    let (outcomes, mut mistakes) = formatted(&sources, &unread)?;
    mistakes.extend(unread);
    let mut changed: Vec<String> = Vec::new();
    for (id, text) in outcomes.iter().filter(|(id, text)| **text != *sources.get(*id).text) {
        if !command.check {
            replace(&paths[id.0 as usize], text)?;
        }
        changed.push(format!("{}\n", sources.get(*id).name));
    }
    print(&changed.concat())?;
    let changed = changed.len();
    if !mistakes.is_empty() {
        return Err(CliError::Manifest(Box::new((sources, mistakes))));
    }
    if !context.args.quiet {
        say(&summary(changed, outcomes.len() - changed, command.check));
    }
    Ok(if command.check && changed > 0 { code::NOT_FRESH } else { code::DONE })
}

fn summary(changed: usize, same: usize, check: bool) -> String {
    let files = |number: usize| format!("{number} {}", if number == 1 { "file" } else { "files" });
    match (changed, check) {
        (0, _) => format!("{} well formatted\n", files(same)),
        (_, true) => format!("{} would change, {same} would not; `daeda fmt` formats them\n", files(changed)),
        (_, false) => format!("{} formatted, {same} left as they were\n", files(changed)),
    }
}

/// Texts of the files that can be formatted, and what is wrong with the others.
type Formatted = (Vec<(SourceId, String)>, Vec<Diagnostic>);

fn formatted(sources: &Sources, unread: &[Diagnostic]) -> Result<Formatted, CliError> {
    let (mut texts, mut mistakes) = (Vec::new(), Vec::new());
    for (id, source) in sources.iter().filter(|(id, _)| unread.iter().all(|found| found.span().source != *id)) {
        match manifest::format(sources, id) {
            Ok(text) => texts.push((id, text)),
            Err(FormatError::Syntax(found)) => mistakes.extend(found),
            Err(FormatError::Unsafe) => return Err(CliError::Bug(format!("{} would not mean the same when formatted", source.name))),
        }
    }
    Ok((texts, mistakes))
}

/// What is to be formatted, with where it lies.
struct Texts {
    sources: Sources,
    paths: Vec<PathBuf>,
    /// Why some are not what their files hold: those are left alone.
    unread: Vec<Diagnostic>,
}

/// Every file that the workspace is made of, whatever is wrong with what they say.
fn workspace(context: &Context) -> Result<Texts, CliError> {
    let root = context.root()?;
    let loaded = context.load()?;
    let paths = loaded.sources.iter().map(|(_, source)| root.join(&source.name)).collect();
    let unread = loaded.diagnostics.into_iter().filter(|found| loaded.unread.contains(&found.span().source)).collect();
    Ok(Texts { sources: loaded.sources, paths, unread })
}

/// The files that were named, and the KDL files below directories that were.
fn named(context: &Context, names: &[PathBuf]) -> Result<Texts, CliError> {
    let (mut sources, mut paths) = (Sources::default(), Vec::new());
    for name in names {
        let mut files = Vec::new();
        kdl_files(&context.start().join(name), &mut files)?;
        for path in files {
            let bytes = fs::read(&path).map_err(|e| CliError::io(path.display(), &e))?;
            let shown = path.strip_prefix(context.start()).unwrap_or(&path).display().to_string();
            let text =
                String::from_utf8(bytes).map_err(|_| CliError::Invalid(format!("{shown}: it is not UTF-8; KDL files are UTF-8 text")))?;
            sources.add(shown, text);
            paths.push(path);
        }
    }
    Ok(Texts { sources, paths, unread: Vec::new() })
}

/// What compiled pipelines are written to is nobody's to format.
fn kdl_files(path: &Path, into: &mut Vec<PathBuf>) -> Result<(), CliError> {
    if !path.is_dir() {
        into.push(path.to_path_buf());
        return Ok(());
    }
    let entries = fs::read_dir(path).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
    let mut entries: Vec<PathBuf> = entries.map_err(|e| CliError::io(path.display(), &e))?.into_iter().map(|e| e.path()).collect();
    entries.sort();
    for entry in entries {
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_ours = !name.starts_with('.') && !name.ends_with(".generated.kdl") && (entry.is_dir() || name.ends_with(".kdl"));
        if is_ours && !entry.is_symlink() {
            kdl_files(&entry, into)?;
        }
    }
    Ok(())
}

/// For editors: the text of stdin to stdout.
fn standard_input(command: &Fmt) -> Result<u8, CliError> {
    if command.files.len() > 1 {
        return Err(CliError::Usage("`-` stands for stdin, and takes no other file beside it".into()));
    }
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).map_err(|e| CliError::io("stdin", &e))?;
    let mut sources = Sources::default();
    sources.add("stdin", text.as_str());
    let (outcomes, mistakes) = formatted(&sources, &[])?;
    let Some((_, formatted)) = outcomes.first() else { return Err(CliError::Manifest(Box::new((sources, mistakes)))) };
    if command.check {
        return Ok(if *formatted == text { code::DONE } else { code::NOT_FRESH });
    }
    print(formatted)?;
    Ok(code::DONE)
}

/// Puts a text in the place of a file by one rename; a link goes on leading where it led.
fn replace(path: &Path, text: &str) -> Result<(), CliError> {
    let failed = |error: io::Error| CliError::io(path.display(), &error);
    let path = fs::canonicalize(path).map_err(failed)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let beside = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = write_beside(&path, &beside, text).and_then(|()| fs::rename(&beside, &path));
    written.inspect_err(|_| drop(fs::remove_file(&beside))).map_err(failed)
}

fn write_beside(path: &Path, beside: &Path, text: &str) -> io::Result<()> {
    let permissions = fs::metadata(path)?.permissions();
    if permissions.readonly() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is read-only"));
    }
    let mut file = fs::File::create_new(beside)?;
    file.set_permissions(permissions)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
