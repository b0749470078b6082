#!/usr/bin/env python3
"""How vectors could lie in Parquet: size, and what writing and reading them costs, encoding by encoding.

    pip install pyarrow duckdb polars numpy pylance && python3 benches/encodings.py STORE.lance [ROWS]

ROWS (default 32,768) vectors looked up in STORE and as many means of 18 of them, float16 of 1152, written by pyarrow in each way. Reading is
the processor time of all threads for the whole file, as Arrow where the reader can; medians of three. An argument that ends in `.parquet`
is read as well, as it is: such as a shard that daeda wrote.
"""
import os, statistics, sys, tempfile, time
import duckdb, lance, numpy as np, polars as pl, pyarrow as pa, pyarrow.parquet as pq

WIDTH = 1152
WAYS = {
    "plain, none": dict(compression="none"),
    "plain, lz4": dict(compression="lz4"),
    "plain, snappy": dict(compression="snappy"),
    "plain, zstd 1": dict(compression="zstd", compression_level=1),
    "plain, zstd 3": dict(compression="zstd", compression_level=3),
    "split, none": dict(compression="none", use_byte_stream_split=True),
    "split, lz4": dict(compression="lz4", use_byte_stream_split=True),
    "split, zstd 1": dict(compression="zstd", compression_level=1, use_byte_stream_split=True),
    "dictionary, none": dict(compression="none", use_dictionary=True),
    "dictionary, zstd 1": dict(compression="zstd", compression_level=1, use_dictionary=True),
    "plain, none, pages of 128 KiB": dict(compression="none", data_page_size=128 << 10),
    "plain, none, pages of 8 MiB": dict(compression="none", data_page_size=8 << 20),
    "plain, none, groups of 4,096 rows": dict(compression="none", row_group_size=4096),
}
READERS = {
    "pyarrow": lambda path: pq.read_table(path),
    "batches": lambda path: sum(batch.num_rows for batch in pq.ParquetFile(path).iter_batches(8192)),
    "DuckDB": lambda path: duckdb.sql(f"SELECT * FROM '{path}'").to_arrow_table(),
    "Polars": lambda path: pl.read_parquet(path),
}


def spent(does, *arguments):
    """Processor seconds; None where it cannot."""
    times = []
    for _ in range(3):
        start = time.process_time()
        try:
            does(*arguments)
        except Exception as error:
            return None, f"{type(error).__name__}"
        times.append(time.process_time() - start)
    return statistics.median(times), None


def table(store, rows):
    vectors = lance.dataset(store).to_table(columns=["embedding"], limit=rows)["embedding"].combine_chunks()
    matrix = vectors.flatten().to_numpy().reshape(-1, WIDTH)
    random = np.random.default_rng(7)
    means = np.empty_like(matrix)
    for row in range(len(matrix)):
        means[row] = matrix[random.integers(0, len(matrix), 18)].astype(np.float64).mean(axis=0)
    column = lambda values: pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), WIDTH)
    return pa.table({"image_embedding": column(matrix[random.permutation(len(matrix))]), "mean": column(means)})


def say(name, size, write, readings):
    shown = lambda reading: f"{reading[0]:.2f}" if reading[0] is not None else reading[1]
    print(f"| {name} | {size / 1e6:.1f} | {write} | " + " | ".join(shown(reading) for reading in readings) + " |", flush=True)


def main():
    store, *rest = sys.argv[1:]
    files = [argument for argument in rest if argument.endswith(".parquet")]
    rows = next((int(argument) for argument in rest if argument not in files), 32768)
    whole = table(store, rows)
    print("| | MB | write s | " + " | ".join(f"{reader} s" for reader in READERS) + " |\n|---|---|---|" + "---|" * len(READERS))
    with tempfile.TemporaryDirectory() as directory:
        for name, how in WAYS.items():
            path = os.path.join(directory, "file.parquet")
            options = {"use_dictionary": False, "data_page_size": 1 << 20, "row_group_size": 65536, "write_statistics": False} | how
            write, _ = spent(lambda: pq.write_table(whole, path, **options))
            say(name, os.path.getsize(path), f"{write:.2f}", [spent(read, path) for read in READERS.values()])
    for path in files:
        say(os.path.basename(path), os.path.getsize(path), "", [spent(read, path) for read in READERS.values()])


if __name__ == "__main__":
    main()
