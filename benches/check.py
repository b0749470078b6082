#!/usr/bin/env python3
"""How long `daeda check` takes: on the example of this repository, and on a generated workspace of 2,000 views and 500 services.

    cargo build --release && python3 benches/check.py [--views 2000] [--services 500] [--keep DIR] [--profile]

Every service has a spine, three joins, four aggregations, expressions, filters and an asset of two ops. Whole processes, start included;
medians of nine, wall and user time. Needs nothing but Python. `--profile` says where the instructions go (perf).
"""
import argparse, os, resource, shutil, statistics, subprocess, sys, tempfile, time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DAEDA = os.environ.get("DAEDA", os.path.join(ROOT, "target", "release", "daeda"))
GOALS = {"example": 0.030, "generated": 1.0}


def write(directory, name, text):
    path = os.path.join(directory, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def view(number):
    return f"""feature-view "view_{number}" {{
    description "Rows of kind {number}"
    owner "team_{number % 40}"
    entity "user" "item"
    source "data/view_{number}" partition="dt={{day}}" timestamp="at" unit="ms" first="2026-02-01"
    ttl "90d"
    fields {{
        user_id "int64"
        item_id "int64"
        event "string"
        at "int64"
        score "float64"
        amount "float64" nullable=#true
        kind "int32"
        tags "list<int64>"
    }}
}}
"""


def aggregations(services, views):
    text = []
    for number in range(services):
        for part, function in enumerate(["count", 'mean "score"', 'last "item_id" k=16', 'sum "amount"']):
            of = (number * 4 + part) % views
            text.append(f"""aggregation "agg_{number}_{part}" view="view_{of}" by="user_id" {{
    where "event = 'like' AND score > 0.{part + 1}"
    {function}
    windows "1d" "7d" "30d"
}}
""")
    return "\n".join(text)


def service(number, views):
    joins = []
    for part in range(3):
        joins.append(f"""    join "view_{(number * 3 + part + 1) % views}" how="as-of" max-age="30d" prefix="j{part}_" {{
        column "score"
        column "kind"
    }}""")
    columns = ["user_id \"int64\"", "at \"int64\"", "label \"bool\" expr=\"event = 'like'\""]
    for part, of in enumerate(["int64", "float64", "list<int64>", "float64"]):
        columns += [f'agg_{number}_{part}_{window} "{of}" nullable=#true' for window in ["1d", "7d", "30d"]]
    for part in range(3):
        columns.append(f'j{part}_ratio "float64" expr="j{part}_score / (1.0 + j{part}_kind)" nullable=#true')
    names = " ".join(f'"agg_{number}_{part}"' for part in range(4))
    body = "\n".join("        " + column for column in columns)
    return f"""feature-service "service_{number}" version=1 owner="team_{number % 40}" {{
    spine "view_{number % views}" {{
        where "event IN ('view', 'like')"
    }}
{chr(10).join(joins)}
    curate {{
        keep "kind" where="kind > 0 OR score >= 0.5"
    }}
    rolling {names}
    columns {{
{body}
    }}
}}
"""


def generate(directory, views, services):
    assets = "".join(f"""asset "asset_{number}" {{
    partitions "daily"
    service "service_{number}"
    op "compile" rule="compile"
    op "skeleton" rule="skeleton" needs="compile"
}}
""" for number in range(services))
    head = 'daedalus version=1\nentity "user" key="user_id"\nentity "item" key="item_id"\npartitions "daily" every="day" start="2026-02-01"\n'
    write(directory, "Daedalus.kdl", head + assets)
    write(directory, "config/training/aggregations.kdl", aggregations(services, views))
    for number in range(views):
        write(directory, f"feature_views/view_{number}.kdl", view(number))
    for number in range(services):
        write(directory, f"feature_services/service_{number}.kdl", service(number, views))


def run(directory):
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([DAEDA, "-C", directory, "check"], capture_output=True, text=True)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(done.stdout[:3000] + done.stderr)
    return wall, after.ru_utime - before.ru_utime, done.stderr.strip().splitlines()[-1]


def measure(name, directory):
    runs = [run(directory) for _ in range(9)]
    wall, user = (statistics.median(run[i] for run in runs) for i in (0, 1))
    print(f"{name}: {wall * 1000:.0f} ms wall (fastest {min(r[0] for r in runs) * 1000:.0f}), {user * 1000:.0f} ms user; goal {GOALS[name] * 1000:.0f} ms; {runs[0][2]}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--views", type=int, default=2000)
    arguments.add_argument("--services", type=int, default=500)
    arguments.add_argument("--keep", help="generate here, and leave it")
    arguments.add_argument("--profile", action="store_true")
    given = arguments.parse_args()
    measure("example", ROOT)
    directory = given.keep or tempfile.mkdtemp()
    try:
        generate(directory, given.views, given.services)
        measure("generated", directory)
        if given.profile:
            data = os.path.join(directory, "perf.data")
            subprocess.run(["perf", "record", "-q", "-g", "-o", data, DAEDA, "-C", directory, "check"], capture_output=True, check=True)
            report = subprocess.run(["perf", "report", "-i", data, "--stdio", "--no-children", "-g", "none", "--percent-limit", "1"], capture_output=True, text=True)
            print("\n".join(line for line in report.stdout.splitlines() if line and not line.startswith("#")))
    finally:
        if not given.keep:
            shutil.rmtree(directory)


main()
