//! Makes a workspace that fails smaller while it still fails, so that what is printed can be read.

use super::workspace::*;

/// Workspaces with one thing less, big things first.
fn smaller(workspace: &Workspace) -> Vec<Workspace> {
    let mut all = Vec::new();
    let mut with = |change: &dyn Fn(&mut Workspace)| {
        let mut smaller = workspace.clone();
        change(&mut smaller);
        all.push(smaller);
    };
    if !workspace.ratios.is_empty() {
        with(&|w| w.ratios.clear());
    }
    for number in 0..workspace.aggregations.len() {
        let name = &workspace.aggregations[number].name;
        with(&|w| {
            w.aggregations.remove(number);
            drop_columns(w, &|column| *column != *name && !column.starts_with(&format!("{name}_")));
        });
        for window in 0..workspace.aggregations[number].windows.len() {
            with(&|w| {
                w.aggregations[number].windows.remove(window);
            });
        }
        with(&|w| w.aggregations[number].filters.clear());
        with(&|w| w.aggregations[number].joins.clear());
        with(&|w| w.aggregations[number].offset = None);
    }
    for number in 0..workspace.joins.len() {
        with(&|w| drop(w.joins.remove(number)));
    }
    with(&|w| w.curate.clear());
    with(&|w| w.spine = Spine::default());
    with(&|w| w.contract = Contract { rest: true, ..Contract::default() });
    for (number, view) in workspace.views.iter().enumerate() {
        for file in 0..view.files.len() {
            with(&|w| drop(w.views[number].files.remove(file)));
        }
        for (file, source) in view.files.iter().enumerate() {
            for row in 0..source.rows.len() {
                with(&|w| drop(w.views[number].files[file].rows.remove(row)));
            }
        }
    }
    all
}

fn drop_columns(workspace: &mut Workspace, keep: &dyn Fn(&str) -> bool) {
    workspace.contract.before.retain(|column| keep(&column.name));
    workspace.contract.after.retain(|column| keep(&column.name));
}

/// The smallest workspace found, in so many tries, that fails as the given one does.
pub fn fewest(mut workspace: Workspace, fails: &dyn Fn(&Workspace) -> bool, mut tries: usize) -> Workspace {
    loop {
        let candidates = smaller(&workspace).into_iter().filter(|s| size(s) < size(&workspace)).collect::<Vec<_>>();
        let found = candidates.into_iter().find(|smaller| {
            tries = tries.saturating_sub(1);
            tries > 0 && is_whole(smaller) && fails(smaller)
        });
        match found {
            Some(found) => workspace = found,
            None => return workspace,
        }
    }
}

/// Whether what is named is there.
fn is_whole(workspace: &Workspace) -> bool {
    let wide = workspace.wide();
    let has = |columns: &[(String, super::rows::Kind)], name: &str| columns.iter().any(|(column, _)| column == name);
    let keys = |a: &Aggregation| if a.on.is_empty() { a.by.clone() } else { a.on.clone() };
    let of = |a: &Aggregation| {
        let own = a.columns(workspace);
        let reads = column_of(&a.function).is_none_or(|column| has(&own, column));
        reads
            && a.filters.iter().all(|f| has(&own, &f.column))
            && a.by.iter().all(|by| has(&own, by))
            && keys(a).iter().all(|on| has(&wide, on))
    };
    let joined = workspace.joins.iter().all(|join| join.on.is_none_or(|on| has(&wide, on)));
    let columns = workspace.contract.before.iter().chain(&workspace.contract.after);
    let mut named = columns.map(|column| column.computed.as_ref().map_or(&column.name, |(_, of, _)| of));
    joined
        && workspace.aggregations.iter().all(|a| !a.windows.is_empty() && of(a))
        && workspace
            .ratios
            .iter()
            .all(|ratio| workspace.aggregations.iter().filter(|a| [&ratio.numerator, &ratio.denominator].contains(&&a.name)).count() == 2)
        && workspace.curate.iter().all(|filter| has(&wide, &filter.column))
        && named.all(|name| has(&wide, name))
}

fn column_of(function: &Function) -> Option<&String> {
    match function {
        Function::Count | Function::TimeSinceLast => None,
        Function::CountDistinct(column)
        | Function::Sum(column)
        | Function::Mean(column)
        | Function::Min(column)
        | Function::Max(column)
        | Function::Var(column)
        | Function::Stddev(column)
        | Function::First(column)
        | Function::Last(column)
        | Function::FirstK { column, .. }
        | Function::LastK { column, .. }
        | Function::Distinct { column, .. } => Some(column),
    }
}

fn size(workspace: &Workspace) -> usize {
    let rows: usize = workspace.views.iter().flat_map(|view| &view.files).map(|file| 1 + file.rows.len()).sum();
    let of = |a: &Aggregation| 3 + a.windows.len() + a.filters.len() + a.joins.len() + usize::from(a.offset.is_some());
    let aggregations: usize = workspace.aggregations.iter().map(of).sum();
    let spine = workspace.spine.filters.len() + usize::from(workspace.spine.covered) + usize::from(workspace.spine.sessions.is_some());
    let contract = workspace.contract.before.len() + workspace.contract.after.len();
    rows + aggregations + spine + contract + workspace.joins.len() + workspace.ratios.len() + workspace.curate.len()
}
