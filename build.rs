//! How the binary is linked. On Linux it is linked to a fixed address: position-independent, it would have 330,000 pointers (vtables,
//! mostly of the data engines) to relocate before `main`, which is most of the time that `daeda --version` takes, and every worker's start.

use std::env::var;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target = |part: &str| var(format!("CARGO_CFG_TARGET_{part}")).unwrap_or_default();
    if target("OS") == "linux" && target("ENV") == "gnu" {
        println!("cargo:rustc-link-arg-bins=-no-pie");
    }
}
