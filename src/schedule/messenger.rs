//! The messenger: runs the program of a `notify` and hands it the document on stdin.
//!
//! Invariants: the program sees of the environment what is declared; it heads a process group, which ends with it, with the time it has or
//! when this process is to stop, and so does what has left that group; no secret is in what is told of its failure.

use crate::catalog::declaration::Text;
use crate::catalog::model::Notify;
use crate::engine::descendants;
use crate::engine::execute::Cancel;
use crate::engine::group::Group;
use crate::engine::program;
use crate::engine::secrets::Secrets;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Of what it says so much is looked at.
const HEARD: u64 = 1 << 16;

/// Runs a program to its end; the error is a sentence without secrets.
pub fn send(notify: &Notify, directory: &Path, document: &str, cancel: &Cancel) -> Result<(), String> {
    let mut secrets = Secrets::default();
    let sent = attempt(notify, directory, document, cancel, &mut secrets);
    sent.map_err(|why| format!("`{}` {}", shown(notify), secrets.redacted(&why)))
}

/// What people call it.
fn shown(notify: &Notify) -> String {
    notify.run.first().map_or(String::new(), word_of)
}

/// A word as the manifest has it: a secret by its name.
pub fn word_of(text: &Text) -> String {
    match text {
        Text::Literal(text) => text.clone(),
        Text::Env(variable) => format!("(env)\"{variable}\""),
    }
}

fn attempt(notify: &Notify, directory: &Path, document: &str, cancel: &Cancel, secrets: &mut Secrets) -> Result<(), String> {
    let mut words = Vec::new();
    for word in &notify.run {
        words.push(match word {
            Text::Literal(text) => text.clone(),
            Text::Env(variable) => secret(variable, secrets)?,
        });
    }
    let (name, arguments) = words.split_first().ok_or("has no name")?;
    let program = program::find(name, directory).ok_or("is no program in PATH")?;
    let mut heard = tempfile::tempfile().map_err(|e| format!("cannot be heard: {e}"))?;
    let mut command = Command::new(program);
    command.args(arguments).current_dir(directory).env_clear();
    for variable in &notify.environment {
        match variable {
            Text::Literal(name) => drop(std::env::var_os(name).map(|value| command.env(name, value))),
            Text::Env(name) => drop(command.env(name, secret(name, secrets)?)),
        }
    }
    let ear = |file: &File| file.try_clone().map(Stdio::from).map_err(|e| format!("cannot be heard: {e}"));
    command.stdin(Stdio::piped()).stdout(ear(&heard)?).stderr(ear(&heard)?);
    let mut group = Group::start(&mut command).map_err(|e| format!("cannot be started: {e}"))?;
    hand_over(&mut group, document);
    let ended = wait(&mut group, Duration::from_millis(notify.timeout.millis.max(0) as u64), cancel);
    // What it has started ends with it, in its group or not.
    descendants::end(group.leader());
    drop(group);
    match ended.map_err(|e| format!("cannot be waited for: {e}"))? {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(format!("ended with {status}: {}", last_line(&mut heard))),
        None if cancel.is_requested() => Err("was stopped, as daeda itself was; it is told again at the next run".into()),
        None => Err(format!("took longer than {} and was killed: {}", notify.timeout, last_line(&mut heard))),
    }
}

fn secret(variable: &str, secrets: &mut Secrets) -> Result<String, String> {
    let value = std::env::var(variable).map_err(|_| format!("needs the variable `{variable}`; set it: export {variable}=…"))?;
    secrets.keep(&value);
    Ok(value)
}

/// On a thread of its own: a program may never read it.
fn hand_over(group: &mut Group, document: &str) {
    let text = format!("{document}\n");
    if let Some(mut stdin) = group.child.stdin.take() {
        std::thread::spawn(move || {
            let _ = stdin.write_all(text.as_bytes());
        });
    }
}

/// How it ended; nothing if its time is up, or ours.
fn wait(group: &mut Group, longest: Duration, cancel: &Cancel) -> io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + longest;
    loop {
        if let Some(status) = group.child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline || cancel.is_requested() {
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn last_line(heard: &mut File) -> String {
    let mut bytes = Vec::new();
    let _ = heard.rewind().and_then(|()| heard.take(HEARD).read_to_end(&mut bytes));
    let text = String::from_utf8_lossy(&bytes);
    text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing").trim().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::quantity::Duration as Length;

    fn shell(script: &str, timeout: i64) -> Notify {
        let run = ["sh", "-c", script].map(|word| Text::Literal(word.into())).into_iter().chain([Text::Env("PATH".into())]);
        let environment = vec![Text::Env("PATH".into())];
        Notify { on: vec![], run: run.collect(), environment, timeout: Length { millis: timeout } }
    }

    #[test]
    fn the_document_arrives_and_success_is_silent() {
        let directory = tempfile::tempdir().unwrap();
        send(&shell("cat > got", 10_000), directory.path(), "{\"version\": 1}", &Cancel::default()).unwrap();
        assert_eq!(std::fs::read_to_string(directory.path().join("got")).unwrap(), "{\"version\": 1}\n");
    }

    #[test]
    fn a_failure_says_the_last_line_without_secrets() {
        let directory = tempfile::tempdir().unwrap();
        let path = std::env::var("PATH").unwrap();
        let why = send(&shell("echo \"no: $0 $PATH\" >&2; exit 3", 10_000), directory.path(), "{}", &Cancel::default()).unwrap_err();
        assert!(why.contains("exit status: 3: no: *** ***") && !why.contains(&path), "{why}");
    }

    #[test]
    fn who_takes_too_long_is_killed() {
        let directory = tempfile::tempdir().unwrap();
        let start = Instant::now();
        let why = send(&shell("sleep 600", 200), directory.path(), "{}", &Cancel::default()).unwrap_err();
        assert!(why.contains("took longer than 200ms"), "{why}");
        assert!(start.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn nobody_waits_for_it_who_is_to_stop() {
        let directory = tempfile::tempdir().unwrap();
        let cancel = Cancel::default();
        cancel.request();
        let start = Instant::now();
        let why = send(&shell("sleep 600", 300_000), directory.path(), "{}", &cancel).unwrap_err();
        assert!(why.contains("was stopped, as daeda itself was"), "{why}");
        assert!(start.elapsed() < Duration::from_secs(30));
    }
}
