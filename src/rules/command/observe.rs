//! What a command observes beside its inputs: its sources, byte by byte, and the variables that it gets to see.

use crate::engine::check::file_digest;
use crate::engine::observation::{Kind, Observation, Shown};
use crate::engine::world::Unobservable;
use std::path::Path;

/// A file of the workspace, by the name that the manifest gives it.
pub fn file(name: &str, path: &Path) -> Result<Observation, Unobservable> {
    if path.is_dir() {
        return Err(Unobservable::Broken(format!("source {name} is a directory; name the files in it")));
    }
    let digest = file_digest(path).map_err(|error| Unobservable::Broken(format!("source {name} cannot be read: {error}")))?;
    Ok(Observation::shown(Kind::Bytes, name, digest, Shown::Text(digest.short())))
}

/// A variable of the environment: its value in quotes, so that none is mistaken for an absent one.
pub fn environment(name: &str) -> Observation {
    let value = std::env::var_os(name).map_or("unset".to_string(), |value| format!("\"{}\"", value.to_string_lossy().escape_default()));
    Observation::text(Kind::Environment, name, value)
}
