//! Asset checks: what a written partition must be like before it is published.
//!
//! Invariants: a failed check of severity error keeps the old partition standing; every check's result is in the metadata.

use super::Subject;
use crate::catalog::declaration::{CheckDecl, CheckSeverity};
use crate::engine::execute::Made;
use crate::engine::failure::Failure;
use crate::table::parquet::Written;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// A check as an action carries it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckSpec {
    name: String,
    blocks: bool,
    column: Option<String>,
    rows_min: Option<u64>,
    rows_max: Option<u64>,
    null_ratio_max: Option<f64>,
}

/// The checks of an asset, for the op whose output the asset is.
pub fn of(subject: &Subject) -> Vec<CheckSpec> {
    let is_last = subject.asset.ops.last().is_some_and(|last| last.name == subject.op.name);
    if is_last { subject.asset.checks.iter().map(spec).collect() } else { Vec::new() }
}

fn spec(declared: &CheckDecl) -> CheckSpec {
    CheckSpec {
        name: declared.name.value.clone(),
        blocks: declared.severity == CheckSeverity::Error,
        column: declared.column.as_ref().map(|c| c.value.clone()),
        rows_min: declared.rows_min.as_ref().map(|n| n.value),
        rows_max: declared.rows_max.as_ref().map(|n| n.value),
        null_ratio_max: declared.null_ratio_max.as_ref().map(|r| r.value),
    }
}

/// Judges what was written. Results go to the metadata, failed warnings to the warnings; the first failed error fails the action.
pub fn judge(checks: &[CheckSpec], written: &Written, made: &mut Made) -> Result<(), Failure> {
    let mut results = Vec::new();
    let mut failed = None;
    for check in checks {
        let wrong = check.wrong(written);
        results.push(json!({"name": check.name, "passed": wrong.is_none(), "detail": wrong}));
        match wrong {
            Some(why) if check.blocks => failed = failed.or(Some(format!("check `{}` failed: {why}", check.name))),
            Some(why) => made.warnings.push(format!("check `{}`: {why}", check.name)),
            None => {}
        }
    }
    if !results.is_empty() {
        made.metadata.insert("checks".into(), json!(results));
    }
    failed.map_or(Ok(()), |why| Err(Failure::permanent(format!("{why}; nothing was published, what stood before still stands"))))
}

impl CheckSpec {
    pub fn column(&self) -> Option<&str> {
        self.column.as_deref()
    }

    /// What is wrong with a partition, if anything is.
    fn wrong(&self, written: &Written) -> Option<String> {
        let rows = written.rows;
        let few = self.rows_min.filter(|min| rows < *min).map(|min| format!("{rows} rows, and at least {min} are expected"));
        let many = self.rows_max.filter(|max| rows > *max).map(|max| format!("{rows} rows, and at most {max} are expected"));
        few.or(many).or_else(|| self.wrong_nulls(written))
    }

    fn wrong_nulls(&self, written: &Written) -> Option<String> {
        let (column, max) = (self.column.as_ref()?, self.null_ratio_max?);
        let nulls = written.nulls.get(column).copied().unwrap_or(written.rows);
        let ratio = nulls as f64 / written.rows.max(1) as f64;
        (ratio > max).then(|| format!("{nulls} of {} rows of `{column}` are null ({ratio:.4}), and at most {max} is allowed", written.rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(blocks: bool, rows_min: Option<u64>, null_ratio_max: Option<f64>) -> CheckSpec {
        CheckSpec { name: "c".into(), blocks, column: Some("x".into()), rows_min, rows_max: None, null_ratio_max }
    }

    fn written(rows: u64, nulls: u64) -> Written {
        Written { files: vec![], rows, nulls: [("x".to_string(), nulls)].into() }
    }

    #[test]
    fn an_error_blocks_and_a_warning_warns() {
        let mut made = Made::default();
        assert!(judge(&[check(true, Some(1), None)], &written(0, 0), &mut made).is_err());
        assert!(judge(&[check(false, Some(1), None)], &written(0, 0), &mut made).is_ok());
        assert_eq!(made.warnings.len(), 1);
    }

    #[test]
    fn ratios_are_judged_at_their_edge() {
        let passes = |nulls| judge(&[check(true, None, Some(0.02))], &written(100, nulls), &mut Made::default()).is_ok();
        assert!(passes(2) && !passes(3));
        assert!(judge(&[check(true, None, Some(0.02))], &written(0, 0), &mut Made::default()).is_ok());
    }
}
