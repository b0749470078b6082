//! Semantic versions of the operators: raised by a change that alters results, so that exactly the users of that operator are rebuilt.
//!
//! Invariant: a golden-output test fails when results change without a new version here (or in the aggregate's `Signature`).

use crate::catalog::dag::{Engine, Kind, Operator};
use crate::engine::observation::{Kind as ObservationKind, Observation};
use crate::features::aggregates;
use std::collections::BTreeMap;

/// The version of an operator's semantics.
fn version(kind: &Kind) -> u32 {
    match kind {
        Kind::Scan(_) => 1,
        Kind::Filter(_) => 1,
        Kind::Join(_) => 1,
        Kind::PitJoin(_) => 1,
        Kind::RollingAggregate(_) => 1,
        Kind::ArrowUdf(_) => 1,
        Kind::Project(_) => 1,
        Kind::Embed(_) => 2,
        Kind::Sink(_) => 1,
    }
}

/// The version of what rolling aggregates are on Polars: raised by a change that alters results there.
const ON_POLARS: u32 = 1;

/// One observation for each operator and aggregate that is used.
pub fn rules(operators: &[Operator]) -> Vec<Observation> {
    let mut used: BTreeMap<String, u32> = BTreeMap::new();
    for operator in operators {
        used.insert(operator.does.name().into(), version(&operator.does));
        if let (Kind::RollingAggregate(_), Engine::Polars) = (&operator.does, operator.engine) {
            used.insert("rolling_aggregate on polars".into(), ON_POLARS);
        }
        if let Kind::RollingAggregate(rolling) = &operator.does {
            let aggregate = aggregates::by_name(&rolling.aggregate).map_or(0, |a| a.version());
            used.insert(format!("aggregate {}", rolling.aggregate), aggregate);
        }
    }
    used.into_iter().map(|(name, version)| Observation::text(ObservationKind::Rule, name, version.to_string())).collect()
}
