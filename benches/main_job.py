#!/usr/bin/env python3
"""Run time and peak memory of the main job: the three-day demo, ten builds with nothing to do, and one large day.

    cargo build --release && python3 benches/main_job.py [DAYS]

Works in a temporary copy of the example workspace. The large day is the last of DAYS (default 8, so that a week of history lies
before it) of a sample with 100,000 users, 200,000 artworks and 500,000 events a day. Peak memory is that of the largest process.
"""
import json, os, resource, shutil, statistics, subprocess, sys, tempfile, time

root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
daeda = os.path.join(root, "target", "release", "daeda")
days = int(sys.argv[1]) if len(sys.argv) > 1 else 8


def workspace():
    directory = tempfile.mkdtemp(prefix="daeda-bench-")
    shutil.copy(os.path.join(root, "Daedalus.kdl"), directory)
    for part in ("feature_views", "feature_services", "config"):
        shutil.copytree(os.path.join(root, part), os.path.join(directory, part))
    return directory


def run(directory, *arguments):
    """Seconds and standard output."""
    start = time.perf_counter()
    child = subprocess.Popen([daeda, "-q", *arguments], cwd=directory, stdout=subprocess.PIPE)
    out, _ = child.communicate()
    seconds = time.perf_counter() - start
    if child.returncode != 0:
        sys.exit(f"daeda {' '.join(arguments)} ended with {child.returncode}")
    return seconds, out.decode()


def peaks(directory, target):
    shown = json.loads(run(directory, "show", target, "--format", "json")[1])
    return shown["seconds"], shown["peak_memory"] / 1e6, shown["metadata"]


small = workspace()
seconds, _ = run(small, "demo")
print(f"demo, sample included: {seconds:.2f} s")
noop = [run(small, "build", "dssm_ranking_training@2026-02-01..2026-02-03")[0] for _ in range(10)]
print(f"nothing to do, median of ten: {statistics.median(noop):.3f} s")
for op in ("skeleton", "enrich"):
    took, peak, _ = peaks(small, f"dssm_ranking_training.{op}@2026-02-03")
    print(f"demo {op} of one day: {took:.2f} s, peak {peak:.0f} MB")
shutil.rmtree(small)

large = workspace()
seconds, _ = run(large, "sample", "--users", "100000", "--artworks", "200000", "--events-per-day", "500000", "--days", str(days))
print(f"large sample of {days} days: {seconds:.1f} s")
day = f"2026-02-{days:02}"
seconds, _ = run(large, "build", f"dssm_ranking_training@{day}")
print(f"large day {day}: {seconds:.1f} s in all")
for op in ("skeleton", "enrich"):
    took, peak, metadata = peaks(large, f"dssm_ranking_training.{op}@{day}")
    print(f"large {op}: {took:.2f} s, peak {peak:.0f} MB, {metadata['rows']} rows, ids {metadata.get('ids')}")
print(f"largest process of all: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3:.0f} MB")
shutil.rmtree(large)
