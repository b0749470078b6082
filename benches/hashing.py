#!/usr/bin/env python3
"""How fast column digests are made: `daeda status` with an empty stat cache, beside b3sum over the same number of bytes.

    cargo build --release && cargo install b3sum && pip install pyarrow && python3 benches/hashing.py [--gigabytes 4] [--work DIR]

The Parquet files hold as many bytes of columns that are read as of columns that are not, uncompressed, in eight files of four days. The page
cache is warm. Rates are of whole processes, start included, over the bytes of the read columns; what was really read is what the kernel
counted (`rchar` of the process). Medians of five.
"""
import argparse, os, shutil, statistics, subprocess, sys, tempfile, time
import pyarrow as pa, pyarrow.parquet as pq

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DAEDA = os.environ.get("DAEDA", os.path.join(ROOT, "target", "release", "daeda"))
PUBLISH = [os.environ["PUBLISH"]] if "PUBLISH" in os.environ else ["cargo", "bench", "-q", "--bench", "publish", "--"]
READ, UNREAD = ["user_id", "event_timestamp", "a", "b"], ["u", "v", "w", "x"]
DAYS, FILES_A_DAY, GROUP = 4, 2, 1 << 20

FILES = {
    "Daedalus.kdl": """daedalus version=1
entity "user" key="user_id"
partitions "daily" every="day" start="2026-02-01" end="2026-02-05"
asset "rows" {
    partitions "daily"
    service "rows"
    op "compile" rule="compile"
    op "skeleton" rule="skeleton" needs="compile"
}
""",
    "feature_views/events.kdl": """feature-view "events" {
    entity "user"
    source "data/events" format="parquet" partition="dt={day}" timestamp="event_timestamp" unit="ms"
    fields {
        user_id "int64"
        event_timestamp "int64"
        a "int64"
        b "int64"
    }
}
""",
    "feature_services/rows.kdl": """feature-service "rows" version=1 grain="event" {
    spine "events"
    columns {
        user_id "int64"
        event_timestamp "int64"
        a "int64"
        b "int64"
    }
}
""",
}


def write(directory, gigabytes):
    """The workspace; returns the bytes of all chunks of the columns that are read."""
    for name, text in FILES.items():
        os.makedirs(os.path.dirname(os.path.join(directory, name)), exist_ok=True)
        with open(os.path.join(directory, name), "w") as file:
            file.write(text)
    rows = int(gigabytes * 1e9 / (DAYS * FILES_A_DAY) / (8 * len(READ + UNREAD)))
    noise = os.urandom(8 * rows + 4096 * len(READ + UNREAD))
    bytes_read = 0
    for number in range(DAYS * FILES_A_DAY):
        place = os.path.join(directory, f"data/events/dt=2026-02-0{number // FILES_A_DAY + 1}")
        os.makedirs(place, exist_ok=True)
        column = lambda i: pa.Array.from_buffers(pa.int64(), rows, [None, pa.py_buffer(noise).slice(4096 * i, 8 * rows)])
        table = pa.table({name: column(i) for i, name in enumerate(READ + UNREAD)})
        path = os.path.join(place, f"part-{number}.parquet")
        pq.write_table(table, path, compression="none", use_dictionary=False, row_group_size=GROUP, write_statistics=False)
        bytes_read += chunks(path)
    pq.write_table(pa.table({"user_id": [1]}), os.path.join(directory, "row.parquet"))
    return bytes_read


def chunks(path):
    metadata = pq.ParquetFile(path).metadata
    groups = [metadata.row_group(g) for g in range(metadata.num_row_groups)]
    columns = [group.column(c) for group in groups for c in range(group.num_columns)]
    return sum(c.total_compressed_size for c in columns if c.path_in_schema in READ)


def run(directory, *command):
    """Seconds, bytes read and peak memory in MB of a run that ends well."""
    start = time.perf_counter()
    child = subprocess.Popen(command, cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    seconds = time.perf_counter() - start
    with open(f"/proc/{child.pid}/io") as counters:
        read = int(next(line for line in counters if line.startswith("rchar")).split()[1])
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(command)} ended with {status}")
    return seconds, read, usage.ru_maxrss / 1e3


def cold(directory):
    shutil.rmtree(os.path.join(directory, ".daeda"), ignore_errors=True)
    return run(directory, DAEDA, "status")


def said(name, results, size):
    seconds = statistics.median(r[0] for r in results)
    print(f"{name:24} {seconds:7.3f} s {size / seconds / 1e9:6.2f} GB/s   read {results[0][1] / 1e9:.3f} GB, peak {max(r[2] for r in results):.0f} MB")
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=4)
    parser.add_argument("--work", default=os.path.join(ROOT, "target"))
    parser.add_argument("--b3sum", default=shutil.which("b3sum") or "b3sum")
    arguments = parser.parse_args()
    directory = tempfile.mkdtemp(prefix="hashing-", dir=os.path.abspath(arguments.work))
    size = write(directory, arguments.gigabytes)
    publish = [*PUBLISH, os.path.abspath(directory), os.path.join(directory, "row.parquet")]
    subprocess.run(publish, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    plain = os.path.join(directory, "plain")
    with open(plain, "wb") as file:
        left = size
        while left > 0:
            left -= file.write(os.urandom(min(left, 64 << 20)))
    print(f"{arguments.gigabytes:g} GB of Parquet, {size / 1e9:.3f} GB in columns that are read; {os.cpu_count()} cores")
    run(directory, arguments.b3sum, plain), cold(directory)
    # In turns, so that both see the same machine.
    pairs = [(cold(directory), run(directory, arguments.b3sum, plain)) for _ in range(5)]
    ours = said("daeda status, empty cache", [ours for ours, _ in pairs], size)
    theirs = said("b3sum", [theirs for _, theirs in pairs], size)
    said("daeda status, warm cache", [run(directory, DAEDA, "status") for _ in range(5)], size)
    print(f"{theirs / ours:.2f} × b3sum's rate")
    shutil.rmtree(directory)


main()
