//! What a source began with once and has no more: where no `first` is declared, history begins with the earliest period that is there, so
//! that the oldest ones leave a range when they vanish, instead of being absent in it.
//!
//! Knows nothing of digests: only what is told of a difference is widened, never what decides whether there is one.

use super::super::source::SourceSpec;
use super::periods::{Periods, Range};
use super::ranges::Ranged;
use super::{Read, ranged};
use crate::catalog::calendar::Period;
use crate::engine::observation::{Observation, Shown};

/// The ranges that reads have now, from the first period on that was recorded within their reach. `None` where none begins earlier.
pub fn widened<'r>(periods: &Periods, reads: &'r [Read], target: Period, recorded: &Observation) -> Option<Vec<Ranged<'r>>> {
    let ends = ends(periods, recorded)?;
    let (mut wide, mut is_wider) = (Vec::new(), false);
    for read in reads {
        let now = ranged(periods, std::slice::from_ref(read), target).pop();
        let then = periods.within(SourceSpec::range(read.reach, target), ends);
        wide.extend(match (then, now) {
            (Some(then), Some(now)) if then.0 >= now.range.0 => Some(now),
            (None, now) => now,
            (Some(then), now) => {
                is_wider = true;
                let to = now.map_or(then.1, |now| now.range.1);
                Some(Ranged::new((then.0, to), read, target))
            }
        });
    }
    is_wider.then_some(wide)
}

/// The first and the last period that were recorded.
fn ends(periods: &Periods, recorded: &Observation) -> Option<Range> {
    let Shown::Series(series) = &recorded.value else { return None };
    let first = series.iter().filter_map(|s| periods.number(&s.from)).min()?;
    let last = series.iter().filter_map(|s| periods.number(&s.to)).max()?;
    Some((first, last))
}
