"""A large enrichment compared with numpy, bit for bit: every pool over lists with absent ids, empty and null lists, repeated ids.

    python enrich_exact.py SKELETON_DIR ENRICHED_DIR STORE.lance COLUMN=POOL:IDS… [COLUMN=lookup:ID…]

`mean=mean:ids` says that column `mean` is the mean over the list column `ids`. Sums are exact in float64, so numpy may add in any order; it
rounds once, to the type of the column. Shares nothing with daeda but its files. Exits 1 with the first difference.
"""

import sys

import lance
import numpy as np
import pyarrow as pa

from enrich_numpy import read_partition

CHUNK = 2048


def vectors_by_key(path):
    """Keys, sorted, and the vectors of the store in their order, as float64."""
    table = lance.dataset(path).to_table(columns=["artwork_id", "embedding"])
    table = table.filter(table["embedding"].is_valid())
    keys = table["artwork_id"].to_numpy()
    column = table["embedding"].combine_chunks()
    values = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, column.type.list_size)
    order = np.argsort(keys)
    return keys[order], values[order]


def find(keys, wanted):
    """The row of each wanted key, or −1."""
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, place, -1)


def lists(column):
    """The ids of each row: no ids where the list is null, and no null ids."""
    return [[key for key in keys or [] if key is not None] for keys in column.to_pylist()]


def reduce(pool, found):
    wide = found.astype(np.float64)
    if pool == "max":
        return wide.max(axis=0)
    total = np.add.reduce(wide, axis=0)
    return total / len(found) if pool == "mean" else total


def expected(pool, column, keys, vectors, dtype):
    """Each row's vector, or None."""
    for ids in lists(column) if pool != "lookup" else ([key] if key is not None else [] for key in column.to_pylist()):
        rows = find(keys, np.array(ids, dtype=np.int64)) if ids else np.empty(0, dtype=np.int64)
        rows = rows[rows >= 0]
        if pool == "lookup":
            yield vectors[rows[0]].astype(dtype) if len(rows) else None
        else:
            yield reduce(pool, vectors[rows]).astype(dtype) if len(rows) else None


def compare(name, column, wanted):
    """Says what differs first, and counts the nulls."""
    nulls = row = 0
    bits = {2: np.uint16, 4: np.uint32, 8: np.uint64}[column.type.value_type.bit_width // 8]
    for chunk in column.chunks:
        missing = chunk.is_null().to_numpy(zero_copy_only=False)
        found = iter(chunk.flatten().to_numpy(zero_copy_only=False).reshape(-1, column.type.list_size))
        for is_missing in missing:
            vector = next(wanted)
            if (vector is None) != is_missing:
                sys.exit(f"{name}, row {row}: {'no vector' if vector is None else 'a vector'} expected")
            if vector is not None:
                differs = np.flatnonzero(vector.view(bits) != next(found).view(bits))
                if len(differs):
                    sys.exit(f"{name}, row {row}, element {differs[0]}: {vector[differs[0]]!r} expected")
            nulls, row = nulls + is_missing, row + 1
    return row, nulls


def main():
    skeleton, enriched = read_partition(sys.argv[1]), read_partition(sys.argv[2])
    assert skeleton.num_rows == enriched.num_rows
    keys, vectors = vectors_by_key(sys.argv[3])
    for said in sys.argv[4:]:
        name, how = said.split("=")
        pool, ids = how.split(":")
        column = enriched[name]
        rows, nulls = compare(name, column, expected(pool, skeleton[ids], keys, vectors, column.type.value_type.to_pandas_dtype()))
        print(f"{name}: {rows} rows agree, {nulls} of them null")


if __name__ == "__main__":
    main()
