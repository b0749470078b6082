//! A Chrome trace of a build: JSON that Perfetto and chrome://tracing draw.
//!
//! A lane for verdicts, and one for each action that runs beside others; in it the action, its attempts, and their phases, one within the other.
//! Invariants: every begin has its end, in the same lane and the other way round; what is in one lane does not overlap; times in a lane
//! never go back. A trace that breaks off with its build is readable as far as it goes.

use crate::engine::action::{Action, ActionId};
use crate::engine::event::{Event, Phase, Sink};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

/// The lane in which verdicts are made.
const JUDGING: usize = 0;

pub struct Trace {
    tracks: Mutex<Tracks<BufWriter<File>>>,
}

impl Trace {
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { tracks: Mutex::new(Tracks::new(BufWriter::new(File::create(path)?))) })
    }

    /// Why it is not whole, if anything of it could not be written.
    pub fn trouble(&self) -> Option<String> {
        self.tracks().trouble.as_ref().map(io::Error::to_string)
    }

    fn tracks(&self) -> MutexGuard<'_, Tracks<BufWriter<File>>> {
        self.tracks.lock().expect("no thread panics while it writes the trace")
    }
}

impl Sink for Trace {
    fn event(&self, event: &Event) {
        self.tracks().event(event);
    }

    fn phase(&self, action: &Action, phase: Phase) {
        self.tracks().phase(action, phase);
    }

    fn judging(&self, actions: usize) {
        self.tracks().judging(actions);
    }
}

/// What an action is doing in its lane: names of what has begun, the outermost first.
struct Lane {
    id: ActionId,
    open: Vec<String>,
    /// Of the attempt that is under way, if it has failed.
    error: Option<String>,
}

struct Tracks<W: Write> {
    out: W,
    /// The first error of writing.
    trouble: Option<io::Error>,
    start: Instant,
    written: usize,
    /// Lanes from 1; free ones are empty.
    lanes: Vec<Option<Lane>>,
    /// The cpus and bytes that actions have of the envelope.
    given: BTreeMap<ActionId, (u64, u64)>,
    judging: bool,
}

impl<W: Write> Tracks<W> {
    fn new(out: W) -> Self {
        let mut tracks =
            Self { out, trouble: None, start: Instant::now(), written: 0, lanes: Vec::new(), given: BTreeMap::new(), judging: false };
        tracks.write(json!({"ph": "M", "pid": 1, "tid": JUDGING, "name": "process_name", "args": {"name": "daeda build"}}));
        tracks.name(JUDGING, "verdicts");
        tracks
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::Started { action, attempt } => self.attempt(action, *attempt),
            Event::Retrying { action, error, .. } => self.note(action, error),
            Event::Admitted { action, cpus, memory, .. } => {
                self.given.insert(action.clone(), (*cpus, *memory));
                self.count_given();
            }
            Event::Released { action, .. } => {
                self.given.remove(action);
                self.count_given();
            }
            Event::Finished(_) => self.finish(),
            _ => {}
        }
    }

    fn judging(&mut self, actions: usize) {
        match (actions, self.judging) {
            (0, true) => self.end(JUDGING, Value::Null),
            (0, false) | (_, true) => return,
            _ => self.begin(JUDGING, "judge", "verdict", json!({"actions": actions})),
        }
        self.judging = actions > 0;
    }

    fn phase(&mut self, action: &Action, phase: Phase) {
        let name = match phase {
            Phase::Waiting | Phase::Pausing => "wait",
            Phase::Observing | Phase::Comparing => "hash",
            Phase::Running => "run",
            Phase::Publishing => "publish",
            Phase::Ended { well } => return self.ended(&action.id, well),
        };
        let lane = self.lane_of(action);
        // Between attempts there is none.
        self.close_to(lane, if phase == Phase::Pausing { 1 } else { self.depth(lane) });
        self.open(lane, name, "phase", Value::Null);
    }

    /// How deep a phase stands: in the action, or in its attempt.
    fn depth(&self, lane: usize) -> usize {
        let open = self.lanes[lane].as_ref().map_or(0, |l| l.open.len());
        let in_attempt = self.lanes[lane].as_ref().and_then(|l| l.open.get(1)).is_some_and(|name| name.starts_with("attempt"));
        open.min(if in_attempt { 2 } else { 1 })
    }

    fn attempt(&mut self, id: &ActionId, attempt: u64) {
        let Some(lane) = self.find(id) else { return };
        self.close_to(lane, 1);
        self.open(lane, &format!("attempt {attempt}"), "attempt", Value::Null);
    }

    fn note(&mut self, id: &ActionId, error: &str) {
        if let Some(lane) = self.find(id).and_then(|lane| self.lanes[lane].as_mut()) {
            lane.error = Some(error.to_string());
        }
    }

    fn ended(&mut self, id: &ActionId, well: bool) {
        let Some(lane) = self.find(id) else { return };
        self.close_to(lane, 1);
        self.end(lane + 1, json!({"well": well}));
        self.lanes[lane] = None;
        self.count();
    }

    fn find(&self, id: &ActionId) -> Option<usize> {
        self.lanes.iter().position(|lane| lane.as_ref().is_some_and(|lane| lane.id == *id))
    }

    /// The lane of an action; the first free one if it has none yet.
    fn lane_of(&mut self, action: &Action) -> usize {
        if let Some(lane) = self.find(&action.id) {
            return lane;
        }
        let free = self.lanes.iter().position(Option::is_none);
        let lane = free.unwrap_or_else(|| {
            self.lanes.push(None);
            self.name(self.lanes.len(), &format!("worker {}", self.lanes.len()));
            self.lanes.len() - 1
        });
        let resources = action.common.resources;
        let ActionId { asset, op, key } = &action.id;
        let args = json!({"asset": &**asset, "op": &**op, "key": key.as_deref(), "cpus": resources.cpus, "memory": resources.memory});
        let name = action.id.to_string();
        self.begin(lane + 1, &name, "action", args);
        self.lanes[lane] = Some(Lane { id: action.id.clone(), open: vec![name], error: None });
        self.count();
        lane
    }

    fn open(&mut self, lane: usize, name: &str, category: &str, args: Value) {
        self.begin(lane + 1, name, category, args);
        if let Some(lane) = &mut self.lanes[lane] {
            lane.open.push(name.to_string());
        }
    }

    /// Ends what stands deeper than that.
    fn close_to(&mut self, lane: usize, depth: usize) {
        while let Some(open) = self.lanes[lane].as_mut().filter(|open| open.open.len() > depth) {
            let is_attempt = open.open.pop().is_some_and(|name| name.starts_with("attempt"));
            let error = if is_attempt { open.error.take() } else { None };
            self.end(lane + 1, error.map_or(Value::Null, |error| json!({"error": error})));
        }
    }

    fn count(&mut self) {
        let running = self.lanes.iter().flatten().count();
        self.counter("running workers", json!({"workers": running}));
    }

    fn count_given(&mut self) {
        let (cpus, memory) = self.given.values().fold((0, 0), |(c, m), (cpus, memory)| (c + cpus, m + memory));
        self.counter("cpus given", json!({"cpus": cpus}));
        self.counter("memory given", json!({"bytes": memory}));
    }

    fn counter(&mut self, name: &str, args: Value) {
        let ts = self.now();
        self.write(json!({"ph": "C", "pid": 1, "tid": JUDGING, "ts": ts, "name": name, "args": args}));
    }

    fn name(&mut self, lane: usize, name: &str) {
        self.write(json!({"ph": "M", "pid": 1, "tid": lane, "name": "thread_name", "args": {"name": name}}));
        self.write(json!({"ph": "M", "pid": 1, "tid": lane, "name": "thread_sort_index", "args": {"sort_index": lane}}));
    }

    fn begin(&mut self, lane: usize, name: &str, category: &str, args: Value) {
        let mut event = json!({"ph": "B", "pid": 1, "tid": lane, "ts": self.now(), "name": name, "cat": category});
        if !args.is_null() {
            event["args"] = args;
        }
        self.write(event);
    }

    fn end(&mut self, lane: usize, args: Value) {
        let mut event = json!({"ph": "E", "pid": 1, "tid": lane, "ts": self.now()});
        if !args.is_null() {
            event["args"] = args;
        }
        self.write(event);
    }

    /// Microseconds since the build began.
    fn now(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }

    /// A trace that cannot be written stops no build, and is said at its end.
    fn write(&mut self, event: Value) {
        let before = if self.written == 0 { "[\n" } else { ",\n" };
        self.written += 1;
        let written = write!(self.out, "{before}{event}");
        self.note_trouble(written);
    }

    fn finish(&mut self) {
        if self.judging {
            self.judging(0);
        }
        let written = self.out.write_all(b"\n]\n").and_then(|()| self.out.flush());
        self.note_trouble(written);
    }

    fn note_trouble(&mut self, written: io::Result<()>) {
        if self.trouble.is_none() {
            self.trouble = written.err();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::action::Place;
    use crate::engine::event::Summary;

    fn action(name: &str) -> Action {
        Action {
            id: ActionId { asset: name.into(), op: "op".into(), key: None },
            common: Default::default(),
            period: None,
            upstreams: vec![],
            after: vec![],
            place: Place { root: Path::new("/").into(), directory: name.into() },
        }
    }

    #[test]
    fn begins_have_ends_and_lanes_are_used_again() {
        let mut tracks = Tracks::new(Vec::new());
        let (a, b, c) = (action("a"), action("b"), action("c"));
        let started = |of: &Action, attempt| Event::Started { action: of.id.clone(), attempt };
        tracks.judging(3);
        tracks.judging(0);
        for of in [&a, &b] {
            tracks.phase(of, Phase::Waiting);
            tracks.phase(of, Phase::Observing);
            tracks.event(&started(of, 1));
            tracks.phase(of, Phase::Running);
        }
        tracks.event(&Event::Retrying { action: a.id.clone(), attempt: 1, error: "no".into(), delay: 1.0 });
        tracks.phase(&a, Phase::Pausing);
        tracks.phase(&b, Phase::Comparing);
        tracks.phase(&b, Phase::Ended { well: true });
        tracks.phase(&c, Phase::Waiting);
        tracks.event(&started(&a, 2));
        tracks.phase(&a, Phase::Running);
        tracks.phase(&a, Phase::Publishing);
        tracks.phase(&c, Phase::Ended { well: false });
        tracks.phase(&a, Phase::Ended { well: true });
        tracks.event(&Event::Finished(Summary::default()));
        let events: Vec<Value> = serde_json::from_slice(&tracks.out).unwrap();
        let lane = |tid: u64| {
            let told = events.iter().filter(|e| e["tid"] == tid && (e["ph"] == "B" || e["ph"] == "E"));
            told.map(|e| e["name"].as_str().unwrap_or("/").to_string()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(lane(0), "judge /");
        assert_eq!(lane(1), "a.op wait / hash / attempt 1 run / / wait / attempt 2 run / publish / / /");
        assert_eq!(lane(2), "b.op wait / hash / attempt 1 run / hash / / / c.op wait / /");
        let failed = events.iter().find(|e| e["args"]["error"] == "no").unwrap();
        assert_eq!(failed["tid"], 1);
        let workers: Vec<u64> =
            events.iter().filter(|e| e["name"] == "running workers").map(|e| e["args"]["workers"].as_u64().unwrap()).collect();
        assert_eq!(workers, [1, 2, 1, 2, 1, 0]);
    }
}
