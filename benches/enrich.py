#!/usr/bin/env python3
"""What an enrichment costs: 500,000 rows, 8.8 million ids, 200,000 vectors of 1152, beside a synced write of the same bytes and a peer.

    cargo build --release && pip install pyarrow pylance numpy
    python3 benches/enrich.py --feed FEED --embeddings STORE.lance [--work DIR] [--peer SCRIPT] [--rounds 5] [--compression none]

FEED is a directory of `dt=…/part-0.parquet` with user_id, artwork_id, event, event_timestamp in milliseconds; STORE a Lance dataset of
`artwork_id` and `embedding`. A skeleton of one day (`--day`) is built once: every event, and all artworks that its user liked in seven
days. Then, in each round, one after the other:

    cold    `daeda build` of the enrichment alone, a whole process, `.daeda/` and what was built before removed
    warm    the same with `.daeda/` left as the cold one has made it
    write   a plain sequential write of as many bytes, and fsync
    peer    `python3 SCRIPT SKELETON OUT STORE`, if there is one

Medians, their ratios, and the peak of the resident memory of the whole process tree (sampled, shared pages counted once per process).
"""
import argparse, json, os, shutil, statistics, subprocess, sys, tempfile, threading, time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DAEDA = os.environ.get("DAEDA", str(ROOT / "target" / "release" / "daeda"))

FILES = {
    "Daedalus.kdl": """daedalus version=1
config {{
    runtime "runtime.kdl"
    aggregations "aggregations.kdl"
    resources memory="{memory}"
}}
entity "user" key="user_id"
entity "artwork" key="artwork_id"
partitions "daily" every="day" start="2026-02-01"
asset "rows" {{
    partitions "daily"
    service "rows"
    op "compile" rule="compile"
    op "skeleton" rule="skeleton" needs="compile"
    op "enrich" rule="enrich" needs="skeleton"
}}
""",
    "runtime.kdl": """runtime {{
    output compression="{compression}" {level} row-group-rows={group} shard-rows=262144
}}
""",
    "aggregations.kdl": """aggregation "like_artwork_ids" view="events" by="user_id" {{
    where "event = 'like'"
    last "artwork_id" k=1000
    windows "7d"
}}
embedding-store "artworks" view="embeddings" key="artwork_id" vector="embedding"
embedding "image_embedding" store="artworks" lookup="artwork_id"
embedding "like_artwork_avg_embeds" store="artworks" pool="mean" over="like_artwork_ids_7d"
""",
    "feature_views/events.kdl": """feature-view "events" {{
    entity "user" "artwork"
    source "{feed}" format="parquet" partition="dt={{day}}" timestamp="event_timestamp" unit="ms" first="2026-02-01"
    fields {{
        user_id "int64"
        artwork_id "int64"
        event "string"
        event_timestamp "int64"
    }}
}}
""",
    "feature_views/embeddings.kdl": """feature-view "embeddings" {{
    entity "artwork"
    source "{embeddings}" format="lance"
    fields {{
        artwork_id "int64"
        embedding "vector<float16, 1152>"
    }}
}}
""",
    "feature_services/rows.kdl": """feature-service "rows" version=1 grain="event" {{
    spine "events"
    rolling "like_artwork_ids"
    embed "image_embedding" "like_artwork_avg_embeds"
    columns {{
        user_id "int64"
        artwork_id "int64"
        event_timestamp "int64"
        like_artwork_ids_7d "list<int64>" default="[]"
        image_embedding "vector<float16, 1152>" nullable=#true
        like_artwork_avg_embeds "vector<float16, 1152>" nullable=#true
    }}
}}
""",
}


def make_workspace(directory, options):
    level = "level=1" if options.compression == "zstd" else ""
    values = dict(vars(options), level=level, feed=Path(options.feed).resolve(), embeddings=Path(options.embeddings).resolve())
    for name, text in FILES.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(**values))


class Peak(threading.Thread):
    """The most memory that a process and those below it hold together."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.bytes, self.anonymous = pid, 0, 0

    def run(self):
        while True:
            sizes = [resident(pid) for pid in tree(self.pid)]
            if not sizes:
                return
            self.bytes = max(self.bytes, sum(size for size, _ in sizes))
            self.anonymous = max(self.anonymous, sum(size for _, size in sizes))
            time.sleep(0.02)


def tree(pid):
    found, left = [], [pid]
    while left:
        pid = left.pop()
        try:
            children = [Path(f"/proc/{pid}/task/{task}/children").read_text().split() for task in os.listdir(f"/proc/{pid}/task")]
        except OSError:
            continue
        found.append(pid)
        left.extend(int(child) for line in children for child in line)
    return found


def resident(pid):
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0, 0
    sizes = {line.split(":")[0]: int(line.split()[1]) << 10 for line in lines if line.startswith(("VmRSS", "RssAnon"))}
    return sizes.get("VmRSS", 0), sizes.get("RssAnon", 0)


def run(command, directory):
    """Seconds, peak of resident memory, of that without pages of files."""
    start = time.perf_counter()
    child = subprocess.Popen([str(part) for part in command], cwd=directory, stdout=subprocess.DEVNULL)
    peak = Peak(child.pid)
    peak.start()
    if child.wait() != 0:
        sys.exit(f"{command} ended with {child.returncode}")
    return time.perf_counter() - start, peak.bytes, peak.anonymous


def synced_write(directory, size):
    block, path = os.urandom(1 << 20), directory / "plain"
    start = time.perf_counter()
    with open(path, "wb", buffering=0) as file:
        for offset in range(0, size, len(block)):
            file.write(block[: size - offset])
        os.fsync(file.fileno())
    seconds = time.perf_counter() - start
    path.unlink()
    return seconds


def enrich(workspace, options, clear):
    shutil.rmtree(workspace / "data" / "training_output_enriched", ignore_errors=True)
    if clear:
        shutil.rmtree(workspace / ".daeda", ignore_errors=True)
    return run([DAEDA, "-q", "build", f"rows.enrich@{options.day}"], workspace)


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--feed", required=True)
    parser.add_argument("--embeddings", required=True)
    parser.add_argument("--work")
    parser.add_argument("--peer")
    parser.add_argument("--day", default="2026-03-10")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--compression", default="zstd")
    parser.add_argument("--group", type=int, default=65536)
    parser.add_argument("--memory", default="2GiB")
    parser.add_argument("--keep", action="store_true", help="leave the workspace behind")
    return parser.parse_args()


def main():
    options = read_arguments()
    workspace = Path(tempfile.mkdtemp(prefix="daeda-enrich-", dir=options.work))
    make_workspace(workspace, options)
    seconds, _, _ = run([DAEDA, "-q", "build", f"rows.skeleton@{options.day}"], workspace)
    print(f"the skeleton, once: {seconds:.2f} s")
    skeleton = workspace / "data" / "training_output" / "rows" / f"dt={options.day}"
    enriched = workspace / "data" / "training_output_enriched" / "rows" / f"dt={options.day}"
    times, peaks = {}, {}

    def note(name, seconds, peak=0, anonymous=0):
        times.setdefault(name, []).append(seconds)
        peaks[name] = max(peaks.get(name, (0, 0)), (peak, anonymous))

    for _ in range(options.rounds):
        note("cold", *enrich(workspace, options, clear=True))
        note("warm", *enrich(workspace, options, clear=False))
        size = sum(path.stat().st_size for path in enriched.iterdir())
        note("write", synced_write(workspace, size))
        if options.peer:
            out = workspace / "peer"
            note("peer", *run([sys.executable, options.peer, skeleton / "part-*.parquet", out, options.embeddings], workspace))
            shutil.rmtree(out)
        print("  ".join(f"{name} {values[-1]:.2f} s" for name, values in times.items()), flush=True)
    shown = subprocess.run([DAEDA, "show", f"rows.enrich@{options.day}", "--format", "json"], cwd=workspace, capture_output=True, check=True)
    metadata = json.loads(shown.stdout)["metadata"]
    print(f"{metadata['rows']} rows, {metadata['ids']} ids, {size / 1e9:.2f} GB")
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, median in medians.items():
        peak, anonymous = peaks[name]
        ratios = ", ".join(f"{median / other:.2f} of {of}" for of, other in medians.items() if of != name)
        print(f"{name:6} median {median:6.2f} s  peak {peak / 2**30:.2f} GiB, {anonymous / 2**30:.2f} without files  {ratios}")
    if options.keep:
        print(workspace)
    else:
        shutil.rmtree(workspace)


if __name__ == "__main__":
    main()
