//! Stories of the brakes: settled periods drift, what was made from vanished data stands, too much is refused, another cadence is an error;
//! and of what flags and selections make of a build, dry or not.

use crate::fixture::*;
use serde_json::Value;
use std::fs;

fn keys(days: &[usize]) -> Vec<String> {
    days.iter().map(|d| DAYS[*d].to_string()).collect()
}

/// Periods of the ranker settle two days after their end: the first two days have, by the fixture's clock.
fn settle(workspace: &Workspace) {
    workspace.edit("Daedalus.kdl", "    service \"ranking\"\n", "    service \"ranking\"\n    settle \"2d\"\n");
}

/// Runs a command at another time.
fn at(workspace: &Workspace, now: &str, args: &[&str]) -> Said {
    workspace.command(args).env("DAEDA_NOW", now).output().unwrap().into()
}

#[test]
fn a_settled_day_drifts_and_is_built_only_when_asked_for() {
    let workspace = Workspace::built();
    settle(&workspace);
    workspace.assert_fresh();
    workspace.append(0, one_more(0));
    let status = workspace.status("ranker");
    assert_eq!(status.keys("drifted"), keys(&[0, 1]));
    assert_eq!(status.keys("stale"), keys(&[2]));
    assert_eq!(status.kinds(DAYS[0]), ["selection"], "it is explained");
    let keyless = workspace.build(&["ranker"]);
    assert_eq!((keyless.code, keyless.ran()), (0, skeletons("ranker", &[2])));
    assert_eq!(keyless.finished()["drifted"], 2);
    assert_eq!(keyless.actions("held"), skeletons("ranker", &[0, 1]));
    let told = workspace.daeda(&["build", "ranker"]).stderr;
    assert!(told.contains("nothing to do") && told.contains("2 drifted"), "{told}");
    assert_eq!(workspace.build(&["ranker@2026-02-01"]).ran(), skeletons("ranker", &[0]), "named by key");
    assert_eq!(workspace.build(&["ranker", "--drifted"]).ran(), skeletons("ranker", &[1]));
    assert_eq!(workspace.status("ranker").states().len(), 0);
}

#[test]
fn a_definition_that_changes_reaches_settled_days() {
    let workspace = Workspace::built();
    settle(&workspace);
    workspace.append(0, one_more(0));
    workspace.edit("config/training/aggregations.kdl", "k=4", "k=3");
    let status = workspace.status("ranker");
    assert_eq!((status.keys("drifted"), status.keys("stale").len()), (vec![], 1 + DAYS.len()));
    fs::remove_file(workspace.shard("ranker", 1)).unwrap();
    workspace.edit("config/training/aggregations.kdl", "k=3", "k=4");
    let status = workspace.status("ranker");
    assert_eq!((status.keys("drifted"), status.keys("stale")), (keys(&[0]), keys(&[1, 2])), "a lost output is no drift");
}

#[test]
fn what_reads_a_drifted_output_reads_it_as_it_is() {
    let workspace = Workspace::with_embeddings();
    workspace.edit("Daedalus.kdl", "    service \"vectors\"\n", "    service \"vectors\"\n    settle \"2d\"\n");
    assert_eq!(workspace.build(&["embedder"]).code, 0);
    workspace.append(0, one_more(0));
    let status = workspace.status("embedder");
    assert_eq!((status.keys("drifted"), status.keys("stale")), (keys(&[0, 1]), keys(&[2])));
    let ran = workspace.build(&["embedder"]).ran();
    assert_eq!(ran, ["embedder.enrich@2026-02-03", "embedder.skeleton@2026-02-03"]);
    let ran = workspace.build(&["embedder.skeleton@2026-02-01"]).ran();
    assert_eq!(ran, ["embedder.skeleton@2026-02-01"]);
    assert_eq!(workspace.status("embedder").keys("stale"), keys(&[0]), "the rest of a partition follows its first op");
}

#[test]
fn a_day_whose_own_source_has_vanished_stands() {
    let workspace = Workspace::built();
    let (day, aside) = (workspace.path("data/feed/dt=2026-02-01"), workspace.path("aside"));
    fs::rename(&day, &aside).unwrap();
    let status = workspace.status("ranker");
    assert_eq!((status.keys("orphaned"), status.keys("blocked")), (keys(&[0, 1, 2]), vec![]));
    assert!(status.reasons(DAYS[0])[0].to_string().contains("data/feed/dt=2026-02-01"), "{}", status.asset);
    let named = workspace.build(&["ranker@2026-02-01"]);
    assert_eq!((named.code, named.ran(), named.finished()["orphaned"].as_u64()), (0, vec![], Some(1)));
    let nothing_left = workspace.build(&["ranker@2026-02-01", "--allow-missing"]);
    assert_eq!((nothing_left.code, nothing_left.ran()), (0, vec![]));
    let told = workspace.daeda(&["build", "ranker@2026-02-01"]).stderr;
    assert!(told.contains("orphaned") && told.contains("stands"), "{told}");
    fs::remove_file(workspace.shard("ranker", 0)).unwrap();
    assert_eq!(workspace.status("ranker").keys("blocked"), keys(&[0]), "nothing stands any more");
    fs::rename(&aside, &day).unwrap();
    assert_eq!(workspace.build(&["ranker"]).ran(), skeletons("ranker", &[0]));
}

#[test]
fn a_day_whose_files_are_removed_vanishes_as_one_whose_directory_is() {
    let workspace = Workspace::built();
    fs::remove_file(workspace.feed(0)).unwrap();
    let status = workspace.status("ranker");
    assert_eq!((status.keys("orphaned"), status.keys("stale")), (keys(&[0, 1, 2]), vec![]), "{}", status.asset);
    assert!(workspace.build(&["ranker"]).ran().is_empty());
    fs::remove_dir(workspace.feed(0).parent().unwrap()).unwrap();
    assert_eq!(workspace.status("ranker").keys("orphaned"), keys(&[0, 1, 2]));
    assert_eq!(workspace.build(&["ranker@2026-02-02", "ranker@2026-02-03", "--allow-missing"]).ran(), skeletons("ranker", &[1, 2]));
    fs::create_dir(workspace.feed(0).parent().unwrap()).unwrap();
    assert_eq!(workspace.status("ranker").keys("stale"), keys(&[]), "an empty directory is no news");
}

/// A workspace whose feed does not say when it begins, built.
fn without_a_first() -> Workspace {
    let workspace = Workspace::new();
    workspace.edit("feature_views/feed.kdl", " first=\"2026-02-01\"", "");
    assert_eq!(workspace.build(&["everything"]).code, 0);
    workspace
}

#[test]
fn the_oldest_days_that_vanish_orphan_what_reached_them_wherever_history_begins_now() {
    let workspace = without_a_first();
    let aside = workspace.path("aside");
    for gone in [&[0][..], &[0, 1]] {
        let moved: Vec<_> = gone.iter().map(|day| (workspace.feed(*day), aside.join(DAYS[*day]))).collect();
        fs::create_dir_all(&aside).unwrap();
        moved.iter().for_each(|(file, aside)| fs::rename(file.parent().unwrap(), aside).unwrap());
        let status = workspace.status("ranker");
        let reached: Vec<usize> = (0..gone.len() + 2).collect();
        assert_eq!((status.keys("orphaned"), status.keys("stale")), (keys(&reached), vec![]), "{}", status.asset);
        let told: Vec<String> = status.reasons(DAYS[gone.len()]).iter().map(Value::to_string).collect();
        assert!(gone.iter().all(|day| told.iter().any(|t| t.contains("listing") && t.contains(DAYS[*day]))), "{told:?}");
        assert!(workspace.build(&["everything"]).ran().is_empty());
        moved.iter().for_each(|(file, aside)| fs::rename(aside, file.parent().unwrap()).unwrap());
        assert_eq!(workspace.status("ranker").states().len(), 0);
    }
    fs::remove_dir_all(workspace.feed(0).parent().unwrap()).unwrap();
    assert_eq!(workspace.build(&["ranker@2026-02-02", "ranker@2026-02-03", "--allow-missing"]).ran(), skeletons("ranker", &[1, 2]));
    assert_eq!(workspace.status("ranker").keys("orphaned"), keys(&[0]));
}

#[test]
fn what_lost_its_output_as_well_does_not_stand() {
    let workspace = Workspace::built();
    fs::remove_dir_all(workspace.feed(0).parent().unwrap()).unwrap();
    fs::remove_file(workspace.shard("ranker", 1)).unwrap();
    let status = workspace.status("ranker");
    assert_eq!((status.keys("orphaned"), status.keys("stale")), (keys(&[0, 2]), keys(&[1])), "{}", status.asset);
    assert_eq!(workspace.build(&["ranker"]).ran(), skeletons("ranker", &[1]));
    fs::write(workspace.published("ranker", 2).join("notes.txt"), "mine").unwrap();
    assert_eq!(workspace.status("ranker").keys("orphaned"), keys(&[0, 2]), "a file beside it takes nothing away");
}

#[test]
fn a_first_that_is_raised_makes_stale_for_nothing_has_vanished() {
    let workspace = Workspace::built();
    workspace.edit("feature_views/feed.kdl", "first=\"2026-02-01\"", "first=\"2026-02-02\"");
    assert_eq!(workspace.status("ranker").keys("stale"), keys(&[1, 2]));
}

#[test]
fn an_empty_directory_says_nothing_of_when_history_begins() {
    let workspace = without_a_first();
    fs::create_dir(workspace.path("data/feed/dt=2026-01-30")).unwrap();
    fs::write(workspace.path("data/feed/dt=2026-01-30/_SUCCESS"), "").unwrap();
    assert_eq!(workspace.status("ranker").states().len(), 0);
}

#[test]
fn a_static_table_that_is_not_there_is_waited_for_and_what_was_made_from_it_stands() {
    let workspace = Workspace::built();
    fs::remove_dir_all(workspace.published("ranker", 4)).unwrap();
    fs::remove_dir_all(workspace.path("data/artworks")).unwrap();
    let status = workspace.status("ranker");
    assert_eq!((status.keys("blocked"), status.keys("orphaned")), (keys(&[4]), keys(&[0, 1, 2, 3])), "{}", status.asset);
    assert!(status.reasons(DAYS[4])[0].to_string().contains("data/artworks"), "{}", status.asset);
}

/// A week of the feed, and an asset by weeks.
fn weekly() -> Workspace {
    let workspace = Workspace::new();
    for (day, key) in [(5, "2026-02-06"), (6, "2026-02-07"), (7, "2026-02-08")] {
        write_parquet(&workspace.path(&format!("data/feed/dt={key}/part-0.parquet")), feed_columns(&events(day)));
    }
    let asset = "asset \"weekly\" {\n    partitions \"weeks\"\n    service \"counting\"\n    op \"compile\" rule=\"compile\"\n    \
                 op \"skeleton\" rule=\"skeleton\" needs=\"compile\"\n}\npartitions \"weeks\" every=\"week\" start=\"2026-02-02\"\n";
    workspace.write("Daedalus.kdl", &format!("{}{asset}", workspace.read("Daedalus.kdl")));
    workspace
}

#[test]
fn a_week_that_lost_a_day_is_rebuilt_from_what_is_left_when_asked() {
    let workspace = weekly();
    let monday = "2026-02-09T00:00:00Z";
    let state = |what: &str| {
        let said = at(&workspace, monday, &["status", "weekly", "--format", "json"]).json();
        assert_eq!(said["assets"][0]["counts"][what], 1, "{what}: {said}");
    };
    assert_eq!(at(&workspace, monday, &["build", "weekly"]).code, 0);
    state("fresh");
    fs::remove_dir_all(workspace.path("data/feed/dt=2026-02-04")).unwrap();
    state("orphaned");
    let built = at(&workspace, monday, &["build", "weekly"]);
    assert!(built.code == 0 && built.stderr.contains("1 orphaned"), "{}", built.stderr);
    let built = at(&workspace, monday, &["build", "weekly", "--allow-missing"]);
    assert!(built.code == 0 && built.stderr.contains("1 built"), "{}", built.stderr);
    state("fresh");
    let named = at(&workspace, monday, &["build", "weekly@2026-02-04"]);
    assert!(named.code == 2 && named.stderr.contains("named by its Monday, 2026-02-02"), "{}", named.stderr);
}

#[test]
fn too_much_is_refused_before_anything_runs() {
    let workspace = Workspace::built();
    workspace.edit("Daedalus.kdl", "config {\n", "config {\n    replace-max 2\n");
    assert_eq!(workspace.build(&["everything"]).code, 0, "nothing is replaced");
    workspace.edit("config/training/aggregations.kdl", "k=4", "k=3");
    let before = workspace.listing();
    let dry = workspace.daeda(&["build", "ranker", "-n"]);
    assert!(dry.code == 0 && dry.stderr.contains("a build refuses this: this would replace 5 published partitions"), "{}", dry.stderr);
    assert!(!workspace.daeda(&["build", "ranker", "-n", "--replace", "5"]).stderr.contains("refuses"));
    let refused = workspace.build(&["ranker"]);
    assert_eq!((refused.code, refused.ran()), (11, vec![]));
    let [.., said, last] = &refused.events[..] else { panic!("{:?}", refused.events) };
    assert_eq!((said["event"].as_str(), said["replaced"].as_u64(), said["permitted"].as_u64()), (Some("refused"), Some(5), Some(2)));
    assert_eq!((&last["event"], &last["built"], &last["skipped"]), (&"finished".into(), &0.into(), &6.into()));
    for part in ["will run: ranker.skeleton@2026-02-01", "5 published partitions", "--replace 5"] {
        assert!(refused.stderr.contains(part), "{part}: {}", refused.stderr);
    }
    assert_eq!(data_only(before), data_only(workspace.listing()));
    assert_eq!(workspace.build(&["ranker@2026-02-01"]).ran().len(), 2, "two may be");
    assert_eq!(workspace.build(&["ranker", "--replace", "4"]).ran().len(), 4);
    assert_eq!(workspace.build(&["ranker", "--force"]).code, 11, "by force or not");
}

/// Caches aside.
fn data_only(listing: std::collections::BTreeMap<std::path::PathBuf, String>) -> Vec<(std::path::PathBuf, String)> {
    listing.into_iter().filter(|(path, _)| !path.starts_with(".daeda")).collect()
}

#[test]
fn what_reads_a_rebuilt_output_counts_as_replaced() {
    let workspace = Workspace::with_embeddings();
    let days = "embedder@2026-02-01..2026-02-02";
    assert_eq!(workspace.build(&[days]).code, 0);
    workspace.edit("feature_services/vectors.kdl", "event IN ('view', 'like')", "event = 'like'");
    let refused = workspace.build(&[days, "--replace", "1"]);
    let said = refused.events.iter().find(|event| event["event"] == "refused").unwrap();
    assert_eq!((refused.code, said["replaced"].as_u64()), (11, Some(2)), "two days, of two ops each");
    assert_eq!(workspace.build(&[days, "--replace", "2"]).code, 0);
}

#[test]
fn an_output_of_another_cadence_is_not_written_into() {
    let workspace = Workspace::built();
    let (day, aside) = (workspace.published("ranker", 0), workspace.path("aside"));
    fs::rename(&day, &aside).unwrap();
    fs::create_dir_all(&day).unwrap();
    fs::rename(&aside, day.join("hr=13")).unwrap();
    let built = workspace.build(&["ranker@2026-02-01"]);
    assert_eq!((built.code, built.ran()), (1, vec![]));
    for part in ["holds the output of", "dt=2026-02-01/hr=13", "another cadence", "move it away"] {
        assert!(built.errors()[0].contains(part), "{part}: {:?}", built.errors());
    }
    assert_eq!(workspace.status("ranker").keys("failed"), keys(&[0]));
    assert!(day.join("hr=13/_daeda.parquet").exists());
    let hourly = Workspace::built();
    hourly.edit("Daedalus.kdl", "every=\"day\"", "every=\"hour\"");
    let built = hourly.build(&["ranker@2026-02-01T13"]);
    assert_eq!(built.code, 1);
    assert!(built.errors()[0].contains("lies inside the output of ranker.skeleton@2026-02-01 in"), "{:?}", built.errors());
    assert_eq!(built.ran(), Vec::<String>::new());
}

#[test]
fn a_source_of_another_cadence_is_an_error_with_the_remedy() {
    let daily = Workspace::built();
    let part = daily.feed(2);
    fs::create_dir_all(part.with_file_name("hr=13")).unwrap();
    fs::rename(&part, part.with_file_name("hr=13").join("part-0.parquet")).unwrap();
    let built = daily.build(&["ranker@2026-02-03"]);
    assert_eq!((built.code, built.ran()), (1, vec![]));
    for word in ["data/feed/dt=2026-02-03/hr=13 holds hours", "partition=\"dt={day}\"", "one day", "hr={hour}"] {
        assert!(built.errors()[0].contains(word), "{word}: {:?}", built.errors());
    }
    let hourly = Workspace::built();
    hourly.edit("feature_views/feed.kdl", "partition=\"dt={day}\"", "partition=\"dt={day}/hr={hour}\"");
    let built = hourly.build(&["ranker@2026-02-03"]);
    assert_eq!(built.code, 1);
    for word in ["data/feed/dt=2026-02-03 holds files itself", "each hour has a directory", "say partition=\"dt={day}\""] {
        assert!(built.errors()[0].contains(word), "{word}: {:?}", built.errors());
    }
}

#[test]
fn a_source_of_another_cadence_is_no_absence_where_it_is_flat_either() {
    let renamed = |pattern: &str, to: &dyn Fn(usize) -> String| {
        let workspace = Workspace::new();
        workspace.edit("feature_views/feed.kdl", "partition=\"dt={day}\"", &format!("partition=\"{pattern}\""));
        (0..DAYS.len()).for_each(|day| {
            let from = workspace.feed(day);
            fs::rename(from.parent().unwrap(), workspace.path(&format!("data/feed/{}", to(day)))).unwrap();
        });
        workspace
    };
    let hours = |day: usize| format!("dt={}T07", DAYS[day]);
    let says_all = |workspace: &Workspace, words: &[&str]| {
        let built = workspace.build(&["counter@2026-02-03"]);
        assert_eq!(built.code, 1, "{}", built.stderr);
        words.iter().for_each(|word| assert!(built.errors()[0].contains(word), "{word}: {:?}", built.errors()));
    };
    let daily = renamed("dt={day}", &hours);
    let words = ["data/feed/dt=2026-02-03T07 is one hour", "partition=\"dt={day}\"", "say partition=\"dt={%Y-%m-%dT%H}\""];
    says_all(&daily, &words);
    // Without a first period, nothing that fits is there at all.
    daily.edit("feature_views/feed.kdl", " first=\"2026-02-01\"", "");
    says_all(&daily, &["T07 is one hour", "each day has a directory"]);
    says_all(&renamed("dt={%Y-%m-%dT%H}", &|day| format!("dt={}", DAYS[day])), &["dt=2026-02-03 is one day", "say partition=\"dt={day}\""]);
    says_all(&renamed("dt={%Y-%m}", &|day| format!("dt={}", DAYS[day])), &["is one day", "each month has a directory"]);
    let history = renamed("dt={day}", &|day| if day == 1 { hours(day) } else { format!("dt={}", DAYS[day]) });
    says_all(&history, &["data/feed/dt=2026-02-02T07 is one hour"]);
    assert_eq!(history.build(&["counter@2026-02-05"]).code, 0, "which does not reach there");
    let bare = Workspace::new();
    (0..DAYS.len()).for_each(|day| fs::rename(bare.feed(day), bare.path(&format!("data/feed/{day}.parquet"))).unwrap());
    (0..DAYS.len()).for_each(|day| fs::remove_dir(bare.feed(day).parent().unwrap()).unwrap());
    says_all(&bare, &["data/feed holds files itself", "leave out `partition`"]);
}

#[test]
fn the_last_period_that_is_declared_is_built() {
    for (every, end, last, after) in [
        ("day", "2026-02-03", "2026-02-03", "2026-02-04"),
        ("hour", "2026-02-03T13", "2026-02-03T13", "2026-02-03T14"),
        ("hour", "2026-02-03", "2026-02-03T23", "2026-02-04T00"),
        ("week", "2026-02-09", "2026-02-09", "2026-02-16"),
        ("month", "2026-03", "2026-03", "2026-04"),
    ] {
        let workspace = Workspace::new();
        let start = if every == "week" { "2026-02-02" } else { "2026-02-01" };
        workspace.edit("Daedalus.kdl", "every=\"day\" start=\"2026-02-01\"", &format!("every=\"{every}\" start=\"{start}\" end=\"{end}\""));
        let said = at(&workspace, "2026-06-01T00:00:00Z", &["build", "counter", "-n", "--format", "json"]).json();
        let actions: Vec<&str> = said["actions"].as_array().unwrap().iter().map(|a| a["action"].as_str().unwrap()).collect();
        assert_eq!(actions.iter().max().unwrap(), &format!("counter.skeleton@{last}"), "{every} {end}");
        let beyond = at(&workspace, "2026-06-01T00:00:00Z", &["build", &format!("counter@{after}"), "-n"]);
        assert_eq!(beyond.code, 2);
        let says = format!("`{after}` lies outside partitions `daily`, which start at");
        assert!(beyond.stderr.contains(&says) && beyond.stderr.contains(&format!("and end with {last}")), "{}", beyond.stderr);
    }
    let workspace = Workspace::new();
    workspace.edit("Daedalus.kdl", "start=\"2026-02-01\"", "start=\"2026-02-01\" end=\"2026-01-31\"");
    let said = workspace.daeda(&["check"]);
    assert!(said.code == 3 && format!("{}{}", said.stdout, said.stderr).contains("comes before the first one"), "{said:?}");
}

#[test]
fn the_newest_day_comes_first_when_asked() {
    let workspace = Workspace::new();
    let order = |args: &[&str]| {
        let built = workspace.build(&[&["counter", "-j", "1"], args].concat());
        let started = built.events.iter().filter(|e| e["event"] == "started").map(|e| id(&e["action"]));
        started.filter(|id| id.contains('@')).collect::<Vec<_>>()
    };
    assert_eq!(order(&["--order", "newest"]), skeletons("counter", &[4, 3, 2, 1, 0]));
    assert_eq!(order(&["--order", "oldest", "--force"]), skeletons("counter", &[0, 1, 2, 3, 4]));
}

#[test]
fn selections_choose_assets_and_targets_choose_keys() {
    let workspace = Workspace::new();
    let planned = |args: &[&str]| {
        let said = workspace.daeda(&[&["build", "-n", "--format", "json"], args].concat());
        assert_eq!(said.code, 0, "{args:?}: {}", said.stderr);
        let actions = said.json()["actions"].as_array().unwrap().clone();
        let ids = actions.iter().map(|a| a["action"].as_str().unwrap().to_string());
        ids.filter(|id| id.contains('@')).collect::<Vec<String>>()
    };
    let day = "@2026-02-03";
    assert_eq!(planned(&["--select", "group:training and not ranker", day]), skeletons("counter", &[2]));
    assert_eq!(planned(&["--select", "feature_view/artworks+", day]), skeletons("ranker", &[2]));
    assert_eq!(planned(&["--select", "+counter"]), skeletons("counter", &[0, 1, 2, 3, 4]));
    assert_eq!(planned(&["ranker@2026-02-01", "counter@2026-02-02", "--select", "kind:skeleton and counter"]), skeletons("counter", &[1]));
    workspace.edit("Daedalus.kdl", "select \"ranker\" \"counter\"", "select \"group:training and not counter\"");
    assert_eq!(planned(&["everything@2026-02-03"]), skeletons("ranker", &[2]));
    let status = workspace.daeda(&["status", "--select", "counter", "--format", "json"]).json();
    assert_eq!(status["assets"].as_array().unwrap().len(), 1);
    let wrong = workspace.daeda(&["build", "--select", "group:training and rankr"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("did you mean `ranker`?\n  group:training and rankr\n                     ^^^^^"), "{}", wrong.stderr);
    workspace.edit("Daedalus.kdl", "and not counter\"", "and not (counter\"");
    let check = workspace.daeda(&["check"]);
    assert!(check.code == 3 && check.stderr.contains("not closed") | check.stdout.contains("not closed"), "{check:?}");
}

#[test]
fn keys_are_named_by_prefix_range_and_latest() {
    let workspace = Workspace::new();
    workspace.edit("Daedalus.kdl", "every=\"day\"", "every=\"hour\"");
    let count = |target: &str| {
        let said = workspace.daeda(&["build", "-n", "--format", "json", target]);
        assert_eq!(said.code, 0, "{target}: {}", said.stderr);
        let actions = said.json()["actions"].as_array().unwrap().clone();
        actions.iter().filter(|a: &&Value| a["action"].as_str().unwrap().contains('@')).count()
    };
    assert_eq!(count("counter@2026-02-03T07"), 1);
    assert_eq!(count("counter@2026-02-03"), 24);
    assert_eq!(count("counter@2026-02"), 5 * 24);
    assert_eq!(count("counter@2026-02-03..2026-02-04"), 48);
    assert_eq!(count("counter@2026-02-03T20..2026-02-04"), 28);
    assert_eq!(count("counter@2026-02-05T20..latest"), 4);
    assert_eq!(count("counter.compile@2026-02-03"), 0);
    for (target, says) in [
        ("counter@2026-01", "start at 2026-02-01T00"),
        ("counter@2026-03", "not due yet"),
        ("counter@2026-02-04..2026-02-03", "runs backwards"),
        ("counter@yesterday", "by hour"),
    ] {
        let said = workspace.daeda(&["build", "-n", target]);
        assert!(said.code == 2 && said.stderr.replace("is due yet", "not due yet").contains(says), "{target}: {}", said.stderr);
    }
}

#[test]
fn a_dry_run_says_what_flags_would_do_and_changes_no_byte() {
    let workspace = Workspace::built();
    settle(&workspace);
    workspace.append(0, one_more(0));
    let mut rows = events(4);
    rows[0].at = None;
    workspace.write_feed(4, &rows);
    assert_eq!(workspace.build(&["ranker@2026-02-05"]).code, 1);
    fs::remove_dir_all(workspace.path("data/feed/dt=2026-02-02")).unwrap();
    let before = workspace.listing();
    let planned = |flags: &[&str]| workspace.daeda(&[&["build", "-n", "--explain", "ranker"], flags].concat()).stdout;
    let says = |flags: &[&str], word: &str, day: usize| {
        let plan = planned(flags);
        assert!(plan.contains(&format!("{word}: ranker.skeleton@{}", DAYS[day])), "{flags:?} {word} {day}: {plan}");
    };
    says(&[], "stands", 0);
    says(&["--drifted"], "will run", 0);
    says(&["--force"], "will run", 0);
    says(&[], "stands", 1);
    says(&["--allow-missing"], "stands", 1);
    says(&[], "stands", 2);
    says(&["--allow-missing"], "will run", 2);
    says(&[], "failed before", 4);
    says(&["--retry-failed"], "will run", 4);
    assert!(planned(&["--force"]).contains("will run: ranker.compile\n    --force\n"), "{}", planned(&["--force"]));
    assert_eq!(before, workspace.listing());
}
