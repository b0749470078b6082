//! The suite: what the binary does, seen from outside, and what holds for the whole repository. One test binary, so that it links once.

mod documents;
mod layers;
