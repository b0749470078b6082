//! The one error type at the edge: its kind decides heading and exit code.

use super::args::{Args, Color, Format};
use super::output::{say, wants_color};
use crate::report::diagnostics::{self, Style};
use crate::source::{Diagnostic, Sources};
use crate::workspace::{LoadError, PlanError, TargetError};
use serde_json::json;
use std::fmt;
use std::io;

/// Exit codes, as `cli.md` has them.
pub mod code {
    pub const DONE: u8 = 0;
    pub const FAILED: u8 = 1;
    pub const USAGE: u8 = 2;
    pub const INVALID: u8 = 3;
    pub const ENVIRONMENT: u8 = 4;
    pub const BUG: u8 = 5;
    pub const NOT_FRESH: u8 = 10;
    pub const REFUSED: u8 = 11;
    pub const WAITING: u8 = 12;
    pub const INTERRUPTED: u8 = 130;
}

#[derive(Debug)]
pub enum CliError {
    Usage(String),
    /// The manifest is wrong, in located ways.
    Manifest(Box<(Sources, Vec<Diagnostic>)>),
    Invalid(String),
    Environment(String),
    Refused(String),
    Bug(String),
    /// stdout is gone: whoever read it has seen enough.
    Closed,
}

impl CliError {
    pub fn io(what: impl fmt::Display, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::Closed;
        }
        Self::Environment(format!("{what}: {error}"))
    }

    fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => code::USAGE,
            Self::Manifest(_) | Self::Invalid(_) => code::INVALID,
            Self::Environment(_) => code::ENVIRONMENT,
            Self::Refused(_) => code::REFUSED,
            Self::Bug(_) => code::BUG,
            Self::Closed => code::DONE,
        }
    }

    /// Says what is wrong on stderr and returns the exit code.
    pub fn report(&self, args: &Args) -> u8 {
        if args.log_format == Format::Json {
            self.log();
            return self.code();
        }
        match self {
            Self::Manifest(found) => {
                let color = wants_color(args.color == Color::Always, args.color == Color::Never, &io::stderr());
                let (sources, diagnostics) = found.as_ref();
                say(&diagnostics::text(diagnostics, sources, Style { color, width: 80 }));
                let errors = diagnostics.iter().filter(|d| d.is_error()).count();
                say(&format!("error: the manifest has mistakes, {errors} in all; `daeda check --explain CODE` says more about each\n"));
            }
            Self::Usage(text) | Self::Invalid(text) | Self::Environment(text) | Self::Refused(text) => say(&format!("error: {text}\n")),
            Self::Bug(text) => say(&format!("error: {text}; this is a bug in daeda, please report it\n")),
            Self::Closed => {}
        }
        self.code()
    }
}

impl CliError {
    /// As one line of JSON.
    fn log(&self) {
        let (message, found) = match self {
            Self::Manifest(found) => ("the manifest has mistakes", Some(diagnostics::json(&found.1, &found.0))),
            Self::Usage(text) | Self::Invalid(text) | Self::Environment(text) | Self::Refused(text) | Self::Bug(text) => {
                (text.as_str(), None)
            }
            Self::Closed => return,
        };
        let mut line = json!({"event": "error", "exit_code": self.code(), "message": message});
        if let Some(found) = found {
            line["check"] = found;
        }
        say(&format!("{line}\n"));
    }
}

impl From<LoadError> for CliError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::NotFound { from } => {
                let hint = "run daeda inside a workspace, or name one with -C DIR";
                Self::Usage(format!("there is no Daedalus.kdl in {} or above it; {hint}", from.display()))
            }
            LoadError::Settings(text) => Self::Usage(text),
        }
    }
}

impl From<TargetError> for CliError {
    fn from(error: TargetError) -> Self {
        Self::Usage(error.0)
    }
}

impl From<PlanError> for CliError {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::NotYet(text) => Self::Usage(text),
            PlanError::Invalid(text) => Self::Invalid(text),
        }
    }
}
