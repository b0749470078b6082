"""How fast the history of 10,000 runs is read, and how large a bounded one becomes.

    cargo build --release && python3 benches/history.py [target/release/daeda]

Fills the history of an empty workspace by copying its one run, then times `daeda runs`, and builds with a small bound.
"""

import contextlib
import os
import sqlite3
import subprocess
import sys
import tempfile
import time

RUNS = 10_000
MANIFEST = """daedalus version=1
config {
    history size="2MiB"
}
asset "made" {
    op "make" rule="command" {
        env "PATH"
        run "sh" "-c" "echo said; echo done > $0/done" "{output}"
    }
}
"""


def daeda(binary, workspace, *words):
    environment = {**os.environ, "DAEDA_RUNTIME_DIR": os.path.join(workspace, "runtime")}
    start = time.perf_counter()
    subprocess.run([binary, "-C", workspace, *words], check=True, capture_output=True, env=environment)
    return time.perf_counter() - start


def fill(path):
    """Copies the first run, and what it did, until there are so many."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        columns = "pid, command, state, summary"
        for number in range(RUNS):
            run = database.execute(f"INSERT INTO runs (started, {columns}) SELECT started - ?, {columns} FROM runs WHERE id = 1", (number,)).lastrowid
            database.execute(
                "INSERT INTO actions (run, asset, op, outcome, started, metadata) SELECT ?, asset, op, outcome, started, metadata FROM actions WHERE run = 1",
                (run,),
            )
        database.commit()


def main(binary="target/release/daeda"):
    binary = os.path.abspath(binary)
    with tempfile.TemporaryDirectory() as workspace:
        with open(os.path.join(workspace, "Daedalus.kdl"), "w", encoding="utf-8") as file:
            file.write(MANIFEST)
        path = os.path.join(workspace, ".daeda/history.sqlite")
        print(f"first build: {daeda(binary, workspace, 'build', 'made') * 1e3:.1f} ms")
        print(f"nothing to do: {min(daeda(binary, workspace, 'build', 'made') for _ in range(10)) * 1e3:.1f} ms")
        fill(path)
        print(f"{RUNS:,} runs: {os.path.getsize(path) / 1e6:.1f} MB")
        for words in (["runs"], ["runs", "last"], ["runs", "--asset", "made"]):
            print(f"daeda {' '.join(words)}: {min(daeda(binary, workspace, *words) for _ in range(10)) * 1e3:.1f} ms")
        took = daeda(binary, workspace, "build", "made", "--force")
        print(f"a build that prunes it to 2 MiB: {took * 1e3:.1f} ms, then {os.path.getsize(path) / 1e6:.1f} MB")


if __name__ == "__main__":
    main(*sys.argv[1:])
