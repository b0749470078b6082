//! The example of three assets in a row, as it stands in the repository.

use crate::example::{edit, repository};
use crate::fixture::{Workspace, copy_tree};

/// Must show: an export before, the training asset, a report after; edit the report's script: only it reruns.
#[test]
fn edit_the_report_s_script_and_only_it_reruns() {
    let workspace = Workspace::empty();
    copy_tree(&repository().join("examples/chain"), workspace.directory.path()).unwrap();
    let sample = ["sample", "--days", "3", "--users", "60", "--artworks", "100", "--events-per-day", "600", "--dim", "4", "-q"];
    assert_eq!(workspace.daeda(&sample).code, 0);
    assert_eq!(workspace.daeda(&["check", "--deny", "warnings"]).code, 0);
    let days = |op: &str| (1..=3).map(|day| format!("{op}@2026-02-0{day}")).collect::<Vec<_>>();
    let built = workspace.build(&["all"]);
    assert_eq!(built.code, 0, "{:?} {}", built.errors(), built.stderr);
    let mut all = [days("export.copy"), days("report.write"), vec!["training.compile".into()], days("training.skeleton")].concat();
    all.sort();
    assert_eq!(built.ran(), all);
    assert_eq!(workspace.build(&["all"]).ran().len(), 0);

    edit(&workspace.path("tools/report.sh"), "# Training data up to", "# What there is to train on up to");
    assert_eq!(workspace.build(&["all"]).ran(), days("report.write"));
    let report = workspace.read("data/training_output/report/dt=2026-02-03/report.md");
    assert_eq!(report.lines().collect::<Vec<_>>()[..3], ["# What there is to train on up to 2026-02-03", "", "* dt=2026-02-01: 1 files"]);
    let shown = workspace.daeda(&["show", "report@2026-02-03", "--format", "json"]).json();
    assert_eq!(shown["metadata"]["partitions"], 3);

    // An export that runs again to the same bytes stops there.
    edit(&workspace.path("tools/export.sh"), "# Copies", "# Takes over");
    assert_eq!(workspace.build(&["all"]).ran(), days("export.copy"));
}
