//! Scans of which only some rows are seen, because nothing but filters takes them.
//!
//! Invariant: who says that rows are not seen and who runs the operators go by the same inputs, so that what is left out has no part in a result.

use super::world::Selects;
use crate::catalog::dag::{Kind, Operator, Scan};
use crate::catalog::expr::{Expr, Operator as Joins};

/// What is seen of a scan, if a filter is all that takes it.
pub fn selects(operator: &Operator, scan: &Scan, operators: &[Operator]) -> Option<Selects> {
    let filter = filters(operator, operators).into_iter().reduce(both)?;
    Some(Selects { columns: scan.columns.clone(), time: scan.time.clone(), created: scan.created.clone(), filter })
}

/// The filters that follow an operator one after the other, each the only one to take the rows of the one before.
fn filters(first: &Operator, operators: &[Operator]) -> Vec<Expr> {
    let (mut found, mut tip) = (Vec::new(), first);
    while let Some((filter, expr)) = only_filter(tip, operators) {
        found.push(expr.clone());
        tip = filter;
    }
    found
}

fn only_filter<'o>(of: &Operator, operators: &'o [Operator]) -> Option<(&'o Operator, &'o Expr)> {
    let mut takers = operators.iter().filter(|operator| operator.inputs.contains(&of.id));
    match (takers.next(), takers.next()) {
        (Some(taker), None) => match &taker.does {
            Kind::Filter(filter) => Some((taker, &filter.expr)),
            _ => None,
        },
        _ => None,
    }
}

fn both(left: Expr, right: Expr) -> Expr {
    Expr::Binary { operator: Joins::And, left: Box::new(left), right: Box::new(right) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::dag::{FilterRows, Reach, Sink, Stage};
    use crate::catalog::expr::parse;

    fn operator(id: &str, inputs: &[&str], does: Kind) -> Operator {
        Operator {
            id: id.into(),
            engine: does.engine(),
            stage: Stage::Skeleton,
            inputs: inputs.iter().map(|i| i.to_string()).collect(),
            does,
        }
    }

    fn filter(id: &str, input: &str, text: &str) -> Operator {
        operator(id, &[input], Kind::Filter(FilterRows { expr: parse(text).unwrap() }))
    }

    fn scan() -> Scan {
        Scan { view: "feed".into(), columns: vec![], time: None, created: None, reach: Reach::PERIOD }
    }

    fn seen(others: &[Operator]) -> Option<String> {
        let operators = [&[operator("scan", &[], Kind::Scan(scan()))], others].concat();
        selects(&operators[0], &scan(), &operators).map(|selects| selects.filter.to_string())
    }

    #[test]
    fn filters_in_a_row_are_one() {
        assert_eq!(seen(&[filter("a", "scan", "x = 1"), filter("b", "a", "y = 2")]).unwrap(), "x = 1 AND y = 2");
    }

    #[test]
    fn all_rows_are_seen_where_somebody_else_takes_them() {
        let sink = |input: &str| operator("sink", &[input], Kind::Sink(Sink { columns: vec![] }));
        assert_eq!(seen(&[sink("scan")]), None);
        assert_eq!(seen(&[filter("a", "scan", "x = 1"), sink("scan")]), None);
        assert_eq!(seen(&[filter("a", "scan", "x = 1"), filter("b", "a", "y = 2"), sink("a")]).unwrap(), "x = 1");
    }
}
