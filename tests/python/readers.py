"""What pyarrow, DuckDB and Polars make of a partition, without options: the same, file by file and as a directory.

    python readers.py SKELETON_DIR ENRICHED_DIR

Exits 1 with the first difference.
"""

import json
import sys
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

WIDTH = 1152
EMBEDDINGS = ("image_embedding", "like_artwork_avg_embeds")
RECORD = "_daeda.parquet"


def by_duckdb(place):
    return duckdb.sql(f"SELECT * FROM read_parquet('{place}')").to_arrow_table()


def by_polars(place):
    return pl.read_parquet(place).to_arrow()


def file_readers(path):
    return {
        "pyarrow, one file": pq.read_table(path),
        "DuckDB, one file": by_duckdb(path),
        "Polars, one file": by_polars(path),
    }


def directory_readers(directory):
    files = directory / "*.parquet"
    return {
        "pyarrow, directory": pq.read_table(directory),
        "pyarrow, dataset": ds.dataset(directory).to_table(),
        "DuckDB, glob": by_duckdb(files),
        "Polars, directory": by_polars(directory),
        "Polars, glob": by_polars(files),
        "Polars, lazy glob": pl.scan_parquet(files).collect().to_arrow(),
    }


def without_partition_columns(table):
    """Readers may take `dt=…` in a path for a column."""
    return table.drop_columns(["dt"]) if "dt" in table.column_names else table


def is_list(data_type):
    return pa.types.is_list(data_type) or pa.types.is_large_list(data_type) or pa.types.is_fixed_size_list(data_type)


def embeddings(name, column):
    """Values as float32, which holds every float16, and which rows are null."""
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    assert is_list(column.type), f"{name} is {column.type}"
    missing = column.is_null().to_numpy(zero_copy_only=False)
    values = column.flatten().to_numpy(zero_copy_only=False)
    assert len(values) == WIDTH * int((~missing).sum()), f"{name}: not {WIDTH} values in each vector"
    assert np.array_equal(values, values.astype(np.float16)), f"{name}: values that are no float16"
    return values.astype(np.float32), missing


def same_column(name, one, other):
    if name in EMBEDDINGS:
        (one, one_missing), (other, other_missing) = embeddings(name, one), embeddings(name, other)
        return np.array_equal(one, other) and np.array_equal(one_missing, other_missing)
    return one.to_pylist() == other.to_pylist()


def expect_same(place, expected, tables):
    for reader, table in tables.items():
        table = without_partition_columns(table)
        if table.column_names != expected.column_names:
            sys.exit(f"{place}: {reader} sees columns {table.column_names}")
        if table.num_rows != expected.num_rows:
            sys.exit(f"{place}: {reader} sees {table.num_rows} rows instead of {expected.num_rows}")
        for name in expected.column_names:
            if not same_column(name, expected[name], table[name]):
                sys.exit(f"{place}: {reader} reads other values in {name}")


def check_schema(table, place):
    for name in EMBEDDINGS:
        wanted = pa.list_(pa.float16(), WIDTH)
        found = table.schema.field(name).type if name in table.column_names else wanted
        if not (pa.types.is_fixed_size_list(found) and found.list_size == WIDTH and found.value_type == pa.float16()):
            sys.exit(f"{place}: {name} is {found} instead of {wanted}")


def check_record(directory, table):
    """The record is a Parquet file of the same columns and no rows, and what it says of the partition is what the footers say."""
    record = pq.read_table(directory / RECORD)
    if record.num_rows != 0 or record.schema.remove_metadata() != table.schema.remove_metadata():
        sys.exit(f"{directory / RECORD} is not an empty table of the partition's schema")
    said = json.loads(pq.read_metadata(directory / RECORD).metadata[b"daeda.record"])
    files = said["output"]["files"]
    footers = [pq.read_metadata(directory / file["name"]) for file in files]
    found = {"rows": sum(footer.num_rows for footer in footers)}
    found["columns"] = len(table.column_names) if "schema" not in said["metadata"] else len(said["metadata"]["schema"])
    if any(said["metadata"].get(name) != value for name, value in found.items()):
        sys.exit(f"{directory}: the record says {said['metadata']}, the footers {found}")
    if said["metadata"].get("schema", table.column_names) != table.column_names:
        sys.exit(f"{directory}: the record says the columns are {said['metadata']['schema']}")
    if [file["size"] for file in files] != [(directory / file["name"]).stat().st_size for file in files]:
        sys.exit(f"{directory}: the record says other sizes than the files have")


def check_time(directory, parts):
    """Shards are contiguous in time."""
    spans = [(times[0].as_py(), times[-1].as_py()) for times in (part["event_timestamp"] for part in parts) if len(times)]
    if any(later[0] < earlier[1] for earlier, later in zip(spans, spans[1:])):
        sys.exit(f"{directory}: shards overlap in time: {spans}")


def training_batches(directory, rows):
    """What a loader hands to a training step: arrays of float16, a batch at a time."""
    for batch in ds.dataset(directory).to_batches(batch_size=rows):
        arrays = {}
        for name in (name for name in EMBEDDINGS if name in batch.schema.names):
            column = batch.column(name)
            array = np.zeros((len(column), WIDTH), dtype=np.float16)
            array[column.is_valid().to_numpy(zero_copy_only=False)] = column.flatten().to_numpy().reshape(-1, WIDTH)
            arrays[name] = array
        yield arrays


def check_loader(directory, table):
    for name in (name for name in EMBEDDINGS if name in table.column_names):
        batches = np.concatenate([arrays[name] for arrays in training_batches(directory, 37)])
        values, missing = embeddings(name, table[name])
        if not np.array_equal(batches[~missing].ravel(), values.astype(np.float16)) or batches[missing].any():
            sys.exit(f"{directory}: batches of {name} hold other values")


def check_partition(directory):
    files = sorted(path for path in directory.glob("*.parquet") if path.name != RECORD)
    parts = [pq.ParquetFile(path).read() for path in files]
    expected = pa.concat_tables(parts)
    check_schema(expected, directory)
    check_record(directory, expected)
    check_time(directory, parts)
    check_loader(directory, expected)
    for path, part in zip(files, parts):
        expect_same(path, part, file_readers(path))
    expect_same(directory, expected, directory_readers(directory))
    print(f"{directory}: {len(files)} files, {expected.num_rows} rows, {expected.num_columns} columns")


def main():
    for directory in sys.argv[1:]:
        check_partition(Path(directory))


if __name__ == "__main__":
    main()
