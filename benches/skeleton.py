#!/usr/bin/env python3
"""One day of rolling windows: a whole `daeda build`, beside DuckDB and Polars on the same work, in one run.

    cargo build --release && pip install duckdb polars pyarrow numpy && python3 benches/skeleton.py [--work DIR] [--yardsticks DIR]

    python3 benches/skeleton.py --check          every column of a day against DuckDB's, with and without the list of ids
    python3 benches/skeleton.py --times 5 week list month

The feed is that of `gen_feed.py d1 38 500000 100000 200000`: 500,000 events a day of 100,000 users and 200,000 artworks; the day is 2026-03-10.
Three cases: `week` has windows of 1 and 7 days, `list` also all liked ids of 7 days, `month` windows of 1, 7 and 30 days. daeda's times are of
one `daeda build` of the release binary, workers included, with neither `.daeda/` nor an output there: it hashes its inputs, reads, computes,
writes, hashes what it wrote, syncs and publishes. Those of the others are of their scripts as processes, less the start of Python (what they print).
All are run in turns, the page cache is warm, and medians are shown. Peak memory is that of all processes of a build together, sampled in a
run of its own.

The floor is what is left if nothing is computed: reading the columns of the same files, and writing and syncing the finished output, as
Polars does both on all cores (its start not counted), and hashing these columns, as `daeda status` does it without a cache. `--trace` shows where
the time of one build goes, operator by operator.
"""
import argparse, json, os, re, shutil, statistics, subprocess, sys, time
import polars as pl

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DAEDA = os.environ.get("DAEDA", os.path.join(ROOT, "target", "release", "daeda"))
DAY, DAYS_OF_FEED = "2026-03-10", 38

CASES = {"week": (["1d", "7d"], False), "list": (["1d", "7d"], True), "month": (["1d", "7d", "30d"], False)}

MANIFEST = """daedalus version=1
entity "user" key="user_id"
entity "artwork" key="artwork_id"
partitions "daily" every="day" start="2026-02-01" end="2026-03-11"
"""

ASSET = """asset "{name}" {{
    partitions "daily"
    service "{name}"
    op "compile" rule="compile"
    op "skeleton" rule="skeleton" needs="compile"
}}
"""

VIEW = """feature-view "feed" {{
    entity "user" "artwork"
    source "{source}" format="parquet" partition="dt={{day}}" timestamp="event_timestamp" unit="ms" first="2026-02-01"
    fields {{
        user_id "int64"
        artwork_id "int64"
        event "string"
        event_timestamp "int64"
        aes_score "float64"
        author_id "int64"
    }}
}}
"""

AGGREGATION = """aggregation "{name}" view="feed" by="{by}" {{
    {where}
    {function}
    windows "1d" "7d" "30d"
}}
"""

SPINE = [("user_id", "int64"), ("artwork_id", "int64"), ("event", "string"), ("event_timestamp", "int64"), ("aes_score", "float64"), ("author_id", "int64")]

# Name, key, where, function, type of the result.
AGGREGATES = [
    ("user_view_cnt", "user_id", "view", "count", '"int64"'),
    ("user_like_cnt", "user_id", "like", "count", '"int64"'),
    ("user_like_aes_avg", "user_id", "like", 'mean "aes_score"', '"float64" nullable=#true'),
    ("user_aes_max", "user_id", None, 'max "aes_score"', '"float64" nullable=#true'),
    ("art_view_cnt", "artwork_id", "view", "count", '"int64"'),
    ("art_like_cnt", "artwork_id", "like", "count", '"int64"'),
]
LIST = ("like_artwork_ids", "user_id", "like", 'last "artwork_id" k=1000', '"list<int64>" nullable=#true')


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)


def columns_of(case):
    """Name and type of what a case computes."""
    windows, with_list = CASES[case]
    columns = [(f"{a[0]}_{window}", a[4]) for window in windows for a in AGGREGATES]
    return columns + ([(f"{LIST[0]}_7d", LIST[4])] if with_list else [])


def service(name, columns, rolling):
    listed = "".join(f'        {column} {data_type}\n' for column, data_type in columns)
    rolled = "".join(f'    rolling "{name}"\n' for name in rolling)
    return f'feature-service "{name}" version=1 grain="event" {{\n    spine "feed"\n{rolled}    columns {{\n{listed}    }}\n}}\n'


def workspace(directory, feed):
    shutil.rmtree(directory, ignore_errors=True)
    write(f"{directory}/Daedalus.kdl", MANIFEST + "".join(ASSET.format(name=case) for case in CASES))
    write(f"{directory}/feature_views/feed.kdl", VIEW.format(source=feed))
    aggregations = [
        AGGREGATION.format(name=name, by=by, where=f"where \"event = '{where}'\"" if where else "", function=function)
        for name, by, where, function, _ in [*AGGREGATES, LIST]
    ]
    write(f"{directory}/config/training/aggregations.kdl", "".join(aggregations))
    spine = [(name, f'"{data_type}"') for name, data_type in SPINE]
    for case in CASES:
        rolling = [a[0] for a in AGGREGATES] + ([LIST[0]] if CASES[case][1] else [])
        write(f"{directory}/feature_services/{case}.kdl", service(case, spine + columns_of(case), rolling))


def forget(directory):
    for name in (".daeda", "data"):
        shutil.rmtree(os.path.join(directory, name), ignore_errors=True)


def output(directory, case):
    place = os.path.join(directory, "data/training_output", case, f"dt={DAY}")
    return [os.path.join(place, name) for name in sorted(os.listdir(place)) if name.startswith("part-")]


def build(directory, case):
    """Seconds of a build from nothing."""
    forget(directory)
    os.sync()
    start = time.perf_counter()
    done = subprocess.run([DAEDA, "-q", "build", f"{case}@{DAY}"], cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        sys.exit(f"daeda build {case} ended with {done.returncode}: {done.stdout[-2000:]}")
    return seconds


def tree(process):
    """A process and all that descend from it."""
    found = [process]
    try:
        for thread in os.listdir(f"/proc/{process}/task"):
            with open(f"/proc/{process}/task/{thread}/children") as children:
                found += [id for child in children.read().split() for id in tree(int(child))]
    except OSError:
        pass
    return found


def resident(process):
    try:
        with open(f"/proc/{process}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def peak(directory, case):
    """Bytes that all processes of a build have at once."""
    forget(directory)
    child = subprocess.Popen([DAEDA, "-q", "build", f"{case}@{DAY}"], cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    most = 0
    while child.poll() is None:
        most = max(most, sum(resident(process) for process in tree(child.pid)))
        time.sleep(0.002)
    return most


def peer(script, case, data, out):
    """Seconds and peak memory in bytes, as the script tells them."""
    windows, with_list = CASES[case]
    lookback = max(int(window[:-1]) for window in windows)
    command = [sys.executable, script, data, DAY, str(lookback), out, *(["list"] if with_list else [])]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    seconds, megabytes = re.search(r"s ([0-9.]+) rssMB ([0-9]+)", said).groups()
    return float(seconds), float(megabytes) * 2**20


FLOOR = """
import glob, os, sys, time
import polars as pl
files, columns, finished, out = sys.argv[1].split(","), sys.argv[2].split(","), sys.argv[3], sys.argv[4]
done = pl.read_parquet(finished, hive_partitioning=False)
start = time.perf_counter()
frame = pl.read_parquet(files, columns=columns, hive_partitioning=False)
last = pl.read_parquet(files[-1], columns=["author_id"], hive_partitioning=False)
read = time.perf_counter()
done.write_parquet(out, compression="zstd", compression_level=1, row_group_size=65536)
descriptor = os.open(out, os.O_RDONLY)
os.fsync(descriptor)
print(read - start, time.perf_counter() - read)
"""


def floor(arguments, directory, data, case):
    """Seconds of reading, of hashing and of writing."""
    days = sorted(name for name in os.listdir(os.path.join(data, "feed")) if name <= f"dt={DAY}")
    days = days[-1 - max(int(window[:-1]) for window in CASES[case][0]):]
    files = ",".join(os.path.join(data, "feed", day, "part-0.parquet") for day in days)
    finished, out = os.path.join(os.path.dirname(output(directory, case)[0]), "part-*.parquet"), os.path.join(arguments.work, "floor.parquet")
    command = [sys.executable, "-c", FLOOR, files, "user_id,artwork_id,event,event_timestamp,aes_score", finished, out]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    read, written = map(float, said.split())
    shutil.rmtree(os.path.join(directory, ".daeda"))
    start = time.perf_counter()
    subprocess.run([DAEDA, "-q", "status", f"{case}@{DAY}"], cwd=directory, check=True, stdout=subprocess.DEVNULL)
    return read, time.perf_counter() - start, written


def trace(directory, case):
    """What is told while one build runs, by when."""
    forget(directory)
    start = time.perf_counter()
    child = subprocess.Popen([DAEDA, "build", f"{case}@{DAY}", "--format", "json"], cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    for line in child.stdout:
        told = json.loads(line)
        print(f"  {time.perf_counter() - start:7.3f} s  {told['event']:10} {told.get('action', {}).get('op', '')} {told.get('message', '')}")
    child.wait()
    print(f"  {time.perf_counter() - start:7.3f} s  ended")


def measure(arguments, directory, data, case):
    peers = {name: os.path.join(arguments.yardsticks, f"peer_{name.lower()}.py") for name in ("DuckDB", "Polars")}
    build(directory, case)
    ours, theirs, floors = [], {name: [] for name in peers}, []
    for _ in range(arguments.times):
        floors.append(floor(arguments, directory, data, case))
        for name, script in peers.items() if arguments.peers else ():
            theirs[name].append(peer(script, case, data, os.path.join(arguments.work, f"{name}.parquet")))
        ours.append(build(directory, case))
    seconds, memory = statistics.median(ours), peak(directory, case)
    print(f"{case}: {len(ours)} runs, medians", flush=True)
    print(f"  daeda    {seconds:7.3f} s ({min(ours):.3f} to {max(ours):.3f})   {memory / 1e6:6.0f} MB")
    parts = [statistics.median(part) for part in zip(*floors)]
    print(f"  floor    {sum(parts):7.3f} s: read {parts[0]:.3f}, hash {parts[1]:.3f}, write and sync {parts[2]:.3f} s; daeda takes {seconds / sum(parts):.2f} × that")
    for name, results in theirs.items() if arguments.peers else ():
        took, most = statistics.median(r[0] for r in results), max(r[1] for r in results)
        print(f"  {name:8} {took:7.3f} s   {most / 1e6:6.0f} MB   {took / seconds:5.1f} × daeda's time, {most / memory:4.1f} × its memory")


def rows(paths, case, order):
    """The columns of a case; simultaneous rows of one user and artwork have one set of values, or are told apart by the rest."""
    names = [name for name, _ in SPINE] + [name for name, _ in columns_of(case)]
    return pl.concat([pl.read_parquet(path, columns=names, hive_partitioning=False).select(names) for path in paths]).sort(order)


def differing(ours, theirs):
    """Which rows differ: floats by more than 1e-12 of their size, lists as multisets. Ids that are liked at one instant have no order in SQL."""
    if isinstance(ours.dtype, pl.List):
        ours, theirs = ours.list.sort(), theirs.list.sort()
    equal = ours.eq_missing(theirs)
    if ours.dtype.is_float():
        size = pl.select(pl.max_horizontal(ours.abs(), theirs.abs())).to_series()
        equal |= ((ours - theirs).abs() <= 1e-12 * size).fill_null(False)
    return (~equal).arg_true()


def check(arguments, directory, data, case):
    """All columns, row by row."""
    out = os.path.join(arguments.work, "check.parquet")
    peer(os.path.join(arguments.yardsticks, "peer_duckdb.py"), case, data, out)
    build(directory, case)
    order = [name for name, _ in SPINE if name != "aes_score"] + ["aes_score"]
    ours, theirs = rows(output(directory, case), case, order), rows([out], case, order)
    assert len(ours) == len(theirs), (len(ours), len(theirs))
    theirs, wrong = theirs.cast(dict(ours.schema)), 0
    for column in ours:
        other = theirs[column.name]
        different = differing(column, other)
        wrong += len(different)
        shown = f", such as {column[different[0]]} for {other[different[0]]}" if len(different) else ""
        print(f"  {case} {column.name:24} {len(column):,} rows, {column.null_count():,} null, {len(different):,} differ{shown}")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", help=f"of {', '.join(CASES)} (default: all)")
    parser.add_argument("--work", type=os.path.abspath, default=os.path.join(ROOT, "target"), help="where the feed and the workspace are made")
    parser.add_argument("--yardsticks", type=os.path.abspath, default=os.path.join(ROOT, "..", "shared", "bench"))
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--check", action="store_true", help="compare with DuckDB instead of measuring")
    parser.add_argument("--trace", action="store_true", help="show where the time of one build goes instead")
    parser.add_argument("--no-peers", dest="peers", action="store_false")
    arguments = parser.parse_args()
    data = os.path.join(arguments.work, "d1")
    if not os.path.isdir(os.path.join(data, "feed", f"dt={DAY}")):
        subprocess.run([sys.executable, os.path.join(arguments.yardsticks, "gen_feed.py"), data, str(DAYS_OF_FEED), "500000", "100000", "200000"], check=True)
    directory = os.path.join(arguments.work, "skeleton")
    workspace(directory, os.path.join(data, "feed"))
    if arguments.check:
        sys.exit(1 if sum(check(arguments, directory, data, case) for case in arguments.cases or ("week", "list")) else 0)
    for case in arguments.cases or CASES:
        if arguments.trace:
            trace(directory, case)
            continue
        measure(arguments, directory, data, case)


if __name__ == "__main__":
    main()
