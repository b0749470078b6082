//! Commands run for real, without the engine around them.

use super::super::SpecFields;
use super::*;
use crate::catalog::command::{Piece, pieces};
use crate::engine::execute::Progress;
use crate::engine::failure::FailureKind;
use std::sync::Mutex;
use tempfile::TempDir;

/// A workspace with one input, a place to stage and a place to publish.
struct Stage {
    directory: TempDir,
}

impl Stage {
    fn new() -> Self {
        let stage = Self { directory: tempfile::tempdir().unwrap() };
        for directory in ["space/input", "space/tools", "staging/0"] {
            fs::create_dir_all(stage.path(directory)).unwrap();
        }
        fs::write(stage.path("space/input/data"), "rows").unwrap();
        fs::write(stage.path("space/tools/a.sh"), "").unwrap();
        stage
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.directory.path().join(relative)
    }

    fn shell(&self, script: &str) -> CommandSpec {
        self.spec(&["sh", "-c", script])
    }

    fn spec(&self, words: &[&str]) -> CommandSpec {
        let word = |text: &&str| Word::Text(pieces(text).unwrap().into_iter().map(|(piece, _)| piece).collect());
        CommandSpec {
            run: words.iter().map(word).collect(),
            sources: vec!["tools/a.sh".into()],
            environment: vec![],
            secrets: vec![],
            exit_codes: vec![75],
            cadence: Cadence::DAILY,
            workspace: self.path("space"),
            output_root: self.path("space/out"),
            enriched_output_root: self.path("space/enriched"),
            checks: vec![],
        }
    }

    fn run(&self, spec: &CommandSpec) -> Result<Made, Failure> {
        self.run_telling(spec, &|_| {})
    }

    fn run_telling(&self, spec: &CommandSpec, tell: Tell) -> Result<Made, Failure> {
        let staging = self.path("staging/0");
        let occasion = Occasion {
            asset: "report",
            op: "write",
            key: Some("2026-02-01"),
            period: Some(Interval { start: 1_769_904_000_000, end: 1_769_990_400_000 }),
            memory: 1 << 30,
            staging: &staging,
            published: self.path("space/out/report/dt=2026-02-01"),
            inputs: BTreeMap::from([("feed".to_string(), vec![self.path("space/input")])]),
            log: log_name("report.write@2026-02-01"),
        };
        execute(spec, &occasion, tell)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("space").join(log_name("report.write@2026-02-01"))).unwrap()
    }
}

fn names(made: &Made) -> Vec<&str> {
    made.files.iter().map(|f| f.name.as_str()).collect()
}

#[test]
fn placeholders_are_filled_and_files_of_any_depth_are_the_output() {
    let stage = Stage::new();
    let script =
        "mkdir -p {output}/b && cp {input.feed} {output}/b/list && echo {partition} {%Y%m%d} {asset}.{op} > {output}/a && pwd > {output}/c";
    let made = stage.run(&stage.shell(script)).unwrap();
    assert_eq!(names(&made), ["a", "b/list", "c"]);
    let read = |name: &str| fs::read_to_string(stage.path("staging/0").join(name)).unwrap();
    assert_eq!(read("a"), "2026-02-01 20260201 report.write\n");
    assert_eq!(read("b/list"), format!("{}\n", stage.path("space/input").display()));
    assert_eq!(read("c").trim(), fs::canonicalize(stage.path("space")).unwrap().display().to_string());
    assert_eq!(made.metadata["files"], 3);
    // Nothing is left beside the output.
    assert_eq!(fs::read_dir(stage.path("staging")).unwrap().count(), 1);
}

#[test]
fn only_what_is_declared_of_the_environment_gets_in() {
    let stage = Stage::new();
    let mut spec = stage.spec(&["env"]);
    spec.environment = vec!["PATH".into(), "NO_SUCH_VARIABLE".into()];
    stage.run(&spec).unwrap();
    let log = stage.log();
    let mut seen: Vec<&str> = log.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    seen.sort();
    assert_eq!(seen, ["DAEDA_METADATA", "PATH"]);
}

#[test]
fn a_secret_reaches_the_program_and_nobody_else() {
    let stage = Stage::new();
    // Some variable that is there, whatever runs the tests.
    let value = std::env::var("PATH").unwrap();
    let script = r#"printf %s "$0" > {output}/got; echo "$0"; echo "no: $0" >&2; echo "{\"said\": [\"$0\"]}" > $DAEDA_METADATA; exit $1"#;
    let mut spec = stage.shell(script);
    spec.run.push(Word::Secret("PATH".into()));
    spec.run.push(Word::Text(vec![Piece::Literal("0".into())]));
    let heard = Mutex::new(Vec::new());
    let made = stage.run_telling(&spec, &|told| heard.lock().unwrap().push(format!("{told:?}"))).unwrap();
    assert_eq!(fs::read_to_string(stage.path("staging/0/got")).unwrap(), value);
    assert_eq!(made.metadata["said"][0], "***");
    spec.run[4] = Word::Text(vec![Piece::Literal("3".into())]);
    let failure = stage.run(&spec).unwrap_err();
    assert!(failure.message.contains("no: ***"), "{}", failure.message);
    let all = format!("{} {:?} {:?} {}", stage.log(), heard.lock().unwrap(), made, serde_json::to_string(&spec).unwrap());
    assert!(!all.contains(&value), "{all}");
    spec.run[3] = Word::Secret("NO_SUCH_SECRET".into());
    let failure = stage.run(&spec).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Environment);
    assert!(failure.message.contains("export NO_SUCH_SECRET=…"), "{}", failure.message);
}

#[test]
fn a_secret_variable_reaches_the_program_and_nobody_else() {
    let stage = Stage::new();
    let value = std::env::var("PATH").unwrap();
    let mut spec = stage.shell(r#"printf %s "$PATH" > {output}/got; echo "$PATH"; echo "no: $PATH" >&2; exit $1"#);
    spec.run.extend(["zero", "3"].map(|text| Word::Text(vec![Piece::Literal(text.into())])));
    spec.secrets = vec!["PATH".into()];
    let failure = stage.run(&spec).unwrap_err();
    assert_eq!(fs::read_to_string(stage.path("staging/0/got")).unwrap(), value);
    assert!(failure.message.contains("no: ***"), "{}", failure.message);
    let all = format!("{} {failure:?} {}", stage.log(), serde_json::to_string(&spec).unwrap());
    assert!(!all.contains(&value), "{all}");
    spec.secrets = vec!["NO_SUCH_SECRET".into()];
    assert!(stage.run(&spec).unwrap_err().message.contains("export NO_SUCH_SECRET=…"));
}

#[test]
fn how_it_ended_decides_whether_it_may_pass() {
    let stage = Stage::new();
    let kind = |script: &str| stage.run(&stage.shell(script)).unwrap_err();
    assert_eq!(kind("exit 75").kind, FailureKind::Transient);
    assert_eq!(kind("kill -9 $$").kind, FailureKind::Transient);
    let failure = kind("echo first >&2; echo the reason >&2; echo on stdout; exit 3");
    assert_eq!(failure.kind, FailureKind::Permanent);
    assert_eq!(failure.message, "`sh` ended with exit code 3: the reason");
    assert_eq!(failure.log.unwrap(), ".daeda/logs/report.write@2026-02-01.log");
    assert!(stage.log().contains("on stdout\n"));
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let stage = Stage::new();
    let failure = |words: &[&str]| stage.run(&stage.spec(words)).unwrap_err();
    let absent = failure(&["no-such-program-9"]);
    assert_eq!(absent.kind, FailureKind::Environment);
    assert!(absent.message.contains("no program `no-such-program-9` in PATH"), "{}", absent.message);
    assert!(failure(&["tools/none.sh"]).message.contains("`tools/none.sh`"));
    let refused = failure(&["tools/a.sh"]);
    assert!(refused.message.contains("chmod +x"), "{}", refused.message);
}

#[test]
fn one_that_wrote_nothing_publishes_nothing_and_says_so() {
    let stage = Stage::new();
    let made = stage.run(&stage.shell("true")).unwrap();
    assert!(made.files.is_empty());
    assert!(made.warnings[0].contains("wrote nothing"), "{:?}", made.warnings);
}

#[test]
fn metadata_comes_line_by_line_and_what_is_none_is_a_warning() {
    let stage = Stage::new();
    let script = r#"echo x > {output}/x; printf '{"steps": 1, "loss": 0.5}\n\n{"steps": 2}\nnonsense\n' > $DAEDA_METADATA"#;
    let made = stage.run(&stage.shell(script)).unwrap();
    assert_eq!((&made.metadata["steps"], &made.metadata["loss"]), (&2.into(), &0.5.into()));
    assert_eq!(made.warnings, ["line 4 of DAEDA_METADATA is no JSON object and was left out"]);
}

#[test]
fn what_daeda_measures_is_not_a_programs_to_say() {
    let stage = Stage::new();
    let told = r#"{"rows": "many", "files": -1, "bytes": {}, "output_path": "/etc", "checks": [], "loss": 1}"#;
    let made = stage.run(&stage.shell(&format!("printf abc > {{output}}/x; echo '{told}' > $DAEDA_METADATA"))).unwrap();
    let shown = serde_json::to_value(&made.metadata).unwrap();
    assert_eq!(shown, serde_json::json!({"files": 1, "bytes": 3, "output_path": "out/report/dt=2026-02-01", "loss": 1}));
    assert_eq!(made.warnings.len(), 1, "{:?}", made.warnings);
    assert!(["rows", "files", "bytes", "output_path", "checks"].iter().all(|name| made.warnings[0].contains(name)), "{:?}", made.warnings);
}

#[test]
fn metadata_that_is_none_is_one_warning_and_holds_nothing_up() {
    let stage = Stage::new();
    let warnings = |script: &str| stage.run(&stage.shell(&format!("echo x > {{output}}/x; {script}"))).unwrap().warnings;
    let garbage = warnings("yes nonsense | head -n 5000 > $DAEDA_METADATA");
    assert_eq!(garbage, ["line 1 of DAEDA_METADATA and 4999 more are no JSON objects and were left out"]);
    let made = stage.run(&stage.shell("echo x > {output}/x; yes '{\"a\": 1}' | head -n 200000 > $DAEDA_METADATA")).unwrap();
    assert_eq!((&made.metadata["a"], made.warnings.len()), (&1.into(), 1), "{:?}", made.warnings);
    assert!(made.warnings[0].contains("more than 1 MiB"), "{:?}", made.warnings);
    assert_eq!(warnings("mkfifo $DAEDA_METADATA"), ["DAEDA_METADATA is no plain file any more and was left out"]);
}

#[test]
fn a_secret_is_in_no_name_of_metadata() {
    let stage = Stage::new();
    let value = std::env::var("PATH").unwrap();
    let mut spec = stage.shell(r#"echo x > {output}/x; echo "{\"$0\": {\"$0\": 1}}" > $DAEDA_METADATA"#);
    spec.run.push(Word::Secret("PATH".into()));
    let made = stage.run(&spec).unwrap();
    assert_eq!(made.metadata["***"]["***"], 1);
    assert!(!serde_json::to_string(&made).unwrap().contains(&value));
}

#[test]
fn what_it_may_not_write_is_named() {
    let stage = Stage::new();
    fs::create_dir_all(stage.path("space/out/report/dt=2026-02-01")).unwrap();
    for (script, named) in [
        ("echo more >> input/data", "input/data"),
        ("touch -d 2020-01-01 input/data", "input/data"),
        ("echo more > input/new", "input/new"),
        ("rm input/new; exit 1", "input/new"),
        ("echo more >> tools/a.sh", "tools/a.sh"),
        ("echo x > out/report/dt={partition}/x", "out/report/dt=2026-02-01/x"),
    ] {
        let failure = stage.run(&stage.shell(script)).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Trespass, "{script}");
        assert!(failure.message.starts_with(&format!("{named} was written")), "{script}: {}", failure.message);
    }
    stage.run(&stage.shell("ln input/data {output}/linked; touch tools/a.sh")).unwrap();
}

#[test]
fn links_and_names_of_records_are_refused() {
    let stage = Stage::new();
    for script in ["ln -s /etc/hostname {output}/link", "rm {output}/link; echo {} > {output}/_daeda.json"] {
        assert_eq!(stage.run(&stage.shell(script)).unwrap_err().kind, FailureKind::Permanent, "{script}");
    }
}

#[test]
fn what_it_leaves_running_ends_with_it_and_does_not_hold_it_up() {
    let stage = Stage::new();
    let start = std::time::Instant::now();
    stage.run(&stage.shell("sleep 600 & echo $! > {output}/pid; echo done")).unwrap();
    assert!(start.elapsed() < std::time::Duration::from_secs(20));
    let pid = fs::read_to_string(stage.path("staging/0/pid")).unwrap();
    assert!(!Path::new("/proc").join(pid.trim()).join("exe").exists());
    assert!(stage.log().ends_with("done\n"));
}

#[test]
fn lines_are_told_as_they_come() {
    let stage = Stage::new();
    let heard = Mutex::new(Vec::new());
    stage.run_telling(&stage.shell("echo one; echo two; printf three"), &|told| heard.lock().unwrap().push(told)).unwrap();
    let heard = heard.into_inner().unwrap();
    let said: Vec<_> = heard.iter().filter_map(|told| if let Progress::Said(line) = told { Some(line.as_str()) } else { None }).collect();
    assert_eq!(said, ["one", "two", "three"]);
    assert_eq!(heard[0], Progress::Logged(".daeda/logs/report.write@2026-02-01.log".into()));
    assert!(matches!(heard[1], Progress::Running(Some(_))));
    assert_eq!(heard.last(), Some(&Progress::Running(None)));
}

#[test]
fn words_and_windows_are_the_definition() {
    let word = |text: &str| Word::Text(pieces(text).unwrap().into_iter().map(|(piece, _)| piece).collect());
    let command = |words: Vec<Word>| Command { run: words, inputs: vec![], sources: vec![], environment: vec![], secrets: vec![] };
    let differs =
        |a: Word, b: Word| !crate::engine::trace::compare(&definition(&command(vec![a])), &definition(&command(vec![b]))).is_empty();
    assert!(differs(word("{output}"), word("{{output}}")));
    assert!(differs(word("(env)\"A\""), Word::Secret("A".into())));
    assert!(!differs(word("{day}"), word("{%Y-%m-%d}")));
}

#[test]
fn every_field_of_the_spec_is_hashed_or_exempt() {
    let fields = SpecFields {
        // `sources` and `environment` by what the world is asked for, `secrets` by their names, `cadence` where keys do not say it.
        hashed: &["run", "sources", "environment", "secrets", "cadence"],
        exempt: &[
            ("exit_codes", "say what may be tried again, not what is made"),
            ("workspace", "where data lies is no parameter"),
            ("output_root", "where data lies is no parameter"),
            ("enriched_output_root", "where data lies is no parameter"),
            ("checks", "judge the output and do not change it"),
        ],
    };
    fields.check(&serde_json::to_value(Stage::new().spec(&[])).unwrap());
}
