//! The operators as chains: what a scan reads, and what is done to its rows one operator after the other. The second input of an operator is
//! a chain of its own.
//!
//! Knows nothing of rows. Invariant: within a round no operator takes what another one of it adds, so that all of them can be made from the
//! rows as they were when it began.

use super::sides::Sides;
use crate::catalog::dag::{ArrowUdf, Kind, Operator, Scan};
use crate::engine::failure::Failure;

pub struct Chain<'a> {
    pub scan: &'a Scan,
    steps: Vec<Step<'a>>,
}

enum Step<'a> {
    Alone(&'a Operator),
    Met(Meeting<'a>),
}

/// An operator of two inputs.
pub struct Meeting<'a> {
    pub operator: &'a Operator,
    pub right: Chain<'a>,
    pub sides: Sides,
}

/// Operators on single rows, and then those that rows of another chain are brought to.
pub struct Round<'c, 'a> {
    pub alone: Vec<&'a Operator>,
    pub met: Vec<&'c Meeting<'a>>,
}

impl<'a> Chain<'a> {
    /// The chain that ends with the last operator.
    pub fn of(operators: &'a [Operator]) -> Result<Self, Failure> {
        let last = operators.last().ok_or_else(|| Failure::permanent("the service has no operators"))?;
        Self::ending(last, operators)
    }

    fn ending(last: &'a Operator, operators: &'a [Operator]) -> Result<Self, Failure> {
        let input = |id: &String| operators.iter().find(|operator| operator.id == *id);
        let input = |id: &String| input(id).ok_or_else(|| Failure::permanent(format!("there is no operator `{id}`")));
        let (mut steps, mut tip) = (Vec::new(), last);
        loop {
            match (&tip.does, tip.inputs.as_slice()) {
                (Kind::Scan(scan), []) => {
                    steps.reverse();
                    return Ok(Self { scan, steps });
                }
                (_, [of]) => {
                    steps.push(Step::Alone(tip));
                    tip = input(of)?;
                }
                (does, [left, right]) => {
                    let right = Self::ending(input(right)?, operators)?;
                    let sides = Sides::of(does, right.scan)?;
                    steps.push(Step::Met(Meeting { operator: tip, right, sides }));
                    tip = input(left)?;
                }
                (does, inputs) => return Err(Failure::permanent(format!("a {} cannot run here on {} inputs", does.name(), inputs.len()))),
            }
        }
    }

    pub fn meetings(&self) -> impl Iterator<Item = &Meeting<'a>> {
        self.steps.iter().filter_map(Step::met)
    }

    /// The last round brings nothing to the rows any more.
    pub fn rounds(&self) -> Vec<Round<'_, 'a>> {
        let mut rounds = vec![Round::new()];
        for step in &self.steps {
            let round = rounds.last_mut().expect("there is a first round");
            match step {
                Step::Alone(operator) if round.met.is_empty() => round.alone.push(operator),
                Step::Alone(operator) => rounds.push(Round { alone: vec![operator], met: vec![] }),
                Step::Met(meeting) if round.has_place_for(meeting) => round.met.push(meeting),
                Step::Met(meeting) => rounds.push(Round { alone: vec![], met: vec![meeting] }),
            }
        }
        if rounds.last().is_some_and(|round| !round.met.is_empty()) {
            rounds.push(Round::new());
        }
        rounds
    }
}

impl<'a> Step<'a> {
    fn met(&self) -> Option<&Meeting<'a>> {
        match self {
            Self::Alone(_) => None,
            Self::Met(meeting) => Some(meeting),
        }
    }
}

impl<'a> Meeting<'a> {
    /// Whether it drops rows rather than adding columns.
    pub fn is_filter(&self) -> bool {
        matches!(self.operator.does, Kind::ArrowUdf(ArrowUdf::Sessions { .. }))
    }
}

impl<'a> Round<'_, 'a> {
    fn new() -> Self {
        Self { alone: vec![], met: vec![] }
    }

    fn has_place_for(&self, meeting: &Meeting) -> bool {
        let takes = |name: &String| meeting.sides.left.contains(name);
        self.met.iter().all(|earlier| !earlier.is_filter() && !earlier.sides.adds.iter().any(takes))
    }
}
