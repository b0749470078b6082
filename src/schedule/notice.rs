//! Notices: what there is to tell of a schedule's periods, and the document that a program gets to read.
//!
//! Pure. Invariants: each change of state is told once, as far as the ledger knows; what fails and what is late is seen from how periods
//! stand, so that no notice of it depends on anybody having watched.

use super::ledger::Ledger;
use super::standing::Standing;
use crate::catalog::declaration::Occurrence;
use crate::catalog::model::Schedule;
use crate::engine::clock::rfc3339;
use crate::engine::state::State;
use serde_json::{Value, json};

/// What is to be told of a period.
#[derive(Debug, Clone, Copy)]
pub struct Notice<'a> {
    pub occurrence: Occurrence,
    pub of: &'a Standing,
}

/// What has changed since it was told last.
pub fn notices<'a>(standings: &'a [Standing], ledger: &Ledger, now: i64) -> Vec<Notice<'a>> {
    let mut notices = Vec::new();
    for of in standings {
        let (told, is_known) = (ledger.told(&of.due.name()), ledger.knows(&of.due.name()));
        // Of what came due long ago nothing begins, but what has begun ends.
        if !of.due.within && !is_known {
            continue;
        }
        let mut tell = |occurrence| notices.push(Notice { occurrence, of });
        if of.is_done() {
            if is_known {
                tell(Occurrence::Recovered);
            }
            continue;
        }
        if of.state == State::Failed && !told.contains(&Occurrence::Failed) {
            tell(Occurrence::Failed);
        }
        if of.is_late(now) && !told.contains(&Occurrence::Late) {
            tell(Occurrence::Late);
        }
    }
    notices
}

impl Notice<'_> {
    /// The document of `docs/json.md`.
    pub fn document(&self, schedule: &Schedule, ledger: &Ledger, now: i64) -> Value {
        let Standing { due, state, why, failed, .. } = self.of;
        let assets: Vec<&str> = due.members.iter().map(|member| member.asset.name.as_str()).collect();
        let at = due.key.as_ref().map_or(String::new(), |key| format!("@{key}"));
        let failed: Vec<Value> = failed.iter().map(|f| json!({"action": f.action, "message": f.message, "log": f.log})).collect();
        let told: Vec<&str> = ledger.told(&due.name()).iter().map(|occurrence| occurrence.name()).collect();
        let assets_at: Vec<String> = assets.iter().map(|asset| format!("{asset}{at}")).collect();
        json!({
            "version": 1, "event": self.occurrence, "schedule": schedule.name, "job": schedule.job,
            "partitions": due.partitions, "partition": due.key, "assets": assets,
            "due": rfc3339(due.at), "deadline": due.deadline.map(rfc3339), "at": rfc3339(now),
            "state": state, "why": why, "failed": failed, "told": told,
            "next": format!("daeda explain {}", assets_at.join(" ")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::due::Due;
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn standing(state: State, within: bool) -> Standing {
        let due =
            Due { partitions: Some("daily".into()), key: Some("1970-01-01".into()), at: 0, within, deadline: Some(HOUR), members: vec![] };
        Standing { due, state, why: vec![], failed: vec![], published: false }
    }

    /// What is told as a period goes through states at hours, and the ledger of it.
    fn told(states: &[(State, i64)]) -> Vec<(i64, Occurrence)> {
        let mut ledger = Ledger::default();
        let mut all = Vec::new();
        for (state, hour) in states {
            let standings = [standing(*state, true)];
            for notice in notices(&standings, &ledger, hour * HOUR) {
                all.push((*hour, notice.occurrence));
                ledger.tell(&notice.of.due.name(), notice.occurrence);
            }
        }
        all
    }

    #[test]
    fn each_change_is_told_once() {
        use Occurrence::{Late, Recovered};
        use State::{Blocked, Drifted, Failed, Fresh, Missing, Stale};
        let day = [(Missing, 0), (Failed, 0), (Failed, 0), (Failed, 2), (Blocked, 3), (Failed, 4), (Fresh, 5), (Fresh, 6), (Failed, 7)];
        let expected = [(0, Occurrence::Failed), (2, Late), (5, Recovered), (7, Occurrence::Failed), (7, Late)];
        assert_eq!(told(&day), expected);
        assert_eq!(told(&[(Missing, 0), (Fresh, 0), (Stale, 9), (Drifted, 10)]), [(9, Late), (10, Recovered)]);
    }

    #[test]
    fn a_lost_ledger_repeats_and_loses_nothing() {
        let failed = [standing(State::Failed, true)];
        let mut ledger = Ledger::default();
        ledger.tell("daily@1970-01-01", Occurrence::Failed);
        assert!(notices(&failed, &ledger, 0).is_empty());
        assert_eq!(notices(&failed, &Ledger::default(), 0).len(), 1);
    }

    #[test]
    fn what_one_of_several_has_heard_ends_for_all() {
        let mut ledger = Ledger::default();
        ledger.hear("daily@1970-01-01", Occurrence::Failed, "one");
        assert_eq!(notices(&[standing(State::Failed, true)], &ledger, 0)[0].occurrence, Occurrence::Failed);
        assert_eq!(notices(&[standing(State::Fresh, true)], &ledger, 0)[0].occurrence, Occurrence::Recovered);
    }

    #[test]
    fn what_came_due_long_ago_is_told_only_if_it_was_before() {
        assert!(notices(&[standing(State::Failed, false)], &Ledger::default(), 0).is_empty());
        let mut ledger = Ledger::default();
        ledger.tell("daily@1970-01-01", Occurrence::Late);
        assert_eq!(notices(&[standing(State::Fresh, false)], &ledger, 0)[0].occurrence, Occurrence::Recovered);
    }
}
