//! The behaviour of the binary, in one test program so that it links once.

mod fixture;
mod freshness;
mod mistakes;
mod processes;
mod surface;
