#!/usr/bin/env python3
"""One day of 5 million events with 7 days of history, within several budgets of memory; and a feed with one very busy user.

    cargo build --release && pip install pyarrow numpy && python3 benches/memory.py [--work DIR] [--yardsticks DIR] [1GiB 2GiB 16GiB …]

The feed is that of `gen_feed.py DIR 8 5000000 1000000 2000000`; the day is its last, the columns are those of benches/skeleton.py: windows of 1
and 7 days by user and by artwork, and the liked ids of 7 days. Each budget is that of the op (`resources memory`); shown are seconds, the
worker's peak of resident memory as the record tells it, what was spilled, and whether the bytes are those of the first budget. With `--cpus 1,2` each
runs with so many threads. `--heavy` does the same on a feed in which one user has 200,000 of the events in the window.
"""
import argparse, hashlib, json, os, shutil, subprocess, sys, time
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
from skeleton import AGGREGATES, write

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DAEDA = os.environ.get("DAEDA", os.path.join(ROOT, "target", "release", "daeda"))
DAY = "2026-02-08"

MANIFEST = """daedalus version=1
config {{ resources cpus=2 memory="20GiB" }}
entity "user" key="user_id"
entity "artwork" key="artwork_id"
partitions "daily" every="day" start="2026-02-01" end="2026-02-09"
asset "rows" {{
    partitions "daily"
    service "rows"
    op "compile" rule="compile"
    op "skeleton" rule="skeleton" needs="compile" {{
        resources cpus={cpus} memory="{memory}"
    }}
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

SPINE = [("user_id", "int64"), ("artwork_id", "int64"), ("event", "string"), ("event_timestamp", "int64"), ("aes_score", "float64")]
LIST = ("like_artwork_ids", "user_id", "like", 'last "artwork_id" k=32', '"list<int64>" nullable=#true')


def aggregation(name, by, where, function, windows):
    where = f"""    where "event = '{where}'"\n""" if where else ""
    return f'aggregation "{name}" view="feed" by="{by}" {{\n{where}    {function}\n    windows {windows}\n}}\n'


def workspace(directory, feed):
    shutil.rmtree(directory, ignore_errors=True)
    write(f"{directory}/feature_views/feed.kdl", VIEW.format(source=feed))
    listed = [f'        {name} "{data_type}"' for name, data_type in SPINE]
    listed += [f"        {name}_{window} {data_type}" for window in ("1d", "7d") for name, _, _, _, data_type in AGGREGATES]
    listed += [f"        {LIST[0]}_7d {LIST[4]}"]
    rolled = "".join(f'    rolling "{name}"\n' for name, *_ in [*AGGREGATES, LIST])
    columns = "\n".join(listed)
    write(f"{directory}/feature_services/rows.kdl", f'feature-service "rows" version=1 {{\n    spine "feed"\n{rolled}    columns {{\n{columns}\n    }}\n}}\n')
    aggregations = [aggregation(name, by, where, function, '"1d" "7d"') for name, by, where, function, _ in AGGREGATES]
    aggregations.append(aggregation(*LIST[:4], '"7d"'))
    write(f"{directory}/config/training/aggregations.kdl", "".join(aggregations))


def build(directory, memory, cpus):
    """Seconds, what the record says, and a digest of the data files."""
    for name in (".daeda", "data"):
        shutil.rmtree(os.path.join(directory, name), ignore_errors=True)
    write(f"{directory}/Daedalus.kdl", MANIFEST.format(cpus=cpus, memory=memory))
    start = time.perf_counter()
    done = subprocess.run([DAEDA, "-q", "build", f"rows@{DAY}"], cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        sys.exit(f"daeda build ended with {done.returncode}: {done.stdout[-2000:]}")
    shown = json.loads(subprocess.check_output([DAEDA, "show", f"rows.skeleton@{DAY}", "--format", "json"], cwd=directory))
    place = os.path.join(directory, "data/training_output/rows", f"dt={DAY}")
    digest = hashlib.sha256()
    for name in sorted(name for name in os.listdir(place) if name.startswith("part-")):
        with open(os.path.join(place, name), "rb") as file:
            digest.update(name.encode() + hashlib.file_digest(file, "sha256").digest())
    return seconds, shown, digest.hexdigest()


def heavy(feed, out):
    """The same feed, of which one user has 25,000 events every day."""
    for day in sorted(os.listdir(feed)):
        table = pq.read_table(f"{feed}/{day}/part-0.parquet", partitioning=None)
        users = table.column("user_id").to_numpy().copy()
        users[np.random.default_rng(int(day[-2:])).choice(len(users), 25_000, replace=False)] = 77
        os.makedirs(f"{out}/{day}", exist_ok=True)
        table = table.set_column(table.schema.get_field_index("user_id"), "user_id", pa.array(users))
        pq.write_table(table, f"{out}/{day}/part-0.parquet", compression="zstd", row_group_size=131072)


def measure(directory, budgets, cpus):
    first = None
    for memory in budgets:
        for count in cpus:
            seconds, shown, digest = build(directory, memory, count)
            first = first or digest
            spilled = shown["metadata"].get("spilled_bytes", 0)
            print(f"  {memory:>7} {count} cpus {seconds:7.1f} s   peak {shown['peak_memory'] / 2**20:6.0f} MiB   spilled {spilled / 2**20:6.0f} MiB   "
                  f"{'same bytes' if digest == first else 'OTHER BYTES'}   {shown['metadata']['rows']:,} rows", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("budgets", nargs="*", default=["16GiB", "2GiB", "1GiB", "512MiB"])
    parser.add_argument("--work", type=os.path.abspath, default=os.path.join(ROOT, "target"), help="where feeds and the workspace are made")
    parser.add_argument("--yardsticks", type=os.path.abspath, default=os.path.join(ROOT, "..", "shared", "bench"))
    parser.add_argument("--feed", type=os.path.abspath, help="a feed of gen_feed.py that is there already")
    parser.add_argument("--cpus", default="2")
    parser.add_argument("--heavy", action="store_true")
    arguments = parser.parse_args()
    feed = arguments.feed or os.path.join(arguments.work, "big", "feed")
    if not os.path.isdir(os.path.join(feed, f"dt={DAY}")):
        script = os.path.join(arguments.yardsticks, "gen_feed.py")
        subprocess.run([sys.executable, script, os.path.dirname(feed), "8", "5000000", "1000000", "2000000"], check=True)
    directory, cpus = os.path.join(arguments.work, "memory"), arguments.cpus.split(",")
    if arguments.heavy:
        busy = os.path.join(arguments.work, "busy", "feed")
        if not os.path.isdir(os.path.join(busy, f"dt={DAY}")):
            heavy(feed, busy)
        feed = busy
    workspace(directory, feed)
    print("one user with 200,000 events in the window:" if arguments.heavy else "5 million events, 7 days of history:", flush=True)
    measure(directory, arguments.budgets, cpus)
    shutil.rmtree(directory)


main()
