//! Writing to the terminal: data to stdout, talk to stderr.

use super::error::CliError;
use std::io::{self, IsTerminal, Write};

/// Writes data.
pub fn print(text: &str) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|e| CliError::io("stdout", &e))
}

/// Writes one JSON document.
pub fn print_json(value: &impl serde::Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    print(&(text + "\n"))
}

/// Says something. If nobody listens, that is no failure of ours.
pub fn say(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Whether what goes to a stream is drawn in colour.
pub fn wants_color(always: bool, never: bool, stream: &impl IsTerminal) -> bool {
    let plain = never || std::env::var_os("NO_COLOR").is_some();
    always || (!plain && stream.is_terminal())
}
