#!/usr/bin/env python3
"""What fresh partitions cost when there are many: times, memory and system calls, beside ninja and make.

    cargo build --release && pip install pyarrow ninja && python3 benches/scale.py [--work DIR] [daily] [hourly] [--sizes 1000,10000,100000] [--keep]
    python3 benches/scale.py --reuse WORKSPACE [--reuse WORKSPACE ...]

`daily`: 10,000 days with one input file each: `build` with nothing to do and `status`, beside ninja and make on as many targets of one input
each, in the same run; medians of five. `hourly`: so many hours, two ops that publish a partition each, a window of 30 days (so that each
skeleton reads 721 input files): `status` warm, its peak memory, and the first time after `.daeda/` was deleted.

Publishing 100,000 hours takes some 20 minutes: `--keep` leaves the workspaces, and `--reuse` measures those that were left (nothing of them is
changed but `.daeda/`, so that they serve until records or digests have another format).

Workspaces are published by `benches/publish.rs`: the engine's own build, whose ops copy a file of one row instead of computing. Input
files are real, one row each, within their period, so that a real build works too; `--real N` forces N partitions through it. System calls
are counted by strace, where there is one, in a run of its own. Peaks below that of this script itself (some 80 MB) are not told apart.
"""
import argparse, datetime as dt, json, os, re, shutil, statistics, subprocess, sys, sysconfig, tempfile, time
import pyarrow as pa, pyarrow.parquet as pq

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DAEDA = os.environ.get("DAEDA", os.path.join(ROOT, "target", "release", "daeda"))
PUBLISH = [os.environ["PUBLISH"]] if "PUBLISH" in os.environ else ["cargo", "bench", "-q", "--bench", "publish", "--"]
START = dt.datetime(1998, 1, 1)

MANIFEST = """daedalus version=1
config {{ resources cpus=2 memory="2GiB" }}
entity "user" key="user_id"
partitions "all" every="{every}" start="{start}" end="{end}"
asset "rows" {{
    partitions "all"
    service "rows"
    op "compile" rule="compile"
    op "skeleton" rule="skeleton" needs="compile"
    {enrich}
}}
"""

VIEW = """feature-view "events" {{
    entity "user"
    source "data/events" format="parquet" partition="{pattern}" timestamp="event_timestamp" unit="ms" {first}
    fields {{
        user_id "int64"
        event_timestamp "int64"
        a "int64"
        b "int64"
        c "float64"
        d "string"
    }}
}}
"""

SERVICE = """feature-service "rows" version=1 grain="event" {{
    spine "events"
    {rolling}
    columns {{
        user_id "int64"
        event_timestamp "int64"
        a "int64"
        b "int64"
        c "float64"
        d "string"
        {column}
    }}
}}
"""

VECTORS = """feature-view "vectors" {
    entity "user"
    source "data/vectors.lance" format="lance"
    fields {
        user_id "int64"
        embedding "vector<float16, 4>"
    }
}
"""

# What the hourly workspace has on top: a window, and a vector for the second op to look up.
AGGREGATIONS = """embedding-store "vectors" view="vectors" key="user_id" vector="embedding"
embedding "vector" store="vectors" lookup="user_id"
aggregation "count" view="events" by="user_id" {
    count
    windows "30d"
}
"""


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)


def inputs(directory, pattern, times):
    """One file of one row per period."""
    for moment in times:
        place = os.path.join(directory, "data/events", moment.strftime(pattern))
        os.makedirs(place)
        millis = int((moment - dt.datetime(1970, 1, 1)).total_seconds() * 1000) + 1
        row = {"user_id": [1], "event_timestamp": [millis], "a": [1], "b": [2], "c": [0.5], "d": ["d"]}
        pq.write_table(pa.table(row), os.path.join(place, "part-0.parquet"), compression="none")


def workspace(directory, every, count):
    hourly = every == "hour"
    step = dt.timedelta(hours=1) if hourly else dt.timedelta(days=1)
    times = [START + step * number for number in range(count)]
    key = "%Y-%m-%dT%H" if hourly else "%Y-%m-%d"
    bounds = {"start": times[0].strftime(key), "end": (times[-1] + step).strftime(key)}
    enrich = 'op "enrich" rule="enrich" needs="skeleton"' if hourly else ""
    write(f"{directory}/Daedalus.kdl", MANIFEST.format(every=every, enrich=enrich, **bounds))
    write(f"{directory}/feature_views/events.kdl", VIEW.format(pattern="dt={day}/hr={hour}" if hourly else "dt={day}", first=f'first="{bounds["start"]}"'))
    window = {"rolling": 'rolling "count"\n    embed "vector"', "column": 'count_30d "int64"\n        vector "vector<float16, 4>" nullable=#true'}
    write(f"{directory}/feature_services/rows.kdl", SERVICE.format(**(window if hourly else {"rolling": "", "column": ""})))
    if hourly:
        write(f"{directory}/config/training/aggregations.kdl", AGGREGATIONS)
        write(f"{directory}/feature_views/vectors.kdl", VECTORS)
    inputs(directory, "dt=%Y-%m-%d/hr=%H" if hourly else "dt=%Y-%m-%d", times)
    first = "dt=%Y-%m-%d/hr=%H" if hourly else "dt=%Y-%m-%d"
    return os.path.join(directory, "data/events", START.strftime(first), "part-0.parquet")


def publish(directory, data):
    command = [*PUBLISH, os.path.abspath(directory), os.path.abspath(data)]
    print("  " + subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.strip())


def run(directory, *command):
    """Seconds, peak memory in MB and standard output of a run that ends well."""
    start = time.perf_counter()
    child = subprocess.Popen(command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    out = child.stdout.read().decode()
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    if status != 0:
        sys.exit(f"{' '.join(command)} ended with {status}: {out[-500:]}")
    return seconds, usage.ru_maxrss / 1e3, out


def median(directory, *command, times=5):
    run(directory, *command)  # warms the page cache
    results = [run(directory, *command) for _ in range(times)]
    return statistics.median(r[0] for r in results), max(r[1] for r in results), results[0][2]


def fresh(directory):
    """How many partitions are, of all that are published."""
    counts = json.loads(run(directory, DAEDA, "status", "--format", "json")[2])["assets"][0]["counts"]
    # The last period ends after what was published.
    assert counts["fresh"] > 0 and sum(counts.values()) - counts["fresh"] - counts["blocked"] == 0, counts
    return counts["fresh"]


def calls(directory, *command):
    """Counts of system calls of a run."""
    if shutil.which("strace") is None:
        return {}
    with tempfile.NamedTemporaryFile("r") as report:
        subprocess.run(["strace", "-f", "-c", "-o", report.name, *command], cwd=directory, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        fields = [line.split() for line in report.read().splitlines()]
    return {f[-1]: int(f[3]) for f in fields if len(f) >= 5 and f[3].isdigit()}


def said(counts):
    groups = {"stats": r".*stat.*", "opens": r"open(at)?", "reads": r"p?read(64|v)?", "directory reads": r"getdents64"}
    total = lambda pattern: sum(n for name, n in counts.items() if re.fullmatch(pattern, name))
    return ", ".join(f"{total(pattern):,} {name}" for name, pattern in groups.items()) if counts else "no strace here"


def table(rows):
    for name, seconds, peak, count, counted in rows:
        print(f"  {name:34} {seconds * 1e3:10.1f} ms {peak:8.0f} MB {seconds / count * 1e6:9.1f} µs a partition   {counted}")


def rivals(work, count):
    """The same number of one-input targets for ninja and make."""
    other = tempfile.mkdtemp(prefix="rivals-", dir=work)
    os.makedirs(f"{other}/in"), os.makedirs(f"{other}/out")
    for number in range(count):
        write(f"{other}/in/{number}", "x")
    targets = range(count)
    write(f"{other}/build.ninja", "rule copy\n  command = cp $in $out\n" + "".join(f"build out/{n}: copy in/{n}\n" for n in targets))
    every = " ".join(f"out/{n}" for n in targets)
    write(f"{other}/Makefile", f"all: {every}\n" + "".join(f"out/{n}: in/{n}\n\tcp $< $@\n" for n in targets))
    rows = []
    for name, command in (("ninja", [ninja()]), ("make", ["make", "-s"])):
        if name == "make" or command[0]:
            subprocess.run([*command, "-j2"], cwd=other, check=True, stdout=subprocess.DEVNULL)
            seconds, peak, _ = median(other, *command)
            rows.append((f"{name}, nothing to do", seconds, peak, count, said(calls(other, *command))))
    shutil.rmtree(other)
    return rows


def ninja():
    """Where pip puts it, if it is not on the path."""
    return shutil.which("ninja") or shutil.which("ninja", path=sysconfig.get_path("scripts"))


def cold(directory, count, *command):
    shutil.rmtree(os.path.join(directory, ".daeda"), ignore_errors=True)
    seconds, peak, _ = run(directory, *command)
    return (" ".join(command[1:]) + ", .daeda/ deleted", seconds, peak, count, "")


def warm(directory, count, *command, times=5):
    seconds, peak, _ = median(directory, *command, times=times)
    return (" ".join(command[1:]), seconds, peak, count, said(calls(directory, *command)))


def size_of(directory):
    """Bytes and files of caches, and of a record."""
    found = [os.path.join(at, name) for at, _, names in os.walk(os.path.join(directory, ".daeda")) for name in names]
    return f"  .daeda/: {len(found)} files, {sum(map(os.path.getsize, found)) / 1e6:.1f} MB"


def made(work, every, count, arguments):
    """A workspace with so many partitions, all published."""
    directory = tempfile.mkdtemp(prefix=f"{every}-", dir=work)
    publish(directory, workspace(directory, every, count))
    step, key = (dt.timedelta(hours=1), "%Y-%m-%dT%H") if every == "hour" else (dt.timedelta(days=1), "%Y-%m-%d")
    force(directory, arguments.real, START.strftime(key), step, key)
    return directory


def given_back(directory, arguments):
    if arguments.keep:
        print(f"  kept: {directory}")
    else:
        shutil.rmtree(directory)


def measured(directory, count):
    commands = ((DAEDA, "status"), (DAEDA, "build", "rows"))
    rows = [cold(directory, count, *commands[0])] + [warm(directory, count, *command) for command in commands]
    assert fresh(directory) == count
    return rows


def daily(directory, work):
    count = fresh(directory)
    print(f"{count:,} daily partitions, one input file each")
    rows, others = measured(directory, count), rivals(work, count)
    table(rows + others)
    for name, seconds, *_ in others:
        print(f"  build is {rows[2][1] / seconds:.2f} × {name.split(',')[0]}'s time, status {rows[1][1] / seconds:.2f} ×")
    print(size_of(directory))


def hourly(directory):
    count = fresh(directory)
    print(f"{count:,} hourly partitions, two ops, a window of 30 days")
    table(measured(directory, count))
    print(size_of(directory))


def is_hourly(directory):
    with open(os.path.join(directory, "Daedalus.kdl")) as file:
        return 'every="hour"' in file.read()


def force(directory, number, _, step, key):
    """Some partitions through the real ops: what follows must be as fresh."""
    for n in range(number):
        run(directory, DAEDA, "build", "--force", f"rows@{(START + step * n).strftime(key)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", help="daily, hourly (default: both)")
    parser.add_argument("--work", type=os.path.abspath, default=os.path.join(ROOT, "target"), help="where workspaces are made")
    parser.add_argument("--days", type=int, default=10_000)
    parser.add_argument("--sizes", default="1000,10000,100000", help="of the hourly workspaces")
    parser.add_argument("--real", type=int, default=1, help="partitions that are built by their real ops as well")
    parser.add_argument("--keep", action="store_true", help="leave the workspaces")
    parser.add_argument("--reuse", action="append", default=[], type=os.path.abspath, metavar="WORKSPACE", help="measure one that was left")
    arguments = parser.parse_args()
    what = arguments.what or ([] if arguments.reuse else ["daily", "hourly"])
    for directory in arguments.reuse:
        hourly(directory) if is_hourly(directory) else daily(directory, arguments.work)
    if "daily" in what:
        directory = made(arguments.work, "day", arguments.days, arguments)
        daily(directory, arguments.work)
        given_back(directory, arguments)
    for size in arguments.sizes.split(",") if "hourly" in what else []:
        directory = made(arguments.work, "hour", int(size), arguments)
        hourly(directory)
        given_back(directory, arguments)


main()
