//! Settings from outside the files: profiles, environment, `--set`; the one table of precedence, and what is shown of it.

use crate::fixture::*;
use std::collections::BTreeMap;
use std::process::Command;

fn said(mut command: Command) -> Said {
    Said::from(command.output().unwrap())
}

/// Each setting with its value and where it comes from.
fn effective(command: Command) -> BTreeMap<String, (String, String)> {
    let said = said(command);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let item = |item: &serde_json::Value| {
        let text = |field: &str| item[field].as_str().unwrap().to_string();
        (text("setting"), (text("value"), text("from")))
    };
    said.json()["items"].as_array().unwrap().iter().map(item).collect()
}

const EFFECTIVE: [&str; 5] = ["list", "profiles", "--effective", "--format", "json"];

fn workspace() -> Workspace {
    let workspace = Workspace::new();
    let config = "config {\n    resources cpus=2 memory=\"2GiB\"\n    output-root \"data/training_output\"\n}\nprofile \"prod\" {\n    output-root (env)\"ROOT\"\n    resources cpus=1\n}";
    workspace.edit("Daedalus.kdl", "config {\n    resources cpus=2 memory=\"2GiB\"\n}", config);
    workspace.edit("config/training/runtime.kdl", "runtime {", "runtime {\n    constant \"most\" 4");
    workspace.edit("config/training/aggregations.kdl", "k=4", "k=(constant)\"most\"");
    workspace
}

#[test]
fn every_value_is_shown_with_where_it_comes_from() {
    let workspace = workspace();
    let of = |value: &str, from: &str| (value.to_string(), from.to_string());
    let shown = effective(workspace.command(&EFFECTIVE));
    assert_eq!(shown["output-root"], of("data/training_output", "Daedalus.kdl"));
    assert_eq!(shown["replace-max"], of("none", "default"));
    assert_eq!(shown["runtime.constant.most"], of("4", "config/training/runtime.kdl"));
    assert_eq!(shown["runtime.compute.engine"], of("native", "default"));
    let mut all = workspace.command(&[&EFFECTIVE[..], &["--profile", "prod", "--set", "runtime.constant.most=2"]].concat());
    all.env("ROOT", "elsewhere").env("DAEDA_RESOURCES_MEMORY", "1GiB").env("DAEDA_RUNTIME_OUTPUT_LEVEL", "3");
    all.env("DAEDA_RUNTIME_CONSTANT_MOST", "3");
    let shown = effective(all);
    assert_eq!(shown["output-root"], of("elsewhere", "profile prod: (env)\"ROOT\""));
    assert_eq!(shown["resources.cpus"], of("1", "profile prod"));
    assert_eq!(shown["resources.memory"], of("1GiB", "environment DAEDA_RESOURCES_MEMORY"));
    assert_eq!(shown["runtime.output.level"], of("3", "environment DAEDA_RUNTIME_OUTPUT_LEVEL"));
    assert_eq!(shown["runtime.constant.most"], of("2", "--set"));
}

#[test]
fn a_constant_that_is_set_is_a_parameter_like_any_other() {
    let workspace = workspace();
    assert_eq!(workspace.build(&["ranker"]).code, 0);
    assert_eq!(workspace.status("ranker").states(), BTreeMap::new());
    let other = workspace.daeda(&["status", "ranker", "--set", "runtime.constant.most=2"]);
    assert!(other.stdout.contains("rolling/liked.options.k: 4 → 2"), "{}", other.stdout);
    // The codec's level changes bytes, and is observed as well.
    let level = workspace.daeda(&["status", "ranker", "--set", "runtime.output.level=7"]);
    assert!(level.stdout.contains("5 stale"), "{}", level.stdout);
}

#[test]
fn what_is_wrong_is_refused_with_its_origin_and_the_way_out() {
    let workspace = workspace();
    for (args, expected) in [
        (["list", "--set", "runtime.constant.mots=2"], "did you mean `most`?"),
        (["list", "--set", "runtime.constant.most=many"], "`many` (--set)"),
        (["list", "--set", "runtime.compute.engine=spark"], "native or polars"),
        (["list", "--set", "runtime.output.levl=2"], "`runtime.output.level`"),
        (["list", "--set", "output-root="], "cannot be empty"),
        (["list", "--profile", "prd"], "did you mean `prod`?"),
    ] {
        let said = workspace.daeda(&args);
        assert_eq!(said.code, 2, "{args:?}: {}", said.stderr);
        assert!(said.stderr.contains(expected), "{args:?}: {}", said.stderr);
    }
    let mut environment = workspace.command(&["list"]);
    environment.env("DAEDA_RESOURCES_CPUS", "all");
    assert!(said(environment).stderr.contains("`all` (environment DAEDA_RESOURCES_CPUS)"));
    let mut unset = workspace.command(&["list", "--profile", "prod"]);
    unset.env_remove("ROOT");
    assert!(said(unset).stderr.contains("the environment has no variable `ROOT`"));
}

#[test]
fn a_variable_that_is_nearly_one_of_ours_is_said() {
    let workspace = Workspace::new();
    let mut command = workspace.command(&["list"]);
    command.env("DAEDA_OUTPUTROOT", "x").env("DAEDA_METADATA", "y");
    let said = said(command);
    assert_eq!(said.stderr, "warning: DAEDA_OUTPUTROOT is no setting; did you mean DAEDA_OUTPUT_ROOT?\n");
}

#[test]
fn an_environment_that_is_no_text_is_no_trouble() {
    use std::os::unix::ffi::OsStrExt;
    let workspace = Workspace::new();
    let mut command = workspace.command(&["list"]);
    command.env("SOMETHING", std::ffi::OsStr::from_bytes(b"\xff\xfe")).env("DAEDA_PROFILE", "");
    assert_eq!(said(command).code, 0);
}
